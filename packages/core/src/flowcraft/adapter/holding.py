"""The messages that this worker holds: kept from others while their work goes on.

Where a broker limits how long a message may stay unacknowledged, the message is first turned
into a timer that sends its job again, pushed on with every heartbeat and removed at the end;
only then is it acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from flowcraft.adapter.parts import Parts, timer_job, timer_name
from flowcraft.engine.activation import parse_activation
from flowcraft.errors import BackendError, MalformedMessageError
from flowcraft.ports.contract import JobPayload, decode_job
from flowcraft.ports.queue import Delivery, JobQueue
from flowcraft.ports.store import Lease, RunStore, Timer

logger = logging.getLogger(__name__)

EARLY_SHARE = 0.5
"""Share of the broker's longest time after which a message becomes a timer."""


class Holding:
    """One message in this worker's hands."""

    __slots__ = (
        "activation", "attempt", "delivery", "job", "moving_since", "since", "task", "timer"
    )  # fmt: skip

    def __init__(self, delivery: Delivery, job: JobPayload | None, since: float) -> None:
        self.delivery = delivery
        self.job = job
        self.since = since
        self.timer: Timer | None = None
        self.activation = job.activation if job is not None else ""
        self.attempt = 1
        self.moving_since = float("inf")  # what is only looked at is nobody's yet
        self.task: asyncio.Task[object] | None = None

    def moves(self, activation: str, attempt: int, now: float) -> None:
        """Note which activation is under way under this message, in the current task."""
        self.task = asyncio.current_task()
        self.activation = activation
        self.attempt = attempt
        self.moving_since = now

    def facts(self) -> dict[str, object]:
        """What a log line says of the activation under way."""
        if self.job is None:
            return {}
        node, scope = parse_activation(self.activation)
        return {"run": self.job.run_id, "node": node, "scope": scope, "attempt": self.attempt}


class Holdings:
    """All messages in this worker's hands.

    Attributes:
        kept_at: When their leases were last extended, on the monotonic clock.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._held: dict[Holding, None] = {}  # in the order of taking
        self._lost: set[Holding] = set()
        self._changed = asyncio.Event()
        self._is_any = asyncio.Event()
        self.kept_at = parts.clock.monotonic()

    def __iter__(self) -> Iterator[Holding]:
        return iter(tuple(self._held))

    def __len__(self) -> int:
        return len(self._held)

    def add(self, delivery: Delivery) -> Holding:
        """Take a message."""
        try:
            job: JobPayload | None = decode_job(delivery.body)
        except MalformedMessageError:
            job = None
        now = self._parts.clock.monotonic()
        if not self._held:
            self.kept_at = now  # there was nothing to keep
            self._is_any.set()
        holding = Holding(delivery, job, now)
        self._held[holding] = None
        return holding

    def of(self, task: asyncio.Task[object] | None) -> Holding | None:
        """The message under which a task executes; the only one, if the task is a node's own."""
        held = tuple(self._held)
        for holding in held:
            if task is not None and holding.task is task:
                return holding
        return held[0] if len(held) == 1 else None

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

    async def until_any(self) -> None:
        """Wait until a message is held."""
        while not self._held:
            self._is_any.clear()
            await self._is_any.wait()

    async def beat(self) -> None:
        """Extend every lease, stamp the runs as in progress, and look for ended ones."""
        parts = self._parts
        await self.keep(parts.ports.store, parts.ports.queue)
        held = {holding.job.run_id for holding in self if holding.job is not None}
        watched = sorted(held.intersection(parts.running.run_ids()))
        if not watched:
            return
        headers = await parts.ports.store.headers(watched)
        for run_id, header in zip(watched, headers, strict=True):
            if header is None or header.is_over:
                parts.running.cancel(run_id)

    async def keep(self, store: RunStore, queue: JobQueue) -> None:
        """Extend every lease, and stamp the runs as in progress.

        Another thread may do it, over ports of its own, while this one's loop is blocked.
        """
        parts = self._parts
        began = parts.clock.monotonic()
        held = [holding for holding in self if holding.job is not None]
        # What somebody else received is theirs to keep from others.
        ours = [holding for holding in held if holding.delivery.handle is not None]
        if not held:
            self.kept_at = began
            return
        now = parts.clock.now()
        limit = queue.longest_unacknowledged_seconds * EARLY_SHARE
        for holding in ours:
            late = parts.clock.monotonic() - holding.since > limit
            if holding.timer is not None or late:
                await self._become_timer(holding, now, store, queue)
        extended = [holding for holding in ours if holding.timer is None]
        if extended:
            kept = await queue.extend([holding.delivery for holding in extended])
            lost = {one for one, is_kept in zip(extended, kept, strict=True) if not is_kept}
            # What was not lost before may have been acknowledged meanwhile, with its last step.
            if lost & self._lost:
                logger.warning("leases lost", extra={"count": len(lost & self._lost)})
            self._lost = lost
        run_ids = {holding.job.run_id for holding in held if holding.job is not None}
        lease_until = now + queue.lease_seconds + queue.clock_skew_seconds
        until = lease_until + queue.lease_seconds
        started_before = parts.clock.monotonic() - queue.lease_seconds / 4
        leases = [
            Lease(
                holding.job.run_id,
                holding.activation,
                holding.attempt,
                parts.name,
                lease_until,
            )
            for holding in held
            if holding.job is not None and holding.moving_since <= started_before
        ]
        await store.touch(dict.fromkeys(sorted(run_ids), until), leases)
        self.kept_at = began

    async def _become_timer(
        self, holding: Holding, now: float, store: RunStore, queue: JobQueue
    ) -> None:
        assert holding.job is not None
        job = timer_job(holding.job)
        due_at = now + queue.lease_seconds + queue.clock_skew_seconds
        timer = Timer(f"held/{timer_name(job)}", due_at, job)
        await store.set_timers([timer])
        first = holding.timer is None
        holding.timer = timer
        if first:
            await queue.ack([holding.delivery])


async def beat_for_ever(holdings: Holdings, parts: Parts) -> None:
    """Beat three times a lease while messages are held.

    An unreachable backend is tried again at the next beat.
    """
    while True:
        await holdings.until_any()
        await parts.clock.sleep(parts.ports.queue.lease_seconds / 3)
        try:
            await holdings.beat()
        except BackendError as error:
            logger.warning("heartbeat failed", extra={"error": str(error)})
