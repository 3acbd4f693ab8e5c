"""What a name in an expression or an `inputs` mapping stands for.

A name is a node's output, a context key, or a path into one of them. Which of these it can
be is worked out once, from the blueprint; what it is in a run is found by trying the
candidates in order.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from flowcraft.blueprint.plan import NodePlan, Plan
from flowcraft.engine.activation import (
    Activation,
    first_segments,
    iteration_scope,
    last_segment,
    stand_in_scope,
)

_OUTPUTS = "_outputs."
_MOST_DIGITS = 18  # of a number within 64 bits; int() refuses texts of thousands


class Candidate(NamedTuple):
    """One meaning of a name: the output of `node`, or the context key; then a path into it."""

    node: str | None
    key: str | None
    path: tuple[str, ...] = ()


def input_candidates(name: str, nodes: Container[str]) -> tuple[Candidate, ...]:
    """The meanings of a name in `inputs`, in the order of semantics.

    A node's id, `_outputs.<id>`, an exact context key, then a node's id or a context key
    followed by a path, the longest first.
    """
    if name in nodes:
        return (Candidate(name, None),)
    if name.startswith(_OUTPUTS) and name[len(_OUTPUTS) :] in nodes:
        return (Candidate(name[len(_OUTPUTS) :], None),)
    found = [Candidate(None, name)]
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        prefix, path = ".".join(parts[:length]), tuple(parts[length:])
        if prefix in nodes:
            found.append(Candidate(prefix, None, path))
            break
        if prefix.startswith(_OUTPUTS) and prefix[len(_OUTPUTS) :] in nodes:
            found.append(Candidate(prefix[len(_OUTPUTS) :], None, path))
            break
        found.append(Candidate(None, prefix, path))
    return tuple(found)


def expression_candidates(name: str, nodes: Container[str]) -> tuple[Candidate, ...]:
    """The meanings of a name in an expression: a context key, then a node's id."""
    found = [Candidate(None, name)]
    if name in nodes:
        found.append(Candidate(name, None))
    elif name.startswith(_OUTPUTS) and name[len(_OUTPUTS) :] in nodes:
        found.append(Candidate(name[len(_OUTPUTS) :], None))
    return tuple(found)


class Place(NamedTuple):
    """Where a node's output stands, as seen by a reader.

    `activation` is what is known without reading; each controller in `inner` has to be asked
    for its last iteration before the activation is complete. None: there is no output.
    """

    scope: str
    node: str
    inner: tuple[str, ...] = ()


def output_place(plan: Plan, reader: Activation, target: str) -> Place | None:
    """Find the activation whose output `reader` means when it names `target`.

    That of the nearest enclosing scope; of a loop the reader is outside of, the last
    iteration's. A controller stands outside its own loop: its evaluation k reads iteration
    k - 1, because iteration k has not begun.
    """
    around, wanted = plan.nodes[reader.node].loops, evaluated_loops(plan, target)
    shared = 0
    while shared < len(around) and around[: shared + 1] == wanted[: shared + 1]:
        shared += 1
    scope, inner = first_segments(reader.scope, shared), wanted[shared:]
    if inner and inner[0] == reader.node:
        evaluation = int(last_segment(reader.scope))
        if evaluation == 0:
            return None
        scope, inner = iteration_scope(scope, evaluation - 1), inner[1:]
    return Place(scope, target, inner)


def outside_place(plan: Plan, target: str) -> Place:
    """Find the activation that a name means to who stands outside of every loop."""
    return Place("", target, evaluated_loops(plan, target))


def evaluated_loops(plan: Plan, target: str) -> tuple[str, ...]:
    """The loops whose iterations or evaluations the scope of a node counts."""
    node = plan.nodes[target]
    return (*node.loops, target) if node.kind == "loop" else node.loops


def stand_in(plan: Plan, failed: Activation) -> Activation:
    """The activation that stands in for a node that failed for good."""
    fallback = plan.nodes[failed.node].fallback
    assert fallback is not None
    if plan.nodes[fallback].is_shared_fallback:
        return Activation(fallback, stand_in_scope(failed.scope, failed.node))
    return Activation(fallback, failed.scope)


def stood_for(plan: Plan, activation: Activation) -> Activation | None:
    """The failed activation that this one stands in for, if its node is a fallback."""
    node: NodePlan = plan.nodes[activation.node]
    if not node.is_fallback:
        return None
    if not node.is_shared_fallback:
        return Activation(node.serves[0], activation.scope)
    outer, _, failed = activation.scope.rpartition("/!")
    return Activation(failed, outer)


def is_slot(plan: Plan, activation: Activation) -> bool:
    """Whether a run of the plan can have this activation: a node, in a scope of its place."""
    node = plan.nodes.get(activation.node)
    if node is None:
        return False
    scope = activation.scope
    if node.is_shared_fallback:
        outer, mark, failed = scope.rpartition("/!")
        return bool(mark) and failed in node.serves and is_slot(plan, Activation(failed, outer))
    if node.is_fallback:
        return is_slot(plan, Activation(node.serves[0], scope))
    before, *segments = scope.split("/")
    is_item = node.kind == "scatter" and bool(segments) and segments[-1][:1] == "#"
    if is_item:
        segments[-1] = segments[-1][1:]
    depth = len(evaluated_loops(plan, node.id)) + is_item
    return not before and len(segments) == depth and all(map(_is_index, segments))


def _is_index(text: str) -> bool:
    """Whether a text is a number as it is written in scopes and paths."""
    return (
        text.isascii()
        and text.isdigit()
        and len(text) <= _MOST_DIGITS
        and (text == "0" or text[0] != "0")
    )


def walk_path(value: object, path: tuple[str, ...]) -> object:
    """Follow a path of members and list indexes; None where it leads nowhere."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and _is_index(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
