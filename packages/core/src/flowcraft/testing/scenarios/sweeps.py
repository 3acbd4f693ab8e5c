"""What finds a run that was lost, and makes nothing worse: S12.1, S12.2, S12.32, S12.33."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import UnknownRunError
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import End, Timer
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage
from flowcraft.testing.worker import Worker


class SweepScenarios:
    """The sweeper finds what was lost, within its bound."""

    @check("S12.1", "S12.2")
    async def test_a_run_that_nobody_started_is_found_within_the_bound(self, stage: Stage) -> None:
        stage.add(graph([node("a"), node("b")], ("a", "b")))
        await stage.create("g", 1)
        stage.worker()
        within = stage.recovery_seconds + stage.sweep_seconds
        assert (await stage.result(within=within)).output == 1

    @check("S12.1", "S12.2", "S12.20")
    async def test_a_lost_message_is_found_within_the_bound(self, stage: Stage) -> None:
        stage.add(graph([node("a"), node("b")], ("a", "b")))
        await stage.submit("g", 1)
        await stage.lose_messages()
        stage.worker()
        within = stage.recovery_seconds + stage.sweep_seconds
        assert (await stage.result(within=within)).output == 1

    @check("S12.33")
    async def test_a_lost_message_is_found_while_another_branch_is_busy(self, stage: Stage) -> None:
        done = asyncio.Event()

        @stage.node("long")
        async def long(input: Any) -> Any:
            await done.wait()
            return input

        stage.add(graph([node("l", "long"), node("a")]))
        await stage.create("g", 1)
        await stage.send("l")  # and the job of the other branch is lost
        stage.worker()
        await stage.until_called("long")

        async def is_found() -> bool:
            return await stage.record("a") is not None

        await stage.until(is_found, within=12 * stage.sweep_seconds)
        done.set()
        assert (await stage.result()).output == {"l": 1, "a": 1}
        assert stage.calls["long"] == 1

    @check("S12.20", "S12.33")
    async def test_a_waiting_run_costs_the_sweeper_little(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        most = 0
        for _ in range(30):
            await asyncio.sleep(0.95 * stage.sweep_seconds)
            most = max(most, await stage.waiting_jobs())
        assert most <= 1
        assert await stage.resume("w", 1) == "woke"
        assert (await stage.result()).output == 1

    @check("S12.20", "S10.3")
    async def test_a_child_that_sleeps_costs_the_sweeper_little(self, stage: Stage) -> None:
        """A parent that is swept starts its child once more; what begins with a sleep goes on."""
        pause = round(30_000 * stage.sweep_seconds)
        child = graph([node("s", "sleep", duration=pause), node("z")], ("s", "z"), name="child")
        stage.add(graph([node("f", "subflow", blueprintId="child")]), child)
        stage.worker()
        await stage.submit("g")
        most = 0
        for _ in range(28):
            await asyncio.sleep(stage.sweep_seconds)
            most = max(most, await stage.waiting_jobs())
        assert most <= 4, "every sweep adds a message"
        assert (await stage.result()).status == "completed"

    @check("S12.32", "S12.3")
    async def test_a_sweep_starts_no_second_worker_beside_one_that_lives(
        self, stage: Stage
    ) -> None:
        done = asyncio.Event()

        @stage.node("long")
        async def long(input: Any) -> str:
            await done.wait()
            return "done"

        stage.add(graph([node("a", "long"), node("w", "wait")]))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        await stage.until_called("long")
        lease = stage.client.ports.queue.lease_seconds
        for _ in range(5):
            await asyncio.sleep(lease)
            await stage.client.reconcile("run")
            await stage.send("a")
        done.set()
        await stage.resume("w", 1)
        assert (await stage.result()).output == {"a": "done", "w": 1}
        assert stage.calls["long"] == 1

    @check("S12.1", "S12.2", "S7.10")
    async def test_what_a_dead_worker_was_at_is_taken_over_within_the_bound(
        self, stage: Stage
    ) -> None:
        def make(worker: Worker) -> Any:
            async def once(input: Any) -> str:
                if worker.name == "w1":
                    # As long as it takes to say that it is at it.
                    await asyncio.sleep(stage.client.ports.queue.lease_seconds)
                    await worker.die()
                return str(worker.name)

            return once

        stage.node_of_worker("once")(make)
        stage.add(graph([node("a", "once")]))
        first = stage.worker()
        await stage.submit("g")
        await stage.until_called("once")
        stage.worker()

        async def is_dead() -> bool:
            return first.is_dead

        await stage.until(is_dead)
        # Its word that it is at it is good for a lease, by clocks that may be apart.
        queue = stage.client.ports.queue
        word = queue.lease_seconds + queue.clock_skew_seconds
        assert (await stage.result(within=word + stage.recovery_seconds)).output == "w2"

    @check("S12.3", "S12.2")
    async def test_a_node_of_hours_is_started_once(self, stage: Stage) -> None:
        stage.needs_virtual_time()
        stage.harness.lease_seconds = 60.0
        hour = 3600.0

        @stage.node("hour")
        async def an_hour(input: Any) -> str:
            await asyncio.sleep(hour)
            return "done"

        stage.settings["poll_seconds"] = 30.0
        stage.worker()
        stage.worker()
        result = await stage.run(graph([node("h", "hour"), node("z")], ("h", "z")))
        assert (result.output, stage.calls["hour"]) == ("done", 1)
        header = await stage.header()
        took = (header.ended_at or 0.0) - header.created_at
        assert took <= hour + stage.recovery_seconds

    @check("S12.1", "S10.3")
    async def test_a_timer_promoted_by_two_workers_is_harmless(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7
        stage.add(graph([node("a")]))
        await stage.create("g", 1)
        store, queue = stage.client.ports.store, stage.client.ports.queue
        now, pause = stage.now(), stage.lease_seconds / 2
        await store.set_timers(
            [Timer("t", now + pause, JobPayload("run", "g", "a", origin="timer"))]
        )
        assert [*await store.due_timers(stage.now(), 10)] == []
        await asyncio.sleep(1.1 * pause)
        due = await store.due_timers(stage.now(), 10)
        for _ in range(2):
            # As two workers that both thought to be the one.
            await queue.send([Outgoing(timer.job) for timer in due])
        await store.clear_timers(due)
        stage.worker()
        result = await stage.result()
        assert result.output == 1
        await stage.until_quiet()
        assert await stage.result() == result
        assert await stage.timers() == []

    @check("S1.13", "S10.2")
    async def test_timers_of_activations_whose_names_run_together_are_apart(
        self, stage: Stage
    ) -> None:
        short = round(1000 * stage.lease_seconds)
        stage.add(
            graph([node("b c", "sleep", duration=short)], name="one"),
            graph([node("c", "sleep", duration=8 * short)], name="two"),
        )
        stage.worker()
        await stage.submit("one", run_id="a")
        await stage.submit("two", run_id="a b")
        await stage.result("a", within=stage.lease_seconds + stage.recovery_seconds)
        assert not (await stage.header("a b")).is_over
        await stage.result("a b")


class ReconcileScenarios:
    """A run whose messages are gone is repaired from its records."""

    @check("S12.1", "S12.24")
    async def test_reconciling_makes_up_for_every_message(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7
        stage.add(everything())
        stage.worker()
        await stage.create("g", {"n": 0})
        await stage.client.reconcile("run")
        await stage.until_open("w")
        await stage.resume("w", "resumed")
        assert (await stage.result()).output == {"r": [1, 2, 3], "w": "resumed"}

    @check("S12.6", "S12.8")
    async def test_reconciling_what_is_not_broken_changes_nothing(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7
        stage.add(everything())
        stage.worker()
        await stage.submit("g", {"n": 0})
        for _ in range(10):
            await stage.client.reconcile("run")
            await asyncio.sleep(stage.lease_seconds / 100)
        await stage.until_open("w")
        await stage.resume("w", "resumed")
        result = await stage.result()
        assert result.output == {"r": [1, 2, 3], "w": "resumed"}
        await stage.client.reconcile("run")
        await stage.until_quiet()
        assert await stage.result() == result

    @check("S12.1")
    async def test_reconciling_a_run_that_is_not_there_is_an_error(self, stage: Stage) -> None:
        with pytest.raises(UnknownRunError, match="'nobody'"):
            await stage.client.reconcile("nobody")

    @check("S12.1", "S1.22")
    async def test_reconciling_announces_an_end_that_nobody_announced(self, stage: Stage) -> None:
        stage.add(graph([node("a")]))
        await stage.create("g", 1)
        await stage.client.ports.store.finish([End("run", "cancelled", None, stage.now())])
        await stage.client.reconcile("run")
        assert (await stage.header()).is_announced


def everything() -> dict[str, Any]:
    """A graph with a branch that is not taken, a join, a loop, a batch, a fallback and a wait."""
    go = {"action": "continue"}
    nodes = [
        node("a"),
        node("left"),
        node("never"),
        node("j"),
        node("c", "loop-controller", condition="input.n < 2"),
        node("body", "count"),
        node("l", "value", value=[1, 2, 3]),
        node("b", "batch-scatter", workerUsesKey="echo", gatherNodeId="r", chunkSize=2),
        node("r", "batch-gather"),
        node("f", "fails", config={"fallback": "instead"}),
        node("instead", "value", value="instead"),
        node("w", "wait"),
        node("z"),
    ]
    edges = [
        ("a", "left"), ("a", "never", {"condition": "false"}), ("left", "j"), ("never", "j"),
        ("a", "c"), ("c", "body", go), ("body", "c"), ("c", "f"), ("f", "w"),
        ("j", "l"), ("l", "b"), ("b", "r"), ("r", "z"), ("w", "z"),
    ]  # fmt: skip
    return graph(nodes, *edges)
