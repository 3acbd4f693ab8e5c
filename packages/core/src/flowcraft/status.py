"""Statuses of a run, and what a run says of itself."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from flowcraft.engine.record import ErrorInfo

FinalStatus = Literal["completed", "failed", "cancelled"]
Status = Literal["running", "waiting", "completed", "failed", "cancelled"]
ResumeOutcome = Literal["woke", "kept", "refused"]
"""Whether a resume woke a wait, was kept for one that is not open yet, or was refused."""


class ParentReference(msgspec.Struct, frozen=True):
    """The activation of another run whose subflow this run is."""

    run_id: str
    activation: str
    attempt: int


class RunHeader(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of a run without reading its records.

    Args:
        status: `running` until the final one is written, once.
        is_announced: Whether the result was published and the parent woken.
        blueprints: Content hashes of the blueprint and of all its subflows, by id.
        deadline_at: Seconds since the epoch, or None.
        error: Why the run failed.
        retry_of: The run that this one retries: it goes on from that one's records.
    """

    run_id: str
    blueprint_id: str
    blueprint_hash: str
    blueprints: dict[str, str] = {}
    status: Literal["running", "completed", "failed", "cancelled"] = "running"
    is_announced: bool = False
    created_at: float = 0.0
    ended_at: float | None = None
    deadline_at: float | None = None
    parent: ParentReference | None = None
    error: ErrorInfo | None = None
    fingerprint: str = ""
    retry_of: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the final status is written."""
        return self.status != "running"


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended.

    Args:
        output: The output of the only sink, or a mapping from sink to output.
        context: The context keys; no node outputs.
        errors: What failed, batch items that were passed over included.
    """

    run_id: str
    status: FinalStatus
    output: Any = None
    context: dict[str, Any] = {}
    errors: list[ErrorInfo] = []
