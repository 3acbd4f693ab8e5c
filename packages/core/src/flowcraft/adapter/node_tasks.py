"""The tasks that node code starts on a worker's event loop, kept from ending the worker.

An event loop stops when a task raises `SystemExit` or `KeyboardInterrupt`. Where a node does
that itself, the driver turns it into the node's failure; what it starts with `create_task` or
`gather` belongs to asyncio. So a worker's loop makes these tasks through `contain_node_tasks`:
they fail with a `NodeError` instead, and are called by the name of their node, also where
asyncio reports the exception of a task that nobody awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from flowcraft.nodes.failures import failure_of

NODE: ContextVar[str] = ContextVar("flowcraft_node", default="")
"""Id of the node whose code executes, or nothing; tasks that the code starts inherit it."""


def contain_node_tasks(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Have the tasks of nodes made so that none can end the loop.

    Several workers may share the loop; they come and go in any order.

    Returns:
        Call it when a worker needs it no more; after the last one tasks are made as before.
    """
    found: object = loop.get_task_factory()
    if isinstance(found, _Factory):
        factory = found
    else:
        factory = _Factory(found)
        loop.set_task_factory(factory)  # type: ignore[arg-type] # its type knows fewer arguments
    factory.users += 1

    def release() -> None:
        factory.users -= 1
        in_place: object = loop.get_task_factory()
        if factory.users == 0 and in_place is factory:
            loop.set_task_factory(factory.before)

    return release


class _Factory:
    """Makes tasks for as long as a worker of the loop is there."""

    def __init__(self, before: Any) -> None:
        self.before = before
        self.users = 0

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **how: Any
    ) -> asyncio.Future[Any]:
        node = NODE.get()
        if node:
            coroutine = _Contained(coroutine, node)
        if self.before is None:
            return asyncio.Task(coroutine, loop=loop, **how)
        made: asyncio.Future[Any] = self.before(loop, coroutine, **how)
        return made


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine of a node, with exits turned into failures of the node."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], node: str) -> None:
        self._coroutine = coroutine
        self._node = node
        # What asyncio calls a task by.
        self.__qualname__ = f"{getattr(coroutine, '__qualname__', '?')} of node {node!r}"

    def __getattr__(self, name: str) -> Any:
        """Give where it is defined and where it stands, for asyncio's messages."""
        return getattr(self._coroutine, name)

    def send(self, value: Any) -> Any:
        try:
            return self._coroutine.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise self._failure(error) from error

    def throw(self, *error: Any) -> Any:
        try:
            return self._coroutine.throw(*error)
        except (SystemExit, KeyboardInterrupt) as exit_:
            raise self._failure(exit_) from exit_

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def _failure(self, error: BaseException) -> BaseException:
        return failure_of(error, node_id=self._node) or error
