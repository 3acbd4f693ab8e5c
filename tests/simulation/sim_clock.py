"""Virtual time and seeded chance, as one machine of the simulated world sees them."""

from __future__ import annotations

import random

from flowcraft.clock import Clock
from tests.simulation.loop import VirtualLoop
from tests.simulation.setup import EPOCH


class SimClock(Clock):
    """Virtual time, seeded chance.

    Args:
        rng: Where chance comes from.
        name: The machine; part of its fresh ids.
        loop: Keeps the true time.
        ahead_seconds: How far its clock is ahead of the true time; may be negative.
    """

    def __init__(
        self, rng: random.Random, name: str, loop: VirtualLoop, ahead_seconds: float = 0.0
    ) -> None:
        self._rng = rng
        self._name = name
        self._ids = 0
        self._offset = EPOCH + ahead_seconds
        self._loop = loop

    def now(self) -> float:
        return self._offset + self._loop.now

    def monotonic(self) -> float:
        return self._loop.now

    async def sleep(self, seconds: float) -> None:
        await self._loop.after(seconds)

    def chance(self) -> float:
        return self._rng.random()

    def fresh_id(self) -> str:
        self._ids += 1
        return f"{self._name}.{self._ids}"
