"""What is written down about an activation, once and for ever.

A record says how the activation ended, which edges it took with which values, and under
whose message it was made. Everything that follows from it can be worked out again from the
record and the plan alone, as often as a message comes back.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw

from flowcraft.errors import NewerFormatError
from flowcraft.format import FORMAT, format_of

Outcome = Literal["completed", "skipped", "failed", "caught"]

NULL = Raw(b"null")


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What went wrong, where, at which attempt."""

    node: str
    message: str
    type: str = "NodeError"
    scope: str = ""
    attempt: int = 1
    cause: str = ""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The outcome of one activation; a tree, so that the garbage collector may pass it by.

    Args:
        outcome: `caught` means: failed for good, and its fallback stands in for it.
        output: The output as JSON.
        taken: Indexes of the edges taken; for a stand-in those of the failed node too.
        skipped: Indexes of the edges not taken.
        values: What a transformed edge carries, by index; others carry the output.
        input: The failed node's input, which its fallback gets (`caught` only).
        attempt: The attempt that led here, from 1.
        via: Key of the activation under whose message this was made.
        token: Name of the delivery that made it, so that a repeated commit knows its own.
        winner: The edge that started an `any` join.
        items: How many items the batch has (scatter, its items, gather).
        gathered: Key of the scatter whose items' outputs are this gather's output.
        at: When it was made, in seconds since the epoch; 0 if nobody noted it.
        format: See `flowcraft.format`.
    """

    outcome: Outcome
    output: Raw = NULL
    action: str | None = None
    taken: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    values: dict[int, Raw] = {}
    input: Raw = NULL
    attempt: int = 1
    via: str = ""
    token: str = ""
    winner: int | None = None
    error: ErrorInfo | None = None
    items: int | None = None
    gathered: str | None = None
    at: float = 0.0
    format: int = 1


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """Write a record as it is stored."""
    return _encoder.encode(record)


def decode_record(data: bytes, *, reads: int = FORMAT) -> Record:
    """Read a stored record.

    Args:
        data: The record.
        reads: The newest format that may be read.

    Raises:
        NewerFormatError: Its format is newer.
    """
    try:
        record = _decoder.decode(data)
    except msgspec.DecodeError as error:
        if format_of(data) > reads:
            raise _newer(format_of(data)) from error
        raise
    if record.format > reads:
        raise _newer(record.format)
    return record


def _newer(format_: int) -> NewerFormatError:
    return NewerFormatError(
        f"a record has format {format_}, of a newer Flowcraft. Upgrade this process"
    )


# A gather's output is never one stored value: what travels along its edges, and lies in
# context keys, is a reference to its items. No JSON text begins with "@".


class GatherReference(msgspec.Struct, frozen=True, array_like=True):
    """Stands for the list of the outputs of a batch's items."""

    scatter: str
    items: int


_reference_decoder = msgspec.json.Decoder(GatherReference)


def encode_reference(reference: GatherReference) -> bytes:
    """Write a reference as a stored value."""
    return b"@" + _encoder.encode(reference)


def decode_reference(value: bytes) -> GatherReference | None:
    """Read a stored value as a reference; None if it is a plain JSON value."""
    return _reference_decoder.decode(value[1:]) if value[:1] == b"@" else None


def carried_value(record: Record, edge_index: int) -> bytes:
    """What the edge carries to its target, as a stored value."""
    value = record.values.get(edge_index)
    return bytes(value) if value is not None else output_value(record)


def output_value(record: Record) -> bytes:
    """The output of the activation, as a stored value."""
    if record.gathered is not None:
        return encode_reference(GatherReference(record.gathered, record.items or 0))
    return bytes(record.output)
