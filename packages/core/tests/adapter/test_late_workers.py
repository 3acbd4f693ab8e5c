"""What a worker says of leases that it lost: the rest every adapter is asked by the kit."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.testing import Harness, Stage, check
from flowcraft.testing.graphs import graph, node
from packages.core.tests.conformance.harnesses import MemoryHarness, SplitHarness


class TestLostLeases:
    @pytest.fixture(params=[MemoryHarness, SplitHarness])
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        """Of queues that are asked to keep a lease."""
        made: Harness = request.param()
        return made

    @check("S12.29")
    async def test_a_lease_counts_as_lost_when_it_is_still_held_a_beat_later(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Before that, the message may just have been acknowledged with its last step."""

        @stage.node("long")
        async def long(input: int) -> int:
            await asyncio.sleep(100.0)
            return input

        assert isinstance(stage.harness, MemoryHarness)
        stage.worker()
        stage.add(graph([node("n", "long")]))
        await stage.submit("g", 1)
        await stage.until_called("long")
        (job,) = stage.harness.backend.tables.jobs.values()
        job.token += 1  # as if another worker had taken it
        job.visible_at += 1000.0
        beat = stage.lease_seconds / 3
        await asyncio.sleep(beat)
        assert "leases lost" not in caplog.messages
        await asyncio.sleep(beat)
        assert "leases lost" in caplog.messages
