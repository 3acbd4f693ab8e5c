"""Any sequence of primitives gives the same answers in memory and in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcraft.local.database import LocalDatabase, TimerRow
from flowcraft.memory.tables import MemoryTables
from flowcraft.ports.store import Place
from flowcraft.sqlite import schema
from flowcraft.sqlite.tables import SqliteTables
from flowcraft.status import ParentReference, RunHeader

RUNS = st.sampled_from(["r", "r\0", "R", "r'"])
KEYS = st.sampled_from(["a", "a/0", "a\0", "\U0001f642", "'"])
VALUES = st.binary(max_size=3)
TIMES = st.sampled_from([0.0, 1.0, 2.5, 1e9 + 0.1])
HANDLES = st.integers(0, 3)

Operation = Callable[[LocalDatabase], Any]


def header(run_id: str, parent: str | None, at: float) -> RunHeader:
    reference = ParentReference(parent, "n", 1) if parent is not None else None
    return RunHeader(
        run_id=run_id, blueprint_id="b", blueprint_hash="h", parent=reference, created_at=at
    )


def in_run(run_id: str, operation: Operation) -> Operation:
    """Everything in a run's partition is conditional on the run being there."""
    return lambda db: None if db.get_run(run_id) is None else operation(db)


def create(run_id: str, parent: str | None, at: float) -> Operation:
    def operation(db: LocalDatabase) -> None:
        if db.get_run(run_id) is None:
            db.insert_run(header(run_id, parent, at), at)

    return operation


def update(run_id: str, status: str, announced: bool, at: float) -> Operation:
    def operation(db: LocalDatabase) -> None:
        found = db.get_run(run_id)
        assert found is not None
        changed = {"status": status, "is_announced": announced, "ended_at": at}
        db.update_run(msgspec.structs.replace(found, **changed))

    return in_run(run_id, operation)


def take(now: float) -> Operation:
    return lambda db: sorted(db.take_jobs(now, 1000, now + 2.0))


def read_on(run_id: str, first: int, limit: int) -> Operation:
    def read(db: LocalDatabase) -> list[Any]:
        page = db.get_journal(run_id, 0, first)
        after = page[-1][0] if page else 0
        return [row[1:] for row in (*page, *db.get_journal(run_id, after, limit))]

    return in_run(run_id, read)


operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(create, RUNS, st.none() | RUNS, TIMES),
    st.builds(update, RUNS, st.sampled_from(["running", "failed"]), st.booleans(),
              TIMES),
    st.builds(lambda r: lambda db: db.delete_run(r), RUNS),
    st.builds(lambda r: lambda db: sorted(db.child_ids(r)), RUNS),
    st.builds(
        lambda r, k, n, v: in_run(r, lambda db: db.insert_cell(r, k, n, v)),
        RUNS, KEYS, KEYS | st.sampled_from(["record", "failed:1", "failed:2"]), VALUES,
    ),
    st.builds(lambda r, k: in_run(r, lambda db: db.get_cells(r, k)), RUNS, KEYS),
    st.builds(read_on, RUNS, HANDLES, HANDLES),
    st.builds(
        lambda r, k, m, t, v: in_run(r, lambda db: db.insert_member(r, k, m, t, v)),
        RUNS, KEYS, KEYS, st.booleans(), st.none() | VALUES,
    ),
    st.builds(lambda r, k: in_run(r, lambda db: sorted(db.get_members(r, k))), RUNS, KEYS),
    st.builds(lambda r, k: in_run(r, lambda db: db.count_members(r, k)), RUNS, KEYS),
    st.builds(
        lambda r, k, v: in_run(r, lambda db: db.write_context(r, k, v)),
        RUNS, KEYS, st.none() | VALUES,
    ),
    st.builds(lambda r, ks: in_run(r, lambda db: db.get_context(r, ks)), RUNS, st.lists(KEYS)),
    st.builds(lambda r: lambda db: db.get_whole_context(r), RUNS),
    st.builds(lambda b, t: lambda db: db.insert_job(b, t), VALUES, TIMES),
    st.builds(take, TIMES),
    st.builds(lambda i, k: lambda db: db.delete_job(i, k), HANDLES, HANDLES),
    st.builds(lambda i, k, t: lambda db: db.extend_job(i, k, t), HANDLES, HANDLES, TIMES),
    st.builds(lambda i, k, t: lambda db: db.release_job(i, k, t), HANDLES, HANDLES, TIMES),
    st.builds(lambda i, k: lambda db: db.bury_job(i, k, "why", 1.0), HANDLES, HANDLES),
    st.builds(lambda n: lambda db: db.dead_letters(n), st.integers(0, 4)),
    st.builds(lambda i: lambda db: db.take_dead_letter(str(i)), HANDLES),
    st.builds(lambda t: lambda db: db.count_jobs(t), TIMES),
    st.builds(lambda r, t, s: lambda db: db.set_sweep(r, t, by_sweeper=s),
              RUNS, TIMES, st.booleans()),
    st.builds(lambda t, n: lambda db: db.stalled(t, n), TIMES, st.integers(0, 4)),
    st.builds(lambda t, n: lambda db: db.expired(t, n), TIMES, st.integers(0, 4)),
    st.builds(lambda s, b, p, n: lambda db: db.list_runs(s, b, p, n),
              st.sampled_from([None, "running", "failed"]), st.sampled_from([None, "b", "c"]),
              st.none() | st.builds(Place, TIMES, RUNS), st.integers(0, 4)),
    st.builds(lambda k, t, j: lambda db: db.set_timer(TimerRow(k, t, j)), KEYS, TIMES, VALUES),
    st.builds(lambda t: lambda db: sorted(db.due_timers(t, 1000)), TIMES),
    st.builds(lambda k, t: lambda db: db.clear_timer(k, t), KEYS, TIMES),
    st.builds(lambda k, v, t: lambda db: db.put_key(k, v, t), KEYS, KEYS, st.none() | TIMES),
    st.builds(lambda k: lambda db: db.get_key(k), KEYS),
    st.builds(lambda k: lambda db: db.delete_key(k), KEYS),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(operations, max_size=60))
def test_every_sequence_has_the_same_answers(sequence: list[Operation]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        schema.migrate(connection, "memory")
        memory, sqlite = MemoryTables(), SqliteTables(connection)
        for number, operation in enumerate(sequence):
            memory.has_news = sqlite.has_news = False
            answers = (operation(memory), memory.next_job_at(), memory.has_news)
            assert (operation(sqlite), sqlite.next_job_at(), sqlite.has_news) == answers, number
    finally:
        connection.close()
