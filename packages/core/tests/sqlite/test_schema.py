"""How a file comes to its tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence

import pytest

from flowcraft.sqlite import SqliteSettings, schema
from flowcraft.sqlite.tables import SqliteTables
from flowcraft.sqlite.writer import open_file
from flowcraft.status import RunHeader


@pytest.fixture
def connection(path: str) -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(path, isolation_level=None)
    yield made
    made.close()


def test_a_new_file_is_brought_to_the_current_version_once(
    connection: sqlite3.Connection, path: str
) -> None:
    assert schema.check(connection, path) == 0
    schema.migrate(connection, path)
    assert schema.check(connection, path) == schema.VERSION
    schema.migrate(connection, path)


def test_migrations_are_applied_in_order_from_where_the_file_is(
    connection: sqlite3.Connection, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.migrate(connection, path)
    more = (("CREATE TABLE two (x)", "INSERT INTO two VALUES (2)"), ("UPDATE two SET x = x + 1",))
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS + more)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    schema.migrate(connection, path)
    assert connection.execute("SELECT x FROM two").fetchone() == (3,)
    assert schema.check(connection, path) == schema.VERSION


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    connection: sqlite3.Connection, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (("CREATE TABLE one (x)", "NO SQL"),))
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, path)
    assert schema.check(connection, path) == 0
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_tables_that_another_process_makes_meanwhile_are_not_taken_for_strangers(
    connection: sqlite3.Connection, path: str
) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    other = sqlite3.connect(path, isolation_level=None)
    try:

        def meanwhile(statement: str) -> None:
            if statement == "PRAGMA user_version":
                schema.migrate(other, path)

        connection.set_trace_callback(meanwhile)
        assert schema.check(connection, path) == 0
        connection.set_trace_callback(None)
        assert schema.check(connection, path) == schema.VERSION
    finally:
        other.close()


@pytest.mark.parametrize(("level", "number"), [("normal", 1), ("full", 2)])
def test_a_file_is_opened_with_a_log_and_as_safe_as_was_asked(
    path: str, level: str, number: int
) -> None:
    settings = SqliteSettings.from_options(path=path, synchronous=level)
    connection = open_file(path, settings)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (number,)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (0,)
        assert connection.execute("PRAGMA temp_store").fetchone() == (2,)
    finally:
        connection.close()


def test_no_step_of_a_worker_reads_a_whole_table(path: str) -> None:
    connection = open_file(path, SqliteSettings(path=path))
    heard: list[str] = []
    try:
        connection.set_trace_callback(heard.append)
        tables = SqliteTables(connection)
        tables.insert_run(RunHeader(run_id="r", blueprint_id="b", blueprint_hash="h"), 1.0)
        tables.begin()
        tables.get_run("r")
        tables.child_ids("r")
        tables.get_cells("r", "k")
        tables.get_cell("r", "k", "n")
        tables.get_members("r", "k")
        tables.insert_member("r", "k", "e", True, None)
        tables.put_member("r", "k", "e", True, None)
        tables.get_journal("r", 1, 9)
        tables.get_context("r", ["k"])
        tables.take_jobs(1.0, 9, 2.0)
        tables.next_job_at()
        tables.extend_job(1, 1, 2.0)
        tables.stalled(1.0, 9)
        tables.set_sweep("r", 1.0, by_sweeper=True)
        tables.due_timers(1.0, 9)
        tables.delete_run("r")
        connection.set_trace_callback(None)
        plans = {
            statement: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for statement in heard
            if not statement.startswith("--")
        }
    finally:
        connection.close()
    assert plans
    slow = {
        statement: plan
        for statement, plan in plans.items()
        if any(line.startswith("SCAN") or "TEMP B-TREE" in line for line in plan)
    }
    assert not slow


@pytest.mark.parametrize("blueprint_id", [None, "b"])
def test_a_listing_reads_an_index_in_its_order_and_nothing_else(
    connection: sqlite3.Connection, path: str, blueprint_id: str | None
) -> None:
    schema.migrate(connection, path)
    plans = plans_of(connection, lambda tables: tables.list_runs(None, blueprint_id, None, 9))
    assert len(plans) == 4
    for plan in plans:
        assert "USING INDEX runs_by_" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


def test_what_expires_is_found_by_an_index(connection: sqlite3.Connection, path: str) -> None:
    schema.migrate(connection, path)
    (plan,) = plans_of(connection, lambda tables: tables.expired(1.0, 9))
    assert "INDEX runs_to_expire" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


def plans_of(connection: sqlite3.Connection, step: Callable[[SqliteTables], object]) -> list[str]:
    """How SQLite goes about each statement of a step."""
    tables = SqliteTables(connection)
    execute, plans = tables._execute, []

    def explained(statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        plans.append("; ".join(row[3] for row in rows))
        return execute(statement, parameters)

    tables._execute = explained
    step(tables)
    return plans
