"""Short spellings for blueprints in tests."""

from __future__ import annotations

import itertools
from typing import Any

BlueprintJson = dict[str, Any]
Node = dict[str, Any]


def node(name: str, uses: str = "echo", **members: Any) -> Node:
    """Write a node; members that are no `config` and no `inputs` are its params."""
    known: Node = {key: members.pop(key) for key in ("config", "inputs") if key in members}
    return {"id": name, "uses": uses, "params": members, **known}


def value(name: str, output: Any, **members: Any) -> Node:
    """Write a node with a constant output."""
    return node(name, "value", value=output, **members)


def graph(nodes: list[Node], *edges: tuple[Any, ...], name: str = "g") -> BlueprintJson:
    """Write a blueprint; an edge is source, target and perhaps its other members."""
    written = [{"source": e[0], "target": e[1], **(e[2] if len(e) > 2 else {})} for e in edges]
    return {"id": name, "nodes": nodes, "edges": written}


def chain(length: int, *, uses: str = "echo", name: str = "g") -> BlueprintJson:
    """Write nodes `n0` to `n{length-1}` behind each other."""
    names = [f"n{index}" for index in range(length)]
    return graph([node(one, uses) for one in names], *itertools.pairwise(names), name=name)


def fan(width: int, *, uses: str = "echo", name: str = "g") -> BlueprintJson:
    """Write `a`, the branches `m0` to `m{width-1}`, and their join `z`."""
    middle = [f"m{index}" for index in range(width)]
    nodes = [node(one, uses) for one in ("a", *middle, "z")]
    edges = [*(("a", one) for one in middle), *((one, "z") for one in middle)]
    return graph(nodes, *edges, name=name)


def batch(count: int, worker: str = "echo", *, name: str = "g", **scatter: Any) -> BlueprintJson:
    """Write a list `l` of the numbers below `count`, its scatter `b` and its gather `r`."""
    params = {"workerUsesKey": worker, "gatherNodeId": "r"}
    nodes = [
        value("l", [*range(count)]),
        node("b", "batch-scatter", **params, **scatter),
        node("r", "batch-gather"),
    ]
    return graph(nodes, ("l", "b"), ("b", "r"), name=name)


def loop(limit: int, *, name: str = "g", **params: Any) -> BlueprintJson:
    """Write a loop `c` whose body `b` counts `n` from 0 to the limit, between `s` and `e`."""
    nodes = [
        value("s", {"n": 0}),
        node("c", "loop-controller", condition=f"input.n < {limit}", **params),
        node("b", "count"),
        node("e"),
    ]
    edges: list[tuple[Any, ...]] = [
        ("s", "c"),
        ("c", "b", {"action": "continue"}),
        ("b", "c"),
        ("c", "e", {"action": "break"}),
    ]
    return graph(nodes, *edges, name=name)
