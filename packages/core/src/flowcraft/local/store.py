"""The ports over an embedded database: which steps go into one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from flowcraft.clock import Clock
from flowcraft.errors import RunError
from flowcraft.local import steps
from flowcraft.local.database import LocalDatabase, TimerRow, Transactor
from flowcraft.ports.contract import decode_job, encode_job
from flowcraft.ports.store import (
    Arrived,
    Commit,
    CommitResult,
    End,
    Journal,
    Lease,
    Load,
    Loaded,
    NewRun,
    Place,
    Propagation,
    RunStore,
    Stalled,
    Timer,
)
from flowcraft.ports.transition import (
    Beginning,
    Transition,
    TransitionResult,
)
from flowcraft.status import ListedStatus, RunHeader

T = TypeVar("T")

EXPIRED_KEYS_PER_SWEEP = 1000
UNSEEN_SWEEPS = 10
"""After how many times the first delay a run is swept however busy it is."""


class LocalStore(RunStore):
    """The run store, and whole transitions, over an embedded database.

    Args:
        transact: Runs a function over the database as one atomic step.
        clock: Tells the time.
        first_sweep_seconds: How long a new run is left alone by the sweeper.
        announces: Whether the end of a run that has neither parent nor children is announced
            by being written, because whoever waits for it reads the header.
    """

    def __init__(
        self,
        transact: Transactor,
        clock: Clock,
        *,
        first_sweep_seconds: float,
        announces: bool = False,
    ) -> None:
        self._transact = transact
        self._clock = clock
        self._announces = announces
        self._first_sweep_seconds = first_sweep_seconds
        self._longest_unseen_seconds = UNSEEN_SWEEPS * first_sweep_seconds

    async def _read(self, step: Callable[[LocalDatabase], T]) -> T:
        return await self._transact(step, only_reads=True)

    async def load(self, loads: Sequence[Load]) -> Sequence[Loaded]:
        return await self._read(lambda db: [steps.load(db, one) for one in loads])

    async def commit(self, commits: Sequence[Commit]) -> Sequence[CommitResult]:
        at, announces = self._clock.now(), self._announces
        return await self._transact(
            lambda db: [steps.commit(db, one, at, announces=announces) for one in commits]
        )

    async def propagate(
        self, propagations: Sequence[Propagation]
    ) -> Sequence[tuple[Arrived, ...] | None]:
        return await self._transact(lambda db: [steps.propagate(db, one) for one in propagations])

    async def finish(self, ends: Sequence[End]) -> Sequence[RunHeader | None]:
        announces = self._announces
        return await self._transact(
            lambda db: [steps.finish(db, one, announces=announces) for one in ends]
        )

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Do each transition whole, in one atomic step."""
        announces = self._announces
        return await self._transact(
            lambda db: [steps.transition(db, one, announces=announces) for one in transitions]
        )

    async def create(self, runs: Sequence[NewRun]) -> Sequence[RunHeader | None]:
        sweep_after = self._clock.now() + self._first_sweep_seconds
        return await self._transact(lambda db: [steps.create(db, one, sweep_after) for one in runs])

    async def begin(self, beginnings: Sequence[Beginning]) -> Sequence[RunHeader]:
        """Create each run that does not exist together with its first jobs."""
        now = self._clock.now()
        sweep_after = now + self._first_sweep_seconds
        return await self._transact(
            lambda db: [steps.begin(db, one, now, sweep_after) for one in beginnings]
        )

    async def headers(self, run_ids: Sequence[str]) -> Sequence[RunHeader | None]:
        return await self._read(lambda db: [db.get_run(run_id) for run_id in run_ids])

    async def context(self, run_id: str) -> Mapping[str, bytes]:
        return await self._read(lambda db: db.get_whole_context(run_id))

    async def children(self, run_id: str) -> Sequence[str]:
        return await self._read(lambda db: db.child_ids(run_id))

    async def list_runs(
        self,
        *,
        status: ListedStatus | None,
        blueprint_id: str | None,
        before: Place | None,
        limit: int,
    ) -> Sequence[RunHeader]:
        return await self._read(lambda db: db.list_runs(status, blueprint_id, before, limit))

    async def journal(self, run_id: str, after: str, limit: int) -> Journal:
        number = _number(after)
        return await self._read(lambda db: steps.journal(db, run_id, number, limit))

    async def mark_announced(self, run_ids: Sequence[str]) -> None:
        def step(db: LocalDatabase) -> None:
            for run_id in run_ids:
                header = db.get_run(run_id)
                if header is not None and header.is_over:
                    db.update_run(msgspec.structs.replace(header, is_announced=True))

        await self._transact(step)

    async def expired(self, before: float, limit: int) -> Sequence[str]:
        return await self._read(lambda db: db.expired(before, limit))

    async def purge(self, run_ids: Sequence[str]) -> None:
        def step(db: LocalDatabase) -> None:
            for run_id in run_ids:
                header = db.get_run(run_id)
                if header is not None and header.is_over:
                    db.delete_run(run_id)

        await self._transact(step)

    async def touch(self, until: Mapping[str, float], leases: Sequence[Lease]) -> None:
        def step(db: LocalDatabase) -> None:
            for run_id, after in until.items():
                swept = db.get_key(_swept_key(run_id))
                header = db.get_run(run_id)
                if header is None:
                    continue
                last = float(swept[0]) if swept is not None else header.created_at
                latest = last + self._longest_unseen_seconds
                db.set_sweep(run_id, min(after, latest), by_sweeper=False)
            for lease in leases:
                steps.write_lease(db, lease)

        await self._transact(step)

    async def leases(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Lease]:
        def step(db: LocalDatabase) -> Mapping[str, Lease]:
            found = ((key, steps.read_lease(db, run_id, key)) for key in keys)
            return {key: lease for key, lease in found if lease is not None}

        return await self._read(step)

    async def swept(self, until: Mapping[str, float]) -> None:
        now = self._clock.now()

        def step(db: LocalDatabase) -> None:
            for run_id, after in until.items():
                db.set_sweep(run_id, after, by_sweeper=True)
                db.put_key(_swept_key(run_id), repr(now), after + self._longest_unseen_seconds)

        await self._transact(step)

    async def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        def step(db: LocalDatabase) -> Sequence[Stalled]:
            db.drop_expired_keys(now, EXPIRED_KEYS_PER_SWEEP)
            return db.stalled(now, limit)

        return await self._transact(step)

    async def set_timers(self, timers: Sequence[Timer]) -> None:
        def step(db: LocalDatabase) -> None:
            for timer in timers:
                db.set_timer(TimerRow(timer.name, timer.due_at, encode_job(timer.job)))

        await self._transact(step)

    async def due_timers(self, now: float, limit: int) -> Sequence[Timer]:
        rows = await self._read(lambda db: db.due_timers(now, limit))
        return [Timer(row.name, row.due_at, decode_job(row.job)) for row in rows]

    async def clear_timers(self, timers: Sequence[Timer]) -> None:
        def step(db: LocalDatabase) -> None:
            for timer in timers:
                db.clear_timer(timer.name, timer.due_at)

        await self._transact(step)

    async def put_blueprint(self, content_hash: str, blueprint: bytes) -> None:
        await self._transact(lambda db: db.put_blueprint(content_hash, blueprint))

    async def get_blueprint(self, content_hash: str) -> bytes | None:
        return await self._read(lambda db: db.get_blueprint(content_hash))


def _swept_key(run_id: str) -> str:
    return f"swept/{run_id}"


def _number(cursor: str) -> int:
    if len(cursor) > 18 or not ((cursor.isascii() and cursor.isdecimal()) or not cursor):
        raise RunError(f"after={cursor!r}: the cursor of no event")
    return int(cursor or 0)
