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


<<<<<<< HEAD
def only_sweeps(worker: Worker) -> None:
    """Let a worker take no messages, as one that is busy with something else."""
    assert worker.adapter._loops is not None
    worker.adapter._loops._loops[0].cancel()
=======
@virtually
async def test_an_hour_of_backlog_does_not_multiply_the_queue(memory: Stage) -> None:
    runs = 300

    @memory.node("slow")
    async def slow(input: Any) -> None:
        await asyncio.sleep(HOUR / runs)

    memory.add(graph([node("a", "slow")]))
    for index in range(runs):
        await memory.submit("g", run_id=f"r{index}")
    memory.worker(concurrency=1)
    # A second worker that sweeps, and is busy with something else.
    idle = memory.worker(concurrency=1, without=frozenset({"slow"}))
    assert idle.adapter._loops is not None
    idle.adapter._loops._loops[0].cancel()
    most = 0
    for _ in range(int(HOUR / 10)):
        await asyncio.sleep(10.0)
        most = max(most, len(memory.messages()))
    assert most <= 2 * runs + 1
    for index in range(runs):
        await memory.result(f"r{index}")
    assert memory.calls["slow"] <= runs * 1.05


@virtually
async def test_a_queue_that_nobody_reads_for_a_day_stays_as_it_is(memory: Stage) -> None:
    memory.add(graph([node("a", "echo")]))
    for index in range(50):
        await memory.submit("g", run_id=f"r{index}")
    sweeping = memory.worker(poll_seconds=60.0)
    assert sweeping.adapter._loops is not None
    sweeping.adapter._loops._loops[0].cancel()
    await asyncio.sleep(24 * HOUR)
    assert len(memory.messages()) <= 5 * 50
    memory.worker()
    for index in range(50):
        await memory.result(f"r{index}")
    assert memory.calls["echo"] == 50


@virtually
async def test_a_waiting_run_costs_the_sweeper_little(stage: Stage) -> None:
    stage.settings["poll_seconds"] = 60.0
    stage.add(graph([node("w", "wait")]))
    stage.worker()
    await stage.submit("g")
    most = 0
    for _ in range(24 * 6):
        await asyncio.sleep(600.0)
        most = max(most, len(stage.messages()) + len(stage.timers()))
    assert most <= 1
    assert await stage.resume("w", 1) == "woke"
    assert (await stage.result()).output == 1


@virtually
async def test_a_child_that_sleeps_costs_the_sweeper_little(stage: Stage) -> None:
    """A parent that is swept starts its child once more; what begins with a sleep goes on."""
    child = graph([node("s", "sleep", duration="2d"), node("z", "echo")], ("s", "z"), name="child")
    stage.add(graph([node("f", "subflow", blueprintId="child")]), child)
    stage.worker()
    await stage.submit("g")
    most = 0
    for _ in range(24 * 6):
        await asyncio.sleep(600.0)
        most = max(most, len(stage.messages()) + len(stage.timers()))
    assert most <= 4, "every sweep adds a message"
    assert (await stage.result()).status == "completed"


@virtually
async def test_a_live_lease_keeps_the_sweeper_from_starting_a_second_worker(stage: Stage) -> None:
    @stage.node("long")
    async def long(input: Any) -> str:
        await asyncio.sleep(2 * HOUR)
        return "done"

    stage.add(graph([node("a", "long"), node("w", "wait")]))
    stage.worker()
    stage.worker()
    await stage.submit("g")
    await asyncio.sleep(60.0)
    for _ in range(10):
        await stage.client.reconcile("run")
        await asyncio.sleep(600.0)
    await stage.resume("w", 1)
    assert (await stage.result()).output == {"a": "done", "w": 1}
    assert stage.calls["long"] == 1


@virtually
async def test_the_lease_of_a_dead_worker_is_over_soon(stage: Stage) -> None:
    @stage.node("long")
    async def long(input: Any) -> str:
        await asyncio.sleep(100.0)
        return "done"

    stage.add(graph([node("a", "long")]))
    first = stage.worker()
    await stage.submit("g")
    await asyncio.sleep(50.0)
    first.abandon()
    stage.worker()
    skew = stage.client.ports.queue.clock_skew_seconds
    await stage.result(within=100.0 + 4 * LEASE_SECONDS + skew + stage.slack_seconds)
    assert stage.calls["long"] == 2


@virtually
async def test_a_timer_promoted_by_two_workers_is_harmless(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    await stage.create("g", 1)
    store = stage.client.ports.store
    now = stage.client.parts.clock.now()
    await store.set_timers([Timer("t", now + 5.0, JobPayload("run", "g", "a", origin="timer"))])
    assert list(await store.due_timers(now, 10)) == []
    await asyncio.sleep(5.1)
    for _ in range(2):
        # As two workers that both thought to be the one.
        due = await store.due_timers(stage.client.parts.clock.now(), 10)
        await stage.client.ports.queue.send([Outgoing(timer.job) for timer in due])
    await store.clear_timers(due)
    stage.worker()
    assert (await stage.result(within=60.0)).output == 1
    await stage.until_quiet()
    assert (await stage.result()).output == 1
    assert stage.timers() == []


@virtually
async def test_a_timer_that_was_moved_is_not_cleared_with_its_old_time(stage: Stage) -> None:
    store = stage.client.ports.store
    now = stage.client.parts.clock.now()
    old = Timer("t", now, JobPayload("run", "g", "a"))
    await store.set_timers([old])
    await store.set_timers([old._replace(due_at=now + 100.0)])
    await store.clear_timers([old])
    assert list(await store.due_timers(now, 10)) == []
    assert [t.due_at for t in await store.due_timers(now + 100.0, 10)] == [now + 100.0]


@virtually
async def test_timers_of_activations_whose_names_run_together_are_apart(stage: Stage) -> None:
    sleepy = graph([node("b c", "sleep", duration="1h")], name="one")
    other = graph([node("c", "sleep", duration="2h")], name="two")
    stage.add(sleepy, other)
    stage.worker()
    await stage.submit("one", run_id="a")
    await stage.submit("two", run_id="a b")
    await stage.result("a", within=HOUR + 60.0)
    assert not (await stage.header("a b")).is_over
    await stage.result("a b", within=HOUR + 60.0)


@pytest.mark.parametrize("workers", [1, 5])
@virtually
async def test_a_run_of_a_purged_parent_is_discarded(memory: Stage, workers: int) -> None:
    memory.add(
        graph([node("w", "wait")], name="child"),
        graph([node("s", "subflow", blueprintId="child")], name="parent"),
    )
    for _ in range(workers):
        memory.worker()
    await memory.submit("parent")

    async def holds() -> bool:
        return bool(await memory.children())

    await memory.until(holds)
    (child,) = await memory.children()
    memory.backend.tables.delete_run("run")

    async def is_discarded() -> bool:
        return await memory.client.ports.store.headers([child.run_id]) == [None]

    await memory.until(is_discarded)
>>>>>>> h-sim
