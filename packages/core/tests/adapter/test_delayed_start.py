"""A run that was submitted with a delay starts when it is over, and not before."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.cli.show import run_lines
from flowcraft.client.explain import explain, status_of
from packages.core.tests.adapter.stage import EPOCH, Stage, virtually
from tests.simulation.hand_written import graph, node

DELAY = 3000.0


def started_at(stage: Stage) -> list[float]:
    """Notes when node `a` executes, in seconds since the epoch."""
    times: list[float] = []

    @stage.node("noted")
    async def noted(input: Any) -> Any:
        times.append(stage.client.parts.clock.now())
        return input

    stage.add(graph([node("a", "noted"), node("b", "echo")], ("a", "b")))
    return times


def is_in_time(stage: Stage, times: list[float]) -> bool:
    return len(times) == 1 and 0.0 <= times[0] - (EPOCH + DELAY) <= stage.slack_seconds


@virtually
async def test_a_delayed_run_waits_and_then_runs(stage: Stage) -> None:
    times = started_at(stage)
    stage.worker()
    await stage.submit("g", 7, delay_seconds=DELAY)
    await asyncio.sleep(DELAY - 1.0)
    assert await status_of(stage.client, "run") == "waiting"
    found = await explain(stage.client, "run")
    assert (found.status, found.starts_at, found.activations) == ("waiting", EPOCH + DELAY, ())
    assert any(line.endswith(", in 1.0 s") for line in run_lines(found, now=EPOCH + DELAY - 1.0))
    result = await stage.result()
    assert (result.status, result.output) == ("completed", 7)
    assert is_in_time(stage, times)


@virtually
async def test_neither_sweeps_nor_submissions_nor_stray_jobs_start_it_early(stage: Stage) -> None:
    times = started_at(stage)
    stage.worker()
    await stage.submit("g", delay_seconds=DELAY)
    for _ in range(5):
        await asyncio.sleep(100.0)
        await stage.client.runs.start("run")
        await stage.client.reconcile("run")
        stage.send("a")
        stage.send("a", origin="sweep")
        stage.send("")
    assert times == []
    await stage.result()
    assert is_in_time(stage, times[:1])  # its jobs are many, and may all execute it


@virtually
async def test_its_start_survives_every_worker(stage: Stage) -> None:
    times = started_at(stage)
    stage.worker()
    await stage.submit("g", delay_seconds=DELAY)
    await asyncio.sleep(500.0)
    stage.workers[0].abandon()
    await asyncio.sleep(500.0)
    stage.worker()
    await stage.result()
    assert is_in_time(stage, times)


@virtually
async def test_a_start_that_is_lost_is_made_up_for_within_the_recovery_bound(stage: Stage) -> None:
    times = started_at(stage)
    stage.worker()
    await stage.submit("g", delay_seconds=DELAY)
    await asyncio.sleep(100.0)
    stage.lose_messages()
    stage.lose_timers()
    await stage.result()
    assert len(times) == 1
    assert 0.0 <= times[0] - (EPOCH + DELAY) <= 100.0


@virtually
async def test_the_sweeper_leaves_it_alone_until_then(stage: Stage) -> None:
    started_at(stage)
    stage.worker()
    await stage.submit("g", delay_seconds=DELAY)
    await asyncio.sleep(100.0)
    store, now = stage.client.ports.store, stage.client.parts.clock.now()
    assert await store.stalled(now + DELAY - 200.0, 9) == []
    assert len(stage.messages()) + len(stage.timers()) == 1


@virtually
async def test_the_deadline_counts_from_the_start(stage: Stage) -> None:
    stage.add(graph([node("w", "wait")]))
    stage.worker()
    await stage.submit("g", delay_seconds=DELAY, deadline_seconds=100.0)
    await stage.until_open("w")
    result = await stage.result()
    ended = (await stage.header()).ended_at - EPOCH
    assert DELAY + 100.0 <= ended <= DELAY + 100.0 + stage.slack_seconds
    assert result.errors[0].message == "the run took longer than its 100 s"


@virtually
async def test_a_delayed_run_can_be_cancelled_and_then_never_starts(stage: Stage) -> None:
    times = started_at(stage)
    stage.worker()
    await stage.submit("g", delay_seconds=DELAY)
    await asyncio.sleep(100.0)
    await stage.client.runs.cancel("run")
    assert await status_of(stage.client, "run") == "cancelled"
    await asyncio.sleep(2 * DELAY)
    await stage.until_quiet()
    assert times == []


@virtually
async def test_a_resume_before_the_start_is_kept_for_its_wait(stage: Stage) -> None:
    stage.add(graph([node("w", "wait")]))
    stage.worker()
    await stage.submit("g", delay_seconds=DELAY)
    assert await stage.resume("w", 5) == "kept"
    assert await stage.resume("w", 6) == "refused"
    assert (await stage.result()).output == 5
