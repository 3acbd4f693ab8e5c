"""Child runs: what they get and give, how they fail, and that they end with their parents."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import RunError
from flowcraft.nodes import Context, RunInfo
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node


def parent(child: str = "child", name: str = "parent", **params: Any) -> dict[str, Any]:
    config = params.pop("config", {})
    return graph([node("s", "subflow", blueprintId=child, config=config, **params)], name=name)


async def begin(stage: Stage, *blueprints: Any, payload: Any = None) -> None:
    """Submit the last blueprint."""
    stage.add(*blueprints)
    stage.worker()
    await stage.submit(blueprints[-1]["id"], payload)


async def waiting_child(stage: Stage, run_id: str = "run", count: int = 1) -> str:
    """The newest child of a run, once it has so many."""

    async def holds() -> bool:
        return len(await stage.children(run_id)) >= count

    await stage.until(holds)
    return (await stage.children(run_id))[-1].run_id


@virtually
async def test_a_child_gets_the_input_and_gives_its_output(stage: Stage) -> None:
    await begin(stage, graph([node("a", "echo")], name="child"), parent(), payload={"n": 1})
    result = await stage.result()
    assert (result.output, result.context) == ({"n": 1}, {"n": 1})
    (child,) = await stage.children()
    assert child.parent is not None
    assert (child.parent.run_id, child.parent.activation, child.parent.attempt) == ("run", "s", 1)


@virtually
async def test_inputs_are_names_of_the_parent_and_outputs_names_of_the_child(stage: Stage) -> None:
    @stage.node("keep")
    async def keep(input: Any, ctx: Context) -> Any:
        await ctx.set("made", {"deep": [input]})
        return input

    child = graph([node("k", "keep", inputs="x"), node("l", "echo", inputs="y")], name="child")
    outer = graph(
        [
            node("a", "value", value={"list": [10, 20]}),
            node("s", "subflow", blueprintId="child",
                 inputs={"x": "a.list.1", "y": "given", "z": "nowhere"},
                 outputs={"one": "k", "two": "made.deep.0", "three": "nowhere", "four": "made"}),
        ],
        ("a", "s"),
        name="parent",
    )  # fmt: skip
    await begin(stage, child, outer, payload={"given": "g"})
    result = await stage.result()
    assert result.output == {"k": 20, "l": "g"}
    assert result.context == {
        "given": "g", "one": 20, "two": 20, "three": None, "four": {"deep": [20]},
    }  # fmt: skip
    (below,) = await stage.children()
    inner = await stage.client.runs.result_of(below.run_id)
    assert inner.context == {"x": 20, "y": "g", "z": None, "made": {"deep": [20]}}


@virtually
async def test_the_failure_of_a_child_names_its_node(stage: Stage) -> None:
    @stage.node("fail")
    async def fail(input: Any) -> None:
        raise RuntimeError("boom")

    child = graph([node("a", "echo"), node("deep", "fail")], ("a", "deep"), name="child")
    await begin(stage, child, parent())
    (error,) = (await stage.result()).errors
    assert (error.node, error.type) == ("s", "ChildRunError")
    assert "'deep'" in error.message
    assert "boom" in error.message


@virtually
async def test_a_failure_three_runs_deep_names_every_node_on_its_way(stage: Stage) -> None:
    @stage.node("fail")
    async def fail(input: Any) -> None:
        raise RuntimeError("boom")

    lowest = graph([node("lowest", "fail")], name="three")
    await begin(stage, lowest, parent("three", "two"), parent("two", "one"))
    (error,) = (await stage.result()).errors
    assert "'lowest'" in error.message
    assert "boom" in error.message


@virtually
async def test_values_go_down_three_runs_and_come_back(stage: Stage) -> None:
    @stage.node("add")
    async def add(input: int) -> int:
        return input + 1

    lowest = graph([node("a", "add")], name="three")
    middle = graph(
        [node("a", "add"), node("s", "subflow", blueprintId="three")], ("a", "s"), name="two"
    )
    top = graph([node("a", "add"), node("s", "subflow", blueprintId="two")], ("a", "s"), name="one")
    await begin(stage, lowest, middle, top, payload=0)
    assert (await stage.result()).output == 3


@virtually
async def test_each_attempt_is_a_new_child(stage: Stage) -> None:
    @stage.node("count")
    async def count(input: Any, run: RunInfo) -> str:
        if stage.calls["count"] < 3:
            raise RuntimeError("again")
        return "third"

    config = {"maxRetries": 3, "retryDelay": 10}
    await begin(stage, graph([node("a", "count")], name="child"), parent(config=config))
    assert (await stage.result()).output == "third"
    children = await stage.children()
    assert [c.status for c in children] == ["failed", "failed", "completed"]
    assert [c.parent.attempt for c in children if c.parent is not None] == [1, 2, 3]
    assert len({c.run_id for c in children}) == 3


@virtually
async def test_a_child_that_was_cancelled_is_a_failed_attempt(stage: Stage) -> None:
    config = {"maxRetries": 2, "retryDelay": 10}
    await begin(stage, graph([node("w", "wait")], name="child"), parent(config=config))
    first = await waiting_child(stage)
    assert await stage.client.runs.cancel(first) == "cancelled"
    second = await waiting_child(stage, count=2)
    await stage.until_open("w", run_id=second)
    assert await stage.resume("s/w", "fine") == "woke"
    assert (await stage.result()).output == "fine"
    assert (await stage.header(first)).status == "cancelled"


@virtually
async def test_a_child_cancelled_for_good_fails_the_parent(stage: Stage) -> None:
    await begin(stage, graph([node("w", "wait")], name="child"), parent())
    await stage.client.runs.cancel(await waiting_child(stage))
    (error,) = (await stage.result()).errors
    assert (error.node, error.type) == ("s", "ChildRunError")
    assert "cancelled" in error.message


@virtually
async def test_cancelling_the_parent_cancels_all_below(stage: Stage) -> None:
    lowest = graph([node("w", "wait")], name="three")
    await begin(stage, lowest, parent("three", "two"), parent("two", "one"))
    below = await waiting_child(stage)
    lowest_id = await waiting_child(stage, below)
    await stage.until_open("w", run_id=lowest_id)
    await stage.client.runs.cancel("run")
    for run_id in ("run", below, lowest_id):
        header = await stage.header(run_id)
        assert (header.status, header.is_announced) == ("cancelled", True)
    assert await stage.resume("w", 1, run_id=lowest_id) == "refused"
    await stage.until_quiet()
    assert await stage.record("s") is None


@virtually
async def test_the_failure_of_a_neighbour_cancels_the_children(stage: Stage) -> None:
    @stage.node("fail")
    async def fail(input: Any) -> None:
        await asyncio.sleep(50.0)
        raise RuntimeError("boom")

    both = graph([node("s", "subflow", blueprintId="child"), node("f", "fail")], name="parent")
    await begin(stage, graph([node("w", "wait")], name="child"), both)
    assert (await stage.result()).status == "failed"
    (child,) = await stage.children()
    assert child.status == "cancelled"


@virtually
async def test_a_child_that_takes_too_long_is_cancelled_and_tried_again(stage: Stage) -> None:
    config = {"maxRetries": 2, "retryDelay": 10, "timeout": 60_000}
    await begin(stage, graph([node("w", "wait")], name="child"), parent(config=config))
    (error,) = (await stage.result(within=300.0)).errors
    assert (error.node, error.type, error.attempt) == ("s", "NodeTimeoutError", 2)
    assert [c.status for c in await stage.children()] == ["cancelled"] * 2


@virtually
async def test_a_worker_that_dies_with_a_child_starts_no_second_one(stage: Stage) -> None:
    await begin(stage, graph([node("w", "wait")], name="child"), parent())
    await waiting_child(stage)
    stage.workers[0].abandon()
    stage.worker()
    for _ in range(5):
        stage.send("s")
        await asyncio.sleep(20.0)
    assert len(await stage.children()) == 1
    assert await stage.resume("s/w", 1) == "woke"
    assert (await stage.result()).output == 1


@virtually
async def test_the_fallback_of_a_subflow_stands_in_for_it(stage: Stage) -> None:
    @stage.node("fail")
    async def fail(input: Any) -> None:
        raise RuntimeError("boom")

    outer = graph(
        [node("s", "subflow", blueprintId="child", config={"fallback": "f"}), node("f", "echo")],
        name="parent",
    )
    await begin(stage, graph([node("a", "fail")], name="child"), outer, payload=9)
    assert (await stage.result()).output == 9


@virtually
async def test_a_child_of_nothing_but_a_skipped_sink_gives_null(stage: Stage) -> None:
    child = graph(
        [node("a", "echo"), node("b", "echo")], ("a", "b", {"condition": "false"}), name="child"
    )
    await begin(stage, child, parent(), payload=1)
    result = await stage.result()
    assert (result.status, result.output) == ("completed", None)


@virtually
async def test_each_item_of_a_batch_may_be_a_child(stage: Stage) -> None:
    outer = graph(
        [
            node("l", "value", value=[1, 2, 3]),
            node("b", "batch-scatter", workerUsesKey="subflow", gatherNodeId="g",
                 workerParams={"blueprintId": "child"}, chunkSize=2),
            node("g", "batch-gather"),
        ],
        ("l", "b"), ("b", "g"),
        name="parent",
    )  # fmt: skip
    await begin(stage, graph([node("a", "echo")], name="child"), outer)
    assert (await stage.result()).output == [1, 2, 3]
    assert len(await stage.children()) == 3


@virtually
async def test_a_child_runs_the_blueprint_its_parent_was_submitted_with(stage: Stage) -> None:
    stage.add(graph([node("a", "value", value="old")], name="child"), parent())
    await stage.submit("parent")
    stage.add(graph([node("a", "value", value="new")], name="child"))
    stage.worker()
    assert (await stage.result()).output == "old"


@virtually
async def test_runs_whose_ids_begin_alike_have_their_own_children(stage: Stage) -> None:
    stage.add(graph([node("w", "wait")], name="child"), parent())
    stage.worker()
    for run_id in ("a", "a:b", "a b"):
        await stage.submit("parent", run_id=run_id)
        await waiting_child(stage, run_id)
    await stage.client.runs.cancel("a")
    for run_id in ("a:b", "a b"):
        (child,) = await stage.children(run_id)
        assert child.status == "running"
        assert await stage.resume("s/w", run_id, run_id=run_id) == "woke"
        assert (await stage.result(run_id)).output == run_id


@virtually
async def test_purging_a_tree_leaves_nothing_of_it(memory: Stage) -> None:
    lowest = graph([node("w", "wait")], name="three")
    await begin(memory, lowest, parent("three", "two"), parent("two", "one"))
    below = await waiting_child(memory)
    lowest_id = await waiting_child(memory, below)
    await memory.until_open("w", run_id=lowest_id)
    assert await memory.client.runs.purge("run") is False
    await memory.client.runs.cancel("run")
    for child in (below, lowest_id):
        with pytest.raises(RunError, match="child"):
            await memory.client.runs.purge(child)
    assert await memory.client.runs.purge("run") is True
    assert await memory.client.ports.store.headers(["run", below, lowest_id]) == [None] * 3
