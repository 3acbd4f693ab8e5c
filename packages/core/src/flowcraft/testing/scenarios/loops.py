"""Loops: chapter 6 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, graph, loop, node, value
from flowcraft.testing.stage import Stage

GO = {"action": "continue"}
NEVER = {"condition": "false"}
ANY = {"joinStrategy": "any"}


def without_edge(blueprint: BlueprintJson, source: str, target: str) -> BlueprintJson:
    """Take an edge out of a blueprint."""
    edges = [e for e in blueprint["edges"] if (e["source"], e["target"]) != (source, target)]
    return {**blueprint, "edges": edges}


class LoopScenarios:
    """Each iteration is a scope of its own, and the loop ends once."""

    # -- course

    @check("S6.7", "S6.9", "S6.10", "S6.13", "S6.14", "S12.16", "G7")
    async def test_a_loop_goes_on_while_its_condition_holds(self, stage: Stage) -> None:
        assert (await stage.run_both(loop(3))).output == {"n": 3}
        assert stage.calls["count"] == 3
        for index in range(3):
            evaluated = await stage.until_recorded(f"c/{index}")
            assert (evaluated.outcome, evaluated.action) == ("completed", "continue")
            assert await stage.until_output(f"c/{index}") == {"n": index}
            assert await stage.until_output(f"b/{index}") == {"n": index + 1}
        assert (await stage.until_recorded("c/3")).action == "break"
        for key in ("b/3", "c/4", "b", "c"):
            assert await stage.record(key) is None

    @check("S6.12", "S6.13", "S6.10", "S12.16")
    async def test_a_loop_may_have_no_iteration(self, stage: Stage) -> None:
        assert (await stage.run_both(loop(0))).output == {"n": 0}
        assert stage.calls["count"] == 0
        assert await stage.record("b/0") is None

    @check("S6.3", "S6.10", "S12.16")
    async def test_every_edge_that_does_not_continue_is_an_exit(self, stage: Stage) -> None:
        """Those with the action `break` are candidates, and else those without an action."""
        both = loop(1)
        both["nodes"] += [node("p"), node("q")]
        both["edges"] += [{"source": "c", "target": "p"},
                          {"source": "c", "target": "q", "action": "break",
                           "condition": "input.n == 1"}]  # fmt: skip
        assert (await stage.run_both(both)).output == {"e": {"n": 1}, "q": {"n": 1}}
        plain = without_edge({**both, "id": "plain"}, "c", "e")
        plain["edges"] = [e for e in plain["edges"] if e["target"] != "q"]
        plain["nodes"] = [n for n in plain["nodes"] if n["id"] not in ("e", "q")]
        assert (await stage.run_both(plain, run_id="plain")).output == {"n": 1}

    @check("S1.23", "S1.24", "S6.10", "S12.16")
    async def test_a_loop_without_exits_is_a_sink(self, stage: Stage) -> None:
        blueprint = without_edge(loop(2), "c", "e")
        blueprint["nodes"].pop()
        result = await stage.run_both(blueprint)
        assert (result.status, result.output) == ("completed", {"n": 2})

    @check("S6.11", "S6.7", "S12.8")
    async def test_exits_are_decided_once_however_often_evaluations_are_repeated(
        self, stage: Stage
    ) -> None:
        blueprint = loop(2)
        blueprint["nodes"].append(node("w", "wait"))
        blueprint["edges"].append({"source": "e", "target": "w"})
        stage.add(blueprint)
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        before = [await stage.record(f"c/{index}") for index in range(3)]
        for index in (2, 0, 1, 2):
            await stage.send("c", f"/{index}")
            await stage.send("b", f"/{index % 2}")
        await stage.until_quiet()
        assert [await stage.record(f"c/{index}") for index in range(3)] == before
        assert await stage.record("c/3") is None
        await stage.resume("w", "done")
        assert (await stage.result()).output == "done"
        assert (stage.calls["count"], stage.calls["echo"]) == (2, 1)

    @pytest.mark.parametrize("limit", [1, 4])
    @check("S6.18", "S12.20", "S12.16")
    async def test_a_loop_beyond_its_limit_fails_the_run_and_names_the_controller(
        self, stage: Stage, limit: int
    ) -> None:
        result = await stage.run_both(loop(1000, maxIterations=limit))
        (error,) = result.errors
        assert (result.status, error.node, error.scope) == ("failed", "c", f"/{limit}")
        assert str(limit) in error.message
        assert stage.calls["count"] == limit

    @check("S6.18", "S12.16")
    async def test_a_loop_of_exactly_its_limit_completes(self, stage: Stage) -> None:
        assert (await stage.run_both(loop(3, maxIterations=3))).output == {"n": 3}

    @check("S6.7", "S12.1", "S12.16")
    async def test_a_loop_may_have_a_hundred_iterations(self, stage: Stage) -> None:
        """More than what one message carries."""
        assert (await stage.run_both(loop(100))).output == {"n": 100}
        assert await stage.until_output("b/99") == {"n": 100}
        assert await stage.record("b/100") is None

    @check("S12.1", "S6.19", "S12.5")
    async def test_a_loop_survives_workers_that_die_in_the_middle(self, stage: Stage) -> None:
        dies_at = {2, 5}

        @stage.node_of_worker("step")
        def step(worker: Any) -> Any:
            async def step(input: dict[str, Any]) -> Any:
                if input["n"] in dies_at:
                    dies_at.discard(input["n"])
                    await worker.die()
                return {"n": input["n"] + 1}

            return step

        blueprint = loop(7)
        blueprint["nodes"][2] = node("b", "step")
        keeper = asyncio.create_task(stage.keep_alive())
        stage.add(blueprint)
        await stage.submit("g")
        assert (await stage.result()).output == {"n": 7}
        keeper.cancel()
        assert (len(stage.workers), stage.calls["step"]) == (3, 9)

    # -- what is read of it

    @check("S6.15", "S12.16")
    async def test_a_controller_reads_its_body_as_of_the_iteration_before(
        self, stage: Stage
    ) -> None:
        """And as null before the first; its exits read what its condition read."""
        blueprint = loop(0)
        blueprint["nodes"][1] = node("c", "loop-controller", condition="b == null || b.n < 3")
        blueprint["edges"][3]["transform"] = "[b.n, input.n]"
        assert (await stage.run_both(blueprint)).output == [3, 3]
        never = loop(0, name="never")
        never["edges"][3]["transform"] = "[b, input.n]"
        assert (await stage.run_both(never, run_id="never")).output == [None, 0]

    # -- joins at the controller

    @check("S6.8", "S12.16")
    async def test_a_controller_joins_its_entries_and_each_time_the_edges_of_its_body(
        self, stage: Stage
    ) -> None:
        @stage.node("sum")
        async def total(input: dict[str, Any]) -> Any:
            return sum(each["n"] for each in input.values() if each)

        nodes = [
            value("x", {"n": 1}), value("y", {"n": 10}), value("s", {"n": 100}),
            node("c", "loop-controller", condition="!has(input.l)"),
            value("l", {"n": 2}), value("r", {"n": 3}), node("e", "sum"),
        ]  # fmt: skip
        edges = [("x", "c"), ("y", "c"), ("s", "c", NEVER), ("c", "l", GO), ("c", "r", GO),
                 ("l", "c"), ("r", "c"), ("c", "e")]  # fmt: skip
        assert (await stage.run_both(graph(nodes, *edges))).output == 5
        assert await stage.until_output("c/0") == {"x": {"n": 1}, "y": {"n": 10}}
        assert await stage.until_output("c/1") == {"l": {"n": 2}, "r": {"n": 3}}

    @check("S6.8", "S5.3", "S1.26", "S12.16")
    async def test_the_strategy_any_holds_for_entries_and_for_the_body(self, stage: Stage) -> None:
        """What comes later, here never, is not waited for."""
        nodes = [
            value("s", {"n": 0}), node("w", "wait"),
            node("c", "loop-controller", condition="!('b' in input)", config=ANY),
            node("b"), node("v", "wait"), node("e"),
        ]  # fmt: skip
        edges = [("s", "c"), ("w", "c"), ("c", "b", GO), ("c", "v", GO), ("b", "c"), ("v", "c"),
                 ("c", "e")]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"b": {"s": {"n": 0}}}

    @check("S6.16", "S5.5", "S12.16")
    async def test_a_body_that_leads_back_nowhere_skips_the_exits(self, stage: Stage) -> None:
        blueprint = loop(3)
        blueprint["edges"][2]["condition"] = "input.n < 2"
        result = await stage.run_both(blueprint)
        assert (result.status, result.output) == ("completed", None)
        assert stage.calls["count"] == 2
        for key in ("c/2", "e"):
            assert (await stage.until_recorded(key)).outcome == "skipped"

    @check("S6.17", "S5.5", "S12.16")
    async def test_a_loop_that_is_not_entered_skips_its_exits(self, stage: Stage) -> None:
        blueprint = loop(3)
        blueprint["edges"][0]["condition"] = "false"
        result = await stage.run_both(blueprint)
        assert (result.status, result.output) == ("completed", None)
        assert (stage.calls["count"], stage.calls["echo"]) == (0, 0)
        assert (await stage.until_recorded("e")).outcome == "skipped"
        assert await stage.record("b/0") is None

    # -- within an iteration

    @check("S6.19", "S5.7", "S12.8", "S12.16")
    async def test_a_join_in_a_body_counts_its_own_iteration_only(self, stage: Stage) -> None:
        """Though one of its branches is always behind the other."""

        @stage.node("sum")
        async def total(input: dict[str, Any]) -> Any:
            assert input["l"] == input["r"], "arrivals of two iterations met"
            return {"n": input["l"]["n"] + 1}

        nodes = [
            value("s", {"n": 0}), node("c", "loop-controller", condition="input.n < 4"),
            node("l"), node("x"), node("y"), node("r"), node("j", "sum"), node("e"),
        ]  # fmt: skip
        edges = [("s", "c"), ("c", "l", GO), ("l", "j"), ("c", "x", GO), ("x", "y"), ("y", "r"),
                 ("r", "j"), ("j", "c"), ("c", "e")]  # fmt: skip
        assert (await stage.run_both(graph(nodes, *edges))).output == {"n": 4}
        assert stage.calls["sum"] == 4

    @check("S6.4", "S1.25")
    async def test_a_side_branch_of_a_body_delays_the_end(self, stage: Stage) -> None:
        """In each iteration that began; it is no part of the output."""
        blueprint = loop(2)
        blueprint["nodes"].append(node("w", "wait"))
        blueprint["edges"].append({"source": "b", "target": "w"})
        stage.add(blueprint)
        stage.worker()
        await stage.submit("g")
        await stage.until_recorded("e")
        for left in (["w/0", "w/1"], ["w/1"]):
            await stage.until_open(*left)
            await stage.until_quiet()
            assert (await stage.header()).status == "running"
            await stage.resume("w", scope=left[0].removeprefix("w"))
        result = await stage.result()
        assert (result.status, result.output) == ("completed", {"n": 2})

    @check("S6.4", "S6.19", "S12.16")
    async def test_a_branch_of_a_body_may_be_skipped_in_one_iteration_and_run_in_the_next(
        self, stage: Stage
    ) -> None:
        blueprint = without_edge(loop(3), "b", "c")
        blueprint["nodes"] += [node("odd"), node("j", inputs="b")]
        blueprint["edges"] += [
            {"source": "b", "target": "odd", "condition": "input.n == 2"},
            {"source": "odd", "target": "j"},
            {"source": "b", "target": "j"},
            {"source": "j", "target": "c"},
        ]
        assert (await stage.run_both(blueprint)).output == {"n": 3}
        outcomes = [(await stage.until_recorded(f"odd/{index}")).outcome for index in range(3)]
        assert outcomes == ["skipped", "completed", "skipped"]

    # -- loops within loops

    @check("S6.20", "S6.6", "S6.11", "S6.7", "S12.16")
    async def test_an_inner_loop_starts_anew_in_each_iteration_of_the_outer_one(
        self, stage: Stage
    ) -> None:
        @stage.node("inner")
        async def inner(input: dict[str, Any]) -> Any:
            return {**input, "m": input["m"] + 1, "total": input["total"] + 1}

        @stage.node("outer")
        async def outer(input: dict[str, Any]) -> Any:
            return {**input, "n": input["n"] + 1, "m": 0}

        nodes = [
            value("s", {"n": 0, "m": 0, "total": 0}),
            node("o", "loop-controller", condition="input.n < 3"),
            node("i", "loop-controller", condition="input.m < input.n"),
            node("b", "inner"), node("q", "outer"), node("e"),
        ]  # fmt: skip
        edges = [("s", "o"), ("o", "i", GO), ("i", "b", GO), ("b", "i"), ("i", "q"), ("q", "o"),
                 ("o", "e")]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"n": 3, "m": 0, "total": 3}
        begun = {(outer, inner) for outer in range(3) for inner in range(outer)}
        for outer_index in range(3):
            assert await stage.record(f"q/{outer_index}") is not None
            for index in range(4):
                is_there = await stage.record(f"b/{outer_index}/{index}") is not None
                assert is_there == ((outer_index, index) in begun)
                evaluated = await stage.record(f"i/{outer_index}/{index}")
                assert (evaluated is not None) == (index <= outer_index)

    @check("S6.20", "S6.18", "S12.16")
    async def test_iterations_of_three_loops_within_each_other_are_told_apart(
        self, stage: Stage
    ) -> None:
        """The limit of the innermost one holds for each of its runs by itself."""

        @stage.node("more")
        async def more(input: dict[str, Any], params: dict[str, Any]) -> Any:
            own, below = params["own"], params["below"]
            return {**input, own: input[own] + 1, **dict.fromkeys(below, 0)}

        def controller(name: str, **params: Any) -> Any:
            return node(name.upper(), "loop-controller", condition=f"input.{name} < 2", **params)

        nodes = [
            value("s", {"x": 0, "y": 0, "z": 0, "all": 0}),
            controller("x"), controller("y"), controller("z", maxIterations=2),
            node("b", "more", own="all", below=[]), node("zz", "more", own="z", below=[]),
            node("yy", "more", own="y", below=["z"]), node("xx", "more", own="x", below=["y"]),
            node("e"),
        ]  # fmt: skip
        edges = [("s", "X"), ("X", "Y", GO), ("Y", "Z", GO), ("Z", "b", GO), ("b", "zz"),
                 ("zz", "Z"), ("Z", "yy"), ("yy", "Y"), ("Y", "xx"), ("xx", "X"),
                 ("X", "e")]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"x": 2, "y": 0, "z": 0, "all": 8}
        assert await stage.record("b/1/1/1") is not None
