"""The analysis of graphs, compared with the definitions taken literally, on random graphs."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from flowcraft.blueprint import BUILT_INS, Blueprint, Edge, Node, NodeConfig, compile_plan, validate
from flowcraft.errors import BlueprintError

LOOP = "loop-controller"

Arrow = tuple[int, int, bool]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[set[int], list[Arrow], int]:
    """Draw controllers, edges (source, target, whether it continues) and the number of nodes."""
    count = draw(st.integers(2, 7))
    nodes = st.integers(0, count - 1)
    loops = draw(st.sets(nodes, max_size=3))
    arrows = draw(st.lists(st.tuples(nodes, nodes, st.booleans()), max_size=12))
    return loops, arrows, count


@st.composite
def regular_graphs(draw: st.DrawFn) -> tuple[set[int], list[Arrow], int]:
    """Draw a graph made of nested blocks, and perhaps break it with one more edge."""
    loops: set[int] = set()
    arrows: list[Arrow] = []
    count = 0

    def node() -> int:
        nonlocal count
        count += 1
        return count - 1

    def block(before: int, depth: int) -> int:
        kind = draw(st.sampled_from(["node", "split", "loop", "side"] if depth else ["node"]))
        if kind == "loop":
            loop = node()
            loops.add(loop)
            arrows.append((before, loop, False))
            first = node()
            arrows.append((loop, first, True))
            arrows.append((block(first, depth - 1), loop, False))
            return loop
        if kind == "split":
            left, right = block(before, depth - 1), block(before, depth - 1)
            last = node()
            arrows.extend([(left, last, False), (right, last, False)])
            return last
        if kind == "side":
            block(before, depth - 1)
        after = node()
        arrows.append((before, after, False))
        return after

    last = node()
    for _ in range(draw(st.integers(1, 3))):
        last = block(last, 3)
    if draw(st.booleans()):
        nodes = st.integers(0, count - 1)
        arrows.append(draw(st.tuples(nodes, nodes, st.booleans())))
    order = draw(st.permutations(arrows))
    return loops, order, count


def blueprint_of(loops: set[int], arrows: list[Arrow], count: int) -> Blueprint:
    return Blueprint(
        id="b",
        nodes=tuple(
            Node(id=str(i), uses=LOOP, params={"condition": "k"})
            if i in loops
            else Node(id=str(i), uses="f")
            for i in range(count)
        ),
        edges=tuple(
            Edge(source=str(one), target=str(other), action="continue" if on else None)
            for one, other, on in arrows
        ),
    )


def reachable(first: list[int], arrows: list[Arrow], *, without: int | None = None) -> set[int]:
    found = {node for node in first if node != without}
    while True:
        more = {
            other
            for one, other, _ in arrows
            if one in found and other != without and other not in found
        }
        if not more:
            return found
        found |= more


def bodies_of(loops: set[int], arrows: list[Arrow]) -> dict[int, set[int]]:
    """Apply the definition: what the continue edges reach without passing the controller."""
    return {
        loop: reachable(
            [other for one, other, on in arrows if one == loop and on], arrows, without=loop
        )
        for loop in loops
    }


def is_regular(loops: set[int], arrows: list[Arrow], count: int) -> bool:
    arrows = [(one, other, on and one in loops) for one, other, on in arrows]
    starts = [node for node in range(count) if all(other != node for _, other, _ in arrows)]
    if reachable(starts, arrows) != set(range(count)):
        return False
    bodies = bodies_of(loops, arrows)
    for loop, body in bodies.items():
        begins = [arrow for arrow in arrows if arrow[0] == loop and arrow[2]]
        if not begins or (loop, loop, True) in begins:
            return False
        if not any(one in body and other == loop for one, other, _ in arrows):
            return False
        for one, other, on in arrows:
            if other in body and one not in body and not (one == loop and on):
                return False
            # The edge leaves the bodies of all loops that the target is not in, other than by
            # the controller of one of them.
            if one in body and other not in body and other != loop:
                return False
    forward = [
        (one, other, on)
        for one, other, on in arrows
        if not (other in bodies and one in bodies[other])
    ]
    return all(
        node not in reachable([other for one, other, _ in forward if one == node], forward)
        for node in range(count)
    )


def check(loops: set[int], arrows: list[Arrow], count: int) -> None:
    blueprint = blueprint_of(loops, arrows, count)
    problems = validate(blueprint)
    assert (problems == []) == is_regular(loops, arrows, count), problems
    if problems:
        return
    plan = compile_plan(blueprint)
    real = [(one, other, on and one in loops) for one, other, on in arrows]
    bodies = bodies_of(loops, real)
    for number in range(count):
        node = plan.nodes[str(number)]
        around = {loop for loop, body in bodies.items() if number in body}
        assert {int(loop) for loop in node.loops} == around
        # A loop further out has the larger body.
        sizes = [len(bodies[int(loop)]) for loop in node.loops]
        assert sizes == sorted(sizes, reverse=True)
    for edge in plan.edges:
        source, target = int(edge.source), int(edge.target)
        if target in loops:
            assert edge.entering == ("back" if source in bodies[target] else "entry")
        else:
            assert edge.entering == "plain"


@settings(max_examples=1500, deadline=None)
@given(graphs())
def test_a_random_graph_is_judged_as_the_definitions_say(
    drawn: tuple[set[int], list[Arrow], int],
) -> None:
    check(*drawn)


@settings(max_examples=500, deadline=None)
@given(regular_graphs())
def test_nested_blocks_are_judged_as_the_definitions_say(
    drawn: tuple[set[int], list[Arrow], int],
) -> None:
    check(*drawn)


ids = st.sampled_from(["a", "b", "c", "d", "e", "f", "", "x/y"])
texts = st.none() | st.sampled_from(["", "continue", "break", "k"])
PARAM_NAMES = (
    *("condition", "gatherNodeId", "workerUsesKey", "duration", "blueprintId", "eventName"),
    *("maxIterations", "chunkSize", "onItemError", "workerParams", "inputs"),
)
params = st.dictionaries(
    st.sampled_from(PARAM_NAMES),
    st.sampled_from(["a", "b", "webhook:c", "10s", "sleep", 3, 0, None, {"duration": 1}, [1]]),
    max_size=4,
)


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(
        st.builds(
            Node,
            id=ids,
            uses=st.sampled_from(["f", "", *BUILT_INS]),
            params=params,
            config=st.builds(
                NodeConfig,
                fallback=st.none() | ids,
                attempts=st.integers(-1, 3),
                timeout_ms=st.none() | st.floats(),
            ),
        ),
        max_size=8,
    ),
    st.lists(
        st.builds(Edge, source=ids, target=ids, action=texts, condition=texts, transform=texts),
        max_size=14,
    ),
    st.dictionaries(
        st.just("cycleEntryPoints"), st.sampled_from([["a"], "a", [], [3]]), max_size=1
    ),
)
def test_no_blueprint_crashes_validation(
    nodes: list[Node], edges: list[Edge], metadata: dict[str, object]
) -> None:
    blueprint = Blueprint(id="b", nodes=tuple(nodes), edges=tuple(edges), metadata=metadata)
    problems = validate(blueprint, uses=["f"], blueprints=["a"])
    assert all(isinstance(problem, str) and problem for problem in problems)
    if not problems:
        assert len(compile_plan(blueprint).nodes) == len(nodes)
        return
    # An infinite timeout has no canonical form, which is a ValueError.
    with contextlib.suppress(BlueprintError, ValueError):
        compile_plan(blueprint)
