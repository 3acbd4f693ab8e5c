"""Names in the order of their times: what is found first is read first, and nothing else.

A folder has no order. So an entry is a file whose name begins with its time, in a folder for the
ten minutes that the time lies in; whoever looks for the first or the last few entries reads the
names in the first or the last of these folders.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from itertools import groupby

from flowcraft_files.folder import Files, Place

BUCKET_SECONDS = 600


class Schedule:
    """A set of names, each with a time, that one step after the other can change.

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
        found: list[tuple[float, str]] = []
        for bucket in files.names(self._place):
            if int(bucket) * BUCKET_SECONDS > at:
                break
            for entry in files.names((*self._place, bucket)):
                time = _time_of(entry)
                if len(found) == limit or time > at:
                    return found
                found.append((time, self._name(files, bucket, entry)))
        return found

    def count_until(self, files: Files, at: float) -> int:
        """How many names there are up to a time."""
        return sum(
            _time_of(entry) <= at
            for bucket in files.names(self._place)
            if int(bucket) * BUCKET_SECONDS <= at
            for entry in files.names((*self._place, bucket))
        )

    def before(self, files: Files, at: float) -> Iterator[tuple[float, str]]:
        """Times and names up to a time, the latest first, and the greater name first."""
        for bucket in reversed(files.names(self._place)):
            if int(bucket) * BUCKET_SECONDS > at:
                continue
            entries = reversed(files.names((*self._place, bucket)))
            for time, at_once in groupby(entries, key=_time_of):
                names = [self._name(files, bucket, entry) for entry in at_once if time <= at]
                yield from ((time, name) for name in sorted(names, reverse=True))

    def _entry(self, at: float, name: str) -> Place:
        # The bytes of a float that is not negative sort as it does, and lose nothing of it.
        time = struct.pack(">d", max(at, 0.0)).hex()
        digest = hashlib.sha256(name.encode()).hexdigest()[:32]
        return (*self._place, f"{int(max(at, 0.0) // BUCKET_SECONDS):012}", f"{time}-{digest}")

    def _name(self, files: Files, bucket: str, entry: str) -> str:
        return files.get((*self._place, bucket, entry), str) or ""


def _time_of(entry: str) -> float:
    (at,) = struct.unpack(">d", bytes.fromhex(entry[:16]))
    return float(at)
