"""Loops and cycles: which are refused, and what the message tells to do."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.blueprint import Blueprint, Edge, Node, compile_plan, validate
from flowcraft.testing import covers

LOOP = "loop-controller"


def graph(*edges: str, loops: str = "", extra: str = "") -> Blueprint:
    """Make a blueprint from edges "a b" and "c x continue"; `loops` are the controllers."""
    controllers = loops.split()
    made: list[Edge] = []
    ids: dict[str, None] = {}
    for edge in edges:
        source, target, *action = edge.split()
        ids.update({source: None, target: None})
        made.append(Edge(source=source, target=target, action=action[0] if action else None))
    ids.update(dict.fromkeys([*controllers, *extra.split()]))
    nodes = tuple(
        Node(id=name, uses=LOOP, params={"condition": "k"})
        if name in controllers
        else Node(id=name, uses="f")
        for name in ids
    )
    return Blueprint(id="b", nodes=nodes, edges=tuple(made))


def only(blueprint: Blueprint) -> str:
    (problem,) = validate(blueprint)
    return problem


@covers("S6.1", "S6.4", "S6.5")
@pytest.mark.parametrize(
    "edges",
    [
        ["s c", "c x continue", "x c"],
        ["s c", "c x continue", "x c", "c z break"],
        ["s c", "c x continue", "x y", "x side", "y c", "c z"],
        ["s c", "t c", "c x continue", "c y continue", "x c", "y c", "c z"],
        ["s c", "c d continue", "d x continue", "x d", "d c break", "c z"],
        ["s c", "c d continue", "d x continue", "x d", "d y break", "y c", "c z"],
        ["s c", "c x continue", "x c", "c d break", "d y continue", "y d", "d z"],
        ["s c", "c d continue", "c x continue", "d y continue", "y d", "x c"],
    ],
)
def test_regular_loops_are_accepted(edges: list[str]) -> None:
    loops = " ".join(dict.fromkeys(edge.split()[0] for edge in edges if "continue" in edge))
    assert validate(graph(*edges, loops=loops)) == []


@covers("S6.2", "S11.4")
def test_a_controller_without_a_body_is_refused() -> None:
    problem = only(graph("s c", "c z break", loops="c"))
    assert problem.startswith("node 'c': a loop-controller without a body; add an edge from it")


@covers("S6.2", "S11.4")
@pytest.mark.parametrize("condition", [None, "", 3])
def test_a_controller_without_a_condition_is_refused(condition: Any) -> None:
    blueprint = graph("s c", "c x continue", "x c", loops="c")
    nodes = tuple(
        Node(id=node.id, uses=node.uses, params={"condition": condition})
        for node in blueprint.nodes
    )
    assert "condition is missing" in only(Blueprint(id="b", nodes=nodes, edges=blueprint.edges))


@covers("S11.7")
@pytest.mark.parametrize("limit", [0, -1, "3", True, 1.5])
def test_a_wrong_iteration_limit_is_refused(limit: Any) -> None:
    nodes = (
        Node(id="s", uses="f"),
        Node(id="c", uses=LOOP, params={"condition": "k", "maxIterations": limit}),
        Node(id="x", uses="f"),
    )
    edges = graph("s c", "c x continue", "x c", loops="c").edges
    assert "maxIterations must be an integer" in only(Blueprint(id="b", nodes=nodes, edges=edges))


@covers("S6.2", "S11.4")
def test_a_controller_that_continues_into_itself_is_refused() -> None:
    problem = only(graph("s c", "c c continue", loops="c"))
    assert problem.startswith("edge 1 'c' -> 'c': the loop goes straight back to its controller")


@covers("S6.2", "S11.4")
def test_a_body_that_never_comes_back_is_refused() -> None:
    problem = only(graph("s c", "c x continue", "c z break", loops="c"))
    assert problem == (
        "node 'c': no edge from its loop's body leads back to it; add one from the last node of "
        "the body"
    )


@covers("S6.5", "S11.4")
def test_a_jump_into_a_body_is_refused_whichever_edge_comes_first() -> None:
    for edges in (
        ["s y", "s c", "c x continue", "x y", "y c"],
        ["s c", "c x continue", "x y", "y c", "s y"],
    ):
        problem = only(graph(*edges, loops="c"))
        assert f"edge {edges.index('s y')} 's' -> 'y': jumps into the body of loop 'c'" in problem
        assert "lead this edge to 'c' instead" in problem


@covers("S6.5", "S11.4")
def test_a_jump_out_of_a_body_is_refused_whichever_edge_comes_first() -> None:
    for edges in (
        ["s c", "c x continue", "x c", "x z", "c z break"],
        ["s c", "c z break", "c x continue", "x z", "x c"],
    ):
        problem = only(graph(*edges, loops="c"))
        assert f"edge {edges.index('x z')} 'x' -> 'z': jumps out of the body of loop 'c'" in problem
        assert "lead this edge to 'c', and add an edge 'c' -> 'z' with action 'break'" in problem


@covers("S6.5", "S11.4")
def test_a_jump_from_an_inner_body_to_the_outer_controller_is_refused() -> None:
    problem = only(
        graph("s c", "c d continue", "d x continue", "x d", "x c", "d c break", loops="c d")
    )
    assert "edge 4 'x' -> 'c': jumps out of the body of loop 'd'" in problem


@covers("S6.5", "S11.4")
def test_a_jump_from_one_body_into_another_is_refused() -> None:
    problem = only(
        graph("s c", "s d", "c x continue", "x c", "d y continue", "y w", "w d", "x w", loops="c d")
    )
    assert "edge 7 'x' -> 'w': jumps out of the body of loop 'c' and into that of" in problem


@covers("S11.4")
def test_overlapping_loops_are_refused() -> None:
    problems = validate(
        graph("s c", "s d", "c x continue", "d x continue", "x c", "x d", loops="c d")
    )
    assert any("the loops 'd' and 'c' overlap at 'x'" in problem for problem in problems)


def test_an_exit_into_the_own_body_is_refused() -> None:
    problem = only(graph("s c", "c x continue", "x y", "y c", "c y break", loops="c"))
    assert "edge 4 'c' -> 'y': an edge by which loop 'c' ends leads into its own body" in problem


@covers("S6.1", "S11.1", "S11.4")
def test_a_plain_cycle_is_refused_with_the_loop_to_write() -> None:
    problem = only(graph("s a", "a b", "b d", "d a", "d z"))
    assert problem == (
        "node 'a': cycle without a loop-controller, 'a' -> 'b' -> 'd' -> 'a'. Write it as a loop: "
        'add the node {"id": "a_loop", "uses": "loop-controller", "params": {"condition": '
        "\"<satisfied while it goes on>\"}}; lead edge 3 'd' -> 'a', and every edge that enters "
        'the cycle, to \'a_loop\'; add the edge {"source": "a_loop", "target": "a", "action": '
        "\"continue\"}; let what comes after the cycle start at 'a_loop', with the action 'break'"
    )


def test_what_the_message_tells_to_write_is_accepted() -> None:
    assert (
        validate(
            graph(
                "s a_loop",
                "a b",
                "b d",
                "d a_loop",
                "a_loop a continue",
                "a_loop z break",
                loops="a_loop",
            )
        )
        == []
    )


@covers("S6.1")
def test_a_node_that_leads_to_itself_is_refused() -> None:
    assert "cycle without a loop-controller, 'a' -> 'a'" in only(graph("s a", "a a"))


def test_separate_cycles_are_separate_problems() -> None:
    problems = validate(graph("s a", "a b", "b a", "s x", "x y", "y x"))
    assert [problem.split(":")[0] for problem in problems] == ["node 'a'", "node 'x'"]


@covers("S6.1")
def test_a_cycle_inside_a_body_is_refused() -> None:
    problem = only(graph("s c", "c x continue", "x y", "y x", "y c", loops="c"))
    assert "cycle without a loop-controller, 'x' -> 'y' -> 'x'" in problem


def test_a_cycle_by_an_exit_is_refused() -> None:
    problem = only(graph("s c", "c x continue", "x c", "c a break", "a c", loops="c"))
    assert problem.startswith(
        "node 'c': cycle by an edge on which its loop ends, 'c' -> 'a' -> 'c'"
    )
    assert "Give edge 3 'c' -> 'a' the action 'continue'" in problem


@covers("S11.2")
def test_a_part_that_no_start_leads_to_is_refused() -> None:
    problem = only(graph("c x continue", "x c", loops="c", extra="s"))
    assert problem.startswith("nodes 'c', 'x': no start node leads to them")
    assert "to enter the loop 'c', add an edge to it from a node outside" in problem


@covers("S11.2")
def test_a_blueprint_without_a_start_is_refused() -> None:
    problem = only(graph("c x continue", "x c", loops="c"))
    assert problem.startswith("blueprint: no node to start from")


def test_loops_may_nest_deep_but_not_without_end() -> None:
    def nested(depth: int) -> Blueprint:
        edges = ["s l0"]
        for level in range(depth - 1):
            edges += [f"l{level} l{level + 1} continue", f"l{level + 1} l{level} break"]
        edges += [f"l{depth - 1} x continue", f"x l{depth - 1}"]
        return graph(*edges, loops=" ".join(f"l{level}" for level in range(depth)))

    assert validate(nested(100)) == []
    assert len(compile_plan(nested(100)).nodes["x"].loops) == 100
    assert "nested deeper than 100" in only(nested(101))
