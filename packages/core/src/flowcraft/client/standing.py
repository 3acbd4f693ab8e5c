"""Where one activation stands, read from what is written down about it."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from flowcraft.adapter.outcome import decode_failed
from flowcraft.adapter.suspensions import ChildNote
from flowcraft.engine.activation import Activation, signal_key
from flowcraft.engine.cells import CHILD, CLAIM, DUE, EARLY, FAILED, MISSING, OPEN, SIGNAL
from flowcraft.engine.consequences import Arrival
from flowcraft.engine.inputs import arriving_edges
from flowcraft.engine.record import ErrorInfo, Record
from flowcraft.execution.move import RunView, new_move
from flowcraft.ports.store import Load, Loaded

State = Literal[
    "completed",
    "skipped",
    "failed",
    "caught",
    "ready",
    "executing",
    "retrying",
    "stranded",
    "joining",
    "waiting",
    "sleeping",
    "in_subflow",
]
"""What a record says, or, where there is none, what stands between the activation and one:

    ready       a job, or a worker that has only begun to execute it
    executing   the worker that executes it, by its last word
    retrying    the time of its next attempt
    stranded    a worker that has its implementation
    joining     edges that have not arrived
    waiting     a resume
    sleeping    the end of its sleep
    in_subflow  the end of its child run
"""

ACTIVE: frozenset[State] = frozenset(("ready", "executing", "retrying", "stranded"))
"""States that move by themselves, or as soon as there is a worker."""
SUSPENDED: frozenset[State] = frozenset(("waiting", "sleeping"))


class Standing(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where one activation of a run stands.

    Args:
        node: Its node.
        scope: Which iteration, item or stand-in; empty outside of them.
        attempt: The attempt that led to its record, or that comes next.
        error: What it failed with, or what its last attempt did.
        until: When it goes on, in seconds since the epoch (`retrying`, `sleeping`); how long it
            is kept from other workers (`executing`), None if the store does not say.
        worker: Who executes it (`executing`).
        since: Since when it stands there (`stranded`).
        waits_for: Nodes whose edges have not arrived (`joining`).
        uses: The implementation that it lacks (`stranded`).
        child: The id of its child run (`in_subflow`).
    """

    node: str
    scope: str = ""
    state: State
    attempt: int = 1
    error: ErrorInfo | None = None
    until: float | None = None
    since: float | None = None
    waits_for: tuple[str, ...] = ()
    uses: str = ""
    child: str = ""
    worker: str = ""

    @property
    def activation(self) -> str:
        """Key of the activation."""
        return self.node + self.scope


def load_of(run: RunView, activation: Activation) -> Load:
    """What has to be read to say where the activation stands."""
    peeks: tuple[tuple[str, str], ...] = ()
    if run.program.nodes[activation.node].plan.kind in ("wait", "webhook", "scatter"):
        peeks = tuple(
            (signal_key(node), name) for node in (activation.node, "") for name in (EARLY, CLAIM)
        )
    return Load(run.run_id, activation.key, peeks)


def recorded(activation: Activation, record: Record) -> Standing:
    """Where an activation stands that is over."""
    return Standing(
        node=activation.node,
        scope=activation.scope,
        state=record.outcome,
        attempt=record.attempt,
        error=record.error,
    )


def unrecorded(
    run: RunView, activation: Activation, arrival: Arrival | None, loaded: Loaded, *, now: float
) -> Standing:
    """Where an activation stands that has no record.

    Args:
        run: The run.
        activation: The activation.
        arrival: One of the edges that lead to it; None for a start.
        loaded: What `load_of` found.
        now: Seconds since the epoch.
    """
    node, scope = activation
    if arrival is not None and _is_incomplete(arrival, loaded):
        edges = arriving_edges(run.program.nodes[node].plan, scope)
        missing = [edge.source for edge in edges if edge.member not in loaded.arrived]
        return Standing(
            node=node, scope=scope, state="joining", waits_for=tuple(dict.fromkeys(missing))
        )
    cells = loaded.cells
    failures = sum(name.startswith(FAILED) for name in cells)
    attempt, error = failures + 1, None
    if failures:
        last = decode_failed(cells[f"{FAILED}{failures}"])
        error = last.error
        if last.not_before > now:
            return Standing(
                node=node, scope=scope, state="retrying", attempt=attempt, error=error,
                until=last.not_before,
            )  # fmt: skip
    # The worker's own reading of what this activation is, items of a batch included.
    move = new_move(run, activation, loaded, via="", token="", is_counted=False)
    state: State = "ready"
    until = since = None
    uses = child = worker = ""
    if move.kind in ("wait", "webhook") and OPEN in cells and not _is_signalled(move.key, loaded):
        state = "waiting"
    elif move.kind == "sleep" and DUE in cells and float(cells[DUE]) > now:
        state, until = "sleeping", float(cells[DUE])
    elif move.kind == "subflow" and f"{CHILD}{attempt}" in cells:
        note = msgspec.json.decode(cells[f"{CHILD}{attempt}"], type=ChildNote)
        state, child = "in_subflow", note.run_id
    elif MISSING in cells:
        state, since, uses = "stranded", float(cells[MISSING]), move.uses
    lease = loaded.lease
    if state == "ready" and lease is not None and lease.until > now:
        state, attempt, worker = "executing", lease.attempt, lease.worker.rpartition(".")[0]
        until = lease.until if math.isfinite(lease.until) else None
    return Standing(
        node=node, scope=scope, state=state, attempt=attempt, error=error, until=until,
        since=since, uses=uses, child=child, worker=worker,
    )  # fmt: skip


def _is_incomplete(arrival: Arrival, loaded: Loaded) -> bool:
    """Whether the activation still waits for edges."""
    # One arrival that is enough may be in its worker's hand, and not in the store.
    if arrival.need <= 1 or len(loaded.arrived) >= arrival.need:
        return False
    return not (arrival.any and loaded.winner is not None)


def _is_signalled(key: str, loaded: Loaded) -> bool:
    """Whether the wait has what wakes it, and only has to be looked at."""
    if SIGNAL in loaded.cells:
        return True
    for place, name in loaded.peeked:
        claim = loaded.peeked.get((place, CLAIM))
        if name == EARLY and claim in (None, key.encode()):
            return True
    return False
