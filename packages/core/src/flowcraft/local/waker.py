"""Wakes those who wait for a change in this process."""

from __future__ import annotations

import asyncio


class Waker:
    """Lets tasks wait until something was announced, or a time is over.

    Attributes:
        wakes: How often something was announced; whoever looks before it waits compares this.
    """

    def __init__(self) -> None:
        self.wakes = 0
        self._waiting: dict[asyncio.Future[None], None] = {}  # woken in the order of coming

    async def wait(self, seconds: float) -> None:
        """Wait for the next `wake`, at most so long."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting[future] = None
        timer = loop.call_later(max(0.0, seconds), _end, future)
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.pop(future, None)

    def wake(self) -> None:
        """Wake everybody who waits."""
        self.wakes += 1
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            _end(future)


def _end(wait: asyncio.Future[None]) -> None:
    if not wait.done():
        wait.set_result(None)
