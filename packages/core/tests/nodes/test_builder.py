from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from flowcraft.blueprint import parse_blueprint, to_json, validate
from flowcraft.builder import Flow, create_flow
from flowcraft.errors import BlueprintError, RegistrationError, ValueNotStorableError
from flowcraft.nodes import BaseNode, Context, node


@dataclass
class Rate:
    percent: int


async def fetch(order: dict[str, Any]) -> list[int]:
    return [1, 2]


async def charge(item: int) -> int:
    return item


async def ship(items: list[int]) -> str:
    return "shipped"


@node(uses="pay.it", attempts=3, retry_delay_seconds=0.29, timeout_seconds=5)
async def pay(value: Any) -> Any:
    return value


class Step(BaseNode[Any, Any]):
    async def exec(self, prepared: Any, ctx: Context) -> Any:
        return prepared


def json_of(flow: Flow) -> dict[str, Any]:
    """The flow's JSON form, after a look that it loads."""
    blueprint = flow.to_blueprint()
    assert validate(blueprint) == []
    return to_json(parse_blueprint(to_json(blueprint)))


def problem(flow: Flow, **given: Any) -> str:
    with pytest.raises(BlueprintError) as caught:
        flow.node(pay, **given)
    return str(caught.value)


def test_a_chain_becomes_a_blueprint_with_its_functions_in_the_registry() -> None:
    flow = create_flow("order", version="2")
    a, b = flow.node(fetch), flow.node(ship)
    flow.edge(a, b, when="result.output", action="go")
    assert json_of(flow) == {
        "id": "order",
        "metadata": {"version": "2"},
        "nodes": [
            {"id": "fetch", "uses": f"{__name__}.fetch"},
            {"id": "ship", "uses": f"{__name__}.ship"},
        ],
        "edges": [
            {"source": "fetch", "target": "ship", "action": "go", "condition": "result.output"}
        ],
    }
    assert [one.uses for one in flow.registry] == [f"{__name__}.fetch", f"{__name__}.ship"]


def test_the_functions_options_hold_where_the_flow_says_nothing() -> None:
    flow = create_flow("f")
    flow.node(pay)
    flow.node(pay, id="again", attempts=1, timeout_seconds=0.5)
    first, second = (one.config for one in flow.to_blueprint().nodes)
    assert (first.attempts, first.retry_delay_ms, first.timeout_ms) == (3, 290, 5000)
    assert (second.attempts, second.retry_delay_ms, second.timeout_ms) == (1, 290, 500)


def test_inputs_params_fallback_and_join_are_written() -> None:
    flow = create_flow("f")
    start = flow.node(fetch)
    rescue = flow.node(pay, id="rescue")
    flow.node(
        Step,
        inputs={"order": start, "user": "user.name"},
        params={"rate": Rate(3)},
        fallback=rescue,
        join="any",
    )
    flow.edge(start, "Step")
    found = json_of(flow)["nodes"][2]
    assert found == {
        "id": "Step",
        "uses": f"{__name__}.Step",
        "inputs": {"order": "fetch", "user": "user.name"},
        "params": {"rate": {"percent": 3}},
        "config": {"fallback": "rescue", "joinStrategy": "any"},
    }
    flow.node(pay, id="bare", inputs=start, params=Rate(4))
    bare = flow.to_blueprint().nodes[-1]
    assert (bare.inputs, bare.params) == ("fetch", {"percent": 4})


def test_a_mapping_of_params_changed_later_changes_no_blueprint() -> None:
    params: dict[str, Any] = {"list": [1]}
    flow = create_flow("f")
    flow.node(pay, params=params)
    params["list"].append(2)
    assert flow.to_blueprint().nodes[0].params == {"list": [1]}


def test_a_map_is_a_scatter_and_a_gather() -> None:
    flow = create_flow("f")
    source = flow.node(fetch)
    charged = flow.map(
        charge, over=source, chunk_size=5, on_item_error="continue", params={"x": 1}, attempts=2
    )
    flow.edge(charged, flow.node(ship))
    gate = flow.join("gate")
    flow.edge(source, gate)
    flow.edge(gate, charged)
    flow.edge("charge", "audit")
    flow.node(pay, id="audit")
    found = json_of(flow)
    assert found["nodes"][1:3] == [
        {
            "id": "charge_scatter",
            "uses": "batch-scatter",
            "inputs": "fetch",
            "params": {
                "workerUsesKey": f"{__name__}.charge",
                "workerParams": {"x": 1},
                "gatherNodeId": "charge_gather",
                "chunkSize": 5,
                "onItemError": "continue",
            },
            "config": {"maxRetries": 2},
        },
        {
            "id": "charge_gather",
            "uses": "batch-gather",
            "params": {"gatherNodeId": "charge_gather"},
        },
    ]
    assert found["edges"] == [
        {"source": "charge_scatter", "target": "charge_gather"},
        {"source": "fetch", "target": "charge_scatter"},
        {"source": "charge_gather", "target": "ship"},
        {"source": "fetch", "target": "gate"},
        {"source": "gate", "target": "charge_scatter"},
        {"source": "charge_gather", "target": "audit"},
    ]


def test_a_map_can_run_a_graph_for_each_item() -> None:
    flow = create_flow("f")
    source = flow.node(fetch)
    flow.map("subflow", over=source, id="each", params={"blueprintId": "child"})
    scatter = json_of(flow)["nodes"][1]
    assert scatter["params"]["workerUsesKey"] == "subflow"
    assert scatter["params"]["workerParams"] == {"blueprintId": "child"}
    assert len(flow.registry) == 1


def test_a_loop_has_a_body_and_exits_named_break() -> None:
    flow = create_flow("f")
    start, first, last = flow.node(fetch), flow.node(pay), flow.node(Step)
    loop = flow.loop("again", condition="input.n < 3", max_iterations=9)
    flow.edge(start, loop)
    assert loop.body(first, last) is loop
    flow.edge(first, last)
    flow.edge(loop, "done")
    flow.node(pay, id="done")
    found = json_of(flow)
    assert found["nodes"][3] == {
        "id": "again",
        "uses": "loop-controller",
        "params": {"condition": "input.n < 3", "maxIterations": 9},
    }
    assert found["edges"] == [
        {"source": "fetch", "target": "again"},
        {"source": "again", "target": "pay", "action": "continue"},
        {"source": "Step", "target": "again"},
        {"source": "pay", "target": "Step"},
        {"source": "again", "target": "done", "action": "break"},
    ]


def test_a_loop_whose_body_is_one_node_or_a_batch() -> None:
    flow = create_flow("f")
    start = flow.node(fetch)
    loop = flow.loop("one", condition="input")
    flow.edge(start, loop)
    loop.body(flow.node(pay))
    batch_loop = flow.loop("many", condition="input")
    flow.edge(loop, batch_loop)
    inner = flow.node(fetch, id="inner")
    batch_loop.body(inner, flow.map(charge, over=inner))
    edges = {(one["source"], one["target"]) for one in json_of(flow)["edges"]}
    assert {("one", "pay"), ("pay", "one"), ("charge_gather", "many")} <= edges


def test_the_nodes_that_suspend_and_the_children_are_written() -> None:
    child = create_flow("child")
    flow = create_flow("f")
    rescue = flow.node(pay, id="rescue")
    ids = [
        flow.wait("approve", timeout_seconds=60, fallback=rescue),
        flow.sleep("pause", duration_seconds=0.3),
        flow.webhook("hook"),
        flow.subflow(
            "sub",
            blueprint=child,
            inputs={"order": rescue, "x": "key"},
            outputs={"total": "out"},
            attempts=2,
        ),
        flow.join("both", strategy="any"),
    ]
    for source, target in pairwise(ids):
        flow.edge(source, target)
    assert json_of(flow)["nodes"][1:] == [
        {"id": "approve", "uses": "wait", "config": {"timeout": 60000, "fallback": "rescue"}},
        {"id": "pause", "uses": "sleep", "params": {"duration": 300}},
        {"id": "hook", "uses": "webhook"},
        {
            "id": "sub",
            "uses": "subflow",
            "params": {
                "blueprintId": "child",
                "inputs": {"order": "rescue", "x": "key"},
                "outputs": {"total": "out"},
            },
            "config": {"maxRetries": 2},
        },
        {"id": "both", "uses": "join", "config": {"joinStrategy": "any"}},
    ]


def test_an_id_taken_is_refused_when_the_node_is_added() -> None:
    flow = create_flow("f")
    source = flow.node(pay)
    assert "node 'pay': the id is taken" in problem(flow)
    flow.map(pay, over=source, id="batch")
    assert "'batch'" in problem(flow, id="batch")
    before = flow.to_blueprint()
    with pytest.raises(BlueprintError, match="'batch_gather'"):
        flow.map(pay, over=source, id="batch")
    assert flow.to_blueprint() == before


def test_what_does_not_fit_is_refused_when_the_node_is_added() -> None:
    flow = create_flow("f")
    assert "params are no mapping" in problem(flow, params=[1])
    with pytest.raises(ValueNotStorableError, match="params of node 'pay'"):
        flow.node(pay, params={"a": {1}})
    with pytest.raises(RegistrationError, match="attempts=0"):
        flow.node(pay, attempts=0)
    with pytest.raises(RegistrationError, match="has no name"):
        flow.node(lambda value: value, uses="double")
    with pytest.raises(RegistrationError, match="has no name"):
        flow.node("elsewhere.double")
    with pytest.raises(TypeError, match="idd"):
        flow.node(pay, idd="x")  # type: ignore[call-overload]
    assert flow.to_blueprint().nodes == ()


def test_a_sleep_whose_duration_means_nothing_is_refused() -> None:
    flow = create_flow("f")
    with pytest.raises(ValueNotStorableError, match=r"params of node 's': at \.duration"):
        flow.sleep("s", duration_seconds=float("inf"))
    flow.sleep("s", duration_seconds=-1)
    assert "negative" in "".join(validate(flow.to_blueprint()))


def test_a_node_may_name_code_that_another_process_has() -> None:
    flow = create_flow("f")
    flow.node("billing.charge", id="charge")
    assert flow.to_blueprint().nodes[0].uses == "billing.charge"
    assert len(flow.registry) == 0
