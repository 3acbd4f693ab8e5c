"""The steps of the store, each atomic because its caller's transaction is.

What is written here runs on memory and on SQLite alike, and in the simulation, so it is
the place where the meaning of the ports is spelt out once in Python.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from flowcraft.engine.activation import END, EXPECTED, RUN, is_lanes_key
from flowcraft.engine.cells import PAYLOAD, RECORD, WINNER
from flowcraft.engine.consequences import Arrival, Decision, decide
from flowcraft.local.database import LocalDatabase
from flowcraft.ports.contract import encode_job
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
    Propagation,
)
from flowcraft.ports.transition import (
    Beginning,
    Target,
    Transition,
    TransitionResult,
    is_direct,
    job_for,
)
from flowcraft.status import RunHeader

JOURNAL_BYTES = 1_000_000
"""How much of a journal is read in one step, about; records carry the outputs of nodes."""


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
        read_lease(db, run_id, wanted.key) if wanted.key else None,
    )  # fmt: skip


def commit(db: LocalDatabase, wanted: Commit, at: float, *, announces: bool) -> CommitResult:
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


def finish(db: LocalDatabase, wanted: End, *, announces: bool) -> RunHeader | None:
    """Write the final status if none is, as announced where there is nobody to tell."""
    header = db.get_run(wanted.run_id)
    if header is None or header.is_over:
        return header
    expected = wanted.expected
    if expected is not None and db.count_members(wanted.run_id, EXPECTED) != expected:
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


def create(db: LocalDatabase, wanted: NewRun, sweep_after: float) -> RunHeader | None:
    """Create a run if it does not exist, and its parent, if it has one, is running."""
    standing = db.get_run(wanted.header.run_id)
    if standing is not None:
        return standing
    if wanted.header.parent is not None:
        above = db.get_run(wanted.header.parent.run_id)
        if above is None or above.is_over:
            return None
    return _insert(db, wanted, sweep_after)


def _insert(db: LocalDatabase, wanted: NewRun, sweep_after: float) -> RunHeader:
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
    return _insert(db, wanted.run, sweep_after)


def transition(db: LocalDatabase, wanted: Transition, *, announces: bool) -> TransitionResult:
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
    sinks: int | None = None
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
            if arrival.target == END:
                sinks = arrived.members
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
    return TransitionResult(committed, tuple(held), tuple(skips), is_acked=is_acked, sinks=sinks)


def _over(
    db: LocalDatabase, committed: CommitResult | None, wanted: Transition
) -> TransitionResult:
    """The run ended in this step; the message stays until that is announced."""
    header = db.get_run(wanted.run_id)
    is_acked = wanted.ack is not None and header is not None and header.is_announced
    if is_acked and wanted.ack is not None:
        db.delete_job(*wanted.ack.handle)
    return TransitionResult(committed, is_over=True, is_acked=is_acked)


def read_lease(db: LocalDatabase, run_id: str, key: str) -> Lease | None:
    """Read the lease of an activation, whether it is over or not."""
    held = db.get_key(_lease_key(run_id, key))
    if held is None:
        return None
    attempt, _, worker = held[0].partition(" ")
    return Lease(run_id, key, int(attempt), worker, held[1] or 0.0)


def write_lease(db: LocalDatabase, lease: Lease) -> None:
    """Keep the lease of an activation, in the place of the one before."""
    key = _lease_key(lease.run_id, lease.key)
    db.put_key(key, f"{lease.attempt} {lease.worker}", lease.until)


def _lease_key(run_id: str, key: str) -> str:
    return f"lease/{run_id}/{key}"
