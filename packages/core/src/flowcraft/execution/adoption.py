"""What a retried run takes over from the run before it, as both drivers decide it.

Everything that a run recorded before it ended, but for the failure that ended it, is a part of
an execution that could have gone on. The new run comes to the same activations by the same
edges, and takes each record over when it gets there, so that at any time it is such a part
itself, and does not need the old run for what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from flowcraft.engine.record import Record, decode_reference, output_value
from flowcraft.errors import RunError
from flowcraft.execution.limits import passed_over, split_errors
from flowcraft.execution.move import Move
from flowcraft.status import ParentReference


def check_retry(run_id: str, parent: ParentReference | None, *, is_over: bool) -> None:
    """Refuse to retry a run that goes on, or one that is a part of another.

    Raises:
        RunError: Says what to do.
    """
    if parent is not None:
        raise RunError(f"run {run_id!r} is a child of {parent.run_id!r}: retry the run at the top")
    if not is_over:
        raise RunError(f"run {run_id!r} has not ended. Cancel it first, or wait for its end")


class Adopted(NamedTuple):
    """A record taken over, and the context writes that come with it."""

    record: Record
    writes: dict[str, bytes]


def adopt(
    move: Move, old: Record, old_context: Mapping[str, bytes], *, at: float
) -> Adopted | None:
    """Take over the old run's record of an activation; None if it has to be performed.

    Args:
        move: The activation that the new run came to.
        old: The old run's record of it.
        old_context: The old run's last context; the keys that `keys_along` names are enough.
        at: When that is, in seconds since the epoch.
    """
    is_passed_over = move.is_item and move.node.goes_on_past_failed_items
    if old.outcome == "failed" and not is_passed_over:
        return None
    writes: dict[str, bytes] = {}
    if old.outcome == "failed" and old.error is not None:
        writes.update(passed_over(move.key, old.error))
    for key in keys_along(move):
        # Not if somebody wrote the key after the gather did.
        if old_context.get(key) == output_value(old):
            writes[key] = output_value(old)
    return Adopted(msgspec.structs.replace(old, via=move.via, token=move.token, at=at), writes)


def keys_along(move: Move) -> tuple[str, ...]:
    """The context keys that come with the record: that of a gather refers to the items."""
    key = move.params.get("outputKey") if move.kind == "gather" else None
    return (str(key),) if key else ()


def first_context(old_context: Mapping[str, bytes]) -> dict[str, bytes]:
    """What the new run's context begins with.

    Left out is what follows from records that the new run has not come to yet: the lists of
    gathers, and the errors of items that were passed over.
    """
    kept, _ = split_errors(old_context)
    return {key: value for key, value in kept.items() if decode_reference(value) is None}


def is_listed_as_wait(move: Move) -> bool:
    """Whether whoever resumes the node has to know of the activation."""
    return move.kind in ("wait", "webhook") and move.node.plan.wait is None
