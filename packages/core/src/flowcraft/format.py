"""The format of what workers write for each other: one number for all of it.

Jobs, records and headers carry it; one that carries none has format 1. A worker reads its own
format and every older one. What is newer it neither reads nor changes: it hands it back, for a
worker that was upgraded already.

`FORMAT` is raised when a worker of the version before could misread what this version writes: a
field that it must not pass over, a value that it does not know, a blueprint that it would refuse.
A field that it may pass over needs no new format. Every format keeps `runId` and `format` in a
job, `run_id` and `format` in a header, and `via`, `token` and `format` in a record; whoever writes
into a header what needs a newer format raises its number. Other notes of an activation carry no
format: what they cannot bear takes a new name.
"""

from __future__ import annotations

from typing import Final

import msgspec

FORMAT: Final = 1
"""What this version writes."""


class _Stamp(msgspec.Struct, frozen=True):
    format: int = 1


_decoder = msgspec.json.Decoder(_Stamp)


def format_of(data: bytes | str) -> int:
    """The format of something that this version cannot read; 1 if it says nothing of it."""
    try:
        return _decoder.decode(data).format
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        return 1
