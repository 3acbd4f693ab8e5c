"""Names of the cells of an activation: notes that are written once and never changed.

An activation has at most one of each; those that end in a colon are numbered from 1, without
gaps.
"""

from __future__ import annotations

RECORD = "record"
"""The record."""
OPEN = "open"
"""A wait that was opened: since when."""
SIGNAL = "signal"
"""What an open wait was resumed with."""
EARLY = "early"
"""What a wait not yet open will be resumed with (in the signals of a node)."""
CLAIM = "claim"
"""The activation that took the early signal."""
DUE = "due"
"""When a sleep ends."""
INPUT = "input"
"""An item of a batch; of a scatter whose list a context key names, the list that it took."""
MISSING = "missing"
"""Since when no worker had the implementation."""
LAST = "last"
"""The evaluation that ended a loop (of the controller, in the loop's outer scope)."""
PAYLOAD = "payload"
"""The payload of the run (of the run itself)."""
FAILED = "failed:"
"""A failed attempt, and when the next may start."""
CHILD = "child:"
"""The child run of an attempt."""
STARTED = "started:"
"""A counted delivery; the name goes on with the attempt and a colon."""
HANDED_BACK = "back:"
"""A counted delivery whose worker handed the job back; named like the delivery."""

WINNER = "winner"
"""The edge that started an `any` join."""


def is_told(name: str) -> bool:
    """Whether the journal of a run tells of such cells: records and failed attempts."""
    return name == RECORD or name.startswith(FAILED)


SINGLE_CELLS = (RECORD, OPEN, SIGNAL, EARLY, CLAIM, DUE, INPUT, MISSING, LAST, PAYLOAD, WINNER)
