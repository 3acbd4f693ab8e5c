"""Names in the order of their times: what is found first is read first, and nothing else.

A folder has no order. So an entry is a file whose name begins with its time, in a folder for the
ten minutes in which the time lies; whoever looks for the first entries, or the last ones, reads
the names in the first or the last of these folders.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from itertools import groupby, islice

from flowcraft_files.folder import Files, Place

BUCKET_SECONDS = 600
LATEST = 1e14
"""Some three million years after the epoch: what is later comes then."""


class Schedule:
    """An index: a set of names, each with a time.

    Args:
        place: Where its folders are.
    """

    def __init__(self, *place: str) -> None:
        self._place = place

    def add(self, files: Files, at: float, name: str) -> None:
        """Add a name; it may be there at other times as well."""
        files.put(self._entry(at, name), name)

    def discard(self, files: Files, at: float, name: str) -> None:
        """Remove a name from a time, if it is there."""
        files.delete(self._entry(at, name))

    def until(self, files: Files, at: float, limit: int) -> list[tuple[float, str]]:
        """Times and names up to a time, the earliest first."""
        entries = islice(self._entries(files, at), limit)
        return [(time, files.get(place, str) or "") for time, place in entries]

    def count_until(self, files: Files, at: float) -> int:
        """How many names there are up to a time."""
        return sum(1 for _ in self._entries(files, at))

    def before(self, files: Files, at: float) -> Iterator[tuple[float, str]]:
        """Times and names up to a time, the latest first, and the greater name first."""
        for bucket in reversed(files.names(self._place)):
            if int(bucket) * BUCKET_SECONDS > at:
                continue
            entries = reversed(files.names((*self._place, bucket)))
            for time, at_once in groupby(entries, key=_time_of):
                if time <= at:
                    places = ((*self._place, bucket, entry) for entry in at_once)
                    names = (files.get(place, str) or "" for place in places)
                    yield from ((time, name) for name in sorted(names, reverse=True))

    def _entries(self, files: Files, at: float) -> Iterator[tuple[float, Place]]:
        for bucket in files.names(self._place):
            if int(bucket) * BUCKET_SECONDS > at:
                return
            for entry in files.names((*self._place, bucket)):
                if _time_of(entry) <= at:
                    yield _time_of(entry), (*self._place, bucket, entry)

    def _entry(self, at: float, name: str) -> Place:
        at = min(max(at, 0.0), LATEST)
        bucket = f"{int(at // BUCKET_SECONDS):012}"
        # The bytes of a float that is not negative sort as it does, and lose nothing of it.
        time = struct.pack(">d", at).hex()
        return (*self._place, bucket, f"{time}-{hashlib.sha256(name.encode()).hexdigest()[:32]}")


def _time_of(entry: str) -> float:
    (at,) = struct.unpack(">d", bytes.fromhex(entry[:16]))
    return float(at)
