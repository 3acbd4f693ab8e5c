"""What happens in a run, told one thing at a time."""

from __future__ import annotations

from typing import Literal

import msgspec

from flowcraft.engine.activation import parse_activation
from flowcraft.engine.record import ErrorInfo, Outcome, Record
from flowcraft.status import FinalStatus

EventKind = Literal["started", "finished", "skipped", "retried", "failed", "ended"]
"""What happened:

    started   an attempt of a node began; may be missing
    finished  a node completed
    skipped   nothing led to a node any more
    retried   an attempt of a node failed, and another one follows
    failed    a node failed for good; a fallback may stand in for it
    ended     the run is over; nothing comes after it
"""

AFTER_THE_END = "end"
"""The cursor of the event that a run ended."""

_KINDS: dict[Outcome, EventKind] = {
    "completed": "finished",
    "skipped": "skipped",
    "failed": "failed",
    "caught": "failed",
}


class RunEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing that happened in a run.

    Args:
        kind: See `EventKind`.
        node: The node; empty for the end of the run.
        scope: Its iteration, item or stand-in.
        attempt: Which attempt led to it, from 1.
        at: Seconds since the epoch, by the clock of the worker; None if it is not known.
        error: What the node, its attempt or the run failed with.
        action: What chose the edges of a finished node.
        status: How the run ended.
        cursor: `run.events(after=cursor)` goes on after this event.
    """

    run_id: str
    kind: EventKind
    node: str = ""
    scope: str = ""
    attempt: int = 1
    at: float | None = None
    error: ErrorInfo | None = None
    action: str | None = None
    status: FinalStatus | None = None
    cursor: str = ""


def recorded(run_id: str, key: str, record: Record, *, cursor: str) -> RunEvent:
    """The event that an activation was recorded."""
    node, scope = parse_activation(key)
    return RunEvent(
        run_id=run_id,
        kind=_KINDS[record.outcome],
        node=node,
        scope=scope,
        attempt=record.attempt,
        at=record.at or None,
        error=record.error,
        action=record.action,
        cursor=cursor,
    )


def ended(
    run_id: str,
    status: FinalStatus,
    *,
    at: float | None,
    error: ErrorInfo | None,
    cursor: str = AFTER_THE_END,
) -> RunEvent:
    """The event that a run ended."""
    return RunEvent(run_id=run_id, kind="ended", status=status, at=at, error=error, cursor=cursor)
