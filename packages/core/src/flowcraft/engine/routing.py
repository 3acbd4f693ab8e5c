"""Which edges an outcome takes, and what it carries along them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flowcraft.blueprint.plan import EdgePlan, NodePlan, Plan
from flowcraft.engine.activation import Activation
from flowcraft.engine.names import stood_for
from flowcraft.engine.record import Record

CONTINUE = "continue"
BREAK = "break"


class Route(NamedTuple):
    """The edges that an outcome decides: taken and skipped, in the blueprint's order."""

    taken: tuple[EdgePlan, ...]
    skipped: tuple[EdgePlan, ...]


def route(
    plan: Plan, activation: Activation, action: str | None, holds: Callable[[EdgePlan], bool]
) -> Route:
    """Decide the edges of a completed activation, and of the nodes it stands in for.

    Args:
        plan: The graph.
        activation: What completed.
        action: The action of its result.
        holds: Whether the condition of an edge is satisfied; asked for candidates only.
    """
    taken: list[EdgePlan] = []
    skipped: list[EdgePlan] = []
    for owner in owners(plan, activation):
        edges = _deciding(plan.nodes[owner.node], action)
        named = action is not None and any(edge.action == action for edge in edges)
        for edge in edges:
            candidate = edge.action == action if named else edge.action is None
            if candidate and (edge.condition is None or holds(edge)):
                taken.append(edge)
            else:
                skipped.append(edge)
    return Route(tuple(taken), tuple(skipped))


def owners(plan: Plan, activation: Activation) -> list[Activation]:
    """The activations whose edges this one decides: those it stands in for, then itself."""
    found = [activation]
    if not plan.nodes[activation.node].is_fallback:
        return found
    failed = stood_for(plan, activation)
    while failed is not None:
        found.append(failed)
        failed = stood_for(plan, failed)
    found.reverse()
    return found


def _deciding(node: NodePlan, action: str | None) -> Sequence[EdgePlan]:
    """The edges that this evaluation resolves: of a controller, either the loop's or the exits."""
    if node.kind == "loop":
        return node.continues if action == CONTINUE else node.exits
    if node.kind == "scatter":
        return ()  # its one edge arrives when the last item is recorded
    return node.outs


def skip_record(plan: Plan, activation: Activation, *, via: str, token: str, at: float) -> Record:
    """The record of an activation all of whose arrivals were skipped."""
    node = plan.nodes[activation.node]
    edges = node.exits if node.kind == "loop" else node.outs
    return Record(
        outcome="skipped",
        skipped=tuple(edge.index for edge in edges),
        via=via,
        token=token,
        at=at,
    )
