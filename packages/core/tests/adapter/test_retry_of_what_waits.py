"""Retried runs with waits, sleeps and subflows in them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from flowcraft.errors import RunError
from packages.core.tests.adapter.shop import Shop
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node


@pytest.fixture
def shop(stage: Stage) -> Shop:
    return Shop(stage)


def subflow(name: str, child: str, **params: Any) -> Any:
    return node(name, "subflow", blueprintId=child, **params)


# --- waits and sleeps --------------------------------------------------------------------------


@virtually
async def test_a_wait_that_was_woken_is_over_and_its_action_stands(shop: Shop) -> None:
    nodes = [node("w", "wait"), node("yes", "work"), node("no", "work")]
    edges = [("w", "yes", {"action": "yes"}), ("w", "no", {"action": "no"})]
    shop.stage.add(graph(nodes, *edges))
    shop.stage.worker()
    shop.broken = {"yes"}
    await shop.stage.submit("g")
    await shop.stage.until_open("w")
    assert await shop.stage.resume("w", {"by": "ann"}, action="yes") == "woke"
    assert (await shop.stage.result()).status == "failed"
    shop.mend()
    result = await shop.retry()
    assert result.output == {"yes": {"by": "ann"}}
    assert shop.ran == ["yes"]
    assert "open" not in await shop.stage.cells("w", "again")


@virtually
async def test_a_wait_that_was_open_waits_anew(shop: Shop) -> None:
    shop.stage.add(graph([node("a", "work"), node("w", "wait")], ("a", "w")))
    shop.stage.worker()
    await shop.stage.submit("g")
    await shop.stage.until_open("w")
    await shop.stage.client.runs.cancel("run")
    await shop.stage.client.runs.retry("run", "again")
    await shop.stage.until_open("w", run_id="again")
    assert await shop.stage.resume("w", 2, run_id="again") == "woke"
    assert (await shop.stage.result("again")).output == 2
    assert shop.ran == ["a"]


@virtually
async def test_an_early_signal_of_the_old_run_is_not_one_of_the_new(shop: Shop) -> None:
    nodes = [node("a", "work", seconds=5.0), node("w", "wait")]
    shop.stage.add(graph(nodes, ("a", "w")))
    shop.stage.worker()
    await shop.stage.submit("g")
    assert await shop.stage.resume("w", 1) == "kept"
    await shop.stage.client.runs.cancel("run")
    await shop.stage.client.runs.retry("run", "again")
    await shop.stage.until_open("w", run_id="again")
    assert await shop.stage.resume("w", 2, run_id="again") == "woke"
    assert (await shop.stage.result("again")).output == 2


@virtually
async def test_a_resume_of_a_wait_that_was_taken_over_is_refused(shop: Shop) -> None:
    """It is in a loop, so the resume has to find its scope among the waits that were reached."""
    nodes = [
        node("s", "work", value={"n": 0}), node("c", "loop-controller", condition="input.n < 1"),
        node("w", "wait"), node("z", "work", seconds=60.0),
    ]  # fmt: skip
    edges = [("s", "c"), ("c", "w", {"action": "continue"}), ("w", "c"), ("c", "z")]
    shop.stage.add(graph(nodes, *edges))
    shop.stage.worker()
    shop.broken = {"z"}
    await shop.stage.submit("g")
    await shop.stage.until_open("w/0")
    assert await shop.stage.resume("w", {"n": 1}) == "woke"
    await shop.stage.result()
    shop.mend()
    await shop.stage.client.runs.retry("run", "again")
    await shop.stage.until_recorded("c/1", "again")
    assert await shop.stage.resume("w", {"n": 1}, run_id="again") == "refused"
    assert (await shop.stage.result("again")).output == {"n": 1}


@virtually
async def test_a_sleep_that_was_over_takes_no_time(shop: Shop) -> None:
    nodes = [node("l", "sleep", duration="10h"), node("z", "work")]
    await shop.fails(graph(nodes, ("l", "z")), broken="z", payload=3)
    started = asyncio.get_running_loop().time()
    assert (await shop.retry()).output == 3
    assert asyncio.get_running_loop().time() - started < 3600


@virtually
async def test_a_sleep_that_was_not_over_sleeps_its_whole_time(shop: Shop) -> None:
    shop.stage.add(graph([node("a", "work"), node("l", "sleep", duration="1h")], ("a", "l")))
    shop.stage.worker()
    await shop.stage.submit("g")
    await asyncio.sleep(1800)
    await shop.stage.client.runs.cancel("run")
    await shop.retry()
    header = await shop.stage.header("again")
    assert header.ended_at is not None
    assert header.ended_at - header.created_at >= 3600


# --- subflows ----------------------------------------------------------------------------------


def tree() -> list[Any]:
    """A run of two nodes in a subflow of a subflow, each with a node before and behind it."""
    leaf = graph([node("l1", "work"), node("l2", "work")], ("l1", "l2"), name="leaf")
    mid = graph(
        [node("m1", "work"), subflow("deep", "leaf"), node("m2", "work")],
        ("m1", "deep"), ("deep", "m2"), name="mid",
    )  # fmt: skip
    top = graph(
        [node("t1", "work"), subflow("sub", "mid"), node("t2", "work")],
        ("t1", "sub"), ("sub", "t2"), name="top",
    )  # fmt: skip
    return [leaf, mid, top]


@virtually
async def test_children_go_on_from_the_children_of_the_old_run(shop: Shop) -> None:
    await shop.fails(*tree(), broken="l2", payload=4)
    assert (await shop.retry()).output == 4
    assert shop.ran == ["l2", "m2", "t2"]
    above, new_above = "run", "again"
    for _ in range(2):
        (old,) = await shop.stage.children(above)
        (new,) = await shop.stage.children(new_above)
        assert (new.retry_of, new.parent and new.parent.run_id) == (old.run_id, new_above)
        above, new_above = old.run_id, new.run_id


@virtually
async def test_a_subflow_that_completed_is_not_made_again(shop: Shop) -> None:
    child = graph([node("c", "work", writes={"k": 1})], name="child")
    nodes = [subflow("s", "child", outputs={"got": "k"}), node("z", "work")]
    await shop.fails(child, graph(nodes, ("s", "z")), broken="z", payload={"n": 4})
    result = await shop.retry()
    assert (result.output, result.context) == ({"n": 4}, {"n": 4, "got": 1})
    assert shop.ran == ["z"]
    assert await shop.stage.children("again") == []


@virtually
async def test_the_second_retry_goes_on_from_the_latest_child(shop: Shop) -> None:
    leaf = graph([node(f"l{n}", "work") for n in "123"], ("l1", "l2"), ("l2", "l3"), name="leaf")
    top = graph([subflow("s", "leaf")], name="top")
    await shop.fails(leaf, top, broken="l2", payload=4)
    shop.broken = {"l3"}
    assert (await shop.retry(new_id="second")).status == "failed"
    shop.mend()
    assert (await shop.retry("second", "third")).output == 4
    assert shop.ran == ["l3"]


@virtually
async def test_only_the_first_attempt_of_a_subflow_goes_on_from_the_old_child(shop: Shop) -> None:
    leaf = graph([node("l1", "work"), node("l2", "work")], ("l1", "l2"), name="leaf")
    config = {"maxRetries": 2, "retryDelay": 10}
    await shop.fails(leaf, graph([subflow("s", "leaf", config=config)]), broken="l2")
    shop.broken = {"l2"}
    assert (await shop.retry()).status == "failed"
    assert shop.ran == ["l2", "l1", "l2"]
    first, second = await shop.stage.children("again")
    assert (first.retry_of is None, second.retry_of) == (False, None)


@virtually
async def test_a_child_with_another_payload_begins_from_nothing(shop: Shop) -> None:
    """A branch that went on beside the subflow wrote the key that its payload is taken from."""
    leaf = graph([node("l1", "work"), node("l2", "work", seconds=9.0)], ("l1", "l2"), name="leaf")
    nodes = [
        subflow("s", "leaf", inputs={"n": "key"}),
        node("slow", "sleep", duration="3s"), node("w", "work", writes={"key": 2}),
    ]  # fmt: skip
    await shop.fails(leaf, graph(nodes, ("slow", "w")), broken="l2", payload={"key": 1})
    result = await shop.retry()
    assert result.output == {"s": {"n": 2}, "w": {"key": 1}}
    assert shop.ran == ["l1", "l2"]
    (child,) = await shop.stage.children("again")
    assert child.retry_of is None


@virtually
async def test_a_child_that_still_runs_is_ended_before_another_goes_on_from_it(
    memory: Stage,
) -> None:
    """Nobody has announced the end of the old run yet: its child does not know of it."""
    shop = Shop(memory)
    leaf = graph(
        [node("l1", "work"), node("l2", "work", seconds=600.0), node("l3", "work")],
        ("l1", "l2"), ("l2", "l3"), name="leaf",
    )  # fmt: skip
    memory.add(leaf, graph([subflow("s", "leaf")]))
    memory.worker()
    await memory.submit("g", 5)

    async def is_begun() -> bool:
        return "l2" in shop.ran

    await memory.until(is_begun)
    (old,) = await memory.children()
    ended = msgspec.structs.replace(await memory.header(), status="cancelled")
    memory.backend.tables.update_run(ended)
    assert not (await memory.header(old.run_id)).is_over
    await memory.client.runs.retry("run", "again")

    async def goes_on() -> bool:
        return bool(await memory.children("again"))

    await memory.until(goes_on)
    assert (await memory.header(old.run_id)).status == "cancelled"
    assert (await memory.result("again")).output == 5
    assert await memory.record("l2", old.run_id) is None


@virtually
async def test_the_items_of_a_batch_of_subflows_go_on_from_theirs(shop: Shop) -> None:
    leaf = graph([node("l1", "work"), node("l2", "work", seconds=5.0)], ("l1", "l2"), name="leaf")
    nodes = [
        node("s", "value", value=[0, 1]),
        node("b", "batch-scatter", workerUsesKey="subflow", gatherNodeId="g",
             workerParams={"blueprintId": "leaf"}),
        node("g", "batch-gather"),
    ]  # fmt: skip
    shop.stage.add(leaf, graph(nodes, ("s", "b"), ("b", "g")))
    shop.stage.worker()
    await shop.stage.submit("g")

    async def are_begun() -> bool:
        return shop.ran.count("l2") == 2

    await shop.stage.until(are_begun)
    await shop.stage.client.runs.cancel("run")
    shop.mend()
    assert (await shop.retry()).output == [0, 1]
    assert shop.ran == ["l2", "l2"]


@virtually
async def test_a_child_is_retried_with_its_root_only(shop: Shop) -> None:
    await shop.fails(*tree(), broken="l2")
    (child,) = await shop.stage.children()
    with pytest.raises(RunError, match="is a child of 'run': retry the run at the top"):
        await shop.stage.client.runs.retry(child.run_id, "again")
