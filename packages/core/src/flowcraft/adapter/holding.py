"""The messages that this worker holds: kept from others while their work goes on.

Where a broker limits how long a message may stay unacknowledged, the message is first turned
into a timer that sends its job again, pushed on with every heartbeat and removed at the end;
only then is it acknowledged.
"""

from __future__ import annotations

import asyncio
import logging

from flowcraft.adapter.parts import Parts, timer_job, timer_name
from flowcraft.errors import BackendError, MalformedMessageError
from flowcraft.ports.contract import JobPayload, decode_job
from flowcraft.ports.queue import Delivery
from flowcraft.ports.store import Lease, Timer

logger = logging.getLogger(__name__)

EARLY_SHARE = 0.5
"""Share of the broker's longest time after which a message becomes a timer."""


class Holding:
    """One message in this worker's hands."""

    __slots__ = ("activation", "attempt", "delivery", "job", "moving_since", "since", "timer")

    def __init__(self, delivery: Delivery, job: JobPayload | None, since: float) -> None:
        self.delivery = delivery
        self.job = job
        self.since = since
        self.timer: Timer | None = None
        self.activation = job.activation if job is not None else ""
        self.attempt = 1
        self.moving_since = since

    def moves(self, activation: str, attempt: int, now: float) -> None:
        """Note which activation is under way under this message."""
        self.activation = activation
        self.attempt = attempt
        self.moving_since = now


class Holdings:
    """All messages in this worker's hands."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._held: dict[Holding, None] = {}  # in the order of taking
        self._lost: set[Holding] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, delivery: Delivery) -> Holding:
        """Take a message."""
        try:
            job: JobPayload | None = decode_job(delivery.body)
        except MalformedMessageError:
            job = None
        holding = Holding(delivery, job, self._parts.clock.monotonic())
        self._held[holding] = None
        return holding

    def drop(self, holding: Holding) -> None:
        """Let go of a message without answering for it."""
        self._held.pop(holding, None)
        self._changed.set()

    async def answer(self, holding: Holding) -> None:
        """Acknowledge a message whose work is done, or forget the timer that it became."""
        if holding.timer is None:
            await self._parts.ports.ack(holding.delivery)
        else:
            await self._parts.ports.store.clear_timers([holding.timer])

    async def until_fewer_than(self, count: int) -> None:
        """Wait until fewer messages are held."""
        while len(self._held) >= count:
            self._changed.clear()
            await self._changed.wait()

    async def beat(self) -> None:
        """Extend every lease, stamp the runs as in progress, and look for ended ones."""
        held = [holding for holding in self._held if holding.job is not None]
        # What somebody else received is theirs to keep from others.
        ours = [holding for holding in held if holding.delivery.handle is not None]
        if not held:
            return
        parts = self._parts
        now = parts.clock.now()
        queue, store = parts.ports.queue, parts.ports.store
        limit = queue.longest_unacknowledged_seconds * EARLY_SHARE
        for holding in ours:
            late = parts.clock.monotonic() - holding.since > limit
            if holding.timer is not None or late:
                await self._become_timer(holding, now)
        extended = [holding for holding in ours if holding.timer is None]
        if extended:
            kept = await queue.extend([holding.delivery for holding in extended])
            lost = {one for one, is_kept in zip(extended, kept, strict=True) if not is_kept}
            # What was not lost before may have been acknowledged meanwhile, with its last step.
            if lost & self._lost:
                logger.warning("leases lost", extra={"count": len(lost & self._lost)})
            self._lost = lost
        run_ids = {holding.job.run_id for holding in held if holding.job is not None}
        until = now + 2 * queue.lease_seconds
        started_before = parts.clock.monotonic() - queue.lease_seconds / 4
        leases = [
            Lease(
                holding.job.run_id,
                holding.activation,
                holding.attempt,
                parts.name,
                now + queue.lease_seconds,
            )
            for holding in held
            if holding.job is not None and holding.moving_since <= started_before
        ]
        await store.touch(dict.fromkeys(sorted(run_ids), until), leases)
        watched = sorted(run_ids.intersection(parts.running.run_ids()))
        if not watched:
            return
        for run_id, header in zip(watched, await store.headers(watched), strict=True):
            if header is None or header.is_over:
                parts.running.cancel(run_id)

    async def _become_timer(self, holding: Holding, now: float) -> None:
        assert holding.job is not None
        job = timer_job(holding.job)
        due_at = now + self._parts.ports.queue.lease_seconds
        timer = Timer(f"held/{timer_name(job)}", due_at, job)
        await self._parts.ports.store.set_timers([timer])
        first = holding.timer is None
        holding.timer = timer
        if first:
            await self._parts.ports.ack(holding.delivery)


async def beat_for_ever(holdings: Holdings, parts: Parts) -> None:
    """Beat three times a lease. An unreachable backend is tried again at the next beat."""
    while True:
        await parts.clock.sleep(parts.ports.queue.lease_seconds / 3)
        try:
            await holdings.beat()
        except BackendError as error:
            logger.warning("heartbeat failed", extra={"error": str(error)})
