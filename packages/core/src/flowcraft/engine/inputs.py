"""What an activation gets as its input, put together from what arrived."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from flowcraft.blueprint.plan import EdgePlan, NodePlan
from flowcraft.engine.consequences import CATCH


def arriving_edges(node: NodePlan, scope: str) -> tuple[EdgePlan, ...]:
    """The edges that can start this activation; of a controller those of its evaluation."""
    if node.kind == "loop":
        return node.entries if scope.endswith("/0") else node.backs
    return node.ins


def shape_input(
    node: NodePlan, scope: str, slots: Mapping[str, bytes], winner: str | None
) -> bytes | None:
    """Assemble the input from the values that arrived, all of them plain JSON.

    The blueprint's edges decide the shape, not the taken ones: one gives its value, several
    give a mapping from source to value. Of two from one source the later one counts.

    Args:
        node: The node that gets the input.
        scope: Its scope.
        slots: The values of the taken arrivals, by member.
        winner: The member that started an `any` join.

    Returns:
        The input as JSON, or None for a start node, whose input is the payload.
    """
    if CATCH in slots:
        return slots[CATCH]
    edges = arriving_edges(node, scope)
    if not edges:
        return None
    if len(edges) == 1:
        return slots.get(edges[0].member, b"null")
    values = {
        edge.source: slots[edge.member]
        for edge in edges
        if edge.member in slots and winner in (None, edge.member)
    }
    parts = [msgspec.json.encode(source) + b":" + value for source, value in values.items()]
    return b"{" + b",".join(parts) + b"}"
