"""Subflows: chapter 9 of docs/semantics.md."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from flowcraft.engine.cells import CHILD
from flowcraft.errors import RunError
from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, chain, graph, node, value
from flowcraft.testing.stage import FAR_SECONDS, Stage
from flowcraft.testing.wire import Call, Hook
from flowcraft.testing.worker import Worker

TWO_HOURS = 7200.0
AGAIN = {"maxRetries": 2, "retryDelay": 10}
WAITS = graph([node("w", "wait")], name="child")


def parent(child: str = "child", name: str = "parent", **members: Any) -> BlueprintJson:
    """Write a blueprint of one subflow `s`."""
    return graph([node("s", "subflow", blueprintId=child, **members)], name=name)


async def begin(stage: Stage, *blueprints: BlueprintJson, payload: Any = None) -> None:
    """Submit the last blueprint."""
    stage.add(*blueprints)
    stage.worker()
    await stage.submit(blueprints[-1]["id"], payload)


async def newest_child(stage: Stage, run_id: str = "run", count: int = 1) -> str:
    """The newest child of a run, once it has so many."""

    async def holds() -> bool:
        return len(await stage.children(run_id)) >= count

    await stage.until(holds)
    return (await stage.children(run_id))[-1].run_id


class SubflowScenarios:
    """A child is a run of its own, which begins and ends with its parent."""

    # -- what goes in and comes out

    @check("S9.1", "S9.2", "S9.3", "S1.1", "S12.16", "G7")
    async def test_a_child_gets_the_input_and_gives_its_output(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS  # its end itself wakes the parent
        stage.add(chain(2, name="child"))
        result = await stage.run_both(parent(), {"n": 1})
        assert (result.output, result.context) == ({"n": 1}, {"n": 1})
        (child,) = await stage.children()
        assert child.run_id != "run"
        assert child.parent is not None
        assert (child.parent.run_id, child.parent.activation) == ("run", "s")
        assert (await stage.client.runs.result_of(child.run_id)).context == {"n": 1}

    @check("S9.2", "S9.4", "S3.7", "S3.8", "S12.16")
    async def test_inputs_are_names_of_the_parent_and_outputs_names_of_the_child(
        self, stage: Stage
    ) -> None:
        @stage.node("keep")
        async def keep(input: Any, ctx: Context) -> Any:
            await ctx.set("made", {"deep": [input]})
            return input

        stage.add(graph([node("k", "keep", inputs="x"), node("l", inputs="y")], name="child"))
        given = {"x": "a.list.1", "y": "given", "z": "nowhere"}
        taken = {"one": "k", "two": "made.deep.0", "three": "nowhere", "four": "made"}
        subflow = node("s", "subflow", blueprintId="child", outputs=taken)
        subflow["params"]["inputs"] = given
        nodes = [value("a", {"list": [10, 20]}), subflow]
        result = await stage.run_both(graph(nodes, ("a", "s")), {"given": "g"})
        assert result.output == {"k": 20, "l": "g"}
        assert result.context == {
            "given": "g", "one": 20, "two": 20, "three": None, "four": {"deep": [20]},
        }  # fmt: skip
        (child,) = await stage.children()
        inner = await stage.client.runs.result_of(child.run_id)
        assert inner.context == {"x": 20, "y": "g", "z": None, "made": {"deep": [20]}}

    @check("S9.1", "S9.3", "S12.16")
    async def test_values_go_down_three_runs_and_come_back(self, stage: Stage) -> None:
        def level(name: str, below: str) -> BlueprintJson:
            nodes = [node("a", "count"), node("s", "subflow", blueprintId=below),
                     node("b", "count")]  # fmt: skip
            return graph(nodes, ("a", "s"), ("s", "b"), name=name)

        stage.add(graph([node("a", "count")], name="three"), level("two", "three"))
        assert (await stage.run_both(level("one", "two"), {"n": 0})).output == {"n": 5}

    @check("S9.3", "S1.19", "S12.16")
    async def test_a_child_of_nothing_but_a_skipped_sink_gives_null(self, stage: Stage) -> None:
        never = {"condition": "false"}
        stage.add(graph([node("a"), node("b")], ("a", "b", never), name="child"))
        result = await stage.run_both(parent(), 1)
        assert (result.status, result.output) == ("completed", None)

    @check("S9.4", "S1.12", "S12.16")
    async def test_an_output_to_a_key_that_breaks_the_rules_fails_the_node(
        self, stage: Stage
    ) -> None:
        stage.add(graph([node("a")], name="child"))
        result = await stage.run_both(parent(outputs={"/errors/a": "a"}))
        assert [error.node for error in result.errors] == ["s"]
        assert "/errors/a" in result.errors[0].message

    @check("S1.4", "S9.1")
    async def test_a_child_has_the_blueprint_its_parent_was_submitted_with(
        self, stage: Stage
    ) -> None:
        stage.add(graph([value("a", "old")], name="child"), parent())
        await stage.submit("parent")
        stage.add(graph([value("a", "new")], name="child"))
        stage.worker()
        assert (await stage.result()).output == "old"

    # -- failures and attempts

    @check("S9.5", "S9.6", "S1.32", "S12.16")
    async def test_the_failure_of_a_child_names_its_node(self, stage: Stage) -> None:
        stage.add(graph([node("a"), node("deep", "fails")], ("a", "deep"), name="child"))
        (error,) = (await stage.run_both(parent())).errors
        assert (error.node, error.type) == ("s", "ChildRunError")
        assert "'deep'" in error.message
        assert "it was to fail" in error.message
        (child,) = await stage.children()
        assert child.run_id in error.message, "its id follows from its place, here as in process"

    @check("S9.5", "S12.16")
    async def test_a_failure_three_runs_deep_is_told_at_the_top(self, stage: Stage) -> None:
        stage.add(graph([node("lowest", "fails")], name="three"), parent("three", "two"))
        (error,) = (await stage.run_both(parent("two", "one"))).errors
        assert "'lowest'" in error.message
        assert "it was to fail" in error.message

    @check("S9.5", "S9.6")
    async def test_each_attempt_is_a_new_child(self, stage: Stage) -> None:
        @stage.node("third_time")
        async def third_time() -> str:
            if stage.calls["third_time"] < 3:
                raise RuntimeError("again")
            return "third"

        stage.add(graph([node("a", "third_time")], name="child"))
        result = await stage.run(parent(config={"maxRetries": 3, "retryDelay": 10}))
        assert result.output == "third"
        children = await stage.children()
        assert [c.status for c in children] == ["failed", "failed", "completed"]
        assert [c.parent.attempt for c in children if c.parent is not None] == [1, 2, 3]
        assert len({c.run_id for c in children}) == 3

    @check("S9.5", "S9.6")
    async def test_a_child_that_was_cancelled_is_a_failed_attempt(self, stage: Stage) -> None:
        await begin(stage, WAITS, parent(config=AGAIN))
        first = await newest_child(stage)
        assert await stage.client.runs.cancel(first) == "cancelled"
        second = await newest_child(stage, count=2)
        await stage.until_open("w", run_id=second)
        assert await stage.resume("s/w", "fine") == "woke"
        assert (await stage.result()).output == "fine"
        assert (await stage.header(first)).status == "cancelled"

    @check("S9.5")
    async def test_a_child_cancelled_for_good_fails_the_parent(self, stage: Stage) -> None:
        await begin(stage, WAITS, parent())
        await stage.client.runs.cancel(await newest_child(stage))
        (error,) = (await stage.result()).errors
        assert (error.node, error.type) == ("s", "ChildRunError")
        assert "cancelled" in error.message

    @check("S7.7", "S9.5", "S9.6", "S9.7")
    async def test_a_child_that_takes_too_long_is_cancelled_and_tried_again(
        self, stage: Stage
    ) -> None:
        config = {**AGAIN, "timeout": int(stage.harness.slack_seconds * 2000)}
        await begin(stage, WAITS, parent(config=config))
        await newest_child(stage, count=2)
        assert not (await stage.header()).is_over
        assert (await stage.children())[0].status == "cancelled"
        (error,) = (await stage.result()).errors
        assert (error.node, error.type, error.attempt) == ("s", "NodeTimeoutError", 2)
        assert [c.status for c in await stage.children()] == ["cancelled"] * 2

    @check("S1.34", "S1.35", "S9.5", "S12.16")
    async def test_a_child_has_the_deadline_of_its_own_blueprint(self, stage: Stage) -> None:
        stage.add({**WAITS, "metadata": {"timeout": 2000}})
        (error,) = (await stage.run_both(parent())).errors
        assert "took longer than its 2 s" in error.message

    @check("S7.14", "S9.5", "S12.16")
    async def test_the_fallback_of_a_subflow_stands_in_for_it(self, stage: Stage) -> None:
        stage.add(graph([node("a", "fails")], name="child"))
        blueprint = parent(config={"fallback": "f"})
        blueprint["nodes"].append(node("f"))
        assert (await stage.run_both(blueprint, 9)).output == 9

    # -- ends

    @check("S9.7", "S1.30", "S12.10")
    async def test_cancelling_the_parent_cancels_all_below(self, stage: Stage) -> None:
        """At once, and not when a sweep finds them."""
        stage.settings["sweep_interval_seconds"] = 1e6
        lowest = graph([node("w", "wait")], name="three")
        await begin(stage, lowest, parent("three", "two"), parent("two", "one"))
        below = await newest_child(stage)
        lowest_id = await newest_child(stage, below)
        await stage.until_open("w", run_id=lowest_id)
        await stage.client.runs.cancel("run")
        for run_id in ("run", below, lowest_id):
            assert (await stage.result(run_id)).status == "cancelled"
        assert await stage.resume("w", 1, run_id=lowest_id) == "refused"
        await stage.until_quiet()
        assert await stage.record("s") is None

    @check("S9.7", "S1.30")
    async def test_the_failure_of_a_neighbour_cancels_the_children(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = 1e6
        nodes = [node("s", "subflow", blueprintId="child"), node("v", "wait"), node("f", "fails")]
        await begin(stage, WAITS, graph(nodes, ("v", "f"), name="parent"))
        child = await newest_child(stage)
        await stage.until_open("v")
        await stage.resume("v")
        assert (await stage.result()).status == "failed"
        assert (await stage.result(child)).status == "cancelled"

    @check("S9.7", "S1.26")
    async def test_the_end_of_the_sinks_cancels_a_child_that_nobody_waits_for(
        self, stage: Stage
    ) -> None:
        config = {"joinStrategy": "any"}
        nodes = [node("s", "subflow", blueprintId="child"), node("v", "wait"), node("j",
                 config=config)]  # fmt: skip
        await begin(stage, WAITS, graph(nodes, ("s", "j"), ("v", "j"), name="parent"))
        child = await newest_child(stage)
        await stage.until_open("v")
        await stage.resume("v", 1)
        assert (await stage.result()).output == {"v": 1}
        assert (await stage.result(child)).status == "cancelled"
        assert await stage.record("s") is None

    @check("S9.8", "S12.5")
    async def test_a_worker_that_dies_with_a_child_starts_no_second_one(self, stage: Stage) -> None:
        await begin(stage, WAITS, parent())
        child = await newest_child(stage)
        stage.workers[0].abandon()
        stage.worker()
        await stage.until_open("w", run_id=child)
        for _ in range(3):
            await stage.send("s")
            await stage.until_quiet()
        assert len(await stage.children()) == 1
        assert await stage.resume("s/w", 1) == "woke"
        assert (await stage.result()).output == 1

    @check("S9.7", "S1.30", "G4")
    async def test_a_child_made_as_its_parent_ends_does_not_go_on(self, stage: Stage) -> None:
        """Its parent is cancelled while the worker makes it, before whichever of its requests."""
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        stage.add(WAITS, parent())
        worker = stage.worker()
        for number in itertools.count(1):
            run_id = f"run{number}"
            worker.wire.before = _cancels(stage, worker, run_id, before=number)
            await stage.submit("parent", run_id=run_id)
            await stage.until_quiet()
            children = await stage.children(run_id)
            if (await stage.header(run_id)).status == "running":
                assert number > 1, "no child was about to be made"
                break
            assert [child.status for child in children] in ([], ["cancelled"])

    @check("S9.7", "S1.13")
    async def test_runs_whose_ids_begin_alike_have_their_own_children(self, stage: Stage) -> None:
        stage.add(WAITS, parent())
        stage.worker()
        for run_id in ("a", "a:b", "a b"):
            await stage.submit("parent", run_id=run_id)
            await stage.until_open("w", run_id=await newest_child(stage, run_id))
        await stage.client.runs.cancel("a")
        for run_id in ("a:b", "a b"):
            (child,) = await stage.children(run_id)
            assert child.status == "running"
            assert await stage.resume("s/w", run_id, run_id=run_id) == "woke"
            assert (await stage.result(run_id)).output == run_id

    @check("S9.10", "S12.43")
    async def test_purging_a_tree_leaves_nothing_of_it(self, stage: Stage) -> None:
        lowest = graph([node("w", "wait")], name="three")
        await begin(stage, lowest, parent("three", "two"), parent("two", "one"))
        below = await newest_child(stage)
        lowest_id = await newest_child(stage, below)
        await stage.until_open("w", run_id=lowest_id)
        runs = stage.client.runs
        assert await runs.purge("run") is False
        await runs.cancel("run")
        for child in (below, lowest_id):
            with pytest.raises(RunError, match="child"):
                await runs.purge(child)
        await stage.until_quiet()
        assert await runs.purge("run") is True
        headers = await stage.client.ports.store.headers(["run", below, lowest_id])
        assert list(headers) == [None] * 3
        if stage.is_virtual:  # what may expire later is gone
            await asyncio.sleep(TWO_HOURS)
            for run_id in ("run", below, lowest_id):
                assert await stage.traces(run_id) == []


def _cancels(stage: Stage, worker: Worker, run_id: str, *, before: int) -> Hook:
    """Cancel a run before one of the requests with which its worker makes a child."""
    left = before

    async def cancel(call: Call) -> None:
        nonlocal left
        if not await stage.is_there(run_id) or f"{CHILD}1" not in await stage.cells("s", run_id):
            return
        left -= 1
        is_made = await stage.children(run_id) != []
        if is_made or left == 0:
            worker.wire.before = None
        if left == 0 and not is_made:
            await stage.client.runs.cancel(run_id)

    return cancel
