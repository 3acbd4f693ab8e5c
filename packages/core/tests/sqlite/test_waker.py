"""Waking the other processes of a file, without waiting for any of them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flowcraft.clock import SystemClock
from flowcraft.local.database import LocalDatabase
from flowcraft.sqlite import SqliteBackend
from flowcraft.sqlite.waker import LONGEST_SOCKET_PATH, SqliteWaker, wake_folder


class Wakers:
    """Wakers of one file; all of them in this process."""

    def __init__(self, database: str) -> None:
        self._database = database
        self.made: list[SqliteWaker] = []

    def open(self, *, is_busy: bool = False) -> SqliteWaker:
        waker = SqliteWaker(self._database, SystemClock(), lambda: is_busy)
        self.made.append(waker)
        waker.open()
        return waker


@pytest.fixture
async def wakers(path: str) -> AsyncIterator[Wakers]:
    made = Wakers(path)
    try:
        yield made
    finally:
        for waker in made.made:
            waker.close()


async def waits(waker: SqliteWaker) -> asyncio.Task[None]:
    """A task that waits for news far longer than any test lasts."""
    waiting = asyncio.create_task(waker.wait(3600.0))
    await asyncio.sleep(0)
    return waiting


async def test_everybody_else_is_told(wakers: Wakers) -> None:
    one, two, three = (wakers.open() for _ in range(3))
    waiting = [await waits(waker) for waker in (one, two)]
    three.tell_others()
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)


async def test_a_waker_of_this_process_wakes_nobody_else(wakers: Wakers) -> None:
    one, two = wakers.open(), wakers.open()
    waiting = [await waits(waker) for waker in (one, two)]
    one.wake()
    await waiting[0]
    assert not waiting[1].done()
    waiting[1].cancel()


async def test_a_newcomer_is_told_by_those_who_looked_before(wakers: Wakers) -> None:
    first = wakers.open()
    first.tell_others()  # has listed an empty folder
    undisturbed = await waits(first)
    second = wakers.open()
    waiting = await waits(second)
    await asyncio.sleep(0)  # what lies in a socket is read within a turn of the loop
    first.tell_others()
    async with asyncio.timeout(60):
        await waiting
    assert not undisturbed.done()
    undisturbed.cancel()


async def test_who_does_not_listen_holds_nobody_up(wakers: Wakers, path: str) -> None:
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        speaker = wakers.open()
        deaf.bind(os.path.join(wake_folder(path), "1-deaf"))
        speaker._listed_at = None
        for _ in range(5000):
            speaker.tell_others()
        assert os.path.exists(os.path.join(wake_folder(path), "1-deaf"))
    finally:
        deaf.close()


async def test_a_dead_socket_is_removed(wakers: Wakers, path: str) -> None:
    os.makedirs(wake_folder(path))
    dead = os.path.join(wake_folder(path), "1-dead")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.bind(dead)
    wakers.open()
    assert not os.path.exists(dead)


async def test_the_folder_goes_with_the_last_one(wakers: Wakers, path: str) -> None:
    one, two = wakers.open(), wakers.open()
    one.close()
    assert os.path.isdir(wake_folder(path))
    two.close()
    two.close()
    assert not os.path.exists(wake_folder(path))
    one.open()
    assert os.path.isdir(wake_folder(path))


async def test_a_folder_that_cannot_be_made_leaves_the_poll(
    path: str, wakers: Wakers, caplog: pytest.LogCaptureFixture
) -> None:
    Path(wake_folder(path)).write_text("in the way")
    waker = wakers.open()
    assert "polling only" in caplog.text
    waker.tell_others()
    waiting = await waits(waker)
    waker.wake()
    await waiting


async def test_news_during_a_step_is_heard_again_after_it(wakers: Wakers) -> None:
    busy, other = wakers.open(is_busy=True), wakers.open()
    waiting = await waits(busy)
    other.tell_others()
    async with asyncio.timeout(60):
        await waiting
    assert busy.has_heard


def take_all(db: LocalDatabase) -> None:
    for row in db.take_jobs(1.0, 9, 2.0):
        db.delete_job(row.id, row.token)


async def test_a_step_that_found_nothing_does_not_hide_the_news_behind_it(
    backend: SqliteBackend,
) -> None:
    """Both commit before the first of them is told: it must hear of the second nevertheless."""
    await backend.open()

    async def looks_then_waits() -> None:
        await backend.transact(lambda db: db.take_jobs(1.0, 1, 2.0))
        await backend.waker.wait(3600.0)

    for _ in range(50):
        waiting = asyncio.create_task(looks_then_waits())
        await asyncio.sleep(0)
        await backend.transact(lambda db: db.insert_job(b"j", 0.0))
        async with asyncio.timeout(60):
            await waiting
        await backend.transact(take_all)


@pytest.fixture
def deep(tmp_path: Path) -> str:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 10)
    folder.mkdir(parents=True)
    return str(folder / "flow.db")


async def test_a_path_too_long_for_a_socket_gets_a_short_folder(
    deep: str, open_backend: Any
) -> None:
    folder = wake_folder(deep)
    assert len(os.fsencode(folder)) + 20 <= LONGEST_SOCKET_PATH
    assert folder != wake_folder(deep + "2")
    one, two = open_backend(path=deep), open_backend(path=deep)
    await one.open()
    await two.open()
    waiting = await waits(one.waker)
    await two.transact(lambda db: db.insert_job(b"j", 0.0))
    async with asyncio.timeout(60):
        await waiting
    await one.aclose()
    await two.aclose()
    assert not os.path.exists(folder)
