"""How much one sweep purges: the rest every adapter is asked by the kit."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.testing import Stage, check
from flowcraft.testing.graphs import graph, node

KEPT = 1000.0


class TestWhatASweepPurges:
    @check("S12.43")
    async def test_a_sweep_purges_so_many_and_the_next_one_goes_on(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flowcraft.adapter.sweeper.PURGED_PER_SWEEP", 2)
        stage.settings["retention_seconds"] = KEPT
        stage.add(graph([node("a")]))
        worker = stage.worker()
        run_ids = [f"r{number}" for number in range(5)]
        for run_id in run_ids:
            await stage.submit("g", run_id=run_id)
            await stage.result(run_id)
        await worker.stop()
        await asyncio.sleep(KEPT + 100.0)
        sweeper = stage.worker().adapter._sweeper
        left = []
        for _ in range(3):
            await sweeper._purge_expired(stage.now())
            left.append(sum([await stage.is_there(run_id) for run_id in run_ids]))
        assert left == [3, 1, 0]
