"""The only door to time, chance and fresh ids.

Everything else in the core asks a `Clock`, so that a simulation can own all three. A lint
rule refuses `time`, `random`, `uuid` and `asyncio.sleep` anywhere else.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from abc import ABC, abstractmethod


class Clock(ABC):
    """Time as one process sees it, and chance."""

    @abstractmethod
    def now(self) -> float:
        """Seconds since the epoch; may be skewed against other machines."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds that never run backwards, for measuring within this process."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task."""

    @abstractmethod
    def chance(self) -> float:
        """A number in [0, 1)."""

    @abstractmethod
    def fresh_id(self) -> str:
        """A text of 22 characters that nobody else has; sorts by time of making."""


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32


def base32(number: int, width: int) -> str:
    """Write `number` in Crockford's base 32 with leading zeros."""
    digits = []
    for _ in range(width):
        digits.append(_ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(digits))


class SystemClock(Clock):
    """The machine's own clock and its random source."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret

    def fresh_id(self) -> str:
        stamp = base32(int(time.time() * 1000), 10)
        return stamp + base32(int.from_bytes(os.urandom(8)) >> 4, 12)
