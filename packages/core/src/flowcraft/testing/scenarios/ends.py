"""How runs end, and what their results hold: S1.17 to S1.28 of docs/semantics.md."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import batch, graph, loop, node, value
from flowcraft.testing.scenarios.cancelling import until_children
from flowcraft.testing.stage import FAR_SECONDS, Stage
from flowcraft.testing.wire import Call, never

LONGEST_THREAD_SECONDS = 10.0
"""How long a node stays in its thread, in real time, when nobody ends it."""


class EndScenarios:
    """A run ends once, when its sinks are over, and its result never changes."""

    @check("S1.18", "S1.21", "S1.24")
    async def test_a_result_has_status_output_context_and_errors(self, stage: Stage) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context) -> str:
            await ctx.set("key", [1])
            return "given"

        result = await stage.run(graph([node("a", "write"), node("b")], ("a", "b")), {"p": 0})
        assert (result.run_id, result.status, result.output) == ("run", "completed", "given")
        assert result.context == {"p": 0, "key": [1]}, "it holds an output, or lacks a key"
        assert result.errors == []

    @check("S1.19")
    @pytest.mark.parametrize("condition", ["true", "false"])
    async def test_the_output_of_one_sink_is_the_output_of_the_run(
        self, stage: Stage, condition: str
    ) -> None:
        blueprint = graph([node("a"), node("b")], ("a", "b", {"condition": condition}))
        result = await stage.run(blueprint, 3)
        assert result.status == "completed"
        assert result.output == (3 if condition == "true" else None)

    @check("S1.20")
    async def test_several_sinks_give_a_mapping_without_those_that_were_skipped(
        self, stage: Stage
    ) -> None:
        nodes = [value("a", 1), value("b", None), node("c"), node("d")]
        edges = [("a", "b"), ("a", "c"), ("a", "d", {"condition": "false"})]
        assert (await stage.run(graph(nodes, *edges))).output == {"b": None, "c": 1}

    @check("S1.23")
    async def test_fallbacks_and_scatters_are_no_sinks(self, stage: Stage) -> None:
        nodes = [
            value("a", [1, 2], config={"fallback": "spare"}),
            node("b", "batch-scatter", workerUsesKey="echo", gatherNodeId="r"),
            node("r", "batch-gather"),
            node("spare"),
        ]
        assert (await stage.run(graph(nodes, ("a", "b"), ("b", "r")))).output == [1, 2]

    @check("S1.23")
    async def test_a_controller_without_exits_is_a_sink(self, stage: Stage) -> None:
        blueprint = loop(3)
        blueprint["nodes"] = [one for one in blueprint["nodes"] if one["id"] != "e"]
        blueprint["edges"] = [one for one in blueprint["edges"] if one["target"] != "e"]
        assert (await stage.run(blueprint)).output == {"n": 3}

    @check("S1.25", "S1.24")
    async def test_the_sink_of_a_loop_body_delays_the_end_in_each_iteration(
        self, stage: Stage
    ) -> None:
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        doors = [asyncio.Event() for _ in range(3)]

        @stage.node("held")
        async def held(input: dict[str, int]) -> None:
            await doors[input["n"] - 1].wait()

        blueprint = loop(3)
        blueprint["nodes"].append(node("side", "held"))
        blueprint["edges"].append({"source": "b", "target": "side"})
        stage.add(blueprint)
        stage.worker()
        stage.worker()
        await stage.submit("g")
        await stage.until_recorded("e")
        await stage.until_called("held", 3)
        for index in (2, 0, 1):
            await asyncio.sleep(stage.harness.slack_seconds)
            assert not (await stage.header()).is_over
            doors[index].set()
        within = stage.lease_seconds + stage.harness.slack_seconds
        assert (await stage.result(within=within)).output == {"n": 3}
        for index in range(3):
            assert await stage.record(f"side/{index}") is not None

    @check("S1.26", "S1.27", "S10.20")
    async def test_what_still_waits_when_the_sinks_are_over_is_dropped(self, stage: Stage) -> None:
        nodes = [
            node("a"),
            node("w", "wait"),
            node("p", "sleep", duration=round(10_000 * stage.lease_seconds)),
            node("j", config={"joinStrategy": "any"}),
        ]
        edges = [("a", "w"), ("a", "p"), ("a", "j"), ("w", "j"), ("p", "j")]
        result = await stage.run(graph(nodes, *edges), 1)
        assert (result.status, result.output) == ("completed", {"a": 1})
        await stage.until_quiet()
        assert await stage.resume("w", 2) == "refused"
        assert [await stage.record(key) for key in ("w", "p")] == [None, None]
        await stage.client.reconcile("run")
        await stage.until_quiet()
        assert await stage.result() == result

    @check("S1.26", "S1.28", "S1.27")
    async def test_a_node_that_executes_when_the_sinks_are_over_is_cancelled(
        self, stage: Stage
    ) -> None:
        ended = asyncio.Event()

        @stage.node("long")
        async def long(input: Any, ctx: Context) -> None:
            try:
                await ctx.set("key", 1)
                await never()
            finally:
                ended.set()

        @stage.node("after_long")
        async def after_long(input: Any) -> Any:
            await stage.until_called("long")
            return input

        nodes = [node("l", "long"), node("a", "after_long"), joined := node("j")]
        joined["config"] = {"joinStrategy": "any"}
        result = await stage.run(graph(nodes, ("l", "j"), ("a", "j")), 1)
        assert (result.status, result.output, result.context) == ("completed", {"a": 1}, {})
        await asyncio.wait_for(ended.wait(), stage.lease_seconds)
        await stage.until_quiet()
        assert await stage.record("l") is None
        assert await stage.result() == result

    @check("S1.28", "S12.6")
    async def test_what_a_node_in_a_thread_brings_after_the_end_is_thrown_away(
        self, stage: Stage
    ) -> None:
        has_begun, is_over = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        @stage.node("threaded")
        def threaded(input: Any) -> str:
            loop.call_soon_threadsafe(has_begun.set)
            is_over.wait(LONGEST_THREAD_SECONDS)
            return "too late"

        stage.add(graph([node("a", "threaded"), node("b")], ("a", "b")))
        stage.worker()
        await stage.submit("g")
        await has_begun.wait()
        await stage.handle().cancel()
        is_over.set()
        await stage.until_quiet()
        result = await stage.result()
        assert (result.status, result.output) == ("cancelled", None)
        assert await stage.record("a") is None
        assert stage.calls["echo"] == 0

    @check("S1.22", "S12.10", "S12.1")
    async def test_an_end_that_its_worker_did_not_live_to_announce_is_announced_by_another(
        self, stage: Stage
    ) -> None:
        stage.add(graph([node("a")]))
        first = stage.worker()

        async def die_after_the_end(call: Call) -> None:
            if (await stage.header()).is_over:
                await first.die()

        first.wire.after = die_after_the_end
        await stage.submit("g", {"n": 1})
        header = await stage.until_over()
        stage.worker()
        result = await stage.result()
        assert (result.status, result.output) == ("completed", {"n": 1})
        await stage.until_quiet()
        assert (await stage.header()).ended_at == header.ended_at
        assert await stage.result() == result

    @check("S9.3", "S12.13")
    async def test_the_end_of_a_child_wakes_its_parent_by_itself(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7  # nobody else would
        stage.add(graph([node("w", "wait")], name="inner"))
        stage.add(graph([node("s", "subflow", blueprintId="inner")], name="middle"))
        stage.add(graph([node("s", "subflow", blueprintId="middle"), node("z")], ("s", "z")))
        stage.worker()
        await stage.submit("g")
        (child,) = await until_children(stage, "run")
        (inner,) = await until_children(stage, child.run_id)
        await stage.until_open("w", run_id=inner.run_id)
        await stage.resume("w", 7, run_id=inner.run_id)
        within = stage.lease_seconds + 5 * stage.harness.slack_seconds
        assert (await stage.result(within=within)).output == 7

    @check("S1.22", "S12.10", "S12.23")
    async def test_the_result_of_a_run_is_the_same_whenever_it_is_read(self, stage: Stage) -> None:
        result = await stage.run(batch(3), {"n": 1})
        for _ in range(3):
            await asyncio.sleep(2 * stage.sweep_seconds)
            again = await stage.handle().result()
            assert msgspec.to_builtins(again) == msgspec.to_builtins(result)

    @check("S1.27", "S1.17", "S12.8")
    async def test_jobs_sent_many_times_and_late_change_nothing(self, stage: Stage) -> None:
        stage.add(loop(3))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        late = [("s", ""), ("c", "/0"), ("b", "/0"), ("c", "/1"), ("b", "/2"), ("e", "")]

        async def again() -> None:
            for node_id, scope in late:
                if await stage.record(node_id + scope) is not None:
                    await stage.send(node_id, scope)

        for _ in range(3):
            await again()
        result = await stage.result()
        calls = stage.calls.copy()
        await again()
        await stage.until_quiet()
        assert await stage.result() == result
        assert result.output == {"n": 3}
        assert stage.calls == calls, "something started after the end"
