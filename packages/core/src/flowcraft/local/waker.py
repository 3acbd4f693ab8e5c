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
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await future
        except TimeoutError:
            pass
        finally:
            self._waiting.pop(future, None)

    def wake(self) -> None:
        """Wake everybody who waits."""
        self.wakes += 1
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            if not future.done():
                future.set_result(None)
