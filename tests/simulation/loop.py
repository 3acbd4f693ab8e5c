"""An event loop whose time is virtual: it jumps to the next timer when nothing is ready.

One seed, one order of events: nothing here asks the operating system for anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(RuntimeError):
    """Nothing is ready, and nothing will ever be."""


class _VirtualSelector:
    """Instead of waiting for files, moves the time on."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise DeadlockError("nothing is ready, and no timer is set")
        if timeout > 0:
            self._loop.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _VirtualSelector(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now

    def _process_events(self, event_list: list[Any]) -> None:
        return None

    def _write_to_self(self) -> None:
        return None


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time; whatever else runs then is thrown away."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            # What is cancelled may begin something else on its way out.
            while leftover := asyncio.all_tasks(loop):
                for task in leftover:
                    task.cancel()
                gathered = asyncio.gather(*leftover, return_exceptions=True)
                loop.run_until_complete(asyncio.wait_for(gathered, 1))
        except (TimeoutError, DeadlockError):
            pass
        finally:
            for task in asyncio.all_tasks(loop):
                # Of a worker that vanished, at a call that never comes back: nothing to speak of.
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.close()
