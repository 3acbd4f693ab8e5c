"""Headers of runs as the file keeps them, and those that were decoded before."""

from __future__ import annotations

from flowcraft.status import RunHeader, decode_header, encode_header

REMEMBERED_HEADERS = 4096
"""How many decoded headers are kept at hand."""


class HeaderCodec:
    """Encodes and decodes headers: they change a few times, and are read in every step."""

    def __init__(self) -> None:
        self.encode = encode_header
        self.decode = decode_header
        self._known: dict[str, tuple[bytes, RunHeader]] = {}

    def remembered(self, run_id: str, encoded: bytes) -> RunHeader:
        """Decode the header of a run, unless it is as it was the last time."""
        known = self._known.get(run_id)
        if known is not None and known[0] == encoded:
            return known[1]
        header = self.decode(encoded)
        if len(self._known) >= REMEMBERED_HEADERS:
            self._known.clear()
        self._known[run_id] = (encoded, header)
        return header

    def forget(self, run_id: str) -> None:
        """Let go of the header of a run that was deleted."""
        self._known.pop(run_id, None)
