"""The example's folder on bad days, and its index against a sorted list."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowcraft.adapters import find_adapter
from flowcraft.errors import BackendError, BackendUnavailableError, SchemaVersionError
from flowcraft_files.folder import Files, Folder
from flowcraft_files.schedule import Schedule
from flowcraft_files.spec import SPEC

STUCK = """
import asyncio, sys, threading
from flowcraft_files.folder import Folder

def stick(files):
    files.put(("half",), "done")
    print("inside", flush=True)
    threading.Event().wait()

asyncio.run(Folder(sys.argv[1], lock_seconds=5.0).step("stick", stick))
"""

Step = Callable[..., Any]


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Step]:
    """Does steps over one folder."""
    folder = Folder(str(tmp_path / "runs"), lock_seconds=0.2)

    def do(work: Callable[[Files], Any]) -> Any:
        return asyncio.run(folder.step("test", work))

    yield do
    asyncio.run(folder.aclose())


def write(files: Files) -> None:
    files.put(("k",), "v")


def read(files: Files) -> str | None:
    return files.get(("k",), str)


def test_a_process_stuck_in_a_step_keeps_others_out_until_it_is_killed(step, tmp_path):
    step(write)
    child = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(tmp_path / "runs")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "inside\n"
        with pytest.raises(BackendUnavailableError, match="a process that uses it was stopped"):
            step(write)
    finally:
        child.kill()
        child.communicate()
    assert step(read) == "v"
    assert step(lambda files: files.get(("half",), str)) is None


def test_a_step_that_raises_changes_nothing(step):
    def fail(files: Files) -> None:
        files.put(("k",), "half")
        raise RuntimeError("in the middle")

    step(write)
    with pytest.raises(RuntimeError):
        step(fail)
    assert step(read) == "v"


def test_a_folder_of_a_newer_version_is_left_alone(step):
    step(lambda files: files.put(("format",), 2))
    with pytest.raises(SchemaVersionError, match="has format 2"):
        step(write)


def test_a_folder_that_was_removed_does_not_come_back_empty(step, tmp_path):
    step(write)
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(BackendError, match="Was it removed"):
        step(write)
    assert not (tmp_path / "runs").exists()


def test_a_file_that_cannot_be_read_is_named(step, tmp_path):
    step(write)
    (tmp_path / "runs" / "k").write_bytes(b"")
    with pytest.raises(BackendError, match="/k is damaged"):
        step(read)


def test_what_is_deleted_leaves_no_folder_behind(step, tmp_path):
    step(lambda files: [files.put(("a", "b", str(n)), n) for n in range(3)])
    step(lambda files: files.delete_all(("a",)))
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["format", "lock"]


def test_an_index_finds_what_a_sorted_list_would(step):
    dice = random.Random(7)
    index = Schedule("index")
    times = [0.0, 599.9999, 600.0, 1e300, *(dice.choice([1.5, 1e9, 1.7e9]) for _ in range(20))]
    entries = {(at + dice.choice([0.0, 1e-6, 900.0]), f"N{dice.randrange(9)}") for at in times}
    gone = {entry for entry in entries if dice.random() < 0.3}

    def change(files: Files) -> None:
        for entry in entries:
            index.add(files, *entry)
        for entry in gone:
            index.discard(files, *entry)

    step(change)
    left = sorted(entries - gone)
    assert len(left) > 9
    for at in (0.0, 1.5, 600.0, 1.7e9, 2e9, float("inf")):
        wanted = [entry for entry in left if entry[0] <= at]
        found, first, count, latest = step(
            lambda files, at=at: (
                index.until(files, at, 99),
                index.until(files, at, 2),
                index.count_until(files, at),
                list(index.before(files, at)),
            )
        )
        assert first == found[:2]
        assert count == len(wanted)
        assert [name for _, name in latest] == [name for _, name in reversed(wanted)]
        # Of names at one time, the index may give any first.
        assert sorted(found) == sorted(latest)
        assert [time for time, _ in found] == [time for time, _ in reversed(latest)]


def test_the_adapter_is_found_by_its_name_and_its_urls():
    for name in ("files", "files:///runs"):
        assert find_adapter(name) == SPEC
