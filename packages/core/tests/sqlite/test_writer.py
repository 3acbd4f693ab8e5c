"""The thread that runs the steps."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from flowcraft.errors import (
    BackendError,
    BackendUnavailableError,
    PayloadTooLargeError,
    ValueNotStorableError,
)
from flowcraft.local.database import LocalDatabase
from flowcraft.sqlite import SqliteBackend
from flowcraft.sqlite.writer import Writer
from flowcraft.testing import covers


class Held:
    """Holds the thread inside a step until it is let go."""

    def __init__(self, backend: SqliteBackend) -> None:
        self._entered = threading.Event()
        self._leave = threading.Event()
        self._backend = backend

    def _step(self, db: LocalDatabase) -> None:
        self._entered.set()
        assert self._leave.wait(60)

    async def __aenter__(self) -> None:
        self._task = asyncio.ensure_future(self._backend.transact(self._step))
        assert await asyncio.to_thread(self._entered.wait, 60)

    async def __aexit__(self, *error: object) -> None:
        self._leave.set()
        await self._task


@pytest.fixture
async def statements(backend: SqliteBackend) -> list[str]:
    """Every statement that the thread executes from now on."""
    heard: list[str] = []
    await backend.open()

    def listen(db: Any) -> None:
        db._cursor.connection.set_trace_callback(heard.append)

    await backend.transact(listen)
    heard.clear()
    return heard


def put(key: str) -> Any:
    return lambda db: db.put_key(key, "v", None)


async def test_what_waits_together_is_one_transaction(
    backend: SqliteBackend, statements: list[str]
) -> None:
    async with Held(backend):
        waiting = [asyncio.ensure_future(backend.transact(put(f"k{i}"))) for i in range(300)]
        await asyncio.sleep(0)
        statements.clear()
    await asyncio.gather(*waiting)
    assert statements.count("BEGIN IMMEDIATE") == 1
    assert statements.count("COMMIT") == 2  # of the step that held the thread, and of all others


async def test_a_lone_step_is_a_transaction(backend: SqliteBackend, statements: list[str]) -> None:
    await backend.transact(put("k"))
    assert statements[0] == "BEGIN IMMEDIATE"
    assert statements[-1] == "COMMIT"


@covers("S12.7")
async def test_a_step_that_raises_leaves_its_neighbours_alone(backend: SqliteBackend) -> None:
    def fail(db: LocalDatabase) -> None:
        db.put_key("half", "v", None)
        raise LookupError("of this step")

    await backend.open()
    async with Held(backend):
        waiting = [
            asyncio.ensure_future(backend.transact(step))
            for step in (put("before"), fail, put("after"), fail)
        ]
        await asyncio.sleep(0)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LookupError] * 2
    found = await backend.transact(lambda db: [db.get_key(k) for k in ("before", "half", "after")])
    assert found == [("v", None), None, ("v", None)]


async def test_nobody_hears_of_a_step_before_it_is_committed(
    backend: SqliteBackend, path: str
) -> None:
    await backend.open()
    reader = sqlite3.connect(path)
    try:
        for i in range(50):
            await backend.transact(put(f"k{i}"))
            seen = reader.execute("SELECT 1 FROM coordination WHERE key = ?", (f"k{i}",)).fetchone()
            assert seen == (1,)
    finally:
        reader.close()


async def test_the_event_loop_goes_on_while_a_step_takes_its_time(backend: SqliteBackend) -> None:
    await backend.open()
    async with Held(backend):
        for _ in range(10):
            await asyncio.sleep(0)


async def test_a_step_that_was_cancelled_before_it_began_is_left_out(
    backend: SqliteBackend,
) -> None:
    await backend.open()
    async with Held(backend):
        waiting = asyncio.ensure_future(backend.transact(put("k")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert await backend.transact(lambda db: db.get_key("k")) is None


async def test_closing_finishes_what_was_begun(backend: SqliteBackend, path: str) -> None:
    await backend.open()
    waiting = [asyncio.ensure_future(backend.transact(put(f"k{i}"))) for i in range(2000)]
    await asyncio.sleep(0)
    await backend.aclose()
    assert all(task.done() for task in waiting)
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("SELECT count(*) FROM coordination").fetchone() == (2000,)
    finally:
        connection.close()
    assert not Path(f"{path}-wal").exists(), "the log was not written back"


async def test_a_closed_writer_takes_no_steps(backend: SqliteBackend) -> None:
    writer = Writer(backend.path, backend.settings, lambda: None, lambda has_news: None)
    await asyncio.gather(writer.aclose(), writer.aclose())
    with pytest.raises(BackendError, match="was closed"):
        await writer.transact(put("k"))


async def test_a_closed_backend_can_be_opened_again(backend: SqliteBackend) -> None:
    await backend.transact(put("k"))
    await backend.aclose()
    await backend.aclose()
    assert await backend.transact(lambda db: db.get_key("k")) == ("v", None)


async def test_a_lock_of_another_program_is_waited_for(backend: SqliteBackend, path: str) -> None:
    await backend.open()
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(backend.transact(put("k")))
        await asyncio.sleep(0)
        assert not waiting.done()
        other.execute("ROLLBACK")
        await waiting
    finally:
        other.close()


async def test_what_only_reads_waits_for_no_lock_and_keeps_nobody_waiting(
    backend: SqliteBackend, path: str
) -> None:
    await backend.transact(put("k"))
    other = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE coordination SET value = 'new'")
        read = await backend.transact(lambda db: db.get_key("k"), only_reads=True)
        assert read == ("v", None)
        other.execute("COMMIT")

        def while_it_reads(db: Any) -> object:
            found = db.get_key("k")
            other.execute("UPDATE coordination SET value = 'newer'")
            return found

        assert await backend.transact(while_it_reads, only_reads=True) == ("new", None)
        assert await backend.transact(lambda db: db.get_key("k"), only_reads=True) == (
            "newer", None,
        )  # fmt: skip
    finally:
        other.close()


async def test_a_lock_that_stays_is_an_error_and_costs_nothing_else(
    open_backend: Any, path: str
) -> None:
    backend = open_backend(busy_timeout_seconds=0.05)
    await backend.open()
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendUnavailableError, match="locked by another program") as caught:
            await backend.transact(put("k"))
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert caught.value.retryable
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert await backend.transact(lambda db: db.get_key("k")) is None
    await backend.transact(put("k"))


async def test_a_file_that_is_locked_when_it_is_opened_can_be_opened_later(
    open_backend: Any, path: str
) -> None:
    backend = open_backend(busy_timeout_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BackendUnavailableError):
            await backend.transact(put("k"))
        other.execute("ROLLBACK")
        await backend.transact(put("k"))
    finally:
        other.close()


async def test_a_full_disk_is_an_error_and_the_file_stays_usable(backend: SqliteBackend) -> None:
    def limit(pages: int) -> Any:
        return lambda db: db._cursor.connection.execute(f"PRAGMA max_page_count = {pages}")

    await backend.transact(put("k"))
    await backend.transact(limit(1))  # as many as there are: none may be added
    with pytest.raises(BackendError, match="disk is full") as caught:
        await backend.transact(lambda db: db.put_key("large", "x" * 10**6, None))
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    await backend.transact(limit(10**6))
    await backend.transact(lambda db: db.put_key("large", "x" * 10**6, None))


async def test_a_text_that_is_no_text_is_the_steps_own_error(backend: SqliteBackend) -> None:
    with pytest.raises(ValueNotStorableError, match="lone surrogate"):
        await backend.transact(put("\ud800"))


async def test_a_value_beyond_the_limit_of_sqlite_is_the_steps_own_error(
    backend: SqliteBackend,
) -> None:
    def step(db: Any) -> None:
        db._cursor.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
        db.put_key("k", "x" * 2000, None)

    with pytest.raises(PayloadTooLargeError):
        await backend.transact(step)
