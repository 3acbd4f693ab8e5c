"""Statuses of a run, and what a run says of itself."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from flowcraft.engine.record import ErrorInfo
from flowcraft.format import FORMAT, format_of

FinalStatus = Literal["completed", "failed", "cancelled"]
Status = Literal["running", "waiting", "completed", "failed", "cancelled"]
ListedStatus = Literal["running", "completed", "failed", "cancelled"]
"""The status that is written down; whether a run waits is worked out when it is asked for."""
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
        created_at: Seconds since the epoch.
        starts_at: Before when nothing of it starts; None for a run that starts at once.
        blueprints: Content hashes of the blueprint and of all its subflows, by id.
        deadline_at: Seconds since the epoch, or None.
        error: Why the run failed.
        retry_of: The run that this one retries: it goes on from that one's records.
        format: See `flowcraft.format`.
    """

    run_id: str
    blueprint_id: str
    blueprint_hash: str
    blueprints: dict[str, str] = {}
    status: ListedStatus = "running"
    is_announced: bool = False
    created_at: float = 0.0
    starts_at: float | None = None
    ended_at: float | None = None
    deadline_at: float | None = None
    parent: ParentReference | None = None
    error: ErrorInfo | None = None
    fingerprint: str = ""
    retry_of: str | None = None
    format: int = 1

    @property
    def is_over(self) -> bool:
        """Whether the final status is written."""
        return self.status != "running"

    @property
    def began_at(self) -> float:
        """From when its deadline counts."""
        return self.created_at if self.starts_at is None else self.starts_at

    def starts_in(self, now: float) -> float:
        """How many seconds are left until it may start, 0 if it may."""
        return 0.0 if self.starts_at is None else max(0.0, self.starts_at - now)

    @property
    def expires_from(self) -> float | None:
        """When the run ended, if it may be purged by its age: roots only, once announced."""
        return self.ended_at if self.is_announced and self.parent is None else None


class _Identity(msgspec.Struct, frozen=True):
    run_id: str
    format: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RunHeader)
_identity_decoder = msgspec.json.Decoder(_Identity)


def encode_header(header: RunHeader) -> bytes:
    """Write a header as it is stored."""
    return _encoder.encode(header)


def decode_header(data: bytes | str) -> RunHeader:
    """Read a stored header.

    One of a newer format that cannot be read comes back with its id and format alone, so that it
    stands in nobody's way: the core acts on no header whose format is newer than its own.
    """
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        if format_of(data) <= FORMAT:
            raise
        known = _identity_decoder.decode(data)
        return RunHeader(
            run_id=known.run_id, blueprint_id="", blueprint_hash="", format=known.format
        )


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


class RunSummary(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A run in a listing.

    Args:
        status: `running` for a run that waits, too.
        created_at: Seconds since the epoch, as all times here.
        starts_at: Before when it does not start, if it was submitted with a delay.
        parent: Id of the run whose subflow it is.
        error: Why it failed.
    """

    run_id: str
    blueprint_id: str
    status: ListedStatus
    created_at: float
    starts_at: float | None = None
    ended_at: float | None = None
    parent: str = ""
    error: ErrorInfo | None = None

    @classmethod
    def of(cls, header: RunHeader) -> RunSummary:
        """What a listing shows of a run."""
        return cls(
            run_id=header.run_id,
            blueprint_id=header.blueprint_id,
            status=header.status,
            created_at=header.created_at,
            starts_at=header.starts_at,
            ended_at=header.ended_at,
            parent=header.parent.run_id if header.parent is not None else "",
            error=header.error,
        )


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a listing, newest first.

    Args:
        next: What gives the page after this one; None if there is none.
    """

    runs: tuple[RunSummary, ...]
    next: str | None
