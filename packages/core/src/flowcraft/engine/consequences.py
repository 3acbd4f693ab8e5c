"""What follows from a record: the arrivals at other activations.

A pure function of the plan and the record, so that a message that comes back, a sweeper and
the in-process runtime all reach the same conclusions. Nothing here knows whether it is asked
for the first time.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from flowcraft.blueprint.plan import EdgePlan, NodePlan
from flowcraft.engine.activation import (
    END,
    EXPECTED,
    Activation,
    item_index,
    item_scope,
    iteration_scope,
    lanes_key,
    outer_scope,
)
from flowcraft.engine.cells import LAST
from flowcraft.engine.names import stand_in
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record, carried_value
from flowcraft.engine.routing import CONTINUE, owners

CATCH = "catch"
"""The arrival at a fallback from the node that it stands in for."""
GO = "go"
"""The arrival that starts an item of a batch."""


class Arrival(NamedTuple):
    """One edge arriving at its target.

    Attributes:
        target: Key of the activation (or of the set) it arrives at.
        member: Which edge; counted once however often it arrives.
        taken: Whether the edge was taken or skipped.
        need: How many members make the set complete; 0 for a set that is compared elsewhere.
        any: Whether the first taken arrival starts the target.
        value: What the edge carries, for a taken one.
    """

    target: str
    member: str
    taken: bool
    need: int
    any: bool = False
    value: bytes | None = None


class Cell(NamedTuple):
    """A write-once note in a run: `name` at `key` is `value`."""

    key: str
    name: str
    value: bytes


class Consequences(NamedTuple):
    """What a record implies. All of it is written before any job is sent.

    The end's expectations come first among the arrivals.
    """

    arrivals: list[Arrival]
    cells: list[Cell]


Decision = Literal["pending", "ready", "skip"]


def decide(arrival: Arrival, members: int, taken: int, winner: str | None) -> Decision:
    """Decide a target from its set as it stood in the very step of the arrival.

    Args:
        arrival: What arrived.
        members: How many distinct members the set then had.
        taken: How many of them were taken.
        winner: For an `any` join the member that holds the winner key, if one does.
    """
    if arrival.any:
        if winner is not None:
            return "ready" if arrival.taken and winner == arrival.member else "pending"
        return "skip" if members >= arrival.need and not taken else "pending"
    if arrival.need == 0 or members < arrival.need:
        return "pending"
    return "ready" if taken else "skip"


def consequences(program: Program, activation: Activation, record: Record) -> Consequences:
    """Work out everything that follows from a record."""
    plan = program.plan
    node = plan.nodes[activation.node]
    arrivals: list[Arrival] = []
    found = Consequences(arrivals, [])
    if node.kind == "scatter" and record.outcome != "skipped":
        _follow_batch(program, activation, record, found)
        return found
    if record.outcome == "failed":
        return found
    if record.outcome == "caught":
        target = stand_in(plan, activation)
        arrivals.append(Arrival(target.key, CATCH, True, 1, value=bytes(record.input)))
        return found
    for index in record.taken:
        edge = plan.edges[index]
        scope = _scope_of(program, activation, edge)
        value = carried_value(record, index)
        arrivals.append(edge_arrival(edge, scope, taken=True, value=value))
    for index in record.skipped:
        edge = plan.edges[index]
        scope = _scope_of(program, activation, edge)
        arrivals.append(edge_arrival(edge, scope, taken=False))
    if node.is_fallback and record.outcome != "skipped":
        for owner in owners(plan, activation):
            _settle(program, owner, record, found)
    else:
        _settle(program, activation, record, found)
    if _idle_fallback_wants_skip(program, node):
        idle = stand_in(plan, activation)
        arrivals.append(Arrival(idle.key, CATCH, taken=False, need=1))
    return found


def edge_arrival(edge: EdgePlan, scope: str, *, taken: bool, value: bytes | None = None) -> Arrival:
    """The arrival of an edge whose source stands in `scope`; `value` is for a taken one."""
    if edge.leaving == "exit":
        scope = outer_scope(scope)
    if edge.entering == "entry":
        scope = iteration_scope(scope, 0)
    elif edge.entering == "back":
        outer, _, index = scope.rpartition("/")
        scope = iteration_scope(outer, int(index) + 1)
    return Arrival(edge.target + scope, edge.member, taken, edge.need, edge.any, value)


def lanes_arrival(program: Program, lanes: str) -> Arrival:
    """The arrival at the gather that a complete set of lanes stands for."""
    node, _, scope = lanes.removesuffix("/#").partition("/")
    scope = "/" + scope if scope else ""
    edge = program.plan.nodes[node].outs[0]
    return edge_arrival(edge, scope, taken=True, value=b"null")


def end_is_reached(program: Program, members: set[str], expected: set[str]) -> bool:
    """Compare the sinks resolved with those the end waits for, where loop bodies have sinks."""
    return expected.issubset(members) and members.issuperset(program.plan.sinks)


def _scope_of(program: Program, activation: Activation, edge: EdgePlan) -> str:
    """The scope of the edge's source: the activation's own, or of one it stands in for."""
    if edge.source == activation.node:
        return activation.scope
    return next(o.scope for o in owners(program.plan, activation) if o.node == edge.source)


def _settle(program: Program, owner: Activation, record: Record, found: Consequences) -> None:
    """Add what the end of a node means beside its edges: to its loop, and to the run's end."""
    node = program.plan.nodes[owner.node]
    scope = owner.scope
    if node.kind == "loop":
        if record.action == CONTINUE and record.outcome == "completed":
            for sink in program.plan.body_sinks[node.id]:
                found.arrivals.insert(0, Arrival(EXPECTED, sink + scope, True, 0))
            return
        scope, _, evaluation = scope.rpartition("/")
        found.cells.append(Cell(node.id + scope, LAST, evaluation.encode()))
    if node.is_sink:
        taken = record.outcome != "skipped"
        found.arrivals.append(Arrival(END, node.id, taken, _end_need(program)))
    elif node.is_body_sink:
        found.arrivals.append(Arrival(END, node.id + scope, True, 0))


def _end_need(program: Program) -> int:
    return 0 if program.plan.has_body_sinks else len(program.plan.sinks)


def _idle_fallback_wants_skip(program: Program, node: NodePlan) -> bool:
    """Whether the node has an idle fallback with edges, its own or further down the chain."""
    while node.fallback is not None:
        node = program.plan.nodes[node.fallback]
        if node.outs:
            return True
    return False


def _follow_batch(
    program: Program, activation: Activation, record: Record, found: Consequences
) -> None:
    """Lane j runs the items j, j + chunk, j + 2 chunk, ... one after the other."""
    node = program.nodes[activation.node]
    total, chunk = record.items or 0, node.chunk_size
    index = item_index(activation.scope)
    if index is None:
        if total == 0:
            found.arrivals.append(lanes_arrival(program, lanes_key(activation)))
        for first in range(min(total, chunk)):
            key = activation.node + item_scope(activation.scope, first)
            found.arrivals.append(Arrival(key, GO, True, 1))
        return
    if record.outcome == "failed" and not node.goes_on_past_failed_items:
        return
    outer = Activation(activation.node, outer_scope(activation.scope))
    if index + chunk < total:
        key = activation.node + item_scope(outer.scope, index + chunk)
        found.arrivals.append(Arrival(key, GO, True, 1))
    else:
        found.arrivals.append(
            Arrival(lanes_key(outer), str(index % chunk), True, min(total, chunk))
        )
