"""Batches: order, size, failures, and what the list of results costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from flowcraft.engine.activation import Activation
from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import Cell
from flowcraft.execution.move import load_for
from flowcraft.nodes import Context, RunInfo
from flowcraft.ports.store import Commit
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node


def batch(count: int, uses: str = "tenfold", *, config: Any = None, **params: Any) -> Any:
    """A list of numbers, a worker for each, and what comes of it."""
    gather = {"outputKey": params.pop("outputKey")} if "outputKey" in params else {}
    nodes = [
        node("l", "value", value=[*range(count)]),
        node("b", "batch-scatter", workerUsesKey=uses, gatherNodeId="g", config=config or {},
             **params),
        node("g", "batch-gather", **gather),
        node("z", "echo"),
    ]  # fmt: skip
    return graph(nodes, ("l", "b"), ("b", "g"), ("g", "z"))


@pytest.fixture(autouse=True)
def _workers(request: pytest.FixtureRequest) -> None:
    name = next((n for n in ("stage", "memory") if n in request.fixturenames), None)
    if name is None:
        return
    stage: Stage = request.getfixturevalue(name)

    @stage.node("tenfold")
    async def tenfold(input: int) -> int:
        # The later ones are quicker, so that they end in another order.
        await asyncio.sleep(1.0 / (1 + input))
        return input * 10

    @stage.node("odd_fails")
    async def odd_fails(input: int) -> int:
        if input % 2:
            raise RuntimeError(f"item {input}")
        return input


@pytest.mark.parametrize("count", [0, 1, 2, 7])
@virtually
async def test_results_come_in_the_order_of_the_items(stage: Stage, count: int) -> None:
    result = await stage.run(batch(count))
    assert result.output == [10 * n for n in range(count)]
    assert stage.calls["tenfold"] == count


@virtually
async def test_a_thousand_items_come_out_in_order(memory: Stage) -> None:
    memory.worker()
    memory.worker()
    result = await memory.run(batch(1000, chunkSize=50))
    assert result.output == [10 * n for n in range(1000)]
    assert memory.calls["tenfold"] == 1000


@virtually
async def test_a_batch_over_what_another_one_gathered_never_makes_the_list(stage: Stage) -> None:
    """S8.17."""
    count = 30 if stage.kind == "four_method" else 1200
    made = batch(count, "odd_fails", onItemError="continue", chunkSize=50)
    made["nodes"][2:] = [
        made["nodes"][2],
        node("b2", "batch-scatter", workerUsesKey="is_null", gatherNodeId="g2", chunkSize=50),
        node("g2", "batch-gather"),
        node("z", "value", value="done"),
    ]
    made["edges"] = [
        {"source": source, "target": target}
        for source, target in (("l", "b"), ("b", "g"), ("g", "b2"), ("b2", "g2"), ("g2", "z"))
    ]

    @stage.node("is_null")
    async def is_null(input: int | None) -> bool:
        return input is None

    reader = stage.worker().adapter.parts.reader
    whole = reader._gathered
    lists: list[str] = []

    async def watched(run_id: str, reference: Any) -> bytes:
        lists.append(reference.scatter)
        return await whole(run_id, reference)

    reader._gathered = watched  # type: ignore[method-assign]
    result = await stage.run(made)
    assert result.status == "completed"
    assert lists == ["b2"], "only the last node takes a list"
    items = [await stage.record(f"b2/#{index}") for index in range(count)]
    assert [bytes(item.output) for item in items if item is not None] == [
        b"true" if index % 2 else b"false" for index in range(count)
    ]


def test_an_item_does_not_read_the_list_that_it_is_from() -> None:
    stage = Stage("fused")
    made = batch(3)
    made["nodes"][1]["inputs"] = "l"
    stage.add(made)
    program = stage.program("g")
    assert ("l", RECORD) in load_for(program, "run", Activation("b")).peeks
    assert load_for(program, "run", Activation("b", "/#1")).peeks == (("b", RECORD),)


@virtually
async def test_two_hundred_items_come_out_in_order_over_four_methods() -> None:
    stage = Stage("four_method")

    @stage.node("tenfold")
    async def tenfold(input: int) -> int:
        return input * 10

    assert (await stage.run(batch(200, chunkSize=40))).output == [10 * n for n in range(200)]


@pytest.mark.parametrize("chunk", [1, 3, 10])
@virtually
async def test_no_more_items_than_the_chunk_are_in_flight(stage: Stage, chunk: int) -> None:
    running: Counter[int] = Counter()
    most = 0

    @stage.node("watch")
    async def watch(input: int) -> int:
        nonlocal most
        running[input] += 1
        most = max(most, sum(1 for times in running.values() if times))
        await asyncio.sleep(1.0)
        running[input] -= 1
        return input

    stage.worker()
    stage.worker()
    result = await stage.run(batch(20, "watch", chunkSize=chunk))
    assert result.output == [*range(20)]
    assert most <= chunk


@virtually
async def test_an_item_sees_its_index_as_its_scope(stage: Stage) -> None:
    @stage.node("where")
    async def where(input: int, run: RunInfo, params: dict[str, Any]) -> Any:
        return [run.node_id, run.scope, params]

    result = await stage.run(batch(2, "where", workerParams={"p": 1}))
    assert result.output == [["b", f"/#{n}", {"p": 1}] for n in range(2)]


@virtually
async def test_a_failed_item_fails_the_run_and_is_named(stage: Stage) -> None:
    result = await stage.run(batch(2, "odd_fails"))
    assert result.status == "failed"
    assert [(e.node, e.scope, e.message) for e in result.errors] == [("b", "/#1", "item 1")]


@virtually
async def test_a_batch_may_go_on_past_failed_items_and_lists_their_errors(stage: Stage) -> None:
    result = await stage.run(batch(12, "odd_fails", onItemError="continue", chunkSize=2))
    assert result.status == "completed"
    assert result.output == [n if n % 2 == 0 else None for n in range(12)]
    assert result.context == {}
    assert [(e.node, e.scope, e.message) for e in result.errors] == [
        ("b", f"/#{n}", f"item {n}") for n in range(1, 12, 2)
    ]


@virtually
async def test_attempts_and_timeout_of_the_scatter_hold_for_each_item(stage: Stage) -> None:
    seen: dict[int, list[int]] = {}

    @stage.node("shaky")
    async def shaky(input: int, run: RunInfo) -> int:
        seen.setdefault(input, []).append(run.attempt)
        if run.attempt == 1:
            await asyncio.sleep(1000.0)
        if run.attempt == 2:
            raise RuntimeError("again")
        return input

    config = {"maxRetries": 3, "retryDelay": 10, "timeout": 500}
    assert (await stage.run(batch(3, "shaky", config=config))).output == [0, 1, 2]
    assert seen == {n: [1, 2, 3] for n in range(3)}


@virtually
async def test_the_list_is_in_the_context_under_its_key(stage: Stage) -> None:
    @stage.node("read")
    async def read(input: Any, ctx: Context) -> Any:
        return await ctx.get("all")

    blueprint = batch(3, outputKey="all")
    blueprint["nodes"][-1] = node("z", "read")
    result = await stage.run(blueprint)
    assert result.output == [0, 10, 20]
    assert result.context == {"all": [0, 10, 20]}


@virtually
async def test_a_key_of_a_gather_that_breaks_the_rules_fails_it(stage: Stage) -> None:
    result = await stage.run(batch(2, outputKey="k" * 513))
    assert [(e.node, e.type) for e in result.errors] == [("g", "ValueNotStorableError")]


@pytest.mark.parametrize("value", [None, 7, "text", {"a": 1}])
@virtually
async def test_a_batch_over_what_is_no_list_fails_and_is_not_tried_again(
    stage: Stage, value: Any
) -> None:
    blueprint = batch(0, config={"maxRetries": 3, "retryDelay": 10})
    blueprint["nodes"][0] = node("l", "value", value=value)
    (error,) = (await stage.run(blueprint)).errors
    assert (error.node, error.type, error.attempt) == ("b", "InputError", 1)


@virtually
async def test_a_batch_survives_workers_that_die_in_the_middle(stage: Stage) -> None:
    keeper = asyncio.create_task(stage.keep_alive(2))
    stage.add(batch(40, chunkSize=8))
    await stage.submit("g")
    for _ in range(6):
        await asyncio.sleep(0.7)
        alive = [worker for worker in stage.workers if not worker.is_dead]
        if alive:
            alive[0].abandon()
    result = await stage.result()
    keeper.cancel()
    assert result.output == [10 * n for n in range(40)]


@virtually
async def test_gathered_lists_larger_than_any_value_reach_their_consumer(memory: Stage) -> None:
    memory.largest_value = 1000

    @memory.node("wide")
    async def wide(input: int) -> str:
        return "x" * 900

    @memory.node("measure")
    async def measure(input: list[str]) -> int:
        return sum(map(len, input))

    blueprint = batch(20, "wide", outputKey="all")
    blueprint["nodes"][-1] = node("z", "measure")
    assert (await memory.run(blueprint)).output == 20 * 900


@virtually
async def test_batches_in_a_loop_begin_anew_each_time(stage: Stage) -> None:
    @stage.node("grow")
    async def grow(input: list[int]) -> list[int]:
        return [*input, len(input)]

    nodes = [
        node("a", "value", value=[]),
        node("c", "loop-controller", condition="size(input) < 3"),
        node("b", "batch-scatter", workerUsesKey="tenfold", gatherNodeId="g"),
        node("g", "batch-gather"),
        node("n", "grow"),
        node("z", "echo"),
    ]
    edges = [("a", "c"), ("c", "b", {"action": "continue"}), ("b", "g"), ("g", "n"), ("n", "c")]
    result = await stage.run(graph(nodes, *edges, ("c", "z")))
    assert result.output == [0, 10, 2]


@virtually
async def test_a_batch_has_the_items_of_one_list_though_its_key_changes_when_a_worker_dies(
    stage: Stage,
) -> None:
    blueprint = batch(0, inputs="numbers")
    stage.add(blueprint)
    first = stage.worker()

    async def die_once_the_items_are_there(call: str) -> None:
        if "touch" not in call and await stage.cells("b/#1"):
            await first.die()

    first.before = die_once_the_items_are_there
    await stage.submit("g", {"numbers": [1, 2]})
    await stage.until(lambda: is_there(stage, "b/#1"))
    changed = Commit("run", Cell("l", "claim", b"1"), context={"numbers": b"[30,40,50]"})
    await stage.client.ports.commit(changed)
    stage.worker()
    assert (await stage.result()).output == [10, 20]


async def is_there(stage: Stage, key: str) -> bool:
    """Whether anything is noted of an activation."""
    return bool(await stage.cells(key))
