"""The same contract on both embedded backends: in memory, and in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from flowcraft.clock import SystemClock
from flowcraft.local.database import LocalDatabase, Transactor
from flowcraft.local.queue import LocalQueue
from flowcraft.local.store import LocalStore
from flowcraft.local.waker import Waker
from flowcraft.memory.adapter import MemoryBackend
from flowcraft.memory.tables import MemoryTables
from flowcraft.sqlite import SqliteBackend, SqliteSettings
from flowcraft.sqlite.tables import SqliteTables
from flowcraft.sqlite.writer import open_file

LEASE_SECONDS = 30.0


class HandClock(SystemClock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def db(kind: str, tmp_path: Path) -> Iterator[LocalDatabase]:
    """Tables in an open transaction."""
    if kind == "memory":
        yield MemoryTables()
        return
    path = str(tmp_path / "flow.db")
    connection = open_file(path, SqliteSettings(path=path))
    connection.execute("BEGIN IMMEDIATE")
    yield SqliteTables(connection)
    connection.execute("COMMIT")
    connection.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def backend(
    kind: str, tmp_path: Path, clock: HandClock
) -> AsyncIterator[MemoryBackend | SqliteBackend]:
    if kind == "memory":
        yield MemoryBackend()
        return
    made = SqliteBackend(SqliteSettings(path=str(tmp_path / "flow.db")), clock)
    try:
        yield made
    finally:
        await made.aclose()


@pytest.fixture
def transact(backend: MemoryBackend | SqliteBackend) -> Transactor:
    return backend.transact


@pytest.fixture
def waker(backend: MemoryBackend | SqliteBackend) -> Waker:
    return backend.waker


@pytest.fixture
def store(transact: Transactor, clock: HandClock) -> LocalStore:
    return LocalStore(transact, clock, first_sweep_seconds=LEASE_SECONDS)


@pytest.fixture
def queue(transact: Transactor, clock: HandClock, waker: Waker) -> LocalQueue:
    return LocalQueue(transact, clock, waker, lease_seconds=LEASE_SECONDS)
