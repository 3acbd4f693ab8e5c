"""The output of one node, asked for from outside."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.errors import NoOutputError, RunError, UnknownRunError
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import LOOP, batch, counting, graph, node


async def output(stage: Stage, node_id: str, scope: str = "", run_id: str = "run") -> Any:
    return await stage.client.runs.output_of(run_id, node_id, scope)


async def _value(input: Any, params: dict[str, Any]) -> Any:
    if params.get("emit") == "count":
        return {"n": input["n"] + 1}
    return params.get("value", input)


@virtually
async def test_a_node_that_is_over_has_its_output_while_the_run_goes_on(stage: Stage) -> None:
    nodes = [node("a", "value", value=[1, {"b": 2}]), node("left", "echo"), node("w", "wait")]
    stage.add(graph(nodes, ("a", "w"), ("a", "left", {"condition": "false"})))
    stage.worker()
    await stage.submit("g")
    await stage.until_open("w")
    assert await output(stage, "a") == [1, {"b": 2}]
    assert await output(stage, "left") is None  # it was skipped
    with pytest.raises(NoOutputError, match=r"'w' of run 'run'.*has not been recorded"):
        await output(stage, "w")


@virtually
async def test_a_failed_node_has_the_output_of_its_fallback_or_none(stage: Stage) -> None:
    @stage.node("broken")
    async def broken(input: Any) -> None:
        raise ValueError("never")

    nodes = [
        node("a", "broken", config={"fallback": "spare"}),
        node("spare", "echo"),
        node("b", "broken"),
    ]
    await stage.run(graph(nodes, ("a", "b")), 7)
    assert await output(stage, "a") == 7
    with pytest.raises(NoOutputError, match=r"'b' of run 'run' failed.*never"):
        await output(stage, "b")


@virtually
async def test_a_node_of_a_loop_is_asked_for_by_iteration_or_means_the_last(stage: Stage) -> None:
    stage.node("sim.node")(_value)
    await stage.run(graph(counting(3), *LOOP))
    assert [(await output(stage, "b", f"/{index}"))["n"] for index in range(3)] == [1, 2, 3]
    assert await output(stage, "b") == {"n": 3}
    with pytest.raises(NoOutputError, match="'b/7'"):
        await output(stage, "b", "/7")
    with pytest.raises(RunError, match="node 'b' has no scope '/#1'"):
        await output(stage, "b", "/#1")


@virtually
async def test_a_batch_has_a_list_and_each_of_its_items_an_output(stage: Stage) -> None:
    stage.node("sim.node")(_value)
    stage.node("sim.worker")(_value)
    await stage.run(batch(3, {}))
    assert await output(stage, "g") == [0, 1, 2]
    assert await output(stage, "b", "/#2") == 2


@virtually
async def test_a_node_of_a_child_is_named_by_its_path(stage: Stage) -> None:
    child = graph([node("e", "value", value="inner")], name="child")
    stage.add(child)
    nodes = [node("s", "subflow", blueprintId="child"), node("t", "wait")]
    stage.add(graph(nodes))
    stage.worker()
    await stage.submit("g")
    await stage.until_recorded("s")
    assert await output(stage, "s/e") == "inner"
    with pytest.raises(UnknownRunError, match="'t' of run 'run' has started no subflow"):
        await output(stage, "t/e")


@virtually
async def test_a_node_that_is_not_there_is_said_so(stage: Stage) -> None:
    await stage.run(graph([node("a", "echo")]))
    with pytest.raises(RunError, match="run 'run' has no node 'z'"):
        await output(stage, "z")
    with pytest.raises(UnknownRunError, match="nobody"):
        await output(stage, "a", run_id="nobody")
