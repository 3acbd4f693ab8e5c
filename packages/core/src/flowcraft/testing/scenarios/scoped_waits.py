"""Waits of which there are many: in loops, in batches, in children; chapter 10 of semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import AmbiguousResumeError, RunError, UnknownRunError
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, batch, graph, node, value
from flowcraft.testing.in_process import Signal
from flowcraft.testing.scenarios.subflows import newest_child
from flowcraft.testing.stage import Stage

LOOP = graph(
    [
        value("a", {"go": True}),
        node("c", "loop-controller", condition="input.go"),
        node("w", "wait"),
        node("z"),
    ],
    ("a", "c"),
    ("c", "w", {"action": "continue"}),
    ("w", "c"),
    ("c", "z"),
)
"""Waits in each iteration, until it is told to go on no more."""

CHILD = graph([node("W", "wait"), node("x")], ("W", "x"), name="child")
PARENT = graph([node("SF", "subflow", blueprintId="child")], name="parent")
TOP = graph([node("T", "subflow", blueprintId="parent")], name="top")


async def begin(stage: Stage, *blueprints: BlueprintJson) -> None:
    """Submit the last blueprint."""
    stage.add(*blueprints)
    stage.worker()
    await stage.submit(blueprints[-1]["id"])


class ScopedWaitScenarios:
    """A resume wakes one wait, which its node, its scope and its path name."""

    # -- loops

    @check("S10.17")
    async def test_a_wait_in_a_loop_is_woken_in_each_iteration(self, stage: Stage) -> None:
        await begin(stage, LOOP)
        for index in range(3):
            await stage.until_open(f"w/{index}")
            answer = {"go": index < 2, "n": index}
            assert await stage.resume("w", answer, scope=f"/{index}") == "woke"
        assert (await stage.result()).output == {"go": False, "n": 2}

    @check("S10.15", "S10.17")
    async def test_the_node_alone_names_its_only_open_scope(self, stage: Stage) -> None:
        await begin(stage, LOOP)
        for index in range(3):
            await stage.until_open(f"w/{index}")
            assert await stage.resume("w", {"go": index < 2}) == "woke"
        assert (await stage.result()).output == {"go": False}

    @check("S10.9", "S10.13", "S10.17")
    async def test_a_double_click_approves_one_iteration(self, stage: Stage) -> None:
        await begin(stage, LOOP)
        await stage.until_open("w/0")
        outcomes = await asyncio.gather(*(stage.resume("w", {"go": True}) for _ in range(5)))
        assert sorted(outcomes) == ["refused"] * 4 + ["woke"]
        await stage.until_open("w/1")
        await stage.until_quiet()
        assert await stage.open_waits() == ["w/1"]
        assert await stage.record("w/1") is None

    @check("S10.13", "S10.17")
    async def test_a_click_between_two_iterations_is_refused(self, stage: Stage) -> None:
        await begin(stage, LOOP)
        await stage.until_open("w/0")
        stage.workers[0].abandon()
        assert await stage.resume("w", {"go": True}) == "woke"
        assert await stage.resume("w", {"go": True}) == "refused"
        stage.worker()
        await stage.until_open("w/1")
        await stage.until_quiet()
        assert await stage.open_waits() == ["w/1"]

    @check("S10.11", "S10.12", "S10.17")
    async def test_a_scope_to_come_keeps_its_resume(self, stage: Stage) -> None:
        await begin(stage, LOOP)
        await stage.until_open("w/0")
        assert await stage.resume("w", {"go": False}, scope="/1") == "kept"
        assert await stage.resume("w", {"go": True}, scope="/1") == "refused"
        assert await stage.resume("w", {"go": True}, scope="/0") == "woke"
        assert (await stage.result()).output == {"go": False}

    @check("S10.14", "S10.11")
    async def test_a_kept_resume_of_a_node_wakes_its_first_scope_only(self, stage: Stage) -> None:
        stage.add(LOOP)
        await stage.create("g")
        assert await stage.resume("w", {"go": True}) == "kept"
        await stage.client.runs.start("run")
        stage.worker()
        await stage.until_open("w/1")
        await stage.until_quiet()
        assert await stage.open_waits() == ["w/1"]

    @check("S10.13", "S10.17")
    async def test_a_scope_that_is_over_refuses(self, stage: Stage) -> None:
        await begin(stage, LOOP)
        await stage.until_open("w/0")
        await stage.resume("w", {"go": True})
        await stage.until_open("w/1")
        assert await stage.resume("w", {"go": False}, scope="/0") == "refused"
        assert await stage.open_waits() == ["w/1"]

    @check("S10.18", "S10.17")
    async def test_a_refused_resume_wakes_an_iteration_whose_wake_up_was_lost(
        self, stage: Stage
    ) -> None:
        stage.settings["sweep_interval_seconds"] = 1e6
        await begin(stage, LOOP)
        await stage.until_open("w/0")
        await stage.until_quiet()
        await stage.workers[0].stop()
        assert await stage.resume("w", {"go": False}) == "woke"
        await stage.lose_messages()
        stage.worker()
        assert await stage.resume("w", {"go": True}) == "refused"
        assert (await stage.result()).output == {"go": False}

    @pytest.mark.parametrize("scope", ["/x", "/#0", "/0/0", "/-1", "0"])
    @check("S10.17", "S10.10")
    async def test_a_scope_that_cannot_be_is_an_error_and_keeps_nothing(
        self, stage: Stage, scope: str
    ) -> None:
        await begin(stage, LOOP)
        await stage.until_open("w/0")
        with pytest.raises(RunError):
            await stage.resume("w", 1, scope=scope)
        assert await stage.resume("w", {"go": False}, scope="/0") == "woke"
        assert (await stage.result()).status == "completed"

    # -- batches

    @check("S10.16", "S10.17", "S8.5")
    async def test_items_that_wait_are_named_by_their_index(self, stage: Stage) -> None:
        await begin(stage, batch(3, "wait"))
        await stage.until_open("b/#0", "b/#1", "b/#2")
        for name in ("b", None):
            with pytest.raises(AmbiguousResumeError, match="b/#0, b/#1, b/#2"):
                await stage.resume(name, 1)
        for index in (2, 0, 1):
            assert await stage.resume("b", index * 10, scope=f"/#{index}") == "woke"
            assert await stage.resume("b", "again", scope=f"/#{index}") == "refused"
        assert (await stage.result()).output == [0, 10, 20]

    @check("S10.11", "S10.17", "S8.8")
    async def test_an_item_to_come_keeps_its_resume(self, stage: Stage) -> None:
        await begin(stage, batch(3, "wait", chunkSize=1))
        await stage.until_open("b/#0")
        assert await stage.resume("b", 2, scope="/#2") == "kept"
        for index in range(2):
            await stage.until_open(f"b/#{index}")
            assert await stage.resume("b", index) == "woke"
        assert (await stage.result()).output == [0, 1, 2]

    @check("S10.11", "S10.17", "S12.16", "G7")
    async def test_signals_for_items_may_all_come_first(self, stage: Stage) -> None:
        signals = [Signal("b", n * 10, scope=f"/#{n}") for n in range(3)]
        result = await stage.run_both(batch(3, "wait", chunkSize=2), signals=signals)
        assert result.output == [0, 10, 20]

    # -- children

    @check("S9.9", "S10.9")
    async def test_a_wait_in_a_child_is_named_by_its_path(self, stage: Stage) -> None:
        await begin(stage, CHILD, PARENT)
        await stage.until_open("W", run_id=await newest_child(stage))
        assert await stage.resume("SF/W", 5) == "woke"
        assert await stage.resume("SF/W", 6) == "refused"
        assert (await stage.result()).output == 5

    @check("S9.9", "S10.15")
    async def test_a_wait_in_a_child_is_named_by_the_childs_id(self, stage: Stage) -> None:
        await begin(stage, CHILD, PARENT)
        child = await newest_child(stage)
        await stage.until_open("W", run_id=child)
        assert await stage.resume("W", 5, run_id=child) == "woke"
        assert (await stage.result()).output == 5

    @check("S9.9")
    async def test_a_path_leads_through_three_runs(self, stage: Stage) -> None:
        await begin(stage, CHILD, PARENT, TOP)
        lowest = await newest_child(stage, await newest_child(stage))
        await stage.until_open("W", run_id=lowest)
        assert await stage.resume("T/SF/W", 7) == "woke"
        assert (await stage.result()).output == 7

    @check("S9.9")
    async def test_a_path_through_a_subflow_that_never_started_is_an_error(
        self, stage: Stage
    ) -> None:
        nodes: list[Any] = [node("g", "wait"), node("SF", "subflow", blueprintId="child")]
        await begin(stage, CHILD, graph(nodes, ("g", "SF"), name="parent"))
        await stage.until_open("g")
        with pytest.raises(UnknownRunError, match="'SF'"):
            await stage.resume("SF/W", 1)
        with pytest.raises(UnknownRunError, match="'ghost'"):
            await stage.resume("ghost/W", 1)

    @check("S1.11", "S10.17")
    async def test_an_id_with_a_dot_is_no_path(self, stage: Stage) -> None:
        await begin(stage, graph([node("a.b", "wait"), node("a", "wait")]))
        await stage.until_open("a", "a.b")
        assert await stage.resume("a.b", 1) == "woke"
        assert await stage.resume("a", 2) == "woke"
        assert (await stage.result()).output == {"a.b": 1, "a": 2}
