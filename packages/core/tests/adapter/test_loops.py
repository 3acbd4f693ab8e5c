"""Loops: iterations, limits, nesting, and what others see of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from packages.core.tests.adapter.stage import KINDS, Kind, Stage, virtually
from tests.simulation.hand_written import graph, node


@pytest.fixture(autouse=True)
def _nodes(stage: Stage) -> None:
    add_nodes(stage)


def add_nodes(stage: Stage) -> None:
    @stage.node("count")
    async def count(input: Any) -> Any:
        return {**input, "n": input["n"] + 1}

    @stage.node("inner")
    async def inner(input: Any) -> Any:
        return {**input, "m": input.get("m", 0) + 1, "total": input.get("total", 0) + 1}

    @stage.node("outer")
    async def outer(input: Any) -> Any:
        return {**input, "n": input["n"] + 1, "m": 0}


def loop(condition: str = "input.n < 3", **params: Any) -> Any:
    nodes = [
        node("a", "value", value={"n": 0}),
        node("c", "loop-controller", condition=condition, **params),
        node("b", "count"),
        node("z", "echo"),
    ]
    edges = [("a", "c"), ("c", "b", {"action": "continue"}), ("b", "c"), ("c", "z")]
    return graph(nodes, *edges)


@virtually
async def test_a_loop_goes_on_while_its_condition_holds(stage: Stage) -> None:
    assert (await stage.run(loop())).output == {"n": 3}
    assert stage.calls["count"] == 3
    for index in range(3):
        assert await stage.record(f"b/{index}") is not None
    assert await stage.record("b/3") is None


@virtually
async def test_a_loop_may_have_no_iteration(stage: Stage) -> None:
    assert (await stage.run(loop("input.n < 0"))).output == {"n": 0}
    assert stage.calls["count"] == 0
    assert await stage.record("b/0") is None


@virtually
async def test_a_loop_beyond_its_limit_fails_the_run_and_names_the_controller(stage: Stage) -> None:
    result = await stage.run(loop("true", maxIterations=4))
    (error,) = result.errors
    assert (result.status, error.node, error.scope) == ("failed", "c", "/4")
    assert "4" in error.message
    assert stage.calls["count"] == 4


@virtually
async def test_a_loop_of_exactly_its_limit_completes(stage: Stage) -> None:
    assert (await stage.run(loop(maxIterations=3))).output == {"n": 3}


@virtually
async def test_two_hundred_iterations_run_each_once(stage: Stage) -> None:
    assert (await stage.run(loop("input.n < 200"))).output == {"n": 200}
    assert stage.calls["count"] == 200


@virtually
async def test_an_inner_loop_starts_anew_in_each_outer_iteration(stage: Stage) -> None:
    nodes = [
        node("a", "value", value={"n": 0}),
        node("o", "loop-controller", condition="input.n < 3"),
        node("i", "loop-controller", condition="!has(input.m) || input.m < 2"),
        node("b", "inner"),
        node("e", "outer"),
        node("z", "echo"),
    ]
    edges = [
        ("a", "o"), ("o", "i", {"action": "continue"}), ("i", "b", {"action": "continue"}),
        ("b", "i"), ("i", "e"), ("e", "o"), ("o", "z"),
    ]  # fmt: skip
    result = await stage.run(graph(nodes, *edges))
    assert result.output == {"n": 3, "m": 0, "total": 6}
    for outer in range(3):
        assert await stage.record(f"b/{outer}/1") is not None
        assert await stage.record(f"b/{outer}/2") is None


@virtually
async def test_a_join_in_a_body_counts_its_own_iteration_only(stage: Stage) -> None:
    @stage.node("sum")
    async def total(input: Any) -> Any:
        assert sorted(input) == ["l", "r"]
        assert input["l"] == input["r"]
        return {"n": input["l"]["n"] + 1}

    @stage.node("slow")
    async def slow(input: Any) -> Any:
        await asyncio.sleep(3.0)
        return input

    nodes = [
        node("a", "value", value={"n": 0}),
        node("c", "loop-controller", condition="input.n < 5"),
        node("l", "echo"),
        node("r", "slow"),
        node("j", "sum"),
        node("z", "echo"),
    ]
    go = {"action": "continue"}
    edges = [
        ("a", "c"),
        ("c", "l", go),
        ("c", "r", go),
        ("l", "j"),
        ("r", "j"),
        ("j", "c"),
        ("c", "z"),
    ]
    stage.worker()
    assert (await stage.run(graph(nodes, *edges))).output == {"n": 5}
    assert stage.calls["sum"] == 5


@virtually
async def test_a_side_branch_of_a_body_delays_the_end(stage: Stage) -> None:
    ended: list[Any] = []

    @stage.node("side")
    async def side(input: Any) -> None:
        await asyncio.sleep(100.0 - 30.0 * input["n"])
        ended.append(input["n"])

    blueprint = loop()
    blueprint["nodes"].append(node("s", "side"))
    blueprint["edges"].append({"source": "b", "target": "s"})
    result = await stage.run(blueprint)
    assert (result.status, result.output) == ("completed", {"n": 3})
    assert sorted(ended) == [1, 2, 3]


@virtually
async def test_from_outside_a_node_of_the_body_is_its_last_iteration(stage: Stage) -> None:
    blueprint = loop()
    blueprint["nodes"][3] = node("z", "echo", inputs={"last": "b", "loop": "c"})
    assert (await stage.run(blueprint)).output == {"last": {"n": 3}, "loop": {"n": 3}}


@virtually
async def test_a_loop_survives_workers_that_die_in_the_middle(stage: Stage) -> None:
    @stage.node("step")
    async def step(input: Any) -> Any:
        await asyncio.sleep(1.0)
        return {"n": input["n"] + 1}

    blueprint = loop("input.n < 12")
    blueprint["nodes"][2] = node("b", "step")
    stage.add(blueprint)
    keeper = asyncio.create_task(stage.keep_alive(1))
    await stage.submit("g")
    for _ in range(5):
        await asyncio.sleep(3.3)
        for worker in stage.workers:
            if not worker.is_dead:
                worker.abandon()
    result = await stage.result()
    keeper.cancel()
    assert result.output == {"n": 12}


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_sink_in_a_body_costs_the_last_iteration_what_it_costs_the_first(kind: Kind) -> None:
    stage = Stage(kind)
    add_nodes(stage)
    stage.node("late")(_late)
    read: list[int] = []
    get_members = stage.backend.tables.get_members

    def counted(run_id: str, key: str) -> Any:
        found = list(get_members(run_id, key))
        read.append(len(found))
        return found

    stage.backend.tables.get_members = counted  # type: ignore[method-assign]
    blueprint = loop("input.n < 60")
    blueprint["nodes"].append(node("side", "late"))
    blueprint["edges"].append({"source": "b", "target": "side"})

    @virtually
    async def run() -> None:
        assert (await stage.run(blueprint)).output == {"n": 60}
        assert stage.calls["late"] == 60

    run()
    assert max(read) <= 2


async def _late(input: Any) -> Any:
    await asyncio.sleep(30.0)
    return input
