"""What the plan says about each node and edge."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.blueprint import (
    Blueprint,
    Edge,
    Node,
    compile_plan,
    content_hash,
    parse_blueprint,
    validate,
)
from flowcraft.errors import BlueprintError


def blueprint(*edges: str, **nodes: Any) -> Blueprint:
    """Make a blueprint from edges "a b [action]" and nodes given as `uses` or whole mappings."""
    made = []
    for edge in edges:
        source, target, *action = edge.split()
        made.append({"source": source, "target": target})
        if action:
            made[-1]["action"] = action[0]
        for name in (source, target):
            nodes.setdefault(name, "f")
    written = [
        {"id": name, "uses": value} if isinstance(value, str) else {"id": name, "uses": "f"} | value
        for name, value in nodes.items()
    ]
    return parse_blueprint({"id": "b", "nodes": written, "edges": made})


LOOP = {"uses": "loop-controller", "params": {"condition": "k"}}


def test_edges_are_named_by_their_position() -> None:
    plan = compile_plan(blueprint("a b", "a b go", "b c"))
    assert [(edge.index, edge.member) for edge in plan.edges] == [(0, "0"), (1, "1"), (2, "2")]
    assert plan.nodes["a"].outs == plan.nodes["b"].ins == plan.edges[:2]
    assert (
        {edge.leaving for edge in plan.edges} == {edge.entering for edge in plan.edges} == {"plain"}
    )


def test_starts_and_sinks_come_in_the_order_of_the_blueprint() -> None:
    plan = compile_plan(blueprint("b z", "a z", "a y"))
    assert plan.starts == ("b", "a")
    assert plan.sinks == ("z", "y")
    assert list(plan.nodes) == ["b", "z", "a", "y"]
    assert not plan.has_body_sinks


def test_a_lone_node_is_start_and_sink() -> None:
    plan = compile_plan(blueprint(a="f"))
    assert plan.starts == plan.sinks == ("a",)


@pytest.mark.parametrize(
    ("uses", "kind"),
    [
        ("f", "function"),
        ("join", "join"),
        ("wait", "wait"),
        ("webhook", "webhook"),
        ("loop-controllers", "function"),
    ],
)
def test_the_kind_follows_from_uses(uses: str, kind: str) -> None:
    assert compile_plan(blueprint(a=uses)).nodes["a"].kind == kind


def test_a_nested_loop_is_understood() -> None:
    plan = compile_plan(
        blueprint(
            "s c",
            "c x continue",
            "x d",
            "d y continue",
            "y d",
            "y side",
            "d c break",
            "c z",
            "x tail",
            c=LOOP,
            d=LOOP,
        )
    )
    nodes = plan.nodes
    assert {name: node.loops for name, node in nodes.items()} == {
        "s": (),
        "c": (),
        "z": (),
        "x": ("c",),
        "d": ("c",),
        "tail": ("c",),
        "y": ("c", "d"),
        "side": ("c", "d"),
    }
    assert [(edge.leaving, edge.entering) for edge in plan.edges] == [
        ("plain", "entry"),
        ("continue", "plain"),
        ("plain", "entry"),
        ("continue", "plain"),
        ("plain", "back"),
        ("plain", "plain"),
        ("exit", "back"),
        ("exit", "plain"),
        ("plain", "plain"),
    ]
    assert nodes["d"].exits == nodes["c"].backs == (plan.edges[6],)
    assert nodes["d"].continues == (plan.edges[3],)
    assert nodes["d"].backs == (plan.edges[4],)
    assert nodes["c"].entries == (plan.edges[0],)
    assert nodes["c"].exits == (plan.edges[7],)
    assert plan.sinks == ("z",)
    assert plan.body_sinks == {"c": ("tail",), "d": ("side",)}
    assert plan.has_body_sinks
    assert nodes["x"].continues == nodes["x"].exits == nodes["x"].entries == nodes["x"].backs == ()


def test_a_controller_without_exits_is_a_sink() -> None:
    plan = compile_plan(blueprint("s c", "c x continue", "x c", c=LOOP))
    assert plan.sinks == ("c",)
    assert plan.body_sinks == {"c": ()}
    assert not plan.has_body_sinks


def test_an_inner_controller_without_exits_is_a_sink_of_the_outer_body() -> None:
    plan = compile_plan(
        blueprint("s c", "c x continue", "x c", "x d", "d y continue", "y d", c=LOOP, d=LOOP)
    )
    assert plan.sinks == ("c",)
    assert plan.body_sinks == {"c": ("d",), "d": ()}
    assert plan.nodes["d"].is_body_sink


def test_a_fallback_belongs_to_the_loop_of_its_node() -> None:
    plan = compile_plan(
        blueprint(
            "s c",
            "c x continue",
            "x c",
            "r after",
            "after c",
            c=LOOP,
            x={"config": {"fallback": "r"}},
            r="f",
        )
    )
    assert plan.nodes["r"].loops == plan.nodes["after"].loops == ("c",)
    assert plan.nodes["r"].is_fallback
    assert not plan.nodes["r"].is_shared_fallback
    assert plan.nodes["x"].fallback == "r"
    assert [edge.entering for edge in plan.edges] == ["entry", "plain", "back", "plain", "back"]


def test_a_fallback_is_never_a_start_or_a_sink_but_what_it_leads_to_is() -> None:
    plan = compile_plan(
        blueprint("r z", a={"config": {"fallback": "r"}}, b={"config": {"fallback": "q"}}, q="f")
    )
    assert plan.starts == ("a", "b")
    assert plan.sinks == ("a", "b", "z")


def test_a_shared_fallback_knows_whom_it_serves() -> None:
    fallback = {"config": {"fallback": "r"}}
    plan = compile_plan(blueprint("a b", a=fallback, b=fallback, r="f"))
    assert plan.nodes["r"].serves == ("a", "b")
    assert plan.nodes["r"].is_shared_fallback
    assert plan.sinks == ("b",)


def test_a_chain_of_fallbacks_is_in_the_loop_of_the_first_node() -> None:
    plan = compile_plan(
        blueprint(
            "s c",
            "c x continue",
            "x c",
            c=LOOP,
            x={"config": {"fallback": "r"}},
            r={"config": {"fallback": "q"}},
            q="f",
        )
    )
    assert plan.nodes["q"].loops == ("c",)
    assert plan.body_sinks == {"c": ()}


def test_the_hash_is_that_of_the_content_unless_known() -> None:
    made = blueprint("a b")
    assert compile_plan(made).hash == content_hash(made)
    assert compile_plan(made, known_hash="abc").hash == "abc"


@pytest.mark.parametrize(
    "edges",
    [["a nowhere"], ["s y", "s c", "c x continue", "x y", "y c"], ["a b", "b a"]],
)
def test_a_graph_that_makes_no_sense_is_not_planned(edges: list[str]) -> None:
    made = blueprint(*edges, c=LOOP, s="f")
    made = Blueprint(
        id="b",
        nodes=tuple(node for node in made.nodes if node.id != "nowhere"),
        edges=made.edges,
    )
    with pytest.raises(BlueprintError):
        compile_plan(made)


def chain(count: int) -> Blueprint:
    return Blueprint(
        id="b",
        nodes=tuple(Node(id=f"n{i}", uses="f") for i in range(count)),
        edges=tuple(Edge(source=f"n{i}", target=f"n{i + 1}") for i in range(count - 1)),
    )


def loops_in_a_row(count: int) -> Blueprint:
    nodes = [Node(id="s", uses="f")]
    edges = []
    before = "s"
    for i in range(count):
        loop = f"l{i}"
        nodes.append(Node(id=loop, uses="loop-controller", params={"condition": "k"}))
        nodes.append(Node(id=f"x{i}", uses="f"))
        edges.append(Edge(source=before, target=loop, action="break" if i else None))
        edges.append(Edge(source=loop, target=f"x{i}", action="continue"))
        edges.append(Edge(source=f"x{i}", target=loop))
        before = loop
    return Blueprint(id="b", nodes=tuple(nodes), edges=tuple(edges))


def star(count: int) -> Blueprint:
    return Blueprint(
        id="b",
        nodes=tuple(Node(id=f"n{i}", uses="f") for i in range(count)),
        edges=tuple(Edge(source="n0", target=f"n{i}") for i in range(1, count)),
    )


def deep_loops(count: int) -> Blueprint:
    """Make loops inside loops, each with a jump from its body to the top."""
    nodes = [Node(id="s", uses="f"), Node(id="z", uses="f")]
    edges = [Edge(source="s", target="l0"), Edge(source="s", target="z")]
    for i in range(count):
        nodes.append(Node(id=f"l{i}", uses="loop-controller", params={"condition": "k"}))
        nodes.append(Node(id=f"x{i}", uses="f"))
        edges.append(Edge(source=f"l{i}", target=f"x{i}", action="continue"))
        edges.append(Edge(source=f"x{i}", target="z"))
        if i + 1 < count:
            edges.append(Edge(source=f"x{i}", target=f"l{i + 1}"))
            edges.append(Edge(source=f"l{i + 1}", target=f"l{i}"))
    edges.append(Edge(source=f"x{count - 1}", target=f"l{count - 1}"))
    return Blueprint(id="b", nodes=tuple(nodes), edges=tuple(edges))


def tangle(count: int) -> Blueprint:
    """Make a wrong graph in which every controller jumps into the bodies of all others."""
    nodes = [Node(id="s", uses="f")]
    edges = [Edge(source="s", target="c0")]
    for i in range(count):
        nodes.append(Node(id=f"c{i}", uses="loop-controller", params={"condition": "k"}))
        nodes.append(Node(id=f"x{i}", uses="f"))
        edges.append(Edge(source=f"c{i}", target=f"x{i}", action="continue"))
        edges.append(Edge(source=f"x{i}", target=f"c{(i + 1) % count}"))
        edges.append(Edge(source=f"x{i}", target=f"c{(i * 7) % count}"))
        edges.append(Edge(source=f"c{i}", target=f"x{(i * 3) % count}"))
    return Blueprint(id="b", nodes=tuple(nodes), edges=tuple(edges))


@pytest.mark.slow
@pytest.mark.parametrize("make", [chain, star, loops_in_a_row])
def test_a_hundred_thousand_nodes_are_planned_and_found_right(make: Any) -> None:
    made = make(100_000)
    plan = compile_plan(made)
    assert len(plan.nodes) >= 100_000
    assert validate(made) == []


@pytest.mark.slow
@pytest.mark.parametrize("make", [tangle, deep_loops])
def test_a_large_tangle_is_refused(make: Any) -> None:
    made = make(50_000)
    assert validate(made)
