"""The tables of a SQLite file, and how an older file becomes a current one.

    runs          header as JSON, beside it the columns that an index needs; other tables name a
                  run by its number, which is short
    cells         what is written once, in that order
    members       who arrived at an activation, with the value it carries
    sets          how many members a set has, from the second on, so that counting one more costs
                  the same at any size
    context       one row a key
    jobs          messages; the one visible first is taken first
    dead_letters  messages that nobody could handle, with the reason
    timers        jobs to be sent, by the time when they are due
    blueprints    by content
    coordination  keys of the whole application

The version of a file is its `user_version`: the number of migrations that were applied to it.
A migration is never edited once it is released; a change is a new one at the end.
"""

from __future__ import annotations

import sqlite3

from flowcraft.errors import BackendError, SchemaVersionError

APPLICATION_ID = 0x464C4F57
"""Marks a file as ours, in the header that SQLite reserves for it: "FLOW"."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE runs (
            number INTEGER PRIMARY KEY,
            run_id TEXT NOT NULL UNIQUE,
            header BLOB NOT NULL,
            status TEXT NOT NULL,
            blueprint_id TEXT NOT NULL,
            created_at REAL NOT NULL,
            parent TEXT,
            is_announced INTEGER NOT NULL,
            expires_from REAL,
            sweep_after REAL NOT NULL,
            sweeps INTEGER NOT NULL DEFAULT 0
        )
        """,
        "CREATE INDEX runs_to_sweep ON runs (sweep_after, run_id) WHERE is_announced = 0",
        "CREATE INDEX runs_to_expire ON runs (expires_from, run_id) WHERE expires_from IS NOT NULL",
        "CREATE INDEX runs_by_parent ON runs (parent, created_at, run_id) WHERE parent IS NOT NULL",
        "CREATE INDEX runs_by_status ON runs (status, created_at, run_id)",
        "CREATE INDEX runs_by_blueprint ON runs (blueprint_id, status, created_at, run_id)",
        # Values are appended and only short entries are sorted in: a transaction of many runs
        # then writes a fraction of the pages that it would if each run had pages of its own.
        """
        CREATE TABLE cells (
            number INTEGER PRIMARY KEY,
            run INTEGER NOT NULL,
            key TEXT NOT NULL,
            name TEXT NOT NULL,
            value BLOB NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX cells_by_key ON cells (run, key, name)",
        # What is told (engine/cells.py), for the journal.
        "CREATE INDEX cells_told ON cells (run) WHERE name = 'record' OR name GLOB 'failed:*'",
        """
        CREATE TABLE members (
            number INTEGER PRIMARY KEY,
            run INTEGER NOT NULL,
            key TEXT NOT NULL,
            member TEXT NOT NULL,
            taken INTEGER NOT NULL,
            value BLOB
        )
        """,
        "CREATE UNIQUE INDEX members_by_key ON members (run, key, member)",
        """
        CREATE TABLE sets (
            run INTEGER NOT NULL,
            key TEXT NOT NULL,
            members INTEGER NOT NULL,
            taken INTEGER NOT NULL,
            PRIMARY KEY (run, key)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE context (
            run INTEGER NOT NULL,
            key TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (run, key)
        ) WITHOUT ROWID
        """,
        # AUTOINCREMENT, for an id that came back could be acknowledged by its former holder, and
        # a dead letter be dropped in place of another one.
        """
        CREATE TABLE jobs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            body BLOB NOT NULL,
            visible_at REAL NOT NULL,
            token INTEGER NOT NULL DEFAULT 0,
            is_leased INTEGER NOT NULL DEFAULT 0
        )
        """,
        "CREATE INDEX jobs_by_visibility ON jobs (visible_at, id)",
        """
        CREATE TABLE dead_letters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            body BLOB NOT NULL,
            reason TEXT NOT NULL,
            at REAL NOT NULL
        )
        """,
        """
        CREATE TABLE timers (
            name TEXT PRIMARY KEY,
            due_at REAL NOT NULL,
            job BLOB NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX timers_by_due ON timers (due_at)",
        "CREATE TABLE blueprints (content_hash TEXT PRIMARY KEY, blueprint BLOB NOT NULL)",
        """
        CREATE TABLE coordination (
            key TEXT PRIMARY KEY,
            value TEXT NOT NULL,
            expires_at REAL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX coordination_by_expiry ON coordination (expires_at)"
        " WHERE expires_at IS NOT NULL",
    ),
)

VERSION = len(MIGRATIONS)


def check(connection: sqlite3.Connection, path: str) -> int:
    """Read the version of a file without writing to it; 0 for one without tables.

    Raises:
        SchemaVersionError: A newer Flowcraft wrote it.
        BackendError: It is another program's database.
    """
    # In one transaction: another process may be making the tables at this moment.
    began = not connection.in_transaction
    if began:
        connection.execute("BEGIN")
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        table = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    finally:
        if began and connection.in_transaction:
            connection.execute("ROLLBACK")
    is_new = application_id == 0 and table is None
    if application_id != APPLICATION_ID and not is_new:
        raise BackendError(
            f"{path} is the SQLite database of another program. Give Flowcraft a file of its own"
        )
    refuse_newer(int(version), path)
    return int(version)


def refuse_newer(version: int, path: str) -> None:
    """Refuse a version that is not known here.

    Raises:
        SchemaVersionError: A newer Flowcraft wrote the file.
    """
    if version > VERSION:
        raise SchemaVersionError(
            f"{path} has schema version {version}, and this Flowcraft knows versions up to"
            f" {VERSION}. Upgrade it: pip install --upgrade flowcraft-core"
        )


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a file to the current version, all of it or nothing.

    Two processes may open a file at once; the second finds it done.

    Raises:
        SchemaVersionError: A newer Flowcraft wrote it.
        BackendError: It is another program's database.
    """
    if check(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in MIGRATIONS[check(connection, path) :]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
