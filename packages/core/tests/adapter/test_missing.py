"""A worker that lacks a node hands its job back, until one comes that has it."""

from __future__ import annotations

import asyncio

from flowcraft.expressions import Expressions
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import batch, graph, node

NEW = frozenset({"new"})


@virtually
async def test_a_job_is_done_once_a_worker_comes_that_has_its_node(stage: Stage) -> None:
    @stage.node("new")
    async def new(input: int) -> int:
        return input + 1

    stage.add(
        graph([node("a", "echo"), node("n", "new"), node("z", "echo")], ("a", "n"), ("n", "z"))
    )
    stage.worker(without=NEW)
    await stage.submit("g", 1)
    await asyncio.sleep(3600.0)
    assert not (await stage.header()).is_over
    assert stage.calls["new"] == 0
    stage.worker()
    result = await stage.result(within=300.0)
    assert (result.status, result.output) == ("completed", 2)


@virtually
async def test_the_key_that_no_worker_had_is_named_after_the_bound(stage: Stage) -> None:
    stage.settings["missing_seconds"] = 600.0
    loop = asyncio.get_running_loop()
    result = await stage.run(graph([node("n", "shop.new_one")]))
    assert result.status == "failed"
    (error,) = result.errors
    assert (error.node, error.type) == ("n", "ImplementationMissingError")
    assert "'shop.new_one'" in error.message
    assert 600.0 <= loop.time() <= 700.0


@virtually
async def test_the_fallback_stands_in_for_a_node_that_no_worker_had(stage: Stage) -> None:
    stage.settings["missing_seconds"] = 60.0
    nodes = [node("n", "nowhere", config={"fallback": "f"}), node("f", "echo")]
    result = await stage.run(graph(nodes), 5)
    assert (result.status, result.output) == ("completed", 5)


@virtually
async def test_a_missing_node_uses_up_no_attempt(stage: Stage) -> None:
    stage.settings["missing_seconds"] = 60.0
    config = {"maxRetries": 5, "retryDelay": 10}
    result = await stage.run(graph([node("n", "nowhere", config=config)]))
    assert [error.attempt for error in result.errors] == [1]


@virtually
async def test_the_worker_of_a_batch_is_waited_for_too(stage: Stage) -> None:
    @stage.node("new")
    async def new(input: int) -> int:
        return input * 10

    blueprint = batch(3, {}, uses="new")
    blueprint["nodes"][0] = node("s", "value", value=[1, 2, 3])
    stage.add(blueprint)
    stage.worker(without=NEW)
    await stage.submit("g")
    await asyncio.sleep(100.0)
    stage.worker()
    assert (await stage.result(within=300.0)).output == [10, 20, 30]


@virtually
async def test_other_nodes_go_on_while_one_is_missing(stage: Stage) -> None:
    stage.add(graph([node("n", "nowhere")], name="stuck"), graph([node("a", "echo")], name="fine"))
    stage.worker(concurrency=1)
    await stage.submit("stuck", run_id="stuck")
    await asyncio.sleep(5.0)
    await stage.submit("fine", 1, run_id="fine")
    assert (await stage.result("fine", within=60.0)).output == 1


@virtually
async def test_handing_back_does_not_fill_the_queue(stage: Stage) -> None:
    stage.add(graph([node("n", "nowhere")]))
    stage.worker()
    stage.worker()
    await stage.submit("g")
    most = 0
    for _ in range(400):
        await asyncio.sleep(10.0)
        most = max(most, len(stage.messages()))
    assert most <= 3


@virtually
async def test_a_worker_without_a_registered_callable_hands_back_up_to_the_bound(
    stage: Stage,
) -> None:
    stage.settings["missing_seconds"] = 600.0
    with_it = Expressions(functions={"cheap": lambda price: price < 10})
    without_it, stage.expressions = stage.expressions, with_it
    edge = {"source": "a", "target": "b", "condition": "cheap(result.output)"}
    blueprint = graph([node("a", "echo"), node("b", "echo")])
    stage.add({**blueprint, "edges": [edge]})
    await stage.submit("g", 1)
    stage.expressions = without_it
    stage.worker()
    await asyncio.sleep(300.0)
    assert not (await stage.header()).is_over
    await asyncio.sleep(600.0)
    header = await stage.header()
    assert header.status == "failed"
    assert header.error is not None
    assert "cheap" in header.error.message
