"""What conditions and transforms can name and what they give: chapter 4 of docs/semantics.md."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.errors import BlueprintError
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeResult
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, graph, node, value
from flowcraft.testing.stage import Stage

UNSATISFIED = [None, False, 0, 0.0, ""]
SATISFIED = [True, 1, -1, 0.5, "x", "false", [], {}, [0], {"n": None}]


def transformed(source: Any, transform: str) -> BlueprintJson:
    """Write a node that gives a value, and one that gets what becomes of it."""
    return graph([value("a", source), node("z")], ("a", "z", {"transform": transform}))


class ExpressionScenarios:
    """An expression means the same on every adapter as in one process."""

    # -- names

    @check("S4.11", "S12.16", "G7")
    async def test_result_is_output_and_action_and_input_is_the_output(self, stage: Stage) -> None:
        @stage.node("act")
        async def act() -> NodeResult[Any]:
            return NodeResult({"n": 3}, "go")

        nodes = [node("a", "act"), node("z")]
        transform = "[result.output.n, result.action, input.n, result]"
        edge = ("a", "z", {"action": "go", "transform": transform})
        result = await stage.run_both(graph(nodes, edge))
        assert result.output == [3, "go", 3, {"output": {"n": 3}, "action": "go"}]

    @check("S4.12", "S12.16")
    async def test_a_bare_name_is_a_context_key_and_else_a_node(self, stage: Stage) -> None:
        nodes = [value("a", "node a"), value("b", "node b"), node("c"), node("z")]
        edges = [("a", "b"), ("b", "c"), ("c", "z", {"transform": "[a, b, k]"})]
        result = await stage.run_both(graph(nodes, *edges), {"a": "key a", "k": "key k"})
        assert result.output == ["key a", "node b", "key k"]

    @check("S4.13", "S4.15", "S2.17", "S12.16")
    async def test_the_context_by_index_finds_every_key_and_every_node(self, stage: Stage) -> None:
        """Whatever their names look like; bare, a name with a dash is a subtraction."""
        keys = ["k", "x-y", "with space", "a.b", "quote'\"", "ünïcødé", "_outputs.k"]
        nodes = [value("n-1", "node"), value("n", 5), node("c"), node("z")]
        names = [*keys, "n-1", "_outputs.n-1", "nobody", "nobody-1"]
        parts = [f"context[{_quoted(name)}]" for name in names]
        transform = f"[{', '.join(parts[:-2])}, n - 1]"
        edges = [("n-1", "n"), ("n", "c"), ("c", "z", {"transform": transform})]
        blueprint = graph(nodes, *edges)
        result = await stage.run_both(blueprint, {key: f"of {key}" for key in keys})
        assert result.output == [*(f"of {key}" for key in keys), "node", "node", 4]

    @check("S4.12", "S3.8", "S12.16")
    async def test_a_node_that_was_skipped_is_null(self, stage: Stage) -> None:
        nodes = [value("a", 1), node("s"), value("b", 2), node("z")]
        edges = [("a", "s", {"condition": "false"}), ("a", "b"), ("b", "z", {"transform": "s"})]
        blueprint = graph([*nodes, node("e")], *edges, ("s", "e"))
        result = await stage.run_both(blueprint)
        assert (result.status, result.output) == ("completed", {"z": None})

    # -- what they give

    @pytest.mark.parametrize("given", [*UNSATISFIED, *SATISFIED], ids=repr)
    @check("S4.17", "S4.18", "S12.16")
    async def test_null_false_zero_and_the_empty_text_satisfy_no_condition(
        self, stage: Stage, given: Any
    ) -> None:
        nodes = [value("a", {"v": given}), node("z")]
        blueprint = graph(nodes, ("a", "z", {"condition": "input.v"}))
        is_satisfied = not any(given is one or (given == one and type(given) is type(one))
                               for one in UNSATISFIED)  # fmt: skip
        assert (await stage.run_both(blueprint)).status == "completed"
        assert stage.calls["echo"] == is_satisfied

    @check("S4.19", "S12.16")
    async def test_a_plain_path_that_leads_nowhere_is_null(self, stage: Stage) -> None:
        path = "result.output.items[3].price"
        for source in ({"items": [{"price": 1}]}, {"items": "text"}, {}, None):
            result = await stage.run_both(transformed(source, path), run_id=f"r{len(str(source))}")
            assert (result.status, result.output) == ("completed", None)

    @check("S4.19", "S12.16")
    async def test_a_plain_path_that_leads_somewhere_gives_what_is_there(
        self, stage: Stage
    ) -> None:
        source = {"items": [{"price": 1}, {"price": 2.5}]}
        blueprint = transformed(source, "result.output.items[1].price")
        assert (await stage.run_both(blueprint)).output == 2.5

    @pytest.mark.parametrize("how", ["condition", "transform"])
    @check("S4.20", "S12.16")
    async def test_an_error_fails_the_run_and_names_the_edge(self, stage: Stage, how: str) -> None:
        """Neither another attempt nor the fallback helps."""
        config = {"maxRetries": 3, "retryDelay": 10, "fallback": "f"}
        nodes = [value("a", "text", config=config), node("f"), node("b")]
        blueprint = graph(nodes, ("a", "b", {how: "input + 1 > 0"}))
        result = await stage.run_both(blueprint)
        (error,) = result.errors
        assert (result.status, error.node, error.type) == ("failed", "a", "ExpressionError")
        assert "'a' -> 'b'" in error.message
        assert "input + 1 > 0" in error.message
        assert (stage.calls["value"], stage.calls["echo"]) == (1, 0)

    @check("S4.22", "S12.16")
    async def test_an_integer_beyond_64_bits_is_an_error_and_no_approximation(
        self, stage: Stage
    ) -> None:
        result = await stage.run_both(transformed({"n": 2**63 - 1}, "input.n - 1"), run_id="fits")
        assert result.output == 2**63 - 2
        result = await stage.run_both(transformed({"n": 2**63}, "input.n - 1"))
        assert [error.type for error in result.errors] == ["ExpressionError"]

    @check("S4.21", "S12.16")
    async def test_cel_means_what_cel_means(self, stage: Stage) -> None:
        transform = "[7 / 2, size(input.l), input.t.startsWith('ab'), 2 in input.l, input.n == 1.0]"
        blueprint = transformed({"l": [1, 2], "t": "abc", "n": 1}, transform)
        assert (await stage.run_both(blueprint)).output == [3, 2, True, True, True]

    @check("S4.23", "S12.16")
    async def test_a_registered_callable_is_a_function_of_its_arguments_by_position(
        self, stage: Stage
    ) -> None:
        def between(low: int, n: int, high: int) -> bool:
            return low <= n <= high

        stage.expressions = Expressions(functions={"between": between})
        result = await stage.run_both(transformed(5, "[between(1, input, 9), between(6, 5, 9)]"))
        assert result.output == [True, False]

    @check("S4.25", "S12.16")
    async def test_comprehensions_are_for_applications_that_allow_them(self, stage: Stage) -> None:
        blueprint = transformed([1, 2, 3], "input.filter(n, n > 1).map(n, n * 10)")
        with pytest.raises(BlueprintError, match="filter"):
            stage.add(blueprint)
        stage.expressions = Expressions(allow_comprehensions=True)
        assert (await stage.run_both(blueprint)).output == [20, 30]


def _quoted(name: str) -> str:
    """Write a name as a text of CEL."""
    return '"' + name.replace('"', '\\"') + '"'
