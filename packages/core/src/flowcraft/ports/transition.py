"""One step of a run: commit a record, let its arrivals arrive, send what became ready.

A backend whose queue and store are one does it in one atomic step. For all others the core
composes it from `RunStore` and `JobQueue`, in the order that the protocol asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from flowcraft.engine.activation import END, is_lanes_key, parse_activation
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Delivery, Outgoing
from flowcraft.ports.store import Commit, CommitResult, NewRun
from flowcraft.status import FinalStatus


class Transition(NamedTuple):
    """What a worker wants done.

    Attributes:
        run_id: The run.
        job: What a job for a target of this run looks like but for node and scope.
        commit: The record; None when it is there and only its consequences are repeated.
        cells: Cells that must be there before any job is sent.
        arrivals: What follows from the record.
        is_repeat: Whether the consequences may have been drawn before: then targets that
            have a record are told, and not sent.
        sends: Whether ready targets are sent; if not, all of them are handed back.
        hold: How many ready targets the worker wants to run itself, under its message.
        ends: The status to write when the set of sinks is complete.
        ack: The message to acknowledge if nothing is left to do under it.
        at: The worker's time, in seconds since the epoch.
    """

    run_id: str
    job: JobPayload
    commit: Commit | None
    cells: tuple[Cell, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    is_repeat: bool = False
    sends: bool = True
    hold: int = 0
    ends: FinalStatus | None = "completed"
    ack: Delivery | None = None
    at: float = 0.0


class Beginning(NamedTuple):
    """A run to be created, and the jobs to be sent if it was."""

    run: NewRun
    jobs: Sequence[Outgoing]


class Target(NamedTuple):
    """A target that became ready or is to be skipped, and its record if it has one.

    Attributes:
        members: How many members its set had in the step of the arrival.
    """

    arrival: Arrival
    decision: Literal["ready", "skip"]
    record: bytes | None = None
    members: int = 0


class TransitionResult(NamedTuple):
    """What was done.

    Attributes:
        commit: What became of the record; None if none was to be written.
        held: Ready targets that were not sent: those the worker asked for, sets that are no
            activations, and on a repeat those that have a record.
        skips: Targets all of whose arrivals were skipped.
        is_over: Whether the run ended in this step, or had ended before it.
        is_acked: Whether the message was acknowledged; where the run ended, its end is then
            announced as well.
        sinks: How many sinks had arrived at the end, in the very step of one that did.
    """

    commit: CommitResult | None
    held: tuple[Target, ...] = ()
    skips: tuple[Target, ...] = ()
    is_over: bool = False
    is_acked: bool = False
    sinks: int | None = None


def job_for(template: JobPayload, target: str) -> JobPayload:
    """The job that moves `target`, an activation of the template's run."""
    node, scope = parse_activation(target)
    return JobPayload(
        template.run_id,
        template.blueprint_id,
        node,
        scope,
        template.blueprint_hash,
        template.origin,
        template.format,
    )


def is_direct(arrival: Arrival) -> bool:
    """Whether the arrival alone makes its target ready."""
    return (
        arrival.need == 1
        and arrival.taken
        and arrival.target != END
        and not is_lanes_key(arrival.target)
    )
