"""What is refused about nodes, edges, fallbacks and pairs, and what is not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from flowcraft.blueprint import (
    Blueprint,
    Edge,
    Node,
    NodeConfig,
    duration_seconds,
    load_blueprint,
    parse_blueprint,
    validate,
)
from flowcraft.errors import BlueprintError, ExpressionError
from flowcraft.expressions import Expressions
from flowcraft.testing import covers


def node(node_id: str, uses: str = "f", **fields: Any) -> dict[str, Any]:
    return {"id": node_id, "uses": uses, **fields}


def check(nodes: list[dict[str, Any]], *edges: Any, **containers: Any) -> list[str]:
    """Validate nodes and edges, an edge being "a b" or a mapping."""
    document = {
        "id": "b",
        "nodes": nodes,
        "edges": [
            edge
            if isinstance(edge, dict)
            else dict(zip(("source", "target"), edge.split(), strict=True))
            for edge in edges
        ],
    }
    return validate(parse_blueprint(document), **containers)


def only(problems: list[str]) -> str:
    (problem,) = problems
    return problem


def batch(**params: Any) -> list[dict[str, Any]]:
    scatter = {"workerUsesKey": "w", "gatherNodeId": "g", **params}
    return [node("s", "batch-scatter", params=scatter), node("g", "batch-gather")]


def test_a_sound_blueprint_has_no_problems() -> None:
    assert check([node("a"), node("b"), node("c")], "a b", "a c", "b c") == []


@covers("S11.2")
def test_a_blueprint_without_nodes_is_refused() -> None:
    assert only(check([])) == "blueprint: it has no nodes; add at least one"


@covers("S1.10", "S1.11")
@pytest.mark.parametrize("good", ["a", "a.b", "é" * 100, "x" * 200, "a b", "#1", "日本", "!"])
def test_an_id_may_be_any_short_text(good: str) -> None:
    assert check([node(good)]) == []


@covers("S1.10", "S11.2")
@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("", "not empty"),
        ("x" * 201, "at most 200 bytes"),
        ("é" * 101, "and this one 202"),
        ("a/b", "no '/'"),
        ("a\nb", "control characters"),
        ("a\x7f", "control characters"),
        ("a\x85", "control characters"),
    ],
)
def test_other_ids_are_refused(bad: str, fault: str) -> None:
    assert fault in only(check([node(bad)]))
    assert fault in only(validate(Blueprint(id=bad, nodes=(Node(id="a", uses="f"),))))


@covers("S11.2")
def test_an_id_used_twice_is_refused_once() -> None:
    problem = only(check([node("a"), node("a"), node("a")]))
    assert problem == "node 'a': several nodes have this id; rename all but one"


@covers("S11.1", "S11.3")
def test_unknown_endpoints_are_refused_with_a_suggestion() -> None:
    problems = check([node("first"), node("second")], "first secnod", "thrd second")
    assert problems == [
        "edge 0 'first' -> 'secnod': no node has the id of its target, 'secnod' "
        "(did you mean 'second'?); correct it or add the node",
        "edge 1 'thrd' -> 'second': no node has the id of its source, 'thrd'; "
        "correct it or add the node",
    ]


def test_an_empty_field_of_an_edge_is_refused() -> None:
    edge = {"source": "a", "target": "b", "action": "", "condition": "", "transform": ""}
    problems = check([node("a"), node("b")], edge)
    assert [problem.split(": ")[1] for problem in problems] == [
        "action is empty; leave it out",
        "condition is empty; leave it out",
        "transform is empty; leave it out",
    ]


@covers("S11.7")
@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"maxRetries": 0}, "maxRetries is 0"),
        ({"maxRetries": -1}, "maxRetries is -1"),
        ({"retryDelay": -1}, "retryDelay is -1"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": -5}, "timeout is -5"),
    ],
)
def test_impossible_configurations_are_refused(config: dict[str, Any], fault: str) -> None:
    assert fault in only(check([node("a", config=config)]))


@covers("S11.1", "S11.7")
def test_a_blueprint_made_in_python_is_checked_as_strictly() -> None:
    config = NodeConfig(
        attempts="2",  # type: ignore[arg-type]
        retry_delay_ms=math.nan,
        timeout_ms=math.inf,
        join_strategy="most",  # type: ignore[arg-type]
    )
    problems = validate(
        Blueprint(
            id=5,  # type: ignore[arg-type]
            nodes=(Node(id="a", uses="f", params={"x": math.nan, "y": {1}}, config=config),),
            edges=(Edge(source="a", target=None),),  # type: ignore[arg-type]
        )
    )
    assert len(problems) == 8


def test_an_unregistered_implementation_is_refused_with_a_suggestion() -> None:
    problem = only(check([node("a", "app.fetch")], uses=["app.fetchh"]))
    assert "no implementation 'app.fetch' is registered (did you mean 'app.fetchh'?)" in problem


def test_built_ins_need_no_registration() -> None:
    nodes = [node("a", "join"), node("b", "wait"), node("c", "webhook")]
    assert check(nodes, uses=frozenset()) == []


def test_the_worker_of_a_batch_must_be_registered() -> None:
    assert check(batch(), "s g", uses=["w"]) == []
    assert "workerUsesKey: no implementation 'w'" in only(check(batch(), "s g", uses=["x"]))


def test_an_unregistered_blueprint_of_a_subflow_is_refused() -> None:
    nodes = [node("a", "subflow", params={"blueprintId": "child"})]
    assert check(nodes) == check(nodes, blueprints=["child"]) == []
    assert "no blueprint 'child' is registered" in only(check(nodes, blueprints=[]))


@pytest.mark.parametrize("blueprint_id", [None, "", 3])
def test_a_subflow_without_a_blueprint_is_refused(blueprint_id: Any) -> None:
    problem = only(check([node("a", "subflow", params={"blueprintId": blueprint_id})]))
    assert "blueprintId is missing" in problem


def test_the_mappings_of_a_subflow_are_checked() -> None:
    params = {"blueprintId": "c", "inputs": {"x": 1}, "outputs": ["y"]}
    problems = check([node("a", "subflow", params=params)])
    assert ["inputs must map" in problems[0], "outputs must map" in problems[1]] == [True, True]


@covers("S10.2")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (250, 0.25), (1.5, 0.0015), ("0s", 0), ("10s", 10), ("5m", 300), ("1h", 3600)],
)
def test_a_duration_is_milliseconds_or_a_text_with_a_unit(value: Any, seconds: float) -> None:
    assert duration_seconds(value) == seconds
    assert check([node("a", "sleep", params={"duration": value})]) == []


@covers("S10.2", "S11.7")
@pytest.mark.parametrize(
    "value",
    [
        *[None, True, [1], -1, 10**400, math.nan, math.inf, 1e300],
        *["", "10", "s", "1.5h", "-5s", "5 m", "5ms", "٣s", "9" * 15 + "d", "9" * 9999 + "s"],
    ],
)
def test_other_durations_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_seconds(value)


@covers("S11.7")
def test_a_sleep_without_a_duration_is_refused() -> None:
    assert "duration is missing" in only(check([node("a", "sleep")]))
    assert "'soon' is no duration" in only(check([node("a", "sleep", params={"duration": "soon"})]))


def with_fallback(node_id: str, fallback: str, uses: str = "f", **params: Any) -> dict[str, Any]:
    return node(node_id, uses, config={"fallback": fallback}, params=params)


@covers("S7.18", "S7.20", "S7.21")
def test_fallbacks_may_be_shared_chained_and_have_edges_of_their_own() -> None:
    assert check([with_fallback("a", "r"), with_fallback("b", "r"), node("r")]) == []
    assert check([with_fallback("a", "r"), with_fallback("r", "q"), node("q")]) == []
    assert check([with_fallback("a", "r"), node("r"), node("b")], "a b", "r b") == []


@covers("S11.3")
def test_an_unknown_fallback_is_refused() -> None:
    assert "fallback 'x' is no node" in only(check([with_fallback("a", "x")]))


@covers("S7.17", "S11.5")
def test_a_fallback_with_incoming_edges_is_refused() -> None:
    problem = only(check([with_fallback("a", "r"), node("r"), node("b")], "b r"))
    assert problem.startswith("edge 0 'b' -> 'r': 'r' is the fallback of 'a'")


@covers("S7.22", "S11.5")
@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_cycle_of_fallbacks_is_refused(length: int) -> None:
    nodes = [with_fallback(str(i), str((i + 1) % length)) for i in range(length)]
    problems = check([node("start"), *nodes])
    assert sum("its fallbacks lead back to itself" in problem for problem in problems) == 1


@covers("S7.20", "S11.5")
def test_a_shared_fallback_with_edges_is_refused() -> None:
    nodes = [with_fallback("a", "r"), with_fallback("b", "r"), node("r"), node("c")]
    assert "edge 0 'r' -> 'c': 'r' is a fallback that may run for several" in only(
        check(nodes, "r c")
    )


@covers("S7.20", "S11.5")
def test_a_fallback_of_a_shared_fallback_has_no_edges_either() -> None:
    nodes = [with_fallback("a", "r"), with_fallback("b", "r"), with_fallback("r", "q")]
    problem = only(check([*nodes, node("q"), node("c")], "q c"))
    assert problem.startswith("edge 0 'q' -> 'c'")


def test_a_fallback_that_leads_back_before_its_node_is_refused() -> None:
    problem = only(
        check([node("s"), node("p"), with_fallback("a", "r"), node("r")], "s p", "p a", "r p")
    )
    assert "a fallback waits for the node it stands in for" in problem
    assert "'p' -> 'a' -> 'r' -> 'p'" in problem


NO_FALLBACK: dict[str, dict[str, Any]] = {
    "loop-controller": {"condition": "k"},
    "batch-scatter": {"workerUsesKey": "w", "gatherNodeId": "g"},
    "batch-gather": {},
    "sleep": {"duration": 1},
    "webhook": {},
}


@covers("S7.23", "S11.5")
@pytest.mark.parametrize("uses", NO_FALLBACK)
def test_built_ins_that_cannot_fail_alone_neither_have_nor_are_fallbacks(uses: str) -> None:
    params = NO_FALLBACK[uses]
    wrong = f"'x' is a '{uses}', which neither has a fallback nor is one"
    having = check([with_fallback("x", "r", uses, **params), node("r")])
    being = check([with_fallback("a", "x"), node("x", uses, params=params)])
    # The first is also a loop without a body, a scatter without a gather, and so on.
    assert [sum(wrong in problem for problem in found) for found in (having, being)] == [1, 1]


def test_waits_and_subflows_may_have_and_be_fallbacks() -> None:
    assert check([with_fallback("a", "r", "subflow", blueprintId="c"), node("r", "wait")]) == []


@covers("S11.5")
def test_a_fallback_shared_by_two_loops_is_refused() -> None:
    problem = only(
        check(
            [
                node("s"),
                with_fallback("a", "r"),
                node("r"),
                with_fallback("x", "r"),
                node("c", "loop-controller", params={"condition": "k"}),
            ],
            "s c",
            {"source": "c", "target": "x", "action": "continue"},
            "x c",
        )
    )
    assert problem.startswith("node 'r': it is the fallback of 'a', 'x', which are not in the same")


def test_a_batch_may_say_everything() -> None:
    nodes = batch(chunkSize=5, onItemError="continue", workerParams={"x": 1}, outputKey="k")
    assert check([*nodes, node("a"), node("z")], "a s", "s g", "g z") == []


@covers("S11.6", "S11.7")
@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"workerUsesKey": None}, "workerUsesKey is missing"),
        ({"workerUsesKey": 3}, "workerUsesKey is missing"),
        ({"workerUsesKey": "batch-scatter"}, "'batch-scatter' cannot be a worker"),
        ({"workerUsesKey": "loop-controller"}, "cannot be a worker"),
        ({"workerUsesKey": "subflow"}, "workerParams: blueprintId is missing"),
        ({"workerParams": 3}, "workerParams must be a mapping"),
        ({"chunkSize": 0}, "chunkSize must be an integer"),
        ({"chunkSize": True}, "chunkSize must be an integer"),
        ({"chunkSize": 1.5}, "chunkSize must be an integer"),
        ({"onItemError": "ignore"}, "onItemError must be 'fail' or 'continue'"),
    ],
)
def test_wrong_parameters_of_a_scatter_are_refused(params: dict[str, Any], fault: str) -> None:
    assert fault in only(check(batch(**params), "s g"))


@covers("S11.3", "S11.6")
def test_a_scatter_without_a_gather_is_refused() -> None:
    alone = [node("s", "batch-scatter", params={"workerUsesKey": "w"})]
    assert "gatherNodeId is missing" in only(check(alone))
    alone[0]["params"]["gatherNodeId"] = "x"
    assert "gatherNodeId 'x' is no node" in only(check(alone))
    assert "gatherNodeId 'x' is a 'f'" in only(check([*alone, node("x")], "s x"))


@covers("S8.2", "S11.6")
def test_a_scatter_must_lead_to_its_gather() -> None:
    assert "no edge leads to its gather; add the edge 's' -> 'g'" in only(check(batch()))


@covers("S8.2", "S11.6")
def test_a_scatter_leads_nowhere_else() -> None:
    problem = only(check([*batch(), node("z")], "s g", "s z"))
    assert problem.startswith("edge 1 's' -> 'z': the only edge of a scatter leads to its gather")
    assert problem.endswith("let this one start at 'g', or at the node before 's'")
    assert "edge 1 's' -> 'g'" in only(check(batch(), "s g", "s g"))


@covers("S8.2", "S11.6")
@pytest.mark.parametrize("field", ["action", "condition", "transform"])
def test_the_edge_to_a_gather_is_plain(field: str) -> None:
    problem = only(check(batch(), {"source": "s", "target": "g", field: "x"}))
    assert "move them to an edge into 's' or out of 'g'" in problem


@covers("S11.6")
def test_a_gather_has_one_scatter_and_names_itself() -> None:
    assert "no scatter names it" in only(check([node("g", "batch-gather")]))
    other = node("t", "batch-scatter", params={"workerUsesKey": "w", "gatherNodeId": "g"})
    assert "'s', 't' all gather here" in only(check([*batch(), other], "s g", "t g"))
    wrong = batch()
    wrong[1]["params"] = {"gatherNodeId": "s"}
    assert "gatherNodeId of a gather is its own id" in only(check(wrong, "s g"))


def test_a_wait_for_an_unknown_webhook_is_refused() -> None:
    wait = node("w", "wait", params={"eventName": "webhook:h"})
    assert "names no node with uses 'webhook'" in only(check([wait]))
    assert check([wait, node("h", "webhook")], "h w") == []
    assert check([node("w", "wait", params={"eventName": "paid"})]) == []


def test_two_waits_for_one_webhook_are_refused() -> None:
    waits = [node(name, "wait", params={"eventName": "webhook:h"}) for name in "vw"]
    assert "'v', 'w' all wait for this webhook" in only(check([*waits, node("h", "webhook")]))


class Refusing:
    """Refuses every expression and remembers them."""

    def __init__(self) -> None:
        self.sources: list[str] = []

    def compile(self, source: str, /) -> object:
        self.sources.append(source)
        raise ExpressionError(f"{source!r} does not parse")


@covers("S11.8")
def test_expressions_that_do_not_parse_are_named_with_their_edge() -> None:
    compiler = Refusing()
    problems = check(
        [node("a"), node("c", "loop-controller", params={"condition": "one"}), node("x")],
        {"source": "a", "target": "c", "condition": "two", "transform": "three"},
        {"source": "c", "target": "x", "action": "continue"},
        "x c",
        expressions=compiler,
    )
    assert problems == [
        "node 'c': params: condition: 'one' does not parse",
        "edge 0 'a' -> 'c': condition: 'two' does not parse",
        "edge 0 'a' -> 'c': transform: 'three' does not parse",
    ]


@covers("S4.14", "S4.24", "S4.25", "S4.26", "S11.8")
@pytest.mark.parametrize("where", ["condition", "transform"])
@pytest.mark.parametrize(
    "refused",
    ["k ==", "context[k]", "context == k", "unheard_of(k)", "k.map(x, x)", "k === 1", "k.length"],
)
def test_expressions_that_are_not_allowed_are_refused_when_loaded(where: str, refused: str) -> None:
    edge = {"source": "a", "target": "b", where: refused}
    document = {"id": "b", "nodes": [node("a"), node("b")], "edges": [edge]}
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(document, expressions=Expressions())
    assert only([*caught.value.problems]).startswith(f"edge 0 'a' -> 'b': {where}: ")


@covers("S11.1")
def test_everything_wrong_is_in_one_error() -> None:
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(
            {
                "id": "b/c",
                "nodes": [node("a", "x"), node("s", "sleep"), with_fallback("q", "none")],
                "edges": [
                    {"source": "a", "target": "s", "condition": "c"},
                    {"source": "s", "target": "a"},
                ],
            },
            uses=["f"],
            expressions=Refusing(),
        )
    error = caught.value
    assert error.blueprint_id == "b/c"
    assert len(error.problems) == 7
    assert str(error).startswith("blueprint 'b/c' has 7 problems:\n  - ")
