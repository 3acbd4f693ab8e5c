"""Which node and scope a resume may name."""

from __future__ import annotations

from flowcraft.engine.activation import Activation, item_index
from flowcraft.engine.names import is_slot
from flowcraft.engine.program import Program
from flowcraft.errors import RunError

SUSPENDING = ("wait", "webhook")
"""The kinds, and the worker keys of batches, that a resume wakes."""


def waiting_node(program: Program, node_id: str, scope: str) -> str:
    """The wait that a resume means: of a webhook in a pair, the one that suspends.

    Raises:
        RunError: The node is no wait, or has no such scope.
    """
    node = program.nodes.get(node_id)
    if node is None or not (
        node.plan.kind in SUSPENDING
        or (node.plan.kind == "scatter" and node.worker_uses in SUSPENDING)
    ):
        raise RunError(f"node {node_id!r} of blueprint {program.blueprint.id!r} is no wait")
    found = node.plan.wait or node_id
    is_batch = node.plan.kind == "scatter"
    if scope and not (
        is_slot(program.plan, Activation(found, scope))
        and is_batch == (item_index(scope) is not None)
    ):
        raise RunError(
            f"wait {found!r} of blueprint {program.blueprint.id!r} has no scope {scope!r}"
        )
    return found
