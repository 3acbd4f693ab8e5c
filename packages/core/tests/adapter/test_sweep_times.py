"""How often a sweep comes: what the recovery bound is made of."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from flowcraft.testing import Call
from flowcraft.testing.loop import run_virtually
from flowcraft.testing.stage import Stage
from packages.core.tests.conformance.harnesses import MemoryHarness


@pytest.mark.parametrize("workers", [1, 3])
def test_no_sweep_is_further_than_an_interval_from_the_one_before(workers: int) -> None:
    sweeps = run_virtually(times_of_sweeps(workers))
    gaps = [later - earlier for earlier, later in itertools.pairwise([0.0, *sweeps])]
    assert len(gaps) > 100
    assert max(gaps) <= 20.0


async def times_of_sweeps(workers: int) -> list[float]:
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def note(call: Call) -> None:
        if "stalled" in call.name:
            times.append(loop.time())

    async with Stage(MemoryHarness(), sweep_interval_seconds=20.0) as stage:
        for _ in range(workers):
            stage.worker().wire.before = note
        await asyncio.sleep(4000.0)
    return times
