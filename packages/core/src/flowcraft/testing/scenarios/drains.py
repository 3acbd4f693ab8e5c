"""Workers that are told to stop, and stores that cannot be reached: S12.14, S12.15, S12.38."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from flowcraft.errors import BackendUnavailableError
from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import is_native, needs
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call, never
from flowcraft.testing.worker import Worker

LIMIT = 3


class DrainScenarios:
    """A worker told to stop takes nothing new, and finishes or hands back what it has."""

    @check("S12.14")
    async def test_a_worker_told_to_stop_finishes_what_it_has_and_takes_nothing_new(
        self, stage: Stage
    ) -> None:
        @stage.node("slow")
        async def slow(input: Any) -> Any:
            await asyncio.sleep(stage.lease_seconds / 4)
            return input

        stage.add(graph([node("a", "slow"), node("b", "late")], ("a", "b")))
        stage.node("late")(slow)
        worker = stage.worker(continue_nodes=0)
        await stage.submit("g", 1)
        await stage.until_called("slow")
        await worker.stop()
        # With four methods it is the adapter that stops, and may hand back what it has.
        if not stage.can.is_push:
            assert await stage.record("a") is not None
        before = stage.calls["slow"]
        await stage.submit("g", 2, run_id="new")
        await asyncio.sleep(2 * stage.harness.slack_seconds)
        assert (await stage.header("new")).status == "running"
        assert stage.calls["slow"] == before, "it took something new"
        stage.worker()
        assert [(await stage.result(run_id)).output for run_id in ("run", "new")] == [1, 2]
        if not stage.can.is_push:
            assert stage.calls["slow"] == 2

    @check("S12.14", "S7.13")
    async def test_what_does_not_finish_in_time_is_handed_back_at_once(self, stage: Stage) -> None:
        @stage.node("long")
        async def long(input: Any) -> Any:
            if stage.calls["long"] == 1:
                await asyncio.Event().wait()
            return input

        within = handed_back_within(stage)
        stage.add(graph([node("a", "long")]))
        worker = stage.worker()
        await stage.submit("g", 1)
        await stage.until_called("long")
        await worker.stop(grace_seconds=0.1)
        stage.worker()
        assert (await stage.result(within=within)).output == 1

    @check("S12.38", "S12.14")
    async def test_what_does_not_end_when_it_is_cancelled_is_handed_back_all_the_same(
        self, stage: Stage
    ) -> None:
        enough = asyncio.Event()

        @stage.node("deaf")
        async def deaf(input: Any) -> Any:
            while stage.calls["deaf"] == 1 and not enough.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await enough.wait()
            return input

        within = handed_back_within(stage)
        stage.add(graph([node("a", "deaf")]))
        worker = stage.worker()
        await stage.submit("g", 1)
        await stage.until_called("deaf")
        await worker.stop(grace_seconds=0.1)
        stage.worker()
        assert (await stage.result(within=within)).output == 1
        enough.set()

    @check("S7.13", "S12.14")
    async def test_a_job_handed_back_by_a_drained_worker_counts_no_delivery(
        self, stage: Stage
    ) -> None:
        stage.settings["max_deliveries"] = LIMIT
        done = asyncio.Event()

        @stage.node("long")
        async def long(input: Any) -> str:
            await done.wait()
            return "done"

        stage.add(graph([node("a", "long")]))
        await stage.submit("g")
        for times in range(1, LIMIT + 4):
            worker = stage.worker()
            await stage.until_called("long", times)
            await worker.stop(grace_seconds=0.1)
        done.set()
        stage.worker()
        result = await stage.result()
        assert (result.status, result.output) == ("completed", "done")

    @check("S12.14")
    async def test_a_worker_that_drains_takes_nothing_new(self, stage: Stage) -> None:
        done = asyncio.Event()

        @stage.node("long")
        async def long(input: Any) -> str:
            await done.wait()
            return "done"

        stage.add(graph([node("a", "long")], name="old"), graph([node("b")], name="new"))
        worker = stage.worker()
        await stage.submit("old", run_id="old")
        await stage.until_called("long")
        draining = asyncio.create_task(worker.stop(grace_seconds=10 * stage.lease_seconds))
        await asyncio.sleep(0)
        await stage.submit("new", run_id="new")
        await asyncio.sleep(stage.harness.slack_seconds)
        assert stage.calls["echo"] == 0
        done.set()
        await draining
        stage.worker()
        for run_id in ("old", "new"):
            assert (await stage.result(run_id)).status == "completed"

    @check("S12.14", "S7.13")
    async def test_what_a_drained_worker_could_not_finish_is_taken_at_once(
        self, stage: Stage
    ) -> None:
        """And not when a lease is over; a queue without a port of its own may take so long."""
        needs(is_native(stage), "it is handed its jobs, and has no queue port of its own")

        @stage.node("long")
        async def long(input: Any) -> None:
            await never()

        stage.add(graph([node("a", "long")]))
        worker = stage.worker()
        await stage.submit("g")
        await stage.until_called("long")
        await asyncio.sleep(stage.lease_seconds / 4)
        await worker.stop(grace_seconds=0.1)
        stage.worker()

        async def is_taken() -> bool:
            return stage.calls["long"] == 2

        await stage.until(is_taken, within=stage.lease_seconds / 2)


class OutageScenarios:
    """A worker that cannot reach the store hands its job back; no run fails for it."""

    @check("S12.15", "S7.13", "S12.13")
    async def test_a_store_that_often_cannot_be_reached_fails_no_run(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = 3
        failures = 0

        async def flaky(call: Call) -> None:
            nonlocal failures
            if failures < 40 and call.number % 3:
                failures += 1
                raise BackendUnavailableError("out of reach")

        nodes = [node("a"), node("l"), node("r"), node("j")]
        stage.add(graph(nodes, ("a", "l"), ("a", "r"), ("l", "j"), ("r", "j")))
        await stage.submit("g", 1)
        stage.worker().wire.before = flaky
        result = await stage.result()
        assert (result.status, result.output) == ("completed", {"l": 1, "r": 1})
        assert failures == 40

    @check("S12.15", "S7.13")
    async def test_a_store_lost_after_each_execution_counts_no_delivery(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = 3
        outages, is_down = 0, False

        @stage.node("then_lost")
        async def then_lost(input: Any) -> Any:
            nonlocal is_down
            is_down = outages < 8
            return input

        async def lost(call: Call) -> None:
            nonlocal is_down, outages
            if is_down:
                is_down = False
                outages += 1
                raise BackendUnavailableError("out of reach")

        stage.add(graph([node("a", "then_lost")]))
        stage.worker().wire.before = lost
        await stage.submit("g", 1)
        result = await stage.result()
        assert (result.status, result.output) == ("completed", 1)
        assert outages > 2 * stage.settings["max_deliveries"]

    @check("S12.15", "S12.1")
    async def test_an_outage_of_several_leases_delays_the_run_and_no_more(
        self, stage: Stage
    ) -> None:
        is_down = False

        @stage.node("then_down")
        async def then_down(input: Any) -> Any:
            nonlocal is_down
            is_down = stage.calls["then_down"] == 1
            return input

        async def down(call: Call) -> None:
            if is_down:
                raise BackendUnavailableError("out of reach")

        nodes = [node("a", "then_down"), node("b")]
        stage.add(graph(nodes, ("a", "b")))
        for _ in range(2):
            stage.worker().wire.before = down
        await stage.submit("g", 1)
        await stage.until_called("then_down")
        await asyncio.sleep(4 * stage.lease_seconds)
        assert not (await stage.header()).is_over
        is_down = False
        assert (await stage.result(within=2 * stage.recovery_seconds)).output == 1

    @check("S12.15", "S7.13")
    async def test_no_node_fails_because_the_store_cannot_be_reached(self, stage: Stage) -> None:
        async def refuse(call: Call) -> None:
            raise BackendUnavailableError(f"{call.name}: it is away")

        def make(worker: Worker) -> Any:
            async def read(ctx: Context) -> Any:
                if stage.calls["read"] == 1:
                    worker.wire.before = refuse
                try:
                    return await ctx.get("k")
                finally:
                    worker.wire.before = None

            return read

        stage.node_of_worker("read")(make)
        result = await stage.run(graph([node("a", "read")]), {"k": 5})
        assert (result.status, result.output) == ("completed", 5)
        assert stage.calls["read"] == 2


def handed_back_within(stage: Stage) -> float:
    """Make leases long; how soon what is handed back must be done, which is long before they end.

    With four methods there is no handing back, and the lease must end.
    """
    stage.harness.lease_seconds *= 10
    within = 2 * stage.harness.slack_seconds
    return within + stage.lease_seconds if stage.can.is_push else within
