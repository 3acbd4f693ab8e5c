"""The primitives of the embedded store, in SQL.

Every statement is constant text with parameters, so that SQLite compiles each one once and no
key is ever part of a query. One cursor serves them all: nothing here leaves a result half read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from flowcraft.local.database import JobRow, LocalDatabase, TimerRow
from flowcraft.ports.queue import DeadLetter
from flowcraft.ports.store import Place, Stalled
from flowcraft.sqlite.headers import HeaderCodec
from flowcraft.status import ListedStatus, RunHeader

_NEWEST = Place(float("inf"), "")
"""A place above those of all runs."""
_OF_STATUS = (
    "SELECT created_at, run_id, header FROM runs WHERE status = ?"
    " AND (created_at, run_id) < (?, ?) ORDER BY created_at DESC, run_id DESC LIMIT ?"
)
_OF_BLUEPRINT = _OF_STATUS.replace("WHERE", "WHERE blueprint_id = ? AND")

_ADD_MEMBER = (
    "INSERT INTO members (run, key, member, taken, value) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)

_RUN_TABLES = ("cells", "members", "sets", "context")


class SqliteTables(LocalDatabase):
    """All rows of a file, over one connection; the caller opens and ends the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        cursor = connection.cursor()
        self._cursor = cursor
        self._execute = cursor.execute
        self._headers = HeaderCodec()
        self._runs: dict[str, tuple[int, RunHeader]] = {}

    def begin(self) -> None:
        """Begin with a transaction: others may have changed what the one before read."""
        self.has_news = False
        self._runs.clear()

    # -- runs

    def get_run(self, run_id: str) -> RunHeader | None:
        run = self._runs.get(run_id)
        if run is not None:
            return run[1]
        row = self._execute(
            "SELECT number, header FROM runs WHERE run_id = ?", (run_id,)
        ).fetchone()
        if row is None:
            return None
        number, encoded = row
        header = self._headers.remembered(run_id, encoded)
        self._runs[run_id] = (number, header)
        return header

    def _number(self, run_id: str) -> int | None:
        """The number by which the other tables name a run; None if there is no such run."""
        self.get_run(run_id)
        run = self._runs.get(run_id)
        return run[0] if run is not None else None

    def insert_run(self, header: RunHeader, sweep_after: float) -> None:
        self._execute(
            "INSERT INTO runs (run_id, header, status, blueprint_id, created_at, parent,"
            " is_announced, sweep_after) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                header.run_id,
                self._headers.encode(header),
                header.status,
                header.blueprint_id,
                header.created_at,
                header.parent.run_id if header.parent is not None else None,
                header.is_announced,
                sweep_after,
            ),
        )
        number = self._cursor.lastrowid
        assert number is not None
        self._runs[header.run_id] = (number, header)

    def update_run(self, header: RunHeader) -> None:
        self._execute(
            "UPDATE runs SET header = ?, status = ?, is_announced = ?, expires_from = ?"
            " WHERE run_id = ?",
            (
                self._headers.encode(header),
                header.status,
                header.is_announced,
                header.expires_from,
                header.run_id,
            ),
        )
        run = self._runs.get(header.run_id)
        if run is not None:
            self._runs[header.run_id] = (run[0], header)
        self.has_news = True

    def child_ids(self, run_id: str) -> Sequence[str]:
        rows = self._execute(
            "SELECT run_id FROM runs WHERE parent = ? ORDER BY created_at, run_id", (run_id,)
        )
        return [row[0] for row in rows.fetchall()]

    def list_runs(
        self,
        status: ListedStatus | None,
        blueprint_id: str | None,
        before: Place | None,
        limit: int,
    ) -> Sequence[RunHeader]:
        # One index serves all: of every status as many as are wanted, of which the newest count.
        rows: list[tuple[float, str, bytes]] = []
        for wanted in get_args(ListedStatus) if status is None else (status,):
            below = (wanted, *(before or _NEWEST), limit)
            if blueprint_id is None:
                rows += self._execute(_OF_STATUS, below).fetchall()
            else:
                rows += self._execute(_OF_BLUEPRINT, (blueprint_id, *below)).fetchall()
        rows.sort(reverse=True)
        return [self._headers.decode(header) for _, _, header in rows[:limit]]

    def expired(self, before: float, limit: int) -> Sequence[str]:
        rows = self._execute(
            "SELECT run_id FROM runs WHERE expires_from < ? ORDER BY expires_from, run_id LIMIT ?",
            (before, limit),
        )
        return [row[0] for row in rows.fetchall()]

    def delete_run(self, run_id: str) -> None:
        number = self._number(run_id)
        for table in _RUN_TABLES:
            self._execute(f"DELETE FROM {table} WHERE run = ?", (number,))  # noqa: S608 - ours
        self._execute("DELETE FROM runs WHERE number = ?", (number,))
        self._execute("UPDATE runs SET parent = NULL WHERE parent = ?", (run_id,))
        self._headers.forget(run_id)
        self._runs.pop(run_id, None)

    # -- cells and sets

    def get_cells(self, run_id: str, key: str) -> Mapping[str, bytes]:
        rows = self._execute(
            "SELECT name, value FROM cells WHERE run = ? AND key = ?", (self._number(run_id), key)
        )
        return dict(rows.fetchall())

    def get_cell(self, run_id: str, key: str, name: str) -> bytes | None:
        row = self._execute(
            "SELECT value FROM cells WHERE run = ? AND key = ? AND name = ?",
            (self._number(run_id), key, name),
        ).fetchone()
        return row[0] if row is not None else None

    def insert_cell(self, run_id: str, key: str, name: str, value: bytes) -> bool:
        added = self._execute(
            "INSERT INTO cells (run, key, name, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (self._number(run_id), key, name, value),
        )
        return added.rowcount == 1

    def get_journal(self, run_id: str, after: int, limit: int) -> Sequence[tuple[int, str, str]]:
        return self._execute(
            "SELECT number, key, name FROM cells INDEXED BY cells_told WHERE run = ?"
            " AND (name = 'record' OR name GLOB 'failed:*') AND number > ? ORDER BY number LIMIT ?",
            (self._number(run_id), after, limit),
        ).fetchall()

    def get_members(self, run_id: str, key: str) -> Iterable[tuple[str, bool, bytes | None]]:
        rows = self._execute(
            "SELECT member, taken, value FROM members WHERE run = ? AND key = ?",
            (self._number(run_id), key),
        )
        return [(member, bool(taken), value) for member, taken, value in rows.fetchall()]

    def count_members(self, run_id: str, key: str) -> int:
        run = self._number(run_id)
        counts = self._execute(
            "SELECT members FROM sets WHERE run = ? AND key = ?", (run, key)
        ).fetchall()
        if counts:
            return int(counts[0][0])
        rows = self._execute(
            "SELECT taken FROM members WHERE run = ? AND key = ? LIMIT 2", (run, key)
        ).fetchall()
        return len(rows)

    def insert_member(
        self, run_id: str, key: str, member: str, taken: bool, value: bytes | None
    ) -> tuple[int, int]:
        run = self._number(run_id)
        added = self._execute(_ADD_MEMBER, (run, key, member, taken, value))
        if added.rowcount == 1:
            counts = self._execute(
                "UPDATE sets SET members = members + 1, taken = taken + ?"
                " WHERE run = ? AND key = ? RETURNING members, taken",
                (taken, run, key),
            ).fetchall()
        else:
            counts = self._execute(
                "SELECT members, taken FROM sets WHERE run = ? AND key = ?", (run, key)
            ).fetchall()
        if counts:
            return counts[0][0], counts[0][1]
        # Most sets have one member, and no count: it is written with the second.
        rows = self._execute(
            "SELECT taken FROM members WHERE run = ? AND key = ? LIMIT 2", (run, key)
        ).fetchall()
        count = (len(rows), sum(row[0] for row in rows))
        if len(rows) == 2:
            self._execute(
                "INSERT INTO sets (run, key, members, taken) VALUES (?, ?, ?, ?)",
                (run, key, *count),
            )
        return count

    def put_member(
        self, run_id: str, key: str, member: str, taken: bool, value: bytes | None
    ) -> None:
        self._execute(_ADD_MEMBER, (self._number(run_id), key, member, taken, value))

    # -- context

    def get_context(self, run_id: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        for key in keys:
            row = self._execute(
                "SELECT value FROM context WHERE run = ? AND key = ?", (self._number(run_id), key)
            ).fetchone()
            if row is not None:
                found[key] = row[0]
        return found

    def get_whole_context(self, run_id: str) -> Mapping[str, bytes]:
        number = self._number(run_id)
        rows = self._execute("SELECT key, value FROM context WHERE run = ?", (number,))
        return dict(rows.fetchall())

    def write_context(self, run_id: str, key: str, value: bytes | None) -> None:
        number = self._number(run_id)
        if value is None:
            self._execute("DELETE FROM context WHERE run = ? AND key = ?", (number, key))
        else:
            self._execute(
                "INSERT INTO context (run, key, value) VALUES (?, ?, ?)"
                " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
                (number, key, value),
            )

    # -- jobs

    def insert_job(self, body: bytes, visible_at: float) -> None:
        self._execute("INSERT INTO jobs (body, visible_at) VALUES (?, ?)", (body, visible_at))
        self.has_news = True

    # Of `is_leased` the first bit says whether a message is held, the second whether the lease of
    # one who held it has ended.

    def take_jobs(self, now: float, limit: int, lease_until: float) -> Sequence[JobRow]:
        rows = self._execute(
            "SELECT id, token, body, is_leased FROM jobs WHERE visible_at <= ?"
            " ORDER BY visible_at, id LIMIT ?",
            (now, limit),
        ).fetchall()
        self._cursor.executemany(
            "UPDATE jobs SET token = token + 1, is_leased = iif(is_leased, 3, 1), visible_at = ?"
            " WHERE id = ?",
            [(lease_until, row[0]) for row in rows],
        )
        return [JobRow(id_, token + 1, body, bool(leased)) for id_, token, body, leased in rows]

    def next_job_at(self) -> float | None:
        (row,) = self._execute("SELECT min(visible_at) FROM jobs").fetchall()
        return None if row[0] is None else float(row[0])

    def delete_job(self, id_: int, token: int) -> bool:
        gone = self._execute("DELETE FROM jobs WHERE id = ? AND token = ?", (id_, token))
        return gone.rowcount == 1

    def extend_job(self, id_: int, token: int, until: float) -> bool:
        moved = self._execute(
            "UPDATE jobs SET visible_at = ? WHERE id = ? AND token = ? AND is_leased & 1",
            (until, id_, token),
        )
        return moved.rowcount == 1

    def release_job(self, id_: int, token: int, visible_at: float) -> None:
        freed = self._execute(
            "UPDATE jobs SET visible_at = ?, is_leased = is_leased & 2 WHERE id = ? AND token = ?",
            (visible_at, id_, token),
        )
        if freed.rowcount == 1:
            self.has_news = True

    def bury_job(self, id_: int, token: int, reason: str, at: float) -> None:
        self._execute(
            "INSERT INTO dead_letters (body, reason, at)"
            " SELECT body, ?, ? FROM jobs WHERE id = ? AND token = ?",
            (reason, at, id_, token),
        )
        self.delete_job(id_, token)

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        rows = self._execute(
            "SELECT CAST(id AS TEXT), body, reason, at FROM dead_letters ORDER BY id LIMIT ?",
            (limit,),
        )
        return [DeadLetter(*row) for row in rows.fetchall()]

    def take_dead_letter(self, id_: str) -> bytes | None:
        # As text: a text that is no number is no id, and raises nothing.
        rows = self._execute(
            "DELETE FROM dead_letters WHERE id = ? RETURNING body", (id_,)
        ).fetchall()
        return rows[0][0] if rows else None

    def count_jobs(self, now: float) -> int:
        (row,) = self._execute("SELECT count(*) FROM jobs WHERE visible_at <= ?", (now,)).fetchall()
        return int(row[0])

    # -- sweeping

    def set_sweep(self, run_id: str, after: float, *, by_sweeper: bool) -> None:
        self._execute(
            "UPDATE runs SET sweep_after = ?, sweeps = CASE WHEN ? THEN sweeps + 1 ELSE 0 END"
            " WHERE run_id = ?",
            (after, by_sweeper, run_id),
        )

    def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        rows = self._execute(
            "SELECT run_id, sweeps FROM runs WHERE is_announced = 0 AND sweep_after <= ?"
            " ORDER BY sweep_after, run_id LIMIT ?",
            (now, limit),
        )
        return [Stalled(run_id, sweeps) for run_id, sweeps in rows.fetchall()]

    # -- timers

    def set_timer(self, timer: TimerRow) -> None:
        self._execute(
            "INSERT INTO timers (name, due_at, job) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, job = excluded.job",
            timer,
        )

    def due_timers(self, now: float, limit: int) -> Sequence[TimerRow]:
        rows = self._execute(
            "SELECT name, due_at, job FROM timers WHERE due_at <= ? ORDER BY due_at LIMIT ?",
            (now, limit),
        )
        return [TimerRow(*row) for row in rows.fetchall()]

    def clear_timer(self, name: str, due_at: float) -> None:
        self._execute("DELETE FROM timers WHERE name = ? AND due_at = ?", (name, due_at))

    # -- blueprints

    def put_blueprint(self, content_hash: str, blueprint: bytes) -> None:
        self._execute(
            "INSERT INTO blueprints (content_hash, blueprint) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (content_hash, blueprint),
        )

    def get_blueprint(self, content_hash: str) -> bytes | None:
        row = self._execute(
            "SELECT blueprint FROM blueprints WHERE content_hash = ?", (content_hash,)
        ).fetchone()
        return row[0] if row is not None else None

    # -- coordination keys

    def get_key(self, key: str) -> tuple[str, float | None] | None:
        row = self._execute(
            "SELECT value, expires_at FROM coordination WHERE key = ?", (key,)
        ).fetchone()
        return (row[0], row[1]) if row is not None else None

    def put_key(self, key: str, value: str, expires_at: float | None) -> None:
        self._execute(
            "INSERT INTO coordination (key, value, expires_at) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value,"
            " expires_at = excluded.expires_at",
            (key, value, expires_at),
        )

    def delete_key(self, key: str) -> bool:
        return self._execute("DELETE FROM coordination WHERE key = ?", (key,)).rowcount == 1

    def drop_expired_keys(self, now: float, limit: int) -> None:
        self._execute(
            "DELETE FROM coordination WHERE key IN"
            " (SELECT key FROM coordination WHERE expires_at <= ? LIMIT ?)",
            (now, limit),
        )
