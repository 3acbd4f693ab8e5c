"""Fallbacks: the second half of chapter 7 of docs/semantics.md."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, loop, node, value
from flowcraft.testing.stage import Stage


def failing(name: str, fallback: str, **members: Any) -> Any:
    """Write a node that fails, and has a fallback."""
    return node(name, "fails", config={"fallback": fallback}, **members)


class FallbackScenarios:
    """A fallback stands in for the node that failed, towards everybody."""

    @check("S7.14", "S7.16", "S7.17", "S12.16", "G7")
    async def test_a_fallback_stands_in_for_the_node_that_failed(self, stage: Stage) -> None:
        """Its result travels under the failed node's name, and it is no sink itself."""
        nodes = [failing("a", "f"), value("f", "saved"), value("b", 2), node("j")]
        result = await stage.run_both(graph(nodes, ("a", "j"), ("b", "j")), 7)
        assert (result.status, result.errors) == ("completed", [])
        assert result.output == {"a": "saved", "b": 2}
        assert (await stage.until_recorded("a")).outcome == "caught"

    @check("S7.14", "S1.19", "S12.16")
    async def test_the_fallback_of_a_sink_gives_the_output_of_the_run(self, stage: Stage) -> None:
        result = await stage.run_both(graph([failing("a", "f"), value("f", "saved")]))
        assert (result.status, result.output) == ("completed", "saved")

    @check("S7.15", "S12.16")
    async def test_a_fallback_gets_the_input_and_the_error(self, stage: Stage) -> None:
        @stage.node("rescue")
        async def rescue(input: Any, ctx: Context) -> Any:
            return [input, await ctx.get("_catch_error")]

        config = {"maxRetries": 2, "retryDelay": 1, "fallback": "f"}
        nodes = [value("s", {"n": 1}), node("a", "fails", config=config), node("f", "rescue")]
        result = await stage.run_both(graph(nodes, ("s", "a")))
        (given, error) = result.output
        assert given == {"n": 1}
        assert (error["node"], error["type"], error["attempt"]) == ("a", "RuntimeError", 2)
        assert "it was to fail" in error["message"]
        assert result.context["_catch_error"] == error

    @check("S7.15", "S3.1", "S12.16")
    async def test_a_fallback_gets_what_the_inputs_of_the_failed_node_named(
        self, stage: Stage
    ) -> None:
        nodes = [value("s", 1), failing("a", "f", inputs={"x": "k"}), node("f")]
        result = await stage.run_both(graph(nodes, ("s", "a")), {"k": 5})
        assert result.output == {"x": 5}

    @check("S7.17", "S1.3", "S1.23", "S12.16")
    async def test_a_fallback_that_nobody_needs_neither_starts_nor_delays_the_end(
        self, stage: Stage
    ) -> None:
        nodes = [value("a", 1, config={"fallback": "f"}), node("f", "fails")]
        result = await stage.run_both(graph(nodes))
        assert (result.status, result.output) == ("completed", 1)
        assert not stage.calls["fails"]
        assert await stage.record("f") is None

    @check("S7.18", "S12.16")
    async def test_a_fallback_may_have_edges_of_its_own(self, stage: Stage) -> None:
        nodes = [failing("a", "f"), value("f", 5), node("b"), node("c"), node("d")]
        edges = [("a", "b"), ("f", "c", {"transform": "input + 1"}),
                 ("f", "d", {"condition": "input > 9"})]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"b": 5, "c": 6}

    @check("S7.19", "S5.5", "S12.16")
    async def test_the_edges_of_a_fallback_that_was_not_needed_are_skipped(
        self, stage: Stage
    ) -> None:
        nodes = [value("a", 1, config={"fallback": "f"}), node("f"), node("b"), node("c"),
                 node("j")]  # fmt: skip
        edges = [("a", "b"), ("f", "c"), ("b", "j"), ("c", "j")]
        result = await stage.run_both(graph(nodes, *edges))
        assert (result.status, result.output) == ("completed", {"b": 1})
        for name in "fc":
            assert (await stage.until_recorded(name)).outcome == "skipped"

    @check("S7.19", "S5.5", "S12.16")
    async def test_the_edges_of_a_fallback_of_a_skipped_node_are_skipped(
        self, stage: Stage
    ) -> None:
        nodes = [value("s", 1), failing("a", "f"), node("f"), node("c"), node("z")]
        edges = [("s", "a", {"condition": "false"}), ("f", "c"), ("s", "z")]
        result = await stage.run_both(graph(nodes, *edges))
        assert (result.status, result.output) == ("completed", {"z": 1})
        assert not stage.calls["fails"]

    @check("S7.20", "S12.8", "S12.16")
    async def test_a_shared_fallback_runs_once_for_each_that_failed(self, stage: Stage) -> None:
        nodes = [value("x", "of x"), value("y", "of y"), failing("a", "f"),
                 failing("b", "f", inputs="y"), node("c", config={"fallback": "f"}), node("f"),
                 node("j", inputs={"a": "a", "b": "b"})]  # fmt: skip
        edges = [("y", "x"), ("x", "a"), ("a", "b"), ("b", "c"), ("c", "j")]
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"a": "of x", "b": "of y"}
        for key, is_there in {"f/!a": True, "f/!b": True, "f/!c": False, "f": False}.items():
            assert (await stage.record(key) is not None) == is_there
        assert (stage.calls["fails"], stage.calls["echo"]) == (2, 4)

    @check("S7.21", "S7.25", "S12.16")
    async def test_the_last_of_a_chain_of_fallbacks_stands_in_for_all(self, stage: Stage) -> None:
        nodes = [
            failing("a", "f"), failing("f", "g"), node("g"),
            node("b", inputs={"a": "a", "f": "f", "g": "g"}), node("z"),
        ]  # fmt: skip
        edges = [("a", "b"), ("b", "z", {"transform": "[a, f, g, input.a]"})]
        assert (await stage.run_both(graph(nodes, *edges), 7)).output == [7, 7, 7, 7]
        assert stage.calls["fails"] == 2

    @pytest.mark.parametrize("chain", [("f",), ("f", "g")])
    @check("S7.24", "S7.21", "S1.29", "S12.16")
    async def test_a_fallback_that_fails_for_good_fails_the_run(
        self, stage: Stage, chain: tuple[str, ...]
    ) -> None:
        names = ("a", *chain)
        nodes = [*(failing(*pair) for pair in zip(names, chain, strict=False)),
                 node(names[-1], "fails"), node("z")]  # fmt: skip
        result = await stage.run_both(graph(nodes, ("a", "z")))
        assert result.status == "failed"
        assert [error.node for error in result.errors] == [names[-1]]
        assert not stage.calls["echo"]

    @check("S7.25", "S12.16")
    async def test_a_name_of_a_caught_node_gives_what_stood_in(self, stage: Stage) -> None:
        """In inputs and in expressions, and for a shared fallback each its own."""
        nodes = [
            value("s", 0), failing("a", "f", inputs="k"), failing("b", "f", inputs="l"),
            node("f"), node("j", inputs={"a": "a.n", "b": "b.n"}), node("z"),
        ]  # fmt: skip
        edges = [("s", "a"), ("a", "b"), ("b", "j"),
                 ("j", "z", {"transform": "[a.n, context['_outputs.b'].n, input]"})]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges), {"k": {"n": 1}, "l": {"n": 2}})
        assert result.output == [1, 2, {"a": 1, "b": 2}]

    @check("S7.18", "S7.20", "S6.19", "S12.16")
    async def test_a_fallback_belongs_to_the_iteration_of_the_node_it_serves(
        self, stage: Stage
    ) -> None:
        @stage.node("odd_fails")
        async def odd_fails(input: dict[str, Any]) -> Any:
            if input["n"] % 2:
                raise RuntimeError("odd")
            return {"n": input["n"] + 1}

        blueprint = loop(4)
        blueprint["nodes"][2] = node("b", "odd_fails", config={"fallback": "f"})
        blueprint["nodes"] += [node("f", "count"), node("g")]
        blueprint["edges"].append({"source": "f", "target": "g"})
        assert (await stage.run_both(blueprint)).output == {"n": 4}
        outcomes = [(await stage.until_recorded(f"g/{index}")).outcome for index in range(4)]
        assert outcomes == ["skipped", "completed", "skipped", "completed"]
        assert (stage.calls["odd_fails"], stage.calls["count"]) == (4, 2)

    @check("S7.14", "S12.16")
    async def test_each_kind_of_failure_takes_the_fallback(self, stage: Stage) -> None:
        """An input that does not fit, and a value that cannot be stored."""

        @stage.node("wants_a_number")
        async def wants_a_number(input: int) -> int:
            return input

        @stage.node("gives_a_set")
        async def gives_a_set() -> Any:
            return {1, 2}

        config = {"fallback": "f"}
        nodes = [node("a", "wants_a_number", config=config), node("b", "gives_a_set",
                 config={"fallback": "g"}), value("f", 1), value("g", 2)]  # fmt: skip
        result = await stage.run_both(graph(nodes, ("a", "b")), "text")
        assert (result.status, result.output) == ("completed", 2)
        assert result.context["_catch_error"]["type"] == "ValueNotStorableError"

    @check("S7.14", "S12.4", "S12.5")
    async def test_a_fallback_is_not_repeated_with_the_messages(self, stage: Stage) -> None:
        nodes = [failing("a", "f"), node("f"), node("w", "wait")]
        stage.add(graph(nodes, ("a", "w")))
        stage.worker()
        await stage.submit("g", 7)
        await stage.until_open("w")
        before = [await stage.record(key) for key in "af"]
        for key in "afa":
            await stage.send(key)
        await stage.until_quiet()
        assert [await stage.record(key) for key in "af"] == before
        assert (stage.calls["fails"], stage.calls["echo"]) == (1, 1)
