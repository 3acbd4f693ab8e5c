"""Joins: chapter 5 of docs/semantics.md."""

from __future__ import annotations

from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node, value
from flowcraft.testing.stage import Stage


class JoinScenarios:
    """Joins fire once, when their condition holds, whatever arrives how often."""

    @check("S5.2", "S12.8")
    async def test_an_all_join_takes_every_edge_that_was_taken(self, stage: Stage) -> None:
        nodes = [value("a", 1), node("b"), node("c"), node("j")]
        edges = [("a", "b"), ("a", "c"), ("b", "j"), ("c", "j")]
        result = await stage.run(graph(nodes, *edges))
        assert result.output == {"b": 1, "c": 1}
        assert stage.calls["echo"] == 3

    @check("S5.6")
    async def test_an_all_join_does_without_a_branch_that_was_not_taken(self, stage: Stage) -> None:
        nodes = [value("a", 1), node("b"), node("c"), node("j")]
        never = {"condition": "false"}
        result = await stage.run(
            graph(nodes, ("a", "b"), ("a", "c", never), ("b", "j"), ("c", "j"))
        )
        assert result.output == {"b": 1}
        assert stage.calls["echo"] == 2
