"""The ports over an embedded database; a whole transition is one step.

What is written here runs on memory and on SQLite alike, and in the simulation, so it is
the place where the meaning of the ports is spelt out once in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from flowcraft.clock import Clock
from flowcraft.engine.activation import END, RUN, is_lanes_key
from flowcraft.engine.cells import PAYLOAD, RECORD, WINNER
from flowcraft.engine.consequences import Arrival, Decision, decide
from flowcraft.errors import RunError
from flowcraft.local.database import LocalDatabase, TimerRow, Transactor
from flowcraft.ports.contract import decode_job, encode_job
from flowcraft.ports.store import (
    Arrived,
    Commit,
    CommitResult,
    End,
    Entry,
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
    Target,
    Transition,
    TransitionResult,
    is_direct,
    job_for,
)
from flowcraft.status import ListedStatus, RunHeader

T = TypeVar("T")

EXPIRED_KEYS_PER_SWEEP = 1000
JOURNAL_BYTES = 1_000_000
"""How much of a journal is read in one step, about; records carry the outputs of nodes."""
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
        return await self._read(lambda db: [load(db, one) for one in loads])

    async def commit(self, commits: Sequence[Commit]) -> Sequence[CommitResult]:
        at, announces = self._clock.now(), self._announces
        return await self._transact(
            lambda db: [commit(db, one, at, announces=announces) for one in commits]
        )

    async def propagate(
        self, propagations: Sequence[Propagation]
    ) -> Sequence[tuple[Arrived, ...] | None]:
        return await self._transact(lambda db: [propagate(db, one) for one in propagations])

    async def finish(self, ends: Sequence[End]) -> Sequence[RunHeader | None]:
        announces = self._announces
        return await self._transact(
            lambda db: [finish(db, one, announces=announces) for one in ends]
        )

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Do each transition whole, in one atomic step."""
        announces = self._announces
        return await self._transact(
            lambda db: [transition(db, one, announces=announces) for one in transitions]
        )

    async def create(self, runs: Sequence[NewRun]) -> Sequence[RunHeader]:
        sweep_after = self._clock.now() + self._first_sweep_seconds
        return await self._transact(lambda db: [create(db, one, sweep_after) for one in runs])

    async def begin(self, beginnings: Sequence[Beginning]) -> Sequence[RunHeader]:
        """Create each run that does not exist together with its first jobs."""
        now = self._clock.now()
        sweep_after = now + self._first_sweep_seconds
        return await self._transact(
            lambda db: [begin(db, one, now, sweep_after) for one in beginnings]
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
        return await self._read(lambda db: journal(db, run_id, number, limit))

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
                db.put_key(
                    _lease_key(lease.run_id, lease.key),
                    f"{lease.attempt} {lease.worker}",
                    lease.until,
                )

        await self._transact(step)

    async def leases(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Lease]:
        def step(db: LocalDatabase) -> Mapping[str, Lease]:
            found = ((key, _lease(db, run_id, key)) for key in keys)
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


def _lease_key(run_id: str, key: str) -> str:
    return f"lease/{run_id}/{key}"


def _number(cursor: str) -> int:
    if len(cursor) > 18 or not ((cursor.isascii() and cursor.isdecimal()) or not cursor):
        raise RunError(f"after={cursor!r}: the cursor of no event")
    return int(cursor or 0)


def _lease(db: LocalDatabase, run_id: str, key: str) -> Lease | None:
    held = db.get_key(_lease_key(run_id, key))
    if held is None:
        return None
    attempt, _, worker = held[0].partition(" ")
    return Lease(run_id, key, int(attempt), worker, held[1] or 0.0)


# -- the steps, each atomic because its caller's transaction is


def load(db: LocalDatabase, wanted: Load) -> Loaded:
    """Read a run's header and what moving an activation needs."""
    run_id = wanted.run_id
    header = db.get_run(run_id)
    if header is None:
        return Loaded(None)
    slots: dict[str, bytes] = {}
    arrived: dict[str, bool] = {}
    for member, taken, value in db.get_members(run_id, wanted.key):
        arrived[member] = taken
        if value is not None:
            slots[member] = value
    cells = db.get_cells(run_id, wanted.key)
    winner = cells.get(WINNER)
    peeked = {
        peek: value for peek in wanted.peeks if (value := db.get_cell(run_id, *peek)) is not None
    }
    context: Mapping[str, bytes] = {}
    if wanted.context is None:
        context = db.get_whole_context(run_id)
    elif wanted.context:
        context = db.get_context(run_id, wanted.context)
    return Loaded(
        header, cells, slots, arrived, winner.decode() if winner else None, peeked, context,
        _lease(db, run_id, wanted.key) if wanted.key else None,
    )  # fmt: skip


def commit(
    db: LocalDatabase, wanted: Commit, at: float, *, announces: bool = False
) -> CommitResult:
    """Write a guarded cell, and all that goes with it, if the run is running."""
    run_id = wanted.run_id
    header = db.get_run(run_id)
    if header is None or header.is_over:
        return CommitResult(False)
    if wanted.absent is not None:
        existing = db.get_cell(run_id, *wanted.absent)
        if existing is not None:
            return CommitResult(False, barred=existing)
    guard = wanted.guard
    if not db.insert_cell(run_id, guard.key, guard.name, guard.value):
        return CommitResult(False, db.get_cell(run_id, guard.key, guard.name))
    for cell in wanted.cells:
        db.insert_cell(run_id, cell.key, cell.name, cell.value)
    for key, value in wanted.context.items():
        db.write_context(run_id, key, value)
    if wanted.ends is not None:
        status, error = wanted.ends
        finish(db, End(run_id, status, error, at), announces=announces)
    return CommitResult(True)


def journal(db: LocalDatabase, run_id: str, after: int, limit: int) -> Journal:
    """Read what was recorded after a number, as much of it as is well handled at once."""
    header = db.get_run(run_id)
    if header is None:
        return Journal(None)
    entries: list[Entry] = []
    size = 0
    rows = db.get_journal(run_id, after, limit)
    for number, key, name in rows:
        if size >= JOURNAL_BYTES:
            return Journal(header, tuple(entries), is_all=False)
        value = db.get_cell(run_id, key, name) or b""
        size += len(value)
        entries.append(Entry(str(number), key, name, value))
    return Journal(header, tuple(entries), is_all=len(rows) < limit)


def propagate(db: LocalDatabase, wanted: Propagation) -> tuple[Arrived, ...] | None:
    """Write cells and arrivals, if the run is there."""
    if db.get_run(wanted.run_id) is None:
        return None
    for cell in wanted.cells:
        db.insert_cell(wanted.run_id, cell.key, cell.name, cell.value)
    return tuple(_arrive(db, wanted.run_id, arrival) for arrival in wanted.arrivals)


def _arrive(db: LocalDatabase, run_id: str, arrival: Arrival) -> Arrived:
    members, taken = db.insert_member(
        run_id, arrival.target, arrival.member, arrival.taken, arrival.value
    )
    winner: str | None = None
    if arrival.any:
        if arrival.taken:
            db.insert_cell(run_id, arrival.target, WINNER, arrival.member.encode())
        held = db.get_cell(run_id, arrival.target, WINNER)
        winner = held.decode() if held is not None else None
    return Arrived(members, taken, winner)


def finish(db: LocalDatabase, wanted: End, *, announces: bool = False) -> RunHeader | None:
    """Write the final status if none is, as announced where there is nobody to tell."""
    header = db.get_run(wanted.run_id)
    if header is None or header.is_over:
        return header
    is_alone = header.parent is None and not db.child_ids(wanted.run_id)
    header = msgspec.structs.replace(
        header,
        status=wanted.status,
        error=wanted.error,
        ended_at=wanted.at,
        is_announced=announces and is_alone,
    )
    db.update_run(header)
    return header


def create(db: LocalDatabase, wanted: NewRun, sweep_after: float) -> RunHeader:
    """Create a run if it does not exist."""
    header = db.get_run(wanted.header.run_id)
    if header is not None:
        return header
    run_id = wanted.header.run_id
    db.insert_run(wanted.header, sweep_after)
    db.insert_cell(run_id, RUN, PAYLOAD, wanted.payload)
    for key, value in wanted.context.items():
        db.write_context(run_id, key, value)
    return wanted.header


def begin(db: LocalDatabase, wanted: Beginning, now: float, sweep_after: float) -> RunHeader:
    """Create a run if it does not exist, and send its first jobs."""
    standing = db.get_run(wanted.run.header.run_id)
    if standing is not None:
        return standing
    for outgoing in wanted.jobs:
        db.insert_job(encode_job(outgoing.job), now + outgoing.delay_seconds)
    return create(db, wanted.run, sweep_after)


def transition(
    db: LocalDatabase, wanted: Transition, *, announces: bool = False
) -> TransitionResult:
    """Commit, propagate, send, end and acknowledge in one step."""
    committed: CommitResult | None = None
    run_id = wanted.run_id
    if wanted.commit is not None:
        committed = commit(db, wanted.commit, wanted.at, announces=announces)
        if not committed.is_won:
            return TransitionResult(committed, is_over=committed.is_over)
        if wanted.commit.ends is not None:
            return _over(db, committed, wanted)
    else:
        header = db.get_run(run_id)
        if header is None or header.is_over:
            return TransitionResult(None, is_over=True)
    for cell in wanted.cells:
        db.insert_cell(run_id, cell.key, cell.name, cell.value)
    hold = wanted.hold
    held: list[Target] = []
    skips: list[Target] = []
    sends: list[Arrival] = []
    ended = False
    for arrival in wanted.arrivals:
        if hold > 0 and is_direct(arrival):
            hold -= 1  # its value is in the worker's hand: no slot is needed
            held.append(Target(arrival, "ready"))
            continue
        decision: Decision = "ready"
        if arrival.need == 1 and arrival.taken:  # whoever else is in the set
            if arrival.target != END:  # a set that nobody reads any more
                db.put_member(run_id, arrival.target, arrival.member, True, arrival.value)
        else:
            arrived = _arrive(db, run_id, arrival)
            decision = decide(arrival, arrived.members, arrived.taken, arrived.winner)
        if decision == "pending":
            continue
        if arrival.target == END:
            ended = True
        elif is_lanes_key(arrival.target):
            held.append(Target(arrival, "ready"))
        else:
            found = db.get_cell(run_id, arrival.target, RECORD) if wanted.is_repeat else None
            if decision == "skip":
                skips.append(Target(arrival, "skip", found))
            elif found is not None:
                held.append(Target(arrival, "ready", found))
            elif hold > 0 or not wanted.sends:
                hold -= 1
                held.append(Target(arrival, "ready"))
            else:
                sends.append(arrival)
    if ended and wanted.ends is not None:
        finish(db, End(run_id, wanted.ends, None, wanted.at), announces=announces)
        return _over(db, committed, wanted)
    for arrival in sends:
        db.insert_job(encode_job(job_for(wanted.job, arrival.target)), wanted.at)
    is_acked = wanted.ack is not None and not held and not skips
    if is_acked and wanted.ack is not None:
        db.delete_job(*wanted.ack.handle)
    return TransitionResult(committed, tuple(held), tuple(skips), is_acked=is_acked)


def _over(
    db: LocalDatabase, committed: CommitResult | None, wanted: Transition
) -> TransitionResult:
    """The run ended in this step; the message stays until that is announced."""
    header = db.get_run(wanted.run_id)
    is_acked = wanted.ack is not None and header is not None and header.is_announced
    if is_acked and wanted.ack is not None:
        db.delete_job(*wanted.ack.handle)
    return TransitionResult(committed, is_over=True, is_acked=is_acked)
