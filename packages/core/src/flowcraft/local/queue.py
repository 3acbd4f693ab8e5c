"""The job queue over an embedded database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from flowcraft.clock import Clock
from flowcraft.errors import BackendError
from flowcraft.local.database import LocalDatabase, Transactor
from flowcraft.local.waker import Waker
from flowcraft.ports.contract import encode_job
from flowcraft.ports.queue import DeadLetter, Delivery, JobQueue, Outgoing

FRESH_SECONDS = 0.01
"""How old a look at the queue may be that need not be repeated."""


class _Idle(NamedTuple):
    """What a look that found no message leaves to the next wait, which need not look again."""

    wakes: int
    at: float
    next_at: float | None

    def is_fresh(self, wakes: int, now: float) -> bool:
        """Whether that was just now, and nobody was woken since."""
        return self.wakes == wakes and now - self.at < FRESH_SECONDS


class LocalQueue(JobQueue):
    """The job queue over an embedded database: any delay, leases by token."""

    clock_skew_seconds = 0.0
    longest_delay_seconds = float("inf")

    def __init__(
        self, transact: Transactor, clock: Clock, waker: Waker, *, lease_seconds: float
    ) -> None:
        self._transact = transact
        self._clock = clock
        self._waker = waker
        self.lease_seconds = lease_seconds
        self._idle: _Idle | None = None

    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        idle = self._idle
        if idle is None or not idle.is_fresh(self._waker.wakes, self._clock.monotonic()):
            if found := await self._look(limit):
                return found
            idle = self._idle
        assert idle is not None
        wait = wait_seconds
        if idle.next_at is not None:
            wait = min(wait, idle.next_at - self._clock.now())
        if self._waker.wakes == idle.wakes:
            await self._waker.wait(wait)
        return await self._look(limit)

    async def _look(self, limit: int) -> list[Delivery]:
        """Take what is visible; if there is nothing, note what is known of that."""
        wakes = self._waker.wakes  # what is sent while this looks must not be slept over
        self._idle = None
        found = await self._take(limit)
        if isinstance(found, list):
            return found
        self._idle = _Idle(wakes, self._clock.monotonic(), found)
        return []

    async def _take(self, limit: int) -> list[Delivery] | float | None:
        """Take what is visible, or say when the next message will be."""
        now = self._clock.now()
        until = now + self.lease_seconds

        def step(db: LocalDatabase) -> list[Delivery] | float | None:
            rows = db.take_jobs(now, limit, until)
            if not rows:
                return db.next_job_at()
            return [Delivery(row.body, (row.id, row.token), row.is_redelivered) for row in rows]

        taking = asyncio.ensure_future(self._transact(step))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # Nobody will handle what was taken: it goes back at once. An error of the backend
            # must not take the place of the cancellation, or a worker would never stop.
            with contextlib.suppress(BackendError):
                taken = await taking
                if isinstance(taken, list):
                    await self.release(taken, 0.0)
            raise

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        def step(db: LocalDatabase) -> None:
            for delivery in deliveries:
                db.delete_job(*delivery.handle)

        await self._transact(step)

    async def extend(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        until = self._clock.now() + self.lease_seconds
        return await self._transact(
            lambda db: [
                db.extend_job(id_, token, until) for id_, token in (d.handle for d in deliveries)
            ]
        )

    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float) -> None:
        at = self._clock.now() + delay_seconds

        def step(db: LocalDatabase) -> None:
            for id_, token in (delivery.handle for delivery in deliveries):
                db.release_job(id_, token, at)

        await self._transact(step)

    async def send(self, jobs: Sequence[Outgoing]) -> None:
        now = self._clock.now()

        def step(db: LocalDatabase) -> None:
            for outgoing in jobs:
                db.insert_job(encode_job(outgoing.job), now + outgoing.delay_seconds)

        await self._transact(step)

    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        at = self._clock.now()

        def step(db: LocalDatabase) -> None:
            for id_, token in (delivery.handle for delivery in deliveries):
                db.bury_job(id_, token, reason, at)

        await self._transact(step)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return await self._transact(lambda db: db.dead_letters(limit))

    async def requeue(self, ids: Sequence[str]) -> Sequence[bool]:
        now = self._clock.now()

        def again(db: LocalDatabase, id_: str) -> bool:
            body = db.take_dead_letter(id_)
            if body is None:
                return False
            db.insert_job(body, now)
            return True

        return await self._transact(lambda db: [again(db, id_) for id_ in ids])

    async def drop(self, ids: Sequence[str]) -> Sequence[bool]:
        return await self._transact(
            lambda db: [db.take_dead_letter(id_) is not None for id_ in ids]
        )

    async def depth(self) -> int | None:
        now = self._clock.now()
        return await self._transact(lambda db: db.count_jobs(now), only_reads=True)
