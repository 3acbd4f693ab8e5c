"""Which edges are taken, when that is decided, and what they carry: chapter 4 of semantics.md.

What expressions can say is in `expressions`.
"""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.nodes import Context, NodeResult
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import Node, graph, node, value
from flowcraft.testing.stage import Stage

NEVER = {"condition": "false"}


def acts(stage: Stage) -> None:
    """Register `act`, which gives its input with its param `action`."""

    @stage.node("act")
    async def act(input: Any, params: dict[str, Any]) -> NodeResult[Any]:
        return NodeResult(input, params["action"])


def targets(names: str) -> list[Node]:
    """Write a node for each letter."""
    return [node(name) for name in names]


class EdgeScenarios:
    """The action of the result chooses the candidates, and conditions choose among them."""

    @pytest.mark.parametrize(
        ("action", "taken"), [("yes", "ad"), ("no", "b"), ("other", "c"), (None, "c")]
    )
    @check("S4.1", "S4.2", "S4.5", "S12.16", "G7")
    async def test_the_action_names_its_edges_or_leaves_those_without(
        self, stage: Stage, action: str | None, taken: str
    ) -> None:
        acts(stage)
        yes, no = {"action": "yes"}, {"action": "no"}
        edges = [("s", "a", yes), ("s", "b", no), ("s", "c"), ("s", "d", yes)]
        blueprint = graph([node("s", "act", action=action), *targets("abcd")], *edges)
        result = await stage.run_both(blueprint, 1)
        expected = dict.fromkeys(taken, 1)
        assert result.output == expected
        for name in "abcd":
            record = await stage.until_recorded(name)
            assert record.outcome == ("completed" if name in taken else "skipped")

    @check("S2.10", "S4.2", "S12.16")
    async def test_a_mapping_with_a_key_action_names_no_edge(self, stage: Stage) -> None:
        nodes = [value("s", {"action": "yes"}), *targets("ab")]
        result = await stage.run_both(graph(nodes, ("s", "a", {"action": "yes"}), ("s", "b")))
        assert result.output == {"b": {"action": "yes"}}

    @check("S4.3", "S12.16")
    async def test_every_candidate_whose_condition_is_satisfied_is_taken(
        self, stage: Stage
    ) -> None:
        acts(stage)
        yes = {"action": "yes"}
        edges = [
            ("s", "a", {"condition": "input > 1"}), ("s", "b", {"condition": "input > 2"}),
            ("s", "c"), ("t", "d", {**yes, "condition": "input > 1"}),
            ("t", "e", {**yes, "condition": "input > 2"}),
        ]  # fmt: skip
        nodes = [node("s"), node("t", "act", action="yes"), *targets("abcde")]
        result = await stage.run_both(graph(nodes, *edges), 2)
        assert result.output == {"a": 2, "c": 2, "d": 2}

    @check("S4.4", "S1.19", "S12.16")
    async def test_edges_without_an_action_are_no_second_choice(self, stage: Stage) -> None:
        acts(stage)
        edges = [("s", "a", {"action": "yes", "condition": "input > 9"}), ("s", "b")]
        blueprint = graph([node("s", "act", action="yes"), *targets("ab")], *edges)
        result = await stage.run_both(blueprint, 1)
        assert (result.status, result.output) == ("completed", {})
        assert not stage.calls["echo"]

    @pytest.mark.parametrize(("action", "given"), [("x", 10), ("y", 20)])
    @check("S4.6", "S4.7", "S12.16")
    async def test_two_edges_between_the_same_nodes_are_two(
        self, stage: Stage, action: str, given: int
    ) -> None:
        acts(stage)
        edges = [
            ("s", "a", {"action": "x", "transform": "input * 10"}),
            ("s", "a", {"action": "y", "transform": "input * 20"}),
        ]
        blueprint = graph([node("s", "act", action=action), node("a")], *edges)
        assert (await stage.run_both(blueprint, 1)).output == {"s": given}

    @check("S4.7", "S2.8", "S12.16")
    async def test_a_transform_changes_the_value_of_its_own_edge_alone(self, stage: Stage) -> None:
        nodes = [value("s", {"n": 3}), *targets("abc"), node("z", inputs="s")]
        edges = [("s", "a", {"transform": "input.n + 1"}), ("s", "b"),
                 ("s", "c", {"transform": "result.output.n"}), ("a", "z")]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"z": {"n": 3}, "b": {"n": 3}, "c": 3}
        assert await stage.until_output("s") == {"n": 3}

    @check("S4.7", "S12.16")
    async def test_a_transform_may_give_null(self, stage: Stage) -> None:
        nodes = [value("s", {"n": 3}), *targets("a")]
        blueprint = graph(nodes, ("s", "a", {"transform": "input.nowhere"}))
        result = await stage.run_both(blueprint)
        assert (result.status, result.output) == ("completed", None)
        assert stage.calls["echo"] == 1

    # -- when they are decided

    @check("S4.8", "S12.5")
    async def test_edges_stay_as_decided_when_the_message_comes_again(self, stage: Stage) -> None:
        """By then the context says otherwise, and nothing is asked again."""

        @stage.node("lower")
        async def lower(ctx: Context) -> None:
            await ctx.set("flag", False)

        nodes = [node("s"), node("yes", "lower"), node("no"), node("w", "wait")]
        edges = [("s", "yes", {"condition": "flag", "transform": "flag"}),
                 ("s", "no", {"condition": "!flag"}), ("yes", "w")]  # fmt: skip
        stage.add(graph(nodes, *edges))
        stage.worker()
        await stage.submit("g", {"flag": True})
        await stage.until_open("w")
        before = await stage.record("s")
        for _ in range(2):
            await stage.send("s")
            await stage.until_quiet()
        assert await stage.record("s") == before
        assert (await stage.until_recorded("no")).outcome == "skipped"
        await stage.resume("w", "fine")
        result = await stage.result()
        assert (result.output, result.context) == ({"w": "fine"}, {"flag": False})
        assert (stage.calls["lower"], stage.calls["echo"]) == (1, 1)

    @check("S4.9", "S2.11")
    async def test_they_see_the_context_as_the_node_found_it_and_its_own_writes(
        self, stage: Stage
    ) -> None:
        """Not what another node wrote while this one executed."""

        @stage.node("writes")
        async def writes(ctx: Context) -> None:
            await ctx.set("other", "written")

        @stage.node("slow")
        async def slow(ctx: Context) -> None:
            await ctx.set("own", "written")
            await stage.until_recorded("b")

        nodes = [node("s", "slow"), node("b", "writes"), node("z"), node("no")]
        seen = {"transform": "[own, other]"}
        edges = [("s", "z", seen), ("s", "no", {"condition": "other == 'written'"})]
        stage.worker()
        stage.worker()
        result = await stage.run(graph(nodes, *edges), {"other": "found", "own": "found"})
        assert result.output == {"b": None, "z": ["written", "found"]}
        assert result.context == {"other": "written", "own": "written"}

    @check("S4.10", "S7.16", "S12.16")
    async def test_the_result_of_a_fallback_decides_the_edges_of_the_node_that_failed(
        self, stage: Stage
    ) -> None:
        acts(stage)
        nodes = [
            node("s", "fails", config={"fallback": "f"}),
            node("f", "act", action="saved"),
            *targets("ab"),
        ]
        transform = "[result.output, result.action]"
        edges = [("s", "a", {"action": "saved", "transform": transform}), ("s", "b")]
        assert (await stage.run_both(graph(nodes, *edges), 7)).output == {"a": [7, "saved"]}
