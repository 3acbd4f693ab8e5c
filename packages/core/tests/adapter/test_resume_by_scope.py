"""Waits of which there are many: in loops, in batches, in children."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import AmbiguousResumeError, RunError, UnknownRunError
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node


def loop(**more: Any) -> dict[str, Any]:
    """Waits in each iteration until it is told to go no more."""
    nodes = [
        node("a", "value", value={"go": True}),
        node("c", "loop-controller", condition="input.go"),
        node("w", "wait"),
        node("z", "echo"),
    ]
    return graph(
        nodes, ("a", "c"), ("c", "w", {"action": "continue"}), ("w", "c"), ("c", "z"), **more
    )


def batch_of_waits(count: int, **scatter: Any) -> dict[str, Any]:
    params = {"workerUsesKey": "wait", "gatherNodeId": "g", **scatter}
    nodes = [
        node("s", "value", value=[*range(count)]),
        node("b", "batch-scatter", **params),
        node("g", "batch-gather"),
    ]
    return graph(nodes, ("s", "b"), ("b", "g"))


async def begin(stage: Stage, *blueprints: Any) -> None:
    stage.add(*blueprints)
    stage.worker()
    await stage.submit(blueprints[-1]["id"])


@virtually
async def test_a_wait_in_a_loop_is_woken_in_each_iteration(stage: Stage) -> None:
    await begin(stage, loop())
    for index in range(3):
        await stage.until_open(f"w/{index}")
        answer = {"go": index < 2, "n": index}
        assert await stage.resume("w", answer, scope=f"/{index}") == "woke"
    assert (await stage.result()).output == {"go": False, "n": 2}


@virtually
async def test_the_node_alone_names_its_only_open_scope(stage: Stage) -> None:
    await begin(stage, loop())
    for index in range(3):
        await stage.until_open(f"w/{index}")
        assert await stage.resume("w", {"go": index < 2}) == "woke"
    assert (await stage.result()).status == "completed"


@virtually
async def test_a_double_click_approves_one_iteration(stage: Stage) -> None:
    await begin(stage, loop())
    await stage.until_open("w/0")
    outcomes = await asyncio.gather(*(stage.resume("w", {"go": True}) for _ in range(5)))
    assert sorted(outcomes) == ["refused"] * 4 + ["woke"]
    await stage.until_open("w/1")
    await asyncio.sleep(500.0)
    assert await stage.open_waits() == ["w/1"]
    assert await stage.record("w/1") is None


@virtually
async def test_a_scope_to_come_keeps_its_resume(stage: Stage) -> None:
    await begin(stage, loop())
    await stage.until_open("w/0")
    assert await stage.resume("w", {"go": False}, scope="/1") == "kept"
    assert await stage.resume("w", {"go": True}, scope="/1") == "refused"
    assert await stage.resume("w", {"go": True}, scope="/0") == "woke"
    assert (await stage.result()).output == {"go": False}


@virtually
async def test_a_kept_resume_of_a_node_wakes_its_first_scope_only(stage: Stage) -> None:
    nodes = [node("p", "sleep", duration="60s"), *loop()["nodes"]]
    edges = [("p", "a"), *((e["source"], e["target"], e) for e in loop()["edges"])]
    await begin(stage, graph(nodes, *edges))
    assert await stage.resume("w", {"go": True}) == "kept"
    await stage.until_open("w/1")
    await asyncio.sleep(500.0)
    assert await stage.open_waits() == ["w/1"]


@virtually
async def test_a_scope_that_is_over_refuses(stage: Stage) -> None:
    await begin(stage, loop())
    await stage.until_open("w/0")
    await stage.resume("w", {"go": True})
    await stage.until_open("w/1")
    assert await stage.resume("w", {"go": False}, scope="/0") == "refused"
    assert await stage.open_waits() == ["w/1"]


@virtually
async def test_a_refused_resume_wakes_an_iteration_whose_wake_up_was_lost(stage: Stage) -> None:
    stage.settings["sweep_interval_seconds"] = 1e6
    await begin(stage, loop())
    await stage.until_open("w/0")
    await stage.workers[0].stop()
    assert await stage.resume("w", {"go": False}) == "woke"
    assert stage.lose_messages() == 1
    stage.worker()
    assert await stage.resume("w", {"go": True}) == "refused"
    assert (await stage.result(within=60.0)).output == {"go": False}


@virtually
async def test_items_that_wait_are_named_by_their_index(stage: Stage) -> None:
    await begin(stage, batch_of_waits(3))
    await stage.until_open("b/#0", "b/#1", "b/#2")
    with pytest.raises(AmbiguousResumeError, match="b/#0, b/#1, b/#2"):
        await stage.resume("b", 1)
    with pytest.raises(AmbiguousResumeError, match="b/#0, b/#1, b/#2"):
        await stage.resume(None, 1)
    for index in (2, 0, 1):
        assert await stage.resume("b", index * 10, scope=f"/#{index}") == "woke"
        assert await stage.resume("b", "again", scope=f"/#{index}") == "refused"
    assert (await stage.result()).output == [0, 10, 20]


@virtually
async def test_an_item_to_come_keeps_its_resume(stage: Stage) -> None:
    await begin(stage, batch_of_waits(3, chunkSize=1))
    await stage.until_open("b/#0")
    assert await stage.resume("b", 2, scope="/#2") == "kept"
    assert await stage.resume("b", 0) == "woke"
    await stage.until_open("b/#1")
    assert await stage.resume("b", 1) == "woke"
    assert (await stage.result()).output == [0, 1, 2]


@pytest.mark.parametrize("scope", ["", "/x", "/#0", "/0/0", "/-1", "0"])
@virtually
async def test_a_scope_that_cannot_be_is_an_error_and_keeps_nothing(
    stage: Stage, scope: str
) -> None:
    await begin(stage, loop())
    await stage.until_open("w/0")
    if scope:
        with pytest.raises(RunError):
            await stage.resume("w", 1, scope=scope)
    assert await stage.resume("w", {"go": False}, scope="/0") == "woke"
    assert (await stage.result()).status == "completed"


CHILD = graph([node("W", "wait"), node("x", "echo")], ("W", "x"), name="child")
PARENT = graph([node("SF", "subflow", blueprintId="child")], name="parent")
TOP = graph([node("T", "subflow", blueprintId="parent")], name="top")


async def the_child(stage: Stage, run_id: str = "run") -> str:
    """The id of the only child, once it waits."""

    async def holds() -> bool:
        return bool(await stage.children(run_id))

    await stage.until(holds)
    (child,) = await stage.children(run_id)
    return child.run_id


@virtually
async def test_a_wait_in_a_child_is_named_by_its_path(stage: Stage) -> None:
    await begin(stage, CHILD, PARENT)
    child = await the_child(stage)
    await stage.until_open("W", run_id=child)
    assert await stage.resume("SF/W", 5) == "woke"
    assert await stage.resume("SF/W", 6) == "refused"
    assert (await stage.result()).output == 5


@virtually
async def test_a_wait_in_a_child_is_named_by_the_child(stage: Stage) -> None:
    await begin(stage, CHILD, PARENT)
    child = await the_child(stage)
    await stage.until_open("W", run_id=child)
    assert await stage.resume("W", 5, run_id=child) == "woke"
    assert (await stage.result()).output == 5


@virtually
async def test_a_path_leads_through_three_runs(stage: Stage) -> None:
    await begin(stage, CHILD, PARENT, TOP)
    middle = await the_child(stage)
    lowest = await the_child(stage, middle)
    await stage.until_open("W", run_id=lowest)
    assert await stage.resume("T/SF/W", 7) == "woke"
    assert (await stage.result()).output == 7


@virtually
async def test_a_path_through_a_subflow_that_never_started_is_an_error(stage: Stage) -> None:
    slow = graph(
        [node("s", "sleep", duration="1h"), node("SF", "subflow", blueprintId="child")],
        ("s", "SF"),
        name="parent",
    )
    await begin(stage, CHILD, slow)
    with pytest.raises(UnknownRunError, match="'SF'"):
        await stage.resume("SF/W", 1)
    with pytest.raises(UnknownRunError, match="'ghost'"):
        await stage.resume("ghost/W", 1)


@virtually
async def test_an_id_with_a_dot_is_no_path(stage: Stage) -> None:
    await begin(stage, graph([node("a.b", "wait"), node("a", "wait")]))
    await stage.until_open("a", "a.b")
    assert await stage.resume("a.b", 1) == "woke"
    assert await stage.resume("a", 2) == "woke"
    assert (await stage.result()).output == {"a.b": 1, "a": 2}
