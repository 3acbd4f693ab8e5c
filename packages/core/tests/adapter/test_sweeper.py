"""What a sweeper makes of a long queue: the rest every adapter is asked by the kit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.testing import Harness, Stage, check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.worker import Worker
from packages.core.tests.conformance.harnesses import MemoryHarness, SplitHarness

HOUR = 3600.0


class TestBacklog:
    @pytest.fixture(params=[MemoryHarness, SplitHarness])
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        """Of queues that say how many messages wait."""
        made: Harness = request.param()
        return made

    @check("S12.20", "S12.2")
    async def test_an_hour_of_backlog_does_not_multiply_the_queue(self, stage: Stage) -> None:
        runs = 300

        @stage.node("slow")
        async def slow(input: Any) -> None:
            await asyncio.sleep(HOUR / runs)

        stage.add(graph([node("a", "slow")]))
        for index in range(runs):
            await stage.submit("g", run_id=f"r{index}")
        stage.worker(concurrency=1)
        only_sweeps(stage.worker())
        most = 0
        for _ in range(int(HOUR / 10)):
            await asyncio.sleep(10.0)
            most = max(most, len(await stage.harness.messages() or ()))
        assert most <= 2 * runs + 1
        for index in range(runs):
            await stage.result(f"r{index}")
        assert stage.calls["slow"] <= runs * 1.05

    @check("S12.20")
    async def test_a_queue_that_nobody_reads_for_a_day_stays_as_it_is(self, stage: Stage) -> None:
        stage.add(graph([node("a")]))
        for index in range(50):
            await stage.submit("g", run_id=f"r{index}")
        only_sweeps(stage.worker(poll_seconds=60.0))
        await asyncio.sleep(24 * HOUR)
        assert len(await stage.harness.messages() or ()) <= 5 * 50
        stage.worker()
        for index in range(50):
            await stage.result(f"r{index}")
        assert stage.calls["echo"] == 50


def only_sweeps(worker: Worker) -> None:
    """Let a worker take no messages, as one that is busy with something else."""
    assert worker.adapter._loops is not None
    worker.adapter._loops._loops[0].cancel()
