"""Batches: chapter 8 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.engine.consequences import Cell
from flowcraft.nodes import Context, RunInfo
from flowcraft.ports.store import Commit
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, batch, graph, loop, node, value
from flowcraft.testing.stage import Stage


def with_items(items: Any, worker: str = "echo", **scatter: Any) -> BlueprintJson:
    """Write a batch over these items."""
    blueprint = batch(0, worker, **scatter)
    blueprint["nodes"][0] = value("l", items)
    return blueprint


def odd_fails(stage: Stage) -> None:
    """Register `odd_fails`, which gives even numbers, and raises at the others."""

    @stage.node("odd_fails")
    async def odd_fails(input: int) -> int:
        if input % 2:
            raise RuntimeError(f"item {input}")
        return input


def tenfold(stage: Stage) -> None:
    """Register `tenfold`, which gives ten times its input; it ends the later items sooner."""

    @stage.node("tenfold")
    async def tenfold(input: int) -> int:
        await asyncio.sleep(0.01 / (1 + input))
        return input * 10


class BatchScenarios:
    """A worker for each item, and one list in their order."""

    # -- order and size

    @pytest.mark.parametrize("count", [0, 1, 2, 7])
    @check("S8.3", "S8.4", "S12.16", "G7")
    async def test_results_come_in_the_order_of_the_items(self, stage: Stage, count: int) -> None:
        tenfold(stage)
        result = await stage.run_both(batch(count, "tenfold"))
        assert result.output == [10 * n for n in range(count)]
        assert stage.calls["tenfold"] == count

    @check("S8.4", "S5.2", "S12.16")
    async def test_a_batch_of_nothing_goes_on_with_the_empty_list(self, stage: Stage) -> None:
        blueprint = batch(0)
        blueprint["nodes"] += [node("z")]
        blueprint["edges"] += [{"source": "r", "target": "z"}]
        assert (await stage.run_both(blueprint)).output == []

    @check("S8.3", "S8.7", "S8.9", "S12.16")
    async def test_a_thousand_items_come_out_in_order(self, stage: Stage) -> None:
        stage.worker()
        stage.worker()
        result = await stage.run_both(batch(1000))
        assert result.output == [*range(1000)]

    @pytest.mark.slow
    @check("S8.13", "S8.3", "S8.14")
    async def test_a_hundred_thousand_items_come_out_in_order(self, stage: Stage) -> None:
        if not stage.harness.is_fast:
            pytest.skip("it takes many minutes where a run of ten nodes takes more than a few ms")

        @stage.node("numbers")
        async def numbers() -> list[int]:
            return [*range(100_000)]

        @stage.node("is_all")
        async def is_all(input: list[int]) -> bool:
            return input == [*range(100_000)]

        blueprint = batch(0)
        blueprint["nodes"][0] = node("l", "numbers")
        blueprint["nodes"] += [node("z", "is_all")]
        blueprint["edges"] += [{"source": "r", "target": "z"}]
        assert (await stage.run(blueprint)).output is True

    @pytest.mark.parametrize("chunk", [1, 3, 10])
    @check("S8.7")
    async def test_no_more_items_than_the_chunk_execute_at_once(
        self, stage: Stage, chunk: int
    ) -> None:
        executing = 0
        most = 0

        @stage.node("watch")
        async def watch(input: int) -> int:
            nonlocal executing, most
            executing += 1
            most = max(most, executing)
            await asyncio.sleep(0.01)
            executing -= 1
            return input

        stage.worker()
        stage.worker()
        result = await stage.run(batch(12, "watch", chunkSize=chunk))
        assert result.output == [*range(12)]
        assert most <= chunk

    @check("S8.8", "S8.9")
    async def test_an_item_starts_when_the_one_a_chunk_before_it_is_over(
        self, stage: Stage
    ) -> None:
        """Each lane goes on by itself, whatever the others wait for."""
        stage.add(batch(5, "wait", chunkSize=2))
        stage.worker()
        await stage.submit("g")
        for ready, done in ((("0", "1"), "1"), (("0", "3"), "3"), (("0",), "0"), (("2",), "2")):
            await stage.until_open(*(f"b/#{n}" for n in ready))
            await stage.resume("b", int(done), scope=f"/#{done}")
        await stage.until_open("b/#4")
        await stage.resume("b", 4, scope="/#4")
        assert (await stage.result()).output == [0, 1, 2, 3, 4]

    @check("S8.9", "S5.7", "S12.8")
    async def test_an_item_counts_once_however_often_it_is_delivered(self, stage: Stage) -> None:
        stage.add(batch(3, "wait"))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("b/#0", "b/#1", "b/#2")
        await stage.resume("b", 0, scope="/#0")
        await stage.until_recorded("b/#0")
        for scope in ("/#0", "", "/#0", "/#1", "/#0"):
            await stage.send("b", scope)
        await stage.until_quiet()
        assert await stage.record("r") is None
        assert await stage.open_waits() == ["b/#1", "b/#2"]
        for index in (2, 1):
            await stage.resume("b", index, scope=f"/#{index}")
        assert (await stage.result()).output == [0, 1, 2]

    # -- items

    @check("S8.1", "S8.5", "S12.16")
    async def test_an_item_is_an_activation_with_the_workers_params(self, stage: Stage) -> None:
        @stage.node("where")
        async def where(input: Any, run: RunInfo, params: dict[str, Any]) -> Any:
            return [input, run.node_id, run.scope, params]

        blueprint = with_items([7, None], "where", workerParams={"p": 1})
        result = await stage.run_both(blueprint)
        assert result.output == [[7, "b", "/#0", {"p": 1}], [None, "b", "/#1", {"p": 1}]]
        assert await stage.until_output("b/#1") == result.output[1]

    @check("S8.1", "S3.6", "S12.16")
    async def test_the_items_are_what_inputs_name(self, stage: Stage) -> None:
        blueprint = batch(0)
        blueprint["nodes"][1]["inputs"] = "k.list"
        result = await stage.run_both(blueprint, {"k": {"list": ["x", {"y": 1}]}})
        assert result.output == ["x", {"y": 1}]

    @pytest.mark.parametrize("items", [None, 7, "text", {"a": 1}])
    @check("S8.12", "S12.16")
    async def test_a_batch_over_what_is_no_list_fails_at_once(
        self, stage: Stage, items: Any
    ) -> None:
        config = {"maxRetries": 3, "retryDelay": 10}
        (error,) = (await stage.run_both(with_items(items, config=config))).errors
        assert (error.node, error.type, error.attempt) == ("b", "InputError", 1)

    @check("S8.18", "S12.6")
    async def test_the_items_are_those_of_one_list_though_its_key_changes_when_a_worker_dies(
        self, stage: Stage
    ) -> None:
        blueprint = batch(0)
        blueprint["nodes"][1]["inputs"] = "numbers"
        stage.add(blueprint)
        first = stage.worker()

        async def die_once_an_item_is_there(call: Any) -> None:
            if await stage.cells("b/#1"):
                await first.die()

        first.wire.before = die_once_an_item_is_there
        await stage.submit("g", {"numbers": [1, 2]})

        async def is_dead() -> bool:
            return first.is_dead

        await stage.until(is_dead)
        changed = Commit("run", Cell("l", "claim", b"1"), context={"numbers": b"[30,40,50]"})
        await stage.client.ports.store.commit([changed])
        stage.worker()
        result = await stage.result()
        assert (result.output, result.context) == ([1, 2], {"numbers": [30, 40, 50]})

    # -- failures

    @check("S8.10", "S1.32", "S12.16")
    async def test_a_failed_item_fails_the_run_and_is_named(self, stage: Stage) -> None:
        odd_fails(stage)
        result = await stage.run_both(batch(3, "odd_fails"))
        assert result.status == "failed"
        assert [(e.node, e.scope, e.message) for e in result.errors] == [("b", "/#1", "item 1")]

    @check("S8.11", "S1.21", "S12.16")
    async def test_a_batch_may_go_on_past_failed_items_and_lists_their_errors(
        self, stage: Stage
    ) -> None:
        odd_fails(stage)
        blueprint = batch(12, "odd_fails", onItemError="continue", chunkSize=2)
        result = await stage.run_both(blueprint)
        assert (result.status, result.context) == ("completed", {})
        assert result.output == [n if n % 2 == 0 else None for n in range(12)]
        assert [(e.node, e.scope, e.message) for e in result.errors] == [
            ("b", f"/#{n}", f"item {n}") for n in range(1, 12, 2)
        ]

    @check("S8.6", "S7.7", "S7.8")
    async def test_attempts_and_timeout_of_the_scatter_hold_for_each_item(
        self, stage: Stage
    ) -> None:
        seen: dict[int, list[int]] = {}

        @stage.node("shaky")
        async def shaky(input: int, run: RunInfo) -> int:
            seen.setdefault(input, []).append(run.attempt)
            if run.attempt == 1:
                await asyncio.sleep(stage.lease_seconds * 100)
            if run.attempt == 2:
                raise RuntimeError("again")
            return input

        config = {"maxRetries": 3, "retryDelay": 10, "timeout": 500}
        assert (await stage.run(batch(3, "shaky", config=config))).output == [0, 1, 2]
        assert seen == {n: [1, 2, 3] for n in range(3)}
        assert (await stage.until_recorded("b/#2")).attempt == 3

    # -- what was gathered

    @check("S8.16", "S12.16")
    async def test_the_list_is_in_the_context_under_its_key(self, stage: Stage) -> None:
        @stage.node("read")
        async def read(input: Any, ctx: Context) -> Any:
            return [input, await ctx.get("all")]

        blueprint = batch(3)
        blueprint["nodes"][2] = node("r", "batch-gather", outputKey="all")
        blueprint["nodes"] += [node("z", "read"), node("y", inputs="all.1")]
        blueprint["edges"] += [{"source": "r", "target": "z"}, {"source": "z", "target": "y"}]
        result = await stage.run_both(blueprint)
        assert (result.output, result.context) == (1, {"all": [0, 1, 2]})
        assert await stage.until_output("z") == [[0, 1, 2], [0, 1, 2]]

    @check("S8.16", "S1.12", "S12.16")
    async def test_a_key_of_a_gather_that_breaks_the_rules_fails_it(self, stage: Stage) -> None:
        blueprint = batch(2)
        blueprint["nodes"][2] = node("r", "batch-gather", outputKey="k" * 513)
        result = await stage.run_both(blueprint)
        assert [(e.node, e.type) for e in result.errors] == [("r", "ValueNotStorableError")]

    @check("S8.14", "S2.5", "S12.16")
    async def test_a_list_larger_than_any_value_reaches_its_consumer(self, stage: Stage) -> None:
        """Of its items each fits; in the context, it lies as a whole."""
        stage.harness.largest_value_bytes = 1000

        @stage.node("wide")
        async def wide(input: int) -> str:
            return "x" * 900

        @stage.node("measure")
        async def measure(input: list[str], ctx: Context) -> Any:
            return [sum(map(len, input)), len(await ctx.get("all"))]

        blueprint = batch(20, "wide")
        blueprint["nodes"][2] = node("r", "batch-gather", outputKey="all")
        blueprint["nodes"] += [node("z", "measure")]
        blueprint["edges"] += [{"source": "r", "target": "z"}]
        assert (await stage.run_both(blueprint)).output == [20 * 900, 20]

    @check("S8.17", "S8.12", "S12.16")
    async def test_a_batch_over_what_another_gathered_needs_no_list(self, stage: Stage) -> None:
        """Nor does it matter that the list as a whole would be too large, or what failed."""
        stage.harness.largest_value_bytes = 200
        odd_fails(stage)

        @stage.node("is_null")
        async def is_null(input: int | None) -> bool:
            return input is None

        scatter = {"gatherNodeId": "r2", "workerUsesKey": "is_null"}
        blueprint = batch(30, "odd_fails", onItemError="continue")
        blueprint["nodes"] += [
            node("b2", "batch-scatter", **scatter), node("r2", "batch-gather"),
            value("z", "done"),
        ]  # fmt: skip
        blueprint["edges"] += [
            {"source": source, "target": target}
            for source, target in (("r", "b2"), ("b2", "r2"), ("r2", "z"))
        ]
        result = await stage.run_both(blueprint)
        assert (result.status, result.output) == ("completed", "done")
        for index in (0, 1, 28, 29):
            assert await stage.until_output(f"b2/#{index}") == (index % 2 == 1)

    # -- within others

    @check("S8.5", "S6.19", "S12.16")
    async def test_batches_in_a_loop_begin_anew_each_time(self, stage: Stage) -> None:
        @stage.node("grow")
        async def grow(input: list[int]) -> list[int]:
            return [*input, len(input)]

        tenfold(stage)
        scatter = {"workerUsesKey": "tenfold", "gatherNodeId": "r"}
        nodes = [
            value("s", []), node("c", "loop-controller", condition="size(input) < 3"),
            node("b", "batch-scatter", **scatter), node("r", "batch-gather"),
            node("n", "grow"), node("z"),
        ]  # fmt: skip
        edges = [("s", "c"), ("c", "b", {"action": "continue"}), ("b", "r"), ("r", "n"),
                 ("n", "c"), ("c", "z")]  # fmt: skip
        assert (await stage.run_both(graph(nodes, *edges))).output == [0, 10, 2]
        assert await stage.until_output("b/2/#1") == 10
        assert await stage.record("b/1/#1") is None

    @pytest.mark.parametrize("worker", ["join", "sleep"])
    @check("S8.1", "S11.14", "S12.16")
    async def test_a_built_in_can_be_the_worker(self, stage: Stage, worker: str) -> None:
        params = {"duration": 5} if worker == "sleep" else {}
        blueprint = with_items([1, 2], worker, workerParams=params, chunkSize=1)
        assert (await stage.run_both(blueprint)).output == [1, 2]

    @check("S8.15", "S9.1", "S12.16")
    async def test_each_item_may_be_a_child_run(self, stage: Stage) -> None:
        stage.add(loop(2, name="child"))
        blueprint = with_items(
            [1, 2, 3], "subflow", workerParams={"blueprintId": "child"}, chunkSize=2
        )
        assert (await stage.run_both(blueprint)).output == [{"n": 2}] * 3
        assert len(await stage.children()) == 3

    @check("S12.1", "S12.6", "S8.8")
    async def test_a_batch_survives_workers_that_die_in_the_middle(self, stage: Stage) -> None:
        dies_at = {3, 11, 12}

        @stage.node_of_worker("fragile")
        def fragile(worker: Any) -> Any:
            async def fragile(input: int) -> int:
                if input in dies_at:
                    dies_at.discard(input)
                    await worker.die()
                return input * 10

            return fragile

        keeper = asyncio.create_task(stage.keep_alive(2))
        stage.add(batch(20, "fragile", chunkSize=4))
        await stage.submit("g")
        assert (await stage.result()).output == [10 * n for n in range(20)]
        keeper.cancel()
