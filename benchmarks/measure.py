"""Samples of how long something takes, and what is told of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """One measurement: seconds by the clock on the wall, and of this process's CPU time."""

    wall: float
    cpu: float


Contestant = Callable[[], Awaitable[Sample]]
"""Does its work once, and says how long that took."""


def clocked(work: Callable[[], Awaitable[Any]]) -> Contestant:
    """Measure work that is done in this process."""

    async def measured() -> Sample:
        gc.collect()  # the garbage of the one before is not the cost of this one
        wall, cpu = time.perf_counter(), time.process_time()
        await work()
        return Sample(time.perf_counter() - wall, time.process_time() - cpu)

    return measured


async def in_turn(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, list[Sample]]:
    """Measure all of them once in each round, after a round that does not count.

    In turn, and not one after the other, because a machine's speed drifts: the ratio of two
    samples of one round holds all the same.
    """
    found: dict[str, list[Sample]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, contestant in contestants.items():
            sample = await contestant()
            if number:
                found[name].append(sample)
    return found


async def repeated(work: Callable[[], Awaitable[Any]], rounds: int) -> list[Sample]:
    """Measure one alone, after a round that does not count."""
    return (await in_turn({"": clocked(work)}, rounds))[""]


def wall(samples: Sequence[Sample]) -> float:
    """The median of the wall times, in seconds."""
    return median(sample.wall for sample in samples)


def cpu(samples: Sequence[Sample]) -> float:
    """The median of the CPU times, in seconds."""
    return median(sample.cpu for sample in samples)


def ratio(samples: Sequence[Sample], beside: Sequence[Sample]) -> float:
    """How many times as long as the other it took: the median over the rounds."""
    return median(one.wall / other.wall for one, other in zip(samples, beside, strict=True))
