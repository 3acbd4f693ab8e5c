"""What is done to a file while workers have it open: an error that says so, and nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from flowcraft.errors import BackendError, BackendUnavailableError, SchemaVersionError
from flowcraft.testing import covers
from packages.core.tests.bad_days.apps import make_app, until, working


def execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(statement)
    finally:
        connection.close()


def remove(path: Path) -> None:
    path.unlink()


def remove_all(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        os.unlink(f"{path}{suffix}")


def remove_log(path: Path) -> None:
    os.unlink(f"{path}-wal")


def remove_shared_memory(path: Path) -> None:
    os.unlink(f"{path}-shm")


def replace(path: Path) -> None:
    shutil.copy(path, f"{path}.copy")
    os.replace(f"{path}.copy", path)


def truncate(path: Path) -> None:
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    execute(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


@covers("S12.41")
@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (remove, "flow.db was removed or replaced"),
        (remove_all, "flow.db was removed or replaced"),
        (remove_log, "flow.db-wal was removed or replaced"),
        (remove_shared_memory, "flow.db-shm was removed or replaced"),
        (replace, "flow.db was removed or replaced"),
        (truncate, "it is damaged"),
        (overwrite, "it is damaged"),
    ],
)
async def test_a_file_that_is_spoilt_takes_no_more_runs_and_the_worker_says_why(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], what: str
) -> None:
    app = make_app(path)
    async with app, working(make_app(path)):
        run = await app.submit("twice", 1)
        assert (await run.result(60)).output == 1
        spoil(path)
        with pytest.raises(BackendError, match=what):
            await app.submit("twice", 2)
        await until(lambda: any(what in str(vars(r).get("error")) for r in caplog.records))


async def test_what_was_committed_before_its_log_was_removed_is_saved_by_who_closes(
    path: Path,
) -> None:
    app = make_app(path)
    async with app:
        run = await app.submit("twice", 1)
        remove_log(path)
        with pytest.raises(BackendError, match="Stop every process"):
            await app.submit("twice", 2)
    async with app, working(app):
        assert (await app.run(run.run_id).result(60)).output == 1


@covers("S12.31", "S12.41")
async def test_a_file_that_a_newer_version_takes_over_is_written_no_more(path: Path) -> None:
    app = make_app(path)
    async with app, working(make_app(path)):
        run = await app.submit("twice", 1)
        await run.result(60)
        execute(path, "PRAGMA user_version = 99")
        with pytest.raises(SchemaVersionError, match="Upgrade it"):
            await app.submit("twice", 2, run_id="late")
        execute(path, "PRAGMA user_version = 1")
        assert (await (await app.submit("twice", 2, run_id="late")).result(60)).output == 2


async def test_a_worker_hands_back_what_it_cannot_record_for_a_lock_and_goes_on_after_it(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app, hasty = make_app(path), make_app(path, busy_timeout_seconds=0.05)
    async with app, hasty:
        runs = [await app.submit("twice", number) for number in range(10)]
        other = sqlite3.connect(path, isolation_level=None, timeout=60)
        try:
            async with working(make_app(path, busy_timeout_seconds=0.05)):
                await runs[0].result(60)
                other.execute("BEGIN EXCLUSIVE")
                await until(lambda: "receive failed" in caplog.text)
                with pytest.raises(BackendUnavailableError, match="locked by another program"):
                    await hasty.submit("twice", 10)
                other.execute("ROLLBACK")
                assert [(await run.result(60)).output for run in runs] == list(range(10))
        finally:
            other.close()
