"""A disk without room: nothing that was accepted is lost, and work goes on when there is room."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowcraft.errors import BackendError
from flowcraft.testing import covers
from packages.core.tests.bad_days.apps import PATIENCE_SECONDS, make_app, until, working

WORKSPACE = Path(__file__).parents[4]
CHILD = "packages.core.tests.bad_days.child"


def child(command: str, path: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", CHILD, command, str(path)],
        cwd=WORKSPACE, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_log_that_fills_the_disk_is_written_back_before_anything_else(path: Path) -> None:
    message, after, is_kept = child("log", path)
    assert "Look at the disk and its free space" in message
    assert (after, is_kept) == (["kept", None], True)


@covers("S12.42")
def test_runs_accepted_before_there_was_no_room_complete_when_there_is(path: Path) -> None:
    message, statuses = child("runs", path)
    assert "Look at the disk and its free space" in message
    assert statuses
    assert set(statuses) == {"completed"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount`")
    if done.returncode:
        pytest.skip(f"this user may not mount a filesystem: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@covers("S12.42")
async def test_a_worker_goes_on_when_a_full_disk_has_room_again(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(small_disk / "flow.db")
    async with app:
        runs = [await app.submit("twice", "x" * 2000) for _ in range(20)]
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
        async with working(make_app(small_disk / "flow.db")):
            with pytest.raises(BackendError, match="the disk is full"):
                while True:
                    runs.append(await app.submit("twice", "y" * 2000))
            await until(lambda: "receive failed" in caplog.text)
            filler.unlink()
            assert {(await run.result(60)).status for run in runs} == {"completed"}
