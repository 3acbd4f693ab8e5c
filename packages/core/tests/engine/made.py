"""Programs, made from as little as a test has to say about them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

from flowcraft.blueprint import parse_blueprint, validate
from flowcraft.engine.activation import parse_activation
from flowcraft.engine.consequences import Arrival, Consequences, consequences
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record
from flowcraft.expressions import Expressions

LOOP = {"uses": "loop-controller", "params": {"condition": "k"}}
# The same examples each time: whether a mutant is noticed must not be a matter of luck.
few = settings(max_examples=60, derandomize=True, database=None, deadline=None)
many = settings(few, max_examples=120)


def edge(source: str, target: str, **members: str) -> dict[str, str]:
    return {"source": source, "target": target, **members}


def rescued_by(fallback: str, **config: Any) -> dict[str, Any]:
    return {"config": {"fallback": fallback, **config}}


def scatter(gather: str = "g", worker: str = "f", **params: Any) -> dict[str, Any]:
    named = {"workerUsesKey": worker, "gatherNodeId": gather, **params}
    return {"uses": "batch-scatter", "params": named}


def program(*edges: str | dict[str, str], **nodes: Any) -> Program:
    """Make a program from edges "a b [action]" and nodes given as `uses` or whole mappings.

    Nodes come in the order in which they are named, edges first; a fallback need not be given.
    """
    written = []
    known: dict[str, Any] = {}
    for one in edges:
        if isinstance(one, str):
            source, target, *action = one.split()
            made = edge(source, target, **({"action": action[0]} if action else {}))
        else:
            made = one
        written.append(made)
        known.setdefault(made["source"], "f")
        known.setdefault(made["target"], "f")
    known |= nodes
    for given in nodes.values():
        if isinstance(given, dict) and "config" in given and "fallback" in given["config"]:
            known.setdefault(given["config"]["fallback"], "f")
    blueprint = parse_blueprint(
        {
            "id": "b",
            "nodes": [
                {"id": name, "uses": given}
                if isinstance(given, str)
                else {"id": name, "uses": "f"} | given
                for name, given in known.items()
            ],
            "edges": written,
        }
    )
    problems = validate(blueprint)
    assert problems == [], problems
    return Program(blueprint, Expressions())


def follow(program: Program, key: str, **record: Any) -> Consequences:
    """What follows from a record, of an activation that completed unless said otherwise."""
    return consequences(
        program, parse_activation(key), Record(**{"outcome": "completed", **record})
    )


def arrivals(program: Program, key: str, **record: Any) -> list[Arrival]:
    """The arrivals alone, where no cell follows."""
    found = follow(program, key, **record)
    assert found.cells == []
    return found.arrivals
