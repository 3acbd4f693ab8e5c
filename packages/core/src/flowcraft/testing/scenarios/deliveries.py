"""Deliveries, and nodes that kill their workers: S7.10 to S7.13 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from flowcraft.errors import BackendUnavailableError
from flowcraft.nodes import RunInfo
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import FAR_SECONDS, Stage
from flowcraft.testing.wire import Call, never
from flowcraft.testing.worker import Worker

LIMIT = 3
OUTAGE_LEASES = 0.4
"""Longer than between two extensions, and so short that another one comes before the lease ends."""


class DeliveryScenarios:
    """A node that kills its workers ends as an error, and takes nobody with it."""

    @check("S7.10", "S12.1")
    async def test_a_delivery_that_ends_with_its_worker_uses_up_no_attempt(
        self, stage: Stage
    ) -> None:
        seen: list[int] = []

        def make(worker: Worker) -> Any:
            async def once(input: Any, run: RunInfo) -> str:
                seen.append(run.attempt)
                if len(seen) == 1:
                    await worker.die()
                return "done"

            return once

        stage.node_of_worker("once")(make)
        result = await kept_alive(stage, graph([node("a", "once", config={"maxRetries": 1})]))
        assert (result.status, result.output) == ("completed", "done")
        assert set(seen) == {1}
        assert len(seen) > 1

    @check("S7.11", "S7.12", "S12.19", "S12.20")
    async def test_a_node_that_always_kills_its_worker_fails_after_its_deliveries(
        self, stage: Stage
    ) -> None:
        stage.settings["max_deliveries"] = LIMIT
        add_killer(stage)
        result = await kept_alive(stage, graph([node("k", "kill")]))
        assert [(e.node, e.type) for e in result.errors] == [("k", "DeliveryLimitError")]
        # The first delivery is not counted where the queue can tell it from the others.
        assert LIMIT <= stage.calls["kill"] <= LIMIT + 1

    @check("S7.12", "S12.19")
    async def test_a_killer_behind_other_nodes_is_found_out_too(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = LIMIT
        add_killer(stage)
        result = await kept_alive(stage, graph([node("a"), node("k", "kill")], ("a", "k")))
        assert [(e.node, e.type) for e in result.errors] == [("k", "DeliveryLimitError")]
        # Once more under its predecessor's message.
        assert stage.calls["kill"] <= LIMIT + 2

    @check("S7.12", "S7.14")
    async def test_the_fallback_of_a_killer_stands_in_for_it(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = LIMIT
        add_killer(stage)
        nodes = [node("k", "kill", config={"fallback": "f"}), node("f"), node("z")]
        result = await kept_alive(stage, graph(nodes, ("k", "z")), 7)
        assert (result.status, result.output) == ("completed", 7)

    @check("S12.19", "S7.10")
    async def test_an_innocent_neighbour_of_a_killer_completes(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = LIMIT
        add_killer(stage)

        @stage.node("slow")
        async def slow(input: Any) -> str:
            await asyncio.sleep(3 * stage.lease_seconds)
            return "done"

        stage.add(graph([node("k", "kill")], name="bad"), graph([node("s", "slow")], name="good"))
        keeper = asyncio.create_task(stage.keep_alive())
        runs = [await stage.submit("good", run_id=f"good{i}") for i in range(4)]
        await stage.submit("bad", run_id="bad")
        assert (await stage.result("bad")).status == "failed"
        results = [await stage.result(run_id) for run_id in runs]
        keeper.cancel()
        assert [r.output for r in results] == ["done"] * 4

    @check("S12.19")
    async def test_a_job_that_may_have_killed_twice_executes_alone(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = 10
        together: list[int] = []
        inside: Counter[str] = Counter()

        def make(worker: Worker) -> Any:
            async def shaky(input: Any) -> str:
                inside[worker.name] += 1
                together.append(inside[worker.name])
                await asyncio.sleep(stage.lease_seconds / 10)
                together[-1] = max(together[-1], inside[worker.name])
                if len(together) < 5:
                    await worker.die()
                return "survived"

            return shaky

        def make_beside(worker: Worker) -> Any:
            async def beside(input: Any) -> None:
                inside[worker.name] += 1
                await asyncio.sleep(stage.lease_seconds / 2)
                inside[worker.name] -= 1

            return beside

        stage.node_of_worker("shaky")(make)
        stage.node_of_worker("beside")(make_beside)
        stage.add(graph([node("s", "shaky")], name="shaky"), graph([node("b", "beside")], name="b"))
        keeper = asyncio.create_task(stage.keep_alive())
        await stage.submit("shaky", run_id="shaky")

        async def feed() -> None:
            for index in range(1000):
                await stage.submit("b", run_id=f"b{index}")
                await asyncio.sleep(stage.lease_seconds / 5)

        feeder = asyncio.create_task(feed())
        assert (await stage.result("shaky")).output == "survived"
        feeder.cancel()
        keeper.cancel()
        assert set(together[2:]) == {1}, "an innocent could have died with it"

    @check("S7.11", "S7.8")
    async def test_deliveries_are_counted_for_each_attempt_anew(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = LIMIT
        lives: Counter[int] = Counter()

        def make(worker: Worker) -> Any:
            async def shaky(input: Any, run: RunInfo) -> str:
                lives[run.attempt] += 1
                if lives[run.attempt] < LIMIT:
                    await worker.die()
                if run.attempt < 3:
                    raise RuntimeError("again")
                return "done"

            return shaky

        # Each attempt dies as often as it may, all of them together more often than one may.
        stage.node_of_worker("shaky")(make)
        config = {"maxRetries": 3, "retryDelay": 100}
        result = await kept_alive(stage, graph([node("s", "shaky", config=config)]))
        assert (result.status, result.output) == ("completed", "done")
        assert set(lives) == {1, 2, 3}
        assert min(lives.values()) >= LIMIT

    @check("S7.11")
    async def test_a_second_attempt_does_not_wait_to_be_alone(self, stage: Stage) -> None:
        @stage.node("long")
        async def long(input: Any) -> None:
            await never()

        @stage.node("twice")
        async def twice(input: Any, run: RunInfo) -> int:
            if run.attempt == 1:
                raise RuntimeError("once")
            return run.attempt

        config = {"maxRetries": 2, "retryDelay": 100}
        stage.add(
            graph([node("l", "long")], name="long"),
            graph([node("t", "twice", config=config)], name="twice"),
        )
        stage.worker()
        await stage.submit("long", run_id="long")
        await stage.until_called("long")
        await stage.submit("twice", run_id="twice")
        within = stage.lease_seconds + 3 * stage.harness.slack_seconds
        assert (await stage.result("twice", within=within)).output == 2

    @check("S12.3", "G1")
    async def test_a_message_is_not_delivered_again_while_its_worker_lives(
        self, stage: Stage
    ) -> None:
        """However long it takes; one more delivery may be the queue's own."""
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        leases = 6
        add_long(stage, leases * stage.lease_seconds)
        stage.add(graph([node("a", "long")]))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        assert (await stage.result()).output == "done"
        assert stage.calls["long"] == 1
        assert stage.handled <= 2, f"it was delivered {stage.handled} times in {leases} leases"

    @check("S12.3", "S12.15", "S12.32")
    async def test_a_message_is_held_on_after_a_moment_without_the_backend(
        self, stage: Stage
    ) -> None:
        """It is over long before the lease is: who holds the message says so again in time."""
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        began: list[float] = []

        def make(worker: Worker) -> Any:
            async def long(input: Any) -> str:
                began.append(stage.now())
                if len(began) == 1:
                    worker.wire.before = _fail
                    await asyncio.sleep(OUTAGE_LEASES * stage.lease_seconds)
                    worker.wire.before = None
                await asyncio.sleep(4 * stage.lease_seconds)
                return "done"

            return long

        stage.node_of_worker("long")(make)
        stage.add(graph([node("a", "long")]))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        assert (await stage.result()).output == "done"
        assert len(began) == 1, "it was given up after one request that failed"

    @check("S12.32", "S12.33")
    async def test_what_a_live_worker_is_at_is_not_sent_again_by_a_sweep(
        self, stage: Stage
    ) -> None:
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        add_long(stage, 4 * stage.lease_seconds)
        stage.add(graph([node("a", "long")]))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        await stage.until_called("long")
        await asyncio.sleep(stage.lease_seconds)
        for _ in range(6):
            await stage.client.reconcile("run")
        assert (await stage.result()).output == "done"
        assert stage.handled <= 2, "what is under way was sent again"

    @check("S12.5", "S12.13", "G6")
    async def test_a_duplicate_that_was_beaten_leaves_the_message_to_who_needs_it(
        self, stage: Stage
    ) -> None:
        """One worker stands still before it records; another records, and dies of it."""
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        go_on = asyncio.Event()

        def make(worker: Worker) -> Any:
            async def stand_still(call: Call) -> None:
                await go_on.wait()

            async def die_when_recorded(call: Call) -> None:
                if await stage.record("a") is not None:
                    await worker.die()

            async def execute(input: Any) -> Any:
                if worker is late:
                    worker.wire.before = stand_still
                else:
                    worker.wire.after = die_when_recorded
                return input

            return execute

        stage.node_of_worker("execute")(make)
        stage.add(graph([node("a", "execute"), node("b")], ("a", "b")))
        late = stage.make_worker("late")
        late.adapter.start()
        await stage.submit("g", 3)
        await stage.until_called("execute")
        await stage.redeliver()
        second = stage.worker()
        await stage.until_recorded("a")
        second.abandon()
        go_on.set()
        await asyncio.sleep(stage.harness.slack_seconds)
        late.abandon()
        stage.worker()
        await stage.redeliver()
        assert (await stage.result()).output == 3


def add_long(stage: Stage, seconds: float) -> None:
    """Register `long`, which takes so long."""

    @stage.node("long")
    async def long(input: Any) -> str:
        await asyncio.sleep(seconds)
        return "done"


def add_killer(stage: Stage) -> None:
    """Register `kill`, which takes down whichever worker executes it."""

    def make(worker: Worker) -> Any:
        async def kill(input: Any) -> None:
            await worker.die()

        return kill

    stage.node_of_worker("kill")(make)


async def _fail(call: Call) -> None:
    raise BackendUnavailableError(f"{call.name}: nobody answers")


async def kept_alive(stage: Stage, blueprint: dict[str, Any], payload: Any = None) -> Any:
    """Run a blueprint with two workers, and another one for each that dies."""
    keeper = asyncio.create_task(stage.keep_alive(2, after_seconds=stage.lease_seconds / 10))
    stage.add(blueprint)
    await stage.submit("g", payload)
    result = await stage.result()
    keeper.cancel()
    return result
