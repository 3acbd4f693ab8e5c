"""Several processes on one file."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

from flowcraft.clock import SystemClock
from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import Cell
from flowcraft.engine.record import Record, encode_record
from flowcraft.local.queue import LocalQueue
from flowcraft.local.store import LocalStore
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import Commit, End, NewRun
from flowcraft.sqlite import SqliteBackend
from flowcraft.sqlite.waker import wake_folder
from flowcraft.status import RunHeader


def queue_of(backend: SqliteBackend) -> LocalQueue:
    return LocalQueue(backend.transact, SystemClock(), backend.waker, lease_seconds=600.0)


async def send(backend: SqliteBackend, *nodes: str) -> None:
    await queue_of(backend).send([Outgoing(JobPayload("r", "b", node)) for node in nodes])


async def test_a_message_wakes_a_process_that_would_wait_an_hour(
    backend: SqliteBackend, path: str, spawn: Any
) -> None:
    child = await spawn("receive", path)
    assert await child.line() == "waiting"
    await send(backend, "n")
    assert await child.line() == "n"
    assert await child.end() == 0


async def test_a_process_that_came_last_is_woken_by_one_that_was_there(
    backend: SqliteBackend, path: str, spawn: Any
) -> None:
    await send(backend, "before")  # the folder was listed, and nobody was in it
    await queue_of(backend).receive(9, 0.0)
    child = await spawn("receive", path)
    assert await child.line() == "waiting"
    await send(backend, "after")
    assert await child.line() == "after"


async def test_each_message_is_leased_by_one_of_two_processes(
    backend: SqliteBackend, path: str, spawn: Any
) -> None:
    nodes = [f"n{i}" for i in range(500)]
    await send(backend, *nodes)
    children = [await spawn("drain", path) for _ in range(2)]
    for child in children:
        assert await child.line() == "open"
    for child in children:
        child.go()
    taken = [json.loads(await child.line()) for child in children]
    assert sorted(taken[0] + taken[1]) == sorted(nodes)


async def test_each_lease_has_one_winner_of_two_processes(path: str, spawn: Any) -> None:
    children = [await spawn("claim", path) for _ in range(2)]
    for child in children:
        assert await child.line() == "open"
    for child in children:
        child.go()
    first, second = [json.loads(await child.line()) for child in children]
    assert [sum(pair) for pair in zip(first, second, strict=True)] == [1] * 100


async def test_two_processes_may_make_the_file_at_once(path: str, spawn: Any) -> None:
    children = [await spawn("write", path) for _ in range(4)]
    assert [json.loads(await child.line()) for child in children] == [None] * 4


async def test_another_process_goes_on_with_the_events_where_a_killed_one_stopped(
    backend: SqliteBackend, path: str, spawn: Any
) -> None:
    store = LocalStore(backend.transact, SystemClock(), first_sweep_seconds=30.0)
    header = RunHeader(run_id="r", blueprint_id="b", blueprint_hash="h")
    await store.create([NewRun(header=header, payload=b"null", context={})])

    async def record(node: str) -> None:
        value = encode_record(Record(outcome="completed"))
        await store.commit([Commit("r", Cell(node, RECORD, value))])

    await record("a")
    first = await spawn("events", path)
    assert json.loads(await first.line())[:2] == ["finished", "a"]
    await record("b")
    kind, node, cursor = json.loads(await first.line())
    assert (kind, node) == ("finished", "b")
    first.process.kill()
    await first.process.wait()
    await record("c")
    second = await spawn("events", path, cursor)
    assert json.loads(await second.line())[:2] == ["finished", "c"]
    await store.finish([End("r", "completed", at=1.0)])
    assert json.loads(await second.line())[:2] == ["ended", ""]
    assert await second.end() == 0


async def test_a_process_killed_in_a_transaction_leaves_what_was_committed(
    open_backend: Any, path: str, spawn: Any
) -> None:
    child = await spawn("hang", path)
    assert await child.line() == "inside"
    child.process.kill()
    await child.process.wait()
    backend = open_backend()
    assert await backend.transact(lambda db: db.get_key("first")) == ("kept", None)
    assert await backend.transact(lambda db: db.get_key("half 0")) is None
    await backend.transact(lambda db: db.put_key("next", "works", None))
    await backend.aclose()
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT key FROM coordination ORDER BY key").fetchall()
    finally:
        connection.close()
    assert rows == [("first",), ("next",)]


async def test_the_socket_of_a_killed_process_is_removed_by_who_finds_it(
    backend: SqliteBackend, path: str, spawn: Any
) -> None:
    child = await spawn("listen", path)
    assert await child.line() == "open"
    await backend.open()
    folder = wake_folder(backend.path)
    assert len(os.listdir(folder)) == 2
    child.process.kill()
    await child.process.wait()
    await send(backend, "n")
    assert [name.split("-")[0] for name in os.listdir(folder)] == [str(os.getpid())]
    await backend.aclose()
    assert not os.path.exists(folder)


async def test_a_process_that_ends_leaves_nothing_beside_the_file(path: str, spawn: Any) -> None:
    child = await spawn("listen", path)
    assert await child.line() == "open"
    child.go()
    assert await child.end() == 0
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
