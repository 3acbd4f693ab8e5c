"""Short spellings for blueprints written by hand, and a way to play them."""

from __future__ import annotations

import random
from typing import Any, Final

from tests.simulation.case import BlueprintJson, Case, Signal
from tests.simulation.check import Observed, check
from tests.simulation.play import play

Node = dict[str, Any]
EdgeText = tuple[str, str, dict[str, Any]]


def node(name: str, uses: str = "sim.node", **members: Any) -> Node:
    """Write a node; unknown members are params."""
    known: Node = {key: members.pop(key) for key in ("config", "inputs") if key in members}
    return {"id": name, "uses": uses, "params": members, **known}


def value(name: str, output: Any, **members: Any) -> Node:
    """Write a node with a constant output."""
    return node(name, emit="value", value=output, **members)


def through(name: str, **members: Any) -> Node:
    """Write a node that gives its input."""
    return node(name, emit="input", **members)


def graph(nodes: list[Node], *edges: tuple[Any, ...], name: str = "g") -> BlueprintJson:
    """Write a blueprint; an edge is source, target and perhaps its other members."""
    written = [{"source": e[0], "target": e[1], **(e[2] if len(e) > 2 else {})} for e in edges]
    return {"id": name, "nodes": nodes, "edges": written}


def run(
    blueprint: BlueprintJson,
    *children: BlueprintJson,
    payload: Any = None,
    signals: list[Signal] | None = None,
    seed: int = 0,
) -> Observed:
    """Play the blueprint, and check that ten other plays of it pass the check."""
    case = Case(
        blueprint=blueprint,
        blueprints={child["id"]: child for child in children},
        payload=payload,
        signals=signals or [],
    )
    for other in range(10):
        played = play(case, dice=random.Random(other)).observed()
        assert check(case, played) == []
    return play(case, dice=random.Random(seed)).observed()


def outcomes(observed: Observed) -> dict[str, str]:
    """Give the outcome of each record."""
    return {key: record.outcome for key, record in observed.records.items()}


def batch(count: int, worker: Node, uses: str = "sim.worker", **scatter: Any) -> BlueprintJson:
    """Write a list, its scatter and its gather."""
    params = {"workerUsesKey": uses, "workerParams": worker, "gatherNodeId": "g"}
    nodes = [value("s", [*range(count)]), node("b", "batch-scatter", **params, **scatter)]
    return graph([*nodes, node("g", "batch-gather")], ("s", "b"), ("b", "g"))


def counting(limit: int, **params: Any) -> list[Node]:
    """Write a loop of one node that counts from 0 to the limit."""
    condition = f"input.n < {limit}"
    return [
        value("s", {"n": 0}),
        node("c", "loop-controller", condition=condition, **params),
        node("b", emit="count"),
        through("e"),
    ]


LOOP: Final[list[EdgeText]] = [
    ("s", "c", {}),
    ("c", "b", {"action": "continue"}),
    ("b", "c", {}),
    ("c", "e", {"action": "break"}),
]
