"""Many runs at once: nothing of one is found in another, and none is lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from flowcraft.nodes import Context, RunInfo
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage


class ManyRunsScenarios:
    """Runs beside each other, on workers that live and on workers that die."""

    @check("S12.16", "S1.21")
    async def test_two_runs_side_by_side_see_nothing_of_each_other(self, stage: Stage) -> None:
        add_marked(stage)
        stage.worker()
        for run_id in ("one", "two"):
            await stage.submit("g", {"mine": run_id}, run_id=run_id)
        for run_id in ("one", "two"):
            await ended_well(stage, run_id)

    @check("S12.1", "S12.10")
    @pytest.mark.slow
    async def test_two_hundred_runs_at_once_all_end_as_they_should(self, stage: Stage) -> None:
        add_marked(stage)
        for _ in range(3):
            stage.worker()
        ids = [f"run{index}" for index in range(200)]
        await asyncio.gather(*(stage.submit("g", {"mine": one}, run_id=one) for one in ids))
        for run_id in ids:
            await ended_well(stage, run_id)

    @check("S12.1", "S12.4", "G1")
    @pytest.mark.slow
    async def test_forty_runs_survive_workers_that_die_all_the_time(self, stage: Stage) -> None:
        add_marked(stage)
        dice = random.Random(3)
        keeper = asyncio.create_task(stage.keep_alive(3, after_seconds=stage.lease_seconds / 20))
        ids = [f"run{index}" for index in range(40)]
        for run_id in ids:
            await stage.submit("g", {"mine": run_id}, run_id=run_id)
        for _ in range(15):
            await asyncio.sleep(dice.random() * stage.lease_seconds / 5)
            alive = [worker for worker in stage.workers if not worker.is_dead]
            if alive:
                dice.choice(alive).abandon()
        for run_id in ids:
            await ended_well(stage, run_id)
        keeper.cancel()

    @check("S12.20")
    async def test_a_job_sent_while_an_idle_worker_looks_is_not_slept_over(
        self, stage: Stage
    ) -> None:
        stage.add(graph([node("a")]))
        for turns in range(8):
            worker = stage.worker()
            for _ in range(turns):
                await asyncio.sleep(0)
            await stage.submit("g", 1, run_id=f"run{turns}")
            within = 2 * stage.harness.slack_seconds + 1.0
            assert (await stage.result(f"run{turns}", within=within)).output == 1
            await worker.stop()


def add_marked(stage: Stage) -> None:
    """Add a graph of four nodes, each of which checks and writes whose run it is in."""
    dice = random.Random(7)

    @stage.node("mark")
    async def mark(input: Any, ctx: Context, run: RunInfo) -> Any:
        await asyncio.sleep(dice.random() * stage.lease_seconds / 10)
        assert await ctx.get("mine") == run.run_id
        await ctx.set(run.node_id, run.run_id)
        return run.run_id

    nodes = [node(name, "mark") for name in ("a", "l", "r", "j")]
    stage.add(graph(nodes, ("a", "l"), ("a", "r"), ("l", "j"), ("r", "j")))


async def ended_well(stage: Stage, run_id: str) -> None:
    """See that a run ended as it should, with nothing of another one."""
    result = await stage.result(run_id)
    assert (result.status, result.output) == ("completed", run_id)
    assert result.context == dict.fromkeys(("mine", "a", "l", "r", "j"), run_id)
