"""Workers that lack a node, and what a deploy changes: S1.4, S1.5, S1.38, S1.39 of semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.expressions import Expressions
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import batch, graph, node, value
from flowcraft.testing.stage import Stage
from flowcraft.testing.worker import Worker

NEW = frozenset({"new"})


class MissingScenarios:
    """A worker that lacks a node hands its job back, until one comes that has it."""

    @check("S1.38", "S7.13")
    async def test_a_job_is_done_once_a_worker_comes_that_has_its_node(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = 2
        add_new(stage)
        stage.add(graph([node("a"), node("n", "new"), node("z")], ("a", "n"), ("n", "z")))
        stage.worker(without=NEW)
        await stage.submit("g", 1)
        await asyncio.sleep(10 * stage.lease_seconds)
        assert not (await stage.header()).is_over
        stage.worker()
        result = await stage.result()
        assert (result.status, result.output) == ("completed", 10)

    @check("S1.38")
    async def test_the_worker_of_a_batch_is_waited_for_too(self, stage: Stage) -> None:
        add_new(stage)
        stage.add(batch(3, "new"))
        stage.worker(without=NEW)
        await stage.submit("g")
        await stage.until_recorded("b")
        await asyncio.sleep(3 * stage.lease_seconds)
        stage.worker()
        assert (await stage.result()).output == [0, 10, 20]

    @check("S1.39", "S7.2")
    async def test_the_key_that_no_worker_had_is_named_after_the_bound(self, stage: Stage) -> None:
        seconds = 5 * stage.lease_seconds
        stage.settings["missing_seconds"] = seconds
        config = {"maxRetries": 5, "retryDelay": 10}
        result = await stage.run(graph([node("n", "shop.new_one", config=config)]))
        (error,) = result.errors
        assert (error.node, error.type) == ("n", "ImplementationMissingError")
        assert "'shop.new_one'" in error.message
        assert error.attempt == 1, "it used up attempts"
        header = await stage.header()
        took = (header.ended_at or 0.0) - header.created_at
        assert seconds <= took <= 1.5 * seconds + stage.recovery_seconds

    @check("S1.39", "S7.14")
    async def test_the_fallback_stands_in_for_a_node_that_no_worker_had(self, stage: Stage) -> None:
        stage.settings["missing_seconds"] = stage.lease_seconds
        nodes = [node("n", "nowhere", config={"fallback": "f"}), node("f")]
        result = await stage.run(graph(nodes), 5)
        assert (result.status, result.output) == ("completed", 5)

    @check("S1.38")
    async def test_other_nodes_go_on_while_one_is_missing(self, stage: Stage) -> None:
        stage.add(graph([node("n", "nowhere")], name="stuck"), graph([node("a")], name="fine"))
        stage.worker(concurrency=1)
        await stage.submit("stuck", run_id="stuck")
        await asyncio.sleep(stage.harness.slack_seconds)
        await stage.submit("fine", 1, run_id="fine")
        within = stage.lease_seconds + 3 * stage.harness.slack_seconds
        assert (await stage.result("fine", within=within)).output == 1

    @check("S1.38", "S12.20")
    async def test_handing_back_does_not_fill_the_queue(self, stage: Stage) -> None:
        stage.add(graph([node("n", "nowhere")]))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        most = 0
        for _ in range(20):
            await asyncio.sleep(stage.sweep_seconds)
            most = max(most, await stage.waiting_jobs())
        assert most <= 3

    @check("S1.38", "S4.23")
    @pytest.mark.parametrize("comes", [True, False], ids=["it comes", "it never comes"])
    async def test_a_worker_without_a_registered_callable_hands_back_up_to_the_bound(
        self, stage: Stage, comes: bool
    ) -> None:
        stage.settings["missing_seconds"] = 10 * stage.lease_seconds
        with_it = Expressions(functions={"cheap": lambda price: price < 10})
        without_it, stage.expressions = stage.expressions, with_it
        edge = {"condition": "cheap(result.output)"}
        stage.add(graph([node("a"), node("b")], ("a", "b", edge)))
        await stage.submit("g", 1)
        stage.expressions = without_it
        old = stage.worker()
        await asyncio.sleep(5 * stage.lease_seconds)
        assert not (await stage.header()).is_over
        if comes:
            stage.expressions = with_it
            stage.worker()
            await old.stop()  # or it may be the one that is asked, up to the bound
            assert (await stage.result()).output == 1
            return
        header = await stage.until_over()
        assert header.status == "failed"
        assert header.error is not None
        assert "cheap" in header.error.message


class DeployScenarios:
    """A run keeps its blueprint, and uses the code of whoever executes it."""

    @check("S1.4")
    async def test_a_run_keeps_its_blueprint_while_another_content_of_its_id_runs(
        self, stage: Stage
    ) -> None:
        def content(text: str) -> dict[str, Any]:
            return graph([node("w", "wait"), value("v", text)], ("w", "v"))

        stage.add(content("old"))
        stage.worker()
        await stage.submit("g", run_id="old")
        await stage.until_open("w", run_id="old")
        stage.add(content("new"))
        await stage.submit("g", run_id="new")
        await stage.until_open("w", run_id="new")
        stage.worker()
        for run_id in ("new", "old"):
            await stage.resume("w", run_id=run_id)
        for run_id in ("new", "old"):
            assert (await stage.result(run_id)).output == run_id
            assert await stage.handle(run_id).output("v") == run_id

    @check("S1.4")
    async def test_a_run_keeps_the_subflows_that_it_can_reach(self, stage: Stage) -> None:
        middle = graph([node("s", "subflow", blueprintId="inner")], name="middle")
        outer = graph([node("w", "wait"), node("s", "subflow", blueprintId="middle")], ("w", "s"))
        stage.add(graph([value("v", "old")], name="inner"), middle, outer)
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        stage.add(graph([value("v", "new")], name="inner"))
        await stage.submit("middle", run_id="new")
        assert (await stage.result("new")).output == "new"
        await stage.resume("w")
        assert (await stage.result()).output == "old"

    @check("S1.5")
    async def test_a_node_is_executed_as_the_worker_at_it_has_it(self, stage: Stage) -> None:
        def make(worker: Worker) -> Any:
            async def version(input: Any) -> str:
                return worker.name

            return version

        stage.node_of_worker("version")(make)
        nodes = [node("a", "version"), node("w", "wait"), node("b", "version")]
        stage.add(graph(nodes, ("a", "w"), ("w", "b")))
        old = stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await old.stop()
        new = stage.worker()
        await stage.resume("w")
        assert (await stage.result()).output == new.name
        assert await stage.handle().output("a") == old.name

    @check("S1.38", "S12.1")
    async def test_runs_of_old_and_new_versions_end_while_workers_of_both_are_there(
        self, stage: Stage
    ) -> None:
        add_new(stage)
        old = graph([node("a"), node("b")], ("a", "b"))
        new = graph([node("a"), node("n", "new"), node("b")], ("a", "n"), ("n", "b"))
        stage.worker(without=NEW)
        stage.worker()
        for number in range(6):
            stage.add(old if number % 2 else new)
            await stage.submit("g", number, run_id=f"run{number}")
        for number in range(6):
            wanted = number if number % 2 else number * 10
            assert (await stage.result(f"run{number}")).output == wanted


def add_new(stage: Stage) -> None:
    """Register `new`, which multiplies by ten."""

    @stage.node("new")
    async def new(input: int) -> int:
        return input * 10
