"""A clock for tests: the time of the running loop, and chance from a seed."""

from __future__ import annotations

import asyncio
import random

from flowcraft.clock import Clock

EPOCH = 1_700_000_000.0
"""When every test begins, in seconds since the epoch."""


class LoopClock(Clock):
    """The time of the loop in which it is made, since `EPOCH`.

    Args:
        name: Of its process; what chance and fresh ids are drawn from.
        skew_seconds: By how much it is ahead of the others.
    """

    def __init__(self, name: str, *, skew_seconds: float = 0.0) -> None:
        self._loop = asyncio.get_running_loop()  # remembered, for an adapter's threads
        self._name = name
        self._skew_seconds = skew_seconds
        self._dice = random.Random(name)
        self._ids = 0

    def now(self) -> float:
        return EPOCH + self._loop.time() + self._skew_seconds

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return self._dice.random()

    def fresh_id(self) -> str:
        self._ids += 1
        return f"{self._name}.{self._ids}"
