"""Performs the nodes that need no waiting: functions, joins, loops, scatters, gathers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from flowcraft import values
from flowcraft.adapter.deliveries import Deliveries
from flowcraft.adapter.node_context import StoreContext
from flowcraft.adapter.node_tasks import NODE
from flowcraft.adapter.parts import Parts
from flowcraft.engine.activation import item_scope
from flowcraft.engine.cells import INPUT, MISSING
from flowcraft.engine.consequences import Cell
from flowcraft.errors import (
    BackendError,
    ImplementationMissingError,
)
from flowcraft.execution.attempt import (
    failure,
    in_time,
    is_last,
    late_for_good,
    run_info,
    written,
)
from flowcraft.execution.built_in import gathered, items_in, looped
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, HandBackError, Performed, RunOverError
from flowcraft.nodes import NodeImplementation, NodeResult, RunInProcess
from flowcraft.ports.store import Propagation

CELL_PAGE = 500
"""How many items of a batch are written at once."""


class Functions:
    """Performs nodes on this worker."""

    def __init__(self, parts: Parts, deliveries: Deliveries) -> None:
        self._parts = parts
        self._deliveries = deliveries

    async def run(self, move: Move) -> Performed:
        """Perform the activation.

        Raises:
            AttemptError: It failed.
            HandBackError: Its implementation is not here.
            RunOverError: The run ended meanwhile.
            FatalError: An expression of a controller failed.
        """
        kind = move.kind
        if kind == "function":
            return await self._function(move)
        if kind == "gather":
            return await self._gather(move)
        if kind == "scatter":
            return await self._scatter(move)
        move.input = await self._parts.reader.input_of(move)
        if kind == "loop":
            return await self._controller(move, move.input)
        return Performed(move.input)

    async def _function(self, move: Move) -> Performed:
        parts = self._parts
        implementation = parts.options.registry.get(move.uses)
        if implementation is None:
            raise await self._missing(move)
        move.input = await parts.reader.input_of(move)
        if implementation.mode != "process":
            return await self._counted(move, implementation)
        # Before the delivery is counted: while it waits for a process, no code begins.
        async with parts.options.processes.room() as run_in_process:
            # That may have taken longer than the run.
            (header,) = await parts.ports.headers([move.run.run_id])
            if header is None or header.is_over:
                raise RunOverError
            return await self._counted(move, implementation, run_in_process)

    async def _counted(
        self,
        move: Move,
        implementation: NodeImplementation,
        run_in_process: RunInProcess | None = None,
    ) -> Performed:
        await self._deliveries.enter(move)
        self._parts.telling.started(move)
        try:
            return await self._call(move, implementation, run_in_process)
        finally:
            self._deliveries.leave()

    async def _call(
        self,
        move: Move,
        implementation: NodeImplementation,
        run_in_process: RunInProcess | None = None,
    ) -> Performed:
        parts = self._parts
        info = run_info(move)

        async def call() -> NodeResult[Any]:
            return await implementation.call(
                input=values.decode(move.input or b"null"),
                ctx=StoreContext(move, parts),
                run=info,
                params=dict(move.params),
                dependencies=parts.options.dependencies,
                last_attempt=is_last(move),
                run_in_thread=parts.options.run_in_thread,
                run_in_process=run_in_process,
            )

        try:
            return await self._guarded(move, implementation, call)
        except AttemptError as failed:
            late = late_for_good(move, implementation, failed)
            if late is None:
                raise
            return await self._guarded(
                move,
                implementation,
                lambda: implementation.fall_back(
                    late,
                    ctx=StoreContext(move, parts),
                    run=info,
                    params=dict(move.params),
                    dependencies=parts.options.dependencies,
                ),
            )

    async def _guarded(
        self,
        move: Move,
        implementation: NodeImplementation,
        call: Callable[[], Awaitable[NodeResult[Any]]],
    ) -> Performed:
        """Run code of the node: within its timeout, cancelled with its run, its errors caught."""
        timeout_ms = move.config.timeout_ms
        leave = self._parts.running.enter(move.run.run_id)
        NODE.set(move.activation.node)
        is_cancelled = False
        try:
            try:
                code = call()
                result = await (code if timeout_ms is None else in_time(move, timeout_ms, code))
            finally:
                NODE.set("")
                is_cancelled = leave()
            return written(move, result, self._parts.largest_value)
        except asyncio.CancelledError:
            if is_cancelled:
                raise RunOverError from None
            raise
        except BackendError:
            raise  # not the node's failure: the job is handed back
        except Exception as error:
            move.writes.clear()
            if is_cancelled:
                raise RunOverError from error
            raise failure(implementation, error) from error

    async def _missing(self, move: Move) -> Exception:
        """No implementation here: hand back, up to the bound since it was first missed."""
        parts = self._parts
        since = move.loaded.cells.get(MISSING)
        delay = await parts.patience(move.run.run_id, move.key, since)
        if delay is not None:
            return HandBackError(delay)
        bound = parts.options.missing_seconds
        error = ImplementationMissingError(
            f"no worker had an implementation of {move.uses!r} within {bound:g} s. "
            "Start a worker of the version that has it"
        )
        return AttemptError(error, is_retryable=False)

    async def _controller(self, move: Move, input_: bytes) -> Performed:
        move.attempt = 1
        return looped(move, input_, await self._parts.outcomes.evaluator(move, input_, None))

    async def _scatter(self, move: Move) -> Performed:
        """Write the items down, page by page, so that each can be read alone."""
        node, scope = move.activation
        count = 0
        async for page in self._items(move):
            cells = tuple(
                Cell(node + item_scope(scope, index), INPUT, item)
                for index, item in enumerate(page, count)
            )
            written = await self._parts.ports.propagate(Propagation(move.run.run_id, cells, ()))
            if written is None:
                raise RunOverError
            count += len(page)
        return Performed(b"null", items=count)

    async def _items(self, move: Move) -> AsyncIterator[list[bytes]]:
        """The items of a batch; what another batch gathered is never one list."""
        reader = self._parts.reader
        batch = reader.batch_in(move)
        if batch is not None:
            async for page in reader.pages(move.run.run_id, batch):
                yield page
            return
        taken = await reader.input_of(move)
        if move.node.names_context:
            # Another branch may write the key meanwhile. Whoever goes on where a worker died
            # goes on with the list that this one took.
            taken = await self._parts.note(move, INPUT, taken)
        items = items_in(move, taken)
        for first in range(0, len(items), CELL_PAGE):
            some = items[first : first + CELL_PAGE]
            yield [values.encode(item, what=move.activation.node) for item in some]

    async def _gather(self, move: Move) -> Performed:
        return gathered(move, await self._parts.reader.items_of(move))
