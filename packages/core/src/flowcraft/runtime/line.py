"""The activations of a run that are ready, and the tasks that move them.

A task moves one activation after the other down a chain. Where a record makes several ready, the
first goes on in the same task and the others stand in a line. Whichever task comes to the end of
its chain takes the next from there, so that a branch costs a task only if it has to wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from flowcraft.clock import Clock
from flowcraft.runtime.state import Ready

BREATH = 64
"""Activations moved by one task, and tasks started, before others get their turn."""


class Line:
    """What is ready in one run.

    Args:
        clock: Lets others have their turn.
        move: Moves an activation to its record, and says what is ready by it.
        stopped: Told what ended a task, a cancellation too; and None where a task ended, and
            neither another one nor anything ready is left.
    """

    def __init__(
        self,
        clock: Clock,
        move: Callable[[Ready], Awaitable[list[Ready]]],
        stopped: Callable[[BaseException | None], None],
    ) -> None:
        self._clock = clock
        self._move = move
        self._stopped = stopped
        self._ready: deque[Ready] = deque()
        self._is_calling = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in the line."""
        return not self._ready

    @property
    def under_way(self) -> int:
        """How many tasks there are."""
        return len(self._tasks)

    def start(self, ready: Iterable[Ready]) -> None:
        """Begin with these."""
        self._ready.extend(ready)
        self._call_tasks()

    def stop(self) -> None:
        """Move nothing more, and cancel what is under way."""
        self._ready.clear()
        for task in self._tasks:
            task.cancel()

    def _add(self, ready: Iterable[Ready]) -> None:
        self._ready.extend(ready)
        if not self._is_calling:
            self._is_calling = True
            self._loop.call_soon(self._call_tasks)

    def _call_tasks(self) -> None:
        """Start as many tasks as stand in the line, a number of them at a time.

        One that finds the line empty, since those before it did not have to wait, just ends.
        """
        wanted = len(self._ready)
        for _ in range(min(wanted, BREATH)):
            self._tasks.add(self._loop.create_task(self._work()))
        self._is_calling = wanted > BREATH
        if self._is_calling:
            self._loop.call_soon(self._call_tasks)

    async def _work(self) -> None:
        """Move an activation from the line, and what becomes ready by it, one after the other."""
        try:
            moved = 0
            while self._ready:
                ready = [self._ready.popleft()]
                while ready:
                    if len(ready) > 1:
                        self._add(ready[1:])
                    moved += 1
                    if moved % BREATH == 0:
                        await self._clock.sleep(0)
                    ready = await self._move(ready[0])
        except asyncio.CancelledError as cancelled:
            self._stopped(cancelled)
            raise
        except Exception as fault:  # noqa: BLE001 - whoever waits for the run gets it
            self._stopped(fault)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.discard(task)
        if not self._tasks and not self._ready:
            self._stopped(None)
