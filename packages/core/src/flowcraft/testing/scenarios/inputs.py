"""What reaches a node: chapter 3 of docs/semantics.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from flowcraft.nodes import Context, Depends, RunInfo
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, loop, node, value
from flowcraft.testing.stage import Stage


@dataclass
class Order:
    """What a node asks for."""

    amount: int


class InputScenarios:
    """A node gets what its edges carry, or what its `inputs` name."""

    # -- edges

    @check("S3.2", "S12.16", "G7")
    async def test_one_incoming_edge_gives_its_value(self, stage: Stage) -> None:
        nodes = [value("a", {"n": [1, None]}), node("b")]
        assert (await stage.run_both(graph(nodes, ("a", "b")))).output == {"n": [1, None]}

    @check("S3.3", "S12.16")
    async def test_several_edges_give_a_mapping_of_those_taken(self, stage: Stage) -> None:
        nodes = [value("a", 1), value("b", 2), value("c", 3), node("two"), node("one")]
        never = {"condition": "false"}
        edges = [("a", "two"), ("b", "two"), ("c", "two", never), ("a", "one"), ("b", "one", never)]
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"two": {"a": 1, "b": 2}, "one": {"a": 1}}

    @check("S3.4", "S12.16")
    async def test_the_input_of_an_any_join_has_its_winner_as_the_only_key(
        self, stage: Stage
    ) -> None:
        nodes = [value("a", 1), node("w", "wait"), node("j", config={"joinStrategy": "any"})]
        result = await stage.run_both(graph(nodes, ("a", "w"), ("a", "j"), ("w", "j")))
        assert result.output == {"a": 1}

    @pytest.mark.parametrize(("condition", "given"), [("true", "later"), ("false", "earlier")])
    @check("S3.5", "S4.6", "S12.16")
    async def test_of_two_edges_from_one_source_the_later_one_taken_gives_the_value(
        self, stage: Stage, condition: str, given: str
    ) -> None:
        nodes = [value("a", {"x": "earlier", "y": "later"}), node("j")]
        first = ("a", "j", {"transform": "input.x"})
        second = ("a", "j", {"transform": "input.y", "condition": condition})
        assert (await stage.run_both(graph(nodes, first, second))).output == {"a": given}

    # -- names

    @check("S3.1", "S12.16")
    async def test_inputs_count_and_not_what_arrives(self, stage: Stage) -> None:
        nodes = [value("a", 1), value("b", 2), node("c", inputs={"x": "a"})]
        result = await stage.run_both(graph(nodes, ("a", "b"), ("b", "c")))
        assert result.output == {"x": 1}

    @check("S3.1", "S1.2", "S12.16")
    async def test_inputs_of_a_start_node_count_and_not_the_payload(self, stage: Stage) -> None:
        nodes = [node("a", inputs={"x": "k"})]
        assert (await stage.run_both(graph(nodes), {"k": 1, "l": 2})).output == {"x": 1}

    @check("S3.6", "S12.16")
    async def test_inputs_that_are_a_text_give_the_bare_value(self, stage: Stage) -> None:
        nodes = [value("a", {"n": [5, 6]}), node("b", inputs="a.n.1")]
        assert (await stage.run_both(graph(nodes, ("a", "b")))).output == 6

    @check("S3.7", "S1.11", "S12.16")
    async def test_a_name_is_a_node_then_a_context_key_then_a_path(self, stage: Stage) -> None:
        """A name that could be several of them is the first."""
        nodes = [
            value("a", {"b": "path", "c": "path", "d": "path"}),
            value("a.b", "node"),
            node(
                "z",
                inputs={
                    "node": "a.b",
                    "outputs": "_outputs.a.b",
                    "whole key": "a.c",
                    "path of a node": "a.d",
                    "path of a key": "k.list.1.n",
                    "node before key": "a",
                    "key that looks like a node": "_outputs.k",
                },
            ),
        ]
        payload = {
            "a": "key",
            "a.b": "key",
            "a.c": "key",
            "_outputs.a.b": "key",
            "_outputs.k": "key",
            "k": {"list": [0, {"n": 7}]},
        }
        result = await stage.run_both(graph(nodes, ("a", "a.b"), ("a.b", "z")), payload)
        assert result.output == {
            "node": "node",
            "outputs": "node",
            "whole key": "key",
            "path of a node": "path",
            "path of a key": 7,
            "node before key": {"b": "path", "c": "path", "d": "path"},
            "key that looks like a node": "key",
        }

    @check("S3.8", "S12.16")
    async def test_a_name_that_leads_nowhere_is_null(self, stage: Stage) -> None:
        """Neither do a skipped node and one that has not run."""
        inputs = {
            "nobody": "ghost",
            "nobody's path": "ghost.x.0",
            "no such member": "a.list.9",
            "into a text": "a.text.x",
            "skipped": "s",
            "within what was skipped": "s.x",
            "later": "z",
        }
        nodes = [value("a", {"list": [1], "text": "t"}), node("s"), node("b", inputs=inputs)]
        edges = [("a", "s", {"condition": "false"}), ("a", "b"), ("b", "z")]
        result = await stage.run_both(graph([*nodes, node("z")], *edges))
        assert result.output == {"z": dict.fromkeys(inputs)}

    # -- nodes of loops

    @check("S3.9", "S12.16")
    async def test_within_a_loop_a_name_means_its_own_iteration(self, stage: Stage) -> None:
        """And a node of the loop around it means the iteration in which the reader is."""

        @stage.node("step")
        async def step(input: dict[str, Any]) -> Any:
            return {**input, "m": input["m"] + 1}

        @stage.node("note")
        async def note(input: dict[str, Any]) -> Any:
            own, outer = input["own"], input["outer"]
            return {**own, "seen": [*own["seen"], [outer["n"], own["m"]]]}

        @stage.node("reset")
        async def reset(input: dict[str, Any]) -> Any:
            return {**input, "m": 0}

        nodes = [
            value("s", {"n": 0, "m": 0, "seen": []}),
            node("o", "loop-controller", condition="input.n < 2"),
            node("p", "count"),
            node("i", "loop-controller", condition="input.m < 2"),
            node("b", "step"),
            node("r", "note", inputs={"own": "b", "outer": "p"}),
            node("q", "reset"),
            node("z", inputs="o.seen"),
        ]
        go = {"action": "continue"}
        edges = [
            ("s", "o"), ("o", "p", go), ("p", "i"), ("i", "b", go), ("b", "r"), ("r", "i"),
            ("i", "q"), ("q", "o"), ("o", "z"),
        ]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == [[1, 1], [1, 2], [2, 1], [2, 2]]

    @pytest.mark.parametrize(("limit", "last"), [(3, {"n": 3}), (0, None)])
    @check("S3.10", "S3.11", "S6.12", "S12.16")
    async def test_from_outside_a_node_of_a_loop_means_its_last_iteration(
        self, stage: Stage, limit: int, last: Any
    ) -> None:
        blueprint = loop(limit)
        blueprint["nodes"][-1] = node("e", inputs={"body": "b", "controller": "c"})
        result = await stage.run_both(blueprint)
        assert result.output == {"body": last, "controller": {"n": limit}}

    @check("S3.11")
    async def test_from_outside_a_node_of_a_loop_is_null_until_the_loop_has_ended(
        self, stage: Stage
    ) -> None:
        blueprint = loop(2)
        blueprint["nodes"] += [node("w", "wait"), node("v", "wait"), node("r", inputs={"b": "b"})]
        edges = [("b", "w"), ("w", "c"), ("v", "r")]
        blueprint["edges"] = [edge for edge in blueprint["edges"] if edge["source"] != "b"]
        blueprint["edges"] += [{"source": a, "target": b} for a, b in edges]
        stage.add(blueprint)
        stage.worker()
        await stage.submit("g")
        await stage.until_open("v", "w/0")
        await stage.resume("v")
        assert await stage.until_output("r") == {"b": None}
        for index in range(2):
            await stage.until_open(f"w/{index}")
            await stage.resume("w", {"n": index + 1})
        assert (await stage.result()).output == {"e": {"n": 2}, "r": {"b": None}}

    # -- parameters

    @check("S3.12", "S12.16")
    async def test_parameters_are_bound_by_type_and_by_name(self, stage: Stage) -> None:
        @stage.node("by_type")
        async def by_type(where: RunInfo, what: list[int], there: Context) -> Any:
            await there.set("seen", what)
            return [where.node_id, where.run_id, what]

        @stage.node("by_name")
        async def by_name(ctx: Any, order: Any, params: Any, run: Any) -> Any:
            return [await ctx.get("seen"), order, params, run.node_id]

        nodes = [node("a", "by_type"), node("b", "by_name", p=1)]
        result = await stage.run_both(graph(nodes, ("a", "b")), [7])
        assert result.output == [[7], ["a", "run", [7]], {"p": 1}, "b"]

    @check("S3.12")
    async def test_a_dependency_is_what_the_worker_has_of_that_name(self, stage: Stage) -> None:
        @stage.node("needs")
        async def needs(input: int, pool: Annotated[list[int], Depends("pool")]) -> Any:
            return [input, pool]

        stage.worker(dependencies={"pool": [1, 2]})
        assert (await stage.run(graph([node("a", "needs")]), 7)).output == [7, [1, 2]]

    @check("S3.14", "S12.16")
    async def test_an_input_that_does_not_fit_fails_the_node_at_once(self, stage: Stage) -> None:
        @stage.node("typed")
        async def typed(order: Order) -> Any:
            return order.amount

        nodes = [node("a", "typed", config={"maxRetries": 3, "retryDelay": 10})]
        result = await stage.run_both(graph(nodes), {"amount": "much"})
        (error,) = result.errors
        assert (error.node, error.type, error.attempt) == ("a", "InputError", 1)
        assert "'a'" in error.message
        assert "amount" in error.message
        assert not stage.calls["typed"]
