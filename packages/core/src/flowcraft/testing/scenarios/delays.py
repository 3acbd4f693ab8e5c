"""Runs that are submitted with a delay: S1.48 and S1.49 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage


class DelayedStartScenarios:
    """Nothing of a run starts before its delay is over, and then it starts by itself."""

    @check("S1.48")
    async def test_a_delayed_run_waits_and_then_runs(self, stage: Stage) -> None:
        times, delay = noted(stage)
        stage.worker()
        await stage.submit("g", 7, delay_seconds=delay)
        starts_at = (await stage.header()).starts_at or 0.0
        await asyncio.sleep(0.8 * delay)
        assert await stage.handle().status() == "waiting"
        found = await stage.handle().explain()
        assert (found.status, found.starts_at, found.activations) == ("waiting", starts_at, ())
        result = await stage.result()
        assert (result.status, result.output) == ("completed", 7)
        assert len(times) == 1
        assert 0.0 <= times[0] - starts_at <= stage.harness.slack_seconds

    @check("S1.48", "S12.20")
    async def test_neither_sweeps_nor_submissions_nor_stray_jobs_start_it_early(
        self, stage: Stage
    ) -> None:
        times, delay = noted(stage)
        stage.worker()
        await stage.submit("g", delay_seconds=delay)
        starts_at = (await stage.header()).starts_at or 0.0
        for _ in range(3):
            await asyncio.sleep(delay / 5)
            await stage.client.runs.start("run")
            await stage.client.reconcile("run")
            await stage.send("a")
            await stage.send("a", origin="sweep")
            await stage.send("")
        assert times == []
        await stage.result()
        assert times[0] >= starts_at  # its jobs are many, and may all execute it

    @check("S1.48", "S12.1")
    async def test_its_start_survives_every_worker(self, stage: Stage) -> None:
        times, delay = noted(stage)
        first = stage.worker()
        await stage.submit("g", delay_seconds=delay)
        starts_at = (await stage.header()).starts_at or 0.0
        await asyncio.sleep(delay / 5)
        first.abandon()
        await asyncio.sleep(delay / 5)
        stage.worker()
        await stage.result()
        assert len(times) == 1
        assert 0.0 <= times[0] - starts_at <= bound(stage)

    @check("S1.48", "S12.2")
    async def test_a_start_that_is_lost_is_made_up_for_within_the_recovery_bound(
        self, stage: Stage
    ) -> None:
        times, delay = noted(stage)
        stage.worker()
        await stage.create("g", delay_seconds=delay)  # and nobody sends its jobs
        starts_at = (await stage.header()).starts_at or 0.0
        await stage.result()
        assert len(times) == 1
        assert 0.0 <= times[0] - starts_at <= bound(stage)

    @check("S1.48")
    async def test_the_sweeper_leaves_it_alone_until_then(self, stage: Stage) -> None:
        noted(stage)
        stage.worker()
        delay = 20 * stage.sweep_seconds
        await stage.submit("g", delay_seconds=delay)
        await asyncio.sleep(delay / 5)  # time for a first look
        assert await stage.client.ports.store.stalled(stage.now() + delay / 2, 9) == []
        assert await stage.waiting_jobs() <= 1

    @check("S1.49")
    async def test_the_deadline_counts_from_the_start(self, stage: Stage) -> None:
        lease = stage.lease_seconds
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.submit("g", delay_seconds=3 * lease, deadline_seconds=2 * lease)
        await stage.until_open("w")
        result = await stage.result()
        header = await stage.header()
        took = (header.ended_at or 0.0) - header.created_at
        assert 5 * lease <= took <= 5 * lease + 2 * stage.harness.slack_seconds
        assert [error.type for error in result.errors] == ["RunDeadlineError"]

    @check("S1.48")
    async def test_a_delayed_run_can_be_cancelled_and_then_never_starts(self, stage: Stage) -> None:
        times, delay = noted(stage)
        stage.worker()
        await stage.submit("g", delay_seconds=delay)
        await asyncio.sleep(delay / 5)
        assert await stage.handle().cancel() == "cancelled"
        await asyncio.sleep(delay)
        await stage.until_quiet()
        assert await stage.handle().status() == "cancelled"
        assert times == []

    @check("S1.48", "S10.11")
    async def test_a_resume_before_the_start_is_kept_for_its_wait(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.submit("g", delay_seconds=5 * stage.lease_seconds)
        assert await stage.resume("w", 5) == "kept"
        assert await stage.resume("w", 6) == "refused"
        assert (await stage.result()).output == 5


def noted(stage: Stage) -> tuple[list[float], float]:
    """Add a graph that notes when its node `a` executes; the notes, and a delay."""
    times: list[float] = []

    @stage.node("noted")
    async def note(input: Any) -> Any:
        times.append(stage.now())
        return input

    stage.add(graph([node("a", "noted"), node("b")], ("a", "b")))
    return times, 5 * stage.lease_seconds


def bound(stage: Stage) -> float:
    """How long a lost message may delay a run: S12.2, and the slack of a worker."""
    return stage.lease_seconds + 3 * stage.sweep_seconds + 2 * stage.harness.slack_seconds
