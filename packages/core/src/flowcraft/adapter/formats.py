"""What this worker writes, what it can read, and how it hands back what a newer one wrote."""

from __future__ import annotations

import logging
from collections import OrderedDict

import msgspec

from flowcraft.clock import Clock
from flowcraft.engine.record import Record, decode_record, encode_record
from flowcraft.errors import NewerFormatError
from flowcraft.ports.contract import JobPayload
from flowcraft.status import RunHeader

logger = logging.getLogger(__name__)

REMEMBERED_JOBS = 10_000
LONGEST_HAND_BACK_SECONDS = 30.0
LOG_SECONDS = 60.0
"""How often a worker says that it hands jobs back."""


class Formats:
    """The format of this worker.

    Args:
        own: What it writes, and the newest that it reads.
    """

    def __init__(self, own: int) -> None:
        self.own = own

    def encode(self, record: Record) -> bytes:
        """Write a record as it is stored."""
        if record.format != self.own:
            record = msgspec.structs.replace(record, format=self.own)
        return encode_record(record)

    def decode(self, data: bytes) -> Record:
        """Read a stored record.

        Raises:
            NewerFormatError: Its format is newer.
        """
        return decode_record(data, reads=self.own)

    def check(self, header: RunHeader | None) -> None:
        """Refuse to know anything of a run whose header is newer.

        Raises:
            NewerFormatError: Its format is newer.
        """
        if header is not None and header.format > self.own:
            raise self._newer(f"run {header.run_id!r}", header.format)

    def check_job(self, job: JobPayload) -> None:
        """Refuse a job that is newer.

        Raises:
            NewerFormatError: Its format is newer.
        """
        if job.format > self.own:
            raise self._newer(f"a job of run {job.run_id!r}", job.format)

    def _newer(self, what: str, format_: int) -> NewerFormatError:
        return NewerFormatError(
            f"{what} has format {format_}, of a newer Flowcraft; this process reads"
            f" {self.own}. Upgrade this process"
        )


def hand_back_seconds(waited_seconds: float, *, chance: float) -> float:
    """For how long to hand back a job that only another worker can do.

    As long as it has waited already, in bounds. Chance takes away at most half: queues are asked
    at regular intervals, and one worker could come upon a message that is always as late before
    all others.

    Args:
        waited_seconds: How long it has waited.
        chance: A number in [0, 1).
    """
    return min(max(1.0, waited_seconds), LONGEST_HAND_BACK_SECONDS) * (1 - chance / 2)


class HandBack:
    """How long each message of a newer format is handed back for, longer each time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: OrderedDict[bytes, float] = OrderedDict()
        self._told_at = float("-inf")

    def delay_seconds(self, message: bytes, error: NewerFormatError) -> float:
        """About as long as the message has come by here; says so now and then."""
        now = self._clock.monotonic()
        since = self._since.setdefault(message, now)
        if len(self._since) > REMEMBERED_JOBS:
            self._since.popitem(last=False)
        self.tell(error)
        return hand_back_seconds(now - since, chance=self._clock.chance())

    def tell(self, error: NewerFormatError) -> None:
        """Say what is left to newer workers, once a minute at most."""
        now = self._clock.monotonic()
        if now - self._told_at >= LOG_SECONDS:
            self._told_at = now
            logger.warning("left to newer workers", extra={"error": str(error)})
