"""Joins: chapter 5 of docs/semantics.md."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.nodes import RunInfo
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node, value
from flowcraft.testing.stage import Stage

NEVER = {"condition": "false"}
ANY = {"joinStrategy": "any"}


class JoinScenarios:
    """Joins fire once, when their condition holds, whatever arrives how often."""

    @check("S5.1", "S5.2", "S12.8", "S12.16", "G7")
    async def test_an_all_join_takes_every_edge_that_was_taken(self, stage: Stage) -> None:
        nodes = [value("a", 1), node("b"), node("c"), node("j")]
        edges = [("a", "b"), ("a", "c"), ("b", "j"), ("c", "j")]
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"b": 1, "c": 1}
        assert stage.calls["echo"] == 3

    @check("S5.6", "S12.16")
    async def test_an_all_join_does_without_a_branch_that_was_not_taken(self, stage: Stage) -> None:
        nodes = [value("a", 1), node("b"), node("c"), node("j")]
        result = await stage.run_both(
            graph(nodes, ("a", "b"), ("a", "c", NEVER), ("b", "j"), ("c", "j"))
        )
        assert result.output == {"b": 1}
        assert stage.calls["echo"] == 2

    @check("S5.2", "S5.7", "S12.8", "S12.9")
    async def test_an_all_join_does_not_start_before_its_last_edge(self, stage: Stage) -> None:
        """One branch is there, again and again, one was skipped, and one is still to come."""
        nodes = [value("a", 1), node("b"), node("s"), node("w", "wait"), node("j")]
        edges = [("a", "b"), ("a", "s", NEVER), ("a", "w"), ("b", "j"), ("s", "j"), ("w", "j")]
        stage.add(graph(nodes, *edges))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await stage.until_recorded("s")
        for name in "bsab":
            await stage.send(name)
        await stage.until_quiet()
        assert await stage.record("j") is None
        await stage.resume("w", 2)
        assert (await stage.result()).output == {"b": 1, "w": 2}

    @check("S5.3", "S5.7", "S5.8", "S12.8")
    async def test_an_any_join_starts_with_the_first_edge_and_later_ones_change_nothing(
        self, stage: Stage
    ) -> None:
        nodes = [value("a", 1), node("w", "wait"), node("j", config=ANY), node("k", "wait")]
        blueprint = graph([*nodes, node("z")], ("a", "j"), ("a", "w"), ("w", "j"), ("j", "k"),
                          ("k", "z", {"transform": "j"}))  # fmt: skip
        stage.add(blueprint)
        stage.worker()
        await stage.submit("g")
        await stage.until_open("k", "w")
        before = await stage.record("j")
        assert before is not None
        assert before.winner == 0
        await stage.resume("w", 2)
        await stage.until_recorded("w")
        await stage.send("j")
        await stage.until_quiet()
        assert await stage.record("j") == before
        await stage.resume("k")
        assert (await stage.result()).output == {"a": 1}
        assert stage.calls["echo"] == 2

    @check("S3.4", "S5.3", "S5.8")
    async def test_an_any_join_keeps_its_winner_though_others_are_there_when_it_is_tried_again(
        self, stage: Stage
    ) -> None:
        @stage.node("second_time")
        async def second_time(input: Any, run: RunInfo) -> Any:
            if run.attempt == 1:
                await stage.until_recorded("w")
                raise RuntimeError("once more")
            return input

        config = {**ANY, "maxRetries": 2, "retryDelay": 10}
        nodes = [value("a", 1), node("w", "wait"), node("j", "second_time", config=config)]
        stage.add(graph(nodes, ("a", "w"), ("w", "j"), ("a", "j")))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await stage.resume("w", 2)
        assert (await stage.result()).output == {"a": 1}
        assert (await stage.until_recorded("j")).winner == 2

    @check("S5.3", "S12.9", "S12.16")
    async def test_an_any_join_passes_over_what_was_skipped(self, stage: Stage) -> None:
        nodes = [value("a", 1), node("s"), node("b"), node("j", config=ANY)]
        edges = [("a", "s", NEVER), ("a", "b"), ("s", "j"), ("b", "j")]
        assert (await stage.run_both(graph(nodes, *edges))).output == {"b": 1}

    @pytest.mark.parametrize("strategy", ["all", "any"])
    @check("S5.4", "S5.5", "S1.19", "S12.16")
    async def test_a_join_all_of_whose_edges_were_skipped_is_skipped(
        self, stage: Stage, strategy: str
    ) -> None:
        """And so is what lies behind it; the run ends all the same."""
        nodes = [value("a", 0), node("b"), node("j", config={"joinStrategy": strategy}), node("z")]
        edges = [("a", "b", NEVER), ("b", "j"), ("a", "j", NEVER), ("a", "j", NEVER), ("j", "z")]
        result = await stage.run_both(graph(nodes, *edges))
        assert (result.status, result.output) == ("completed", None)
        assert not stage.calls["echo"]
        for name in "bjz":
            assert (await stage.until_recorded(name)).outcome == "skipped"

    @check("S5.5", "S5.6", "S1.20", "S12.16")
    async def test_skips_travel_to_the_end_and_hold_nobody_up(self, stage: Stage) -> None:
        nodes = [value("a", 1), *(node(name) for name in "bcdexy")]
        edges = [("a", "b", NEVER), ("b", "c"), ("c", "d"), ("a", "e"), ("d", "x"), ("e", "x"),
                 ("d", "y")]  # fmt: skip
        result = await stage.run_both(graph(nodes, *edges))
        assert (result.status, result.output) == ("completed", {"x": {"e": 1}})

    @pytest.mark.parametrize("strategy", ["all", "any"])
    @check("S5.7", "S12.8", "S12.5")
    async def test_a_join_starts_once_however_often_its_arrivals_are_repeated(
        self, stage: Stage, strategy: str
    ) -> None:
        nodes = [value("a", 1), value("b", 2), node("j", config={"joinStrategy": strategy})]
        edges = [("a", "j"), ("b", "j"), ("j", "k")]
        stage.add(graph([*nodes, node("k", "wait")], *edges))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("k")
        await stage.until_recorded("b")
        before = await stage.record("j")
        for name in "babjba":
            await stage.send(name)
        await stage.until_quiet()
        assert await stage.record("j") == before
        await stage.resume("k", 3)
        assert (await stage.result()).output == 3
        assert (stage.calls["echo"], stage.calls["value"]) == (1, 2)

    @check("S5.7", "S12.8", "S12.16")
    async def test_a_wide_join_starts_once_with_all_of_its_edges(self, stage: Stage) -> None:
        names = [f"m{index}" for index in range(20)]
        edges = [*(("a", name) for name in names), *((name, "z") for name in names)]
        nodes = [value("a", 1), *(node(name) for name in names), node("z")]
        stage.worker()
        stage.worker()
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == dict.fromkeys(names, 1)
        assert stage.calls["echo"] == 21

    @check("S5.3", "S1.26", "S12.16")
    async def test_a_join_of_joins_takes_what_each_of_them_took(self, stage: Stage) -> None:
        nodes = [
            value("a", 1), value("b", 2), node("w", "wait"),
            node("x", config=ANY), node("y"), node("z"),
        ]  # fmt: skip
        edges = [("a", "x"), ("w", "x"), ("a", "y"), ("b", "y"), ("x", "z"), ("y", "z")]
        result = await stage.run_both(graph(nodes, *edges))
        assert result.output == {"x": {"a": 1}, "y": {"a": 1, "b": 2}}
