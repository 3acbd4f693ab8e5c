"""Cases of edges, joins, loops and batches."""

from __future__ import annotations

from typing import Any

from flowcraft.testing.cases.case import ALWAYS, ANYTHING, STAMP, Case, End, act
from flowcraft.testing.graphs import graph, node

GO: dict[str, Any] = {"action": "continue"}


def chain() -> Case:
    """Nodes behind each other, between two workers; the first is never the same twice."""
    nodes = [act("a", stamps=True), act("b", writes={"k": 2}), act("c", writes={"l": 3})]
    ends = (End("completed", ANYTHING, {STAMP: ANYTHING, "k": 2, "l": 3}),)
    return Case(
        blueprints=(graph(nodes, ("a", "b"), ("b", "c")),),
        ends=ends,
        varies=frozenset({"a", "b", "c"}),
        workers=2,
    )


def branches() -> Case:
    """Conditions, actions, a branch not taken, transforms, two edges between the same nodes."""
    nodes = [
        act("a", value={"n": 3}, action="go"),
        act("b"), act("c"), act("d"), act("e"), act("j", writes={"k": 1}),
    ]  # fmt: skip
    edges = [
        ("a", "b", {"action": "go"}),
        ("a", "c", {"action": "go", "condition": "result.output.n > 5"}),
        ("a", "d", {"action": "other"}),
        ("c", "e"), ("d", "e"),
        ("b", "j", {"condition": "input.n == 3"}),
        ("b", "j", {"transform": "result.output.n"}),
        ("e", "j"),
    ]  # fmt: skip
    ends = (End("completed", {"b": 3}, {"k": 1}),)
    return Case(blueprints=(graph(nodes, *edges),), ends=ends)


def fan() -> Case:
    """Branches that write, and two joins, one of which takes the first arrival."""
    names = ["m0", "m1", "m2"]
    middle = [act(name, writes={name: name}) for name in names]
    nodes = [act("a"), *middle, act("all"), act("any", config={"joinStrategy": "any"})]
    edges = [("a", name) for name in names]
    edges += [(name, join) for name in names for join in ("all", "any")]
    output = {"all": dict.fromkeys(names, 7), "any": ANYTHING}
    ends = (End("completed", output, {name: name for name in names}),)
    return Case(blueprints=(graph(nodes, *edges),), payload=7, ends=ends, varies=frozenset({"any"}))


def loop() -> Case:
    """A loop whose body has a branch of its own that delays the end."""
    nodes = [
        act("s", value={"n": 0}),
        node("c", "loop-controller", condition="input.n < 2"),
        act("b", counts=True), act("side", writes={"side": 1}), act("e"),
    ]  # fmt: skip
    edges = [
        ("s", "c"), ("c", "b", GO), ("b", "c"), ("b", "side"), ("c", "e", {"action": "break"}),
    ]  # fmt: skip
    ends = (End("completed", {"n": 2}, {"side": 1}),)
    return Case(blueprints=(graph(nodes, *edges),), ends=ends)


def nested_loop() -> Case:
    """A loop in a loop, with a join in the inner one."""
    nodes = [
        act("s", value={"n": 0}),
        node("o", "loop-controller", condition="input.n < 2"),
        act("zero", value={"n": 0}),
        node("i", "loop-controller", condition="input.n < 1"),
        act("x"), act("y"), act("j", value={"n": 1}),
        act("back", inputs="o", counts=True), act("e"),
    ]  # fmt: skip
    edges = [
        ("s", "o"), ("o", "zero", GO), ("zero", "i"), ("i", "x", GO), ("i", "y", GO),
        ("x", "j"), ("y", "j"), ("j", "i"), ("i", "back"), ("back", "o"), ("o", "e"),
    ]  # fmt: skip
    return Case(blueprints=(graph(nodes, *edges),), ends=(End("completed", {"n": 2}),))


def batch_beyond_the_chunk() -> Case:
    """A batch whose lanes have several items, one of which is tried again."""
    params = {"fails": 1, "scopes": ["/#2"]}
    nodes = [
        act("l", value=[*range(5)]),
        node(
            "b", "batch-scatter", workerUsesKey="act", workerParams=params, gatherNodeId="r",
            chunkSize=2, config={"maxRetries": 2, "retryDelay": 100},
        ),
        node("r", "batch-gather", outputKey="list"), act("e"),
    ]  # fmt: skip
    blueprint = graph(nodes, ("l", "b"), ("b", "r"), ("r", "e"))
    items = [*range(5)]
    return Case(blueprints=(blueprint,), ends=(End("completed", items, {"list": items}),))


def batch_past_failed_items() -> Case:
    """A batch that goes on past failed items, and one without items."""
    params = {"fails": ALWAYS, "scopes": ["/#1", "/#2"]}
    nodes = [
        act("l", value=[0, 1, 2]), act("none", value=[]),
        node(
            "b", "batch-scatter", workerUsesKey="act", workerParams=params, gatherNodeId="r",
            onItemError="continue",
        ),
        node("r", "batch-gather"),
        node("b0", "batch-scatter", workerUsesKey="act", gatherNodeId="r0"),
        node("r0", "batch-gather"),
    ]  # fmt: skip
    edges = [("l", "b"), ("b", "r"), ("none", "b0"), ("b0", "r0")]
    ends = (End("completed", {"r": [0, None, None], "r0": []}),)
    return Case(blueprints=(graph(nodes, *edges),), ends=ends)


CASES = (
    chain, branches, fan, loop, nested_loop, batch_beyond_the_chunk, batch_past_failed_items,
)  # fmt: skip
