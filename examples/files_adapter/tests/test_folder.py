"""A step happens wholly or not at all, wherever its process is killed."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path

from flowcraft_files.folder import Files, Folder

CHILD = """
import asyncio, os, pathlib, signal, sys
from flowcraft_files.folder import Files, Folder

root, fatal = sys.argv[1], int(sys.argv[2])
count = 0

def count_up():
    global count
    count += 1
    if count == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    # Python tells of every file that is opened, made, renamed or removed, just before it is.
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
        if root in str(arguments[0]):
            count_up()

def write_bytes(path, data):
    with path.open("wb", buffering=0) as file:
        file.write(data[:1])
        count_up()
        file.write(data[1:])

def change(files: Files) -> None:
    files.put(("a", "old"), "changed")
    files.put(("a", "new"), "made")
    files.delete(("b", "gone"))
    files.put(("c", "X" * 300), "made")

folder = Folder(root, lock_seconds=5.0)
pathlib.Path.write_bytes = write_bytes
sys.addaudithook(watch)
asyncio.run(folder.step("change", change))
"""

BEFORE = (["old"], ["there"], [])
AFTER = (["changed", "made"], [], ["made"])


def look(files: Files) -> tuple[list[str], ...]:
    return tuple(sorted(files.get_all((place,), str)) for place in "abc")


def prepare(files: Files) -> None:
    files.put(("a", "old"), "old")
    files.put(("b", "gone"), "there")


def step(root: Path, do):
    async def main():
        folder = Folder(str(root), lock_seconds=5.0)
        try:
            return await folder.step("step", do)
        finally:
            await folder.aclose()

    return asyncio.run(main())


def test_a_process_killed_at_any_operation_leaves_all_of_its_step_or_nothing(tmp_path):
    seen = []
    for fatal in itertools.count(1):
        root = tmp_path / str(fatal)
        step(root, prepare)
        child = subprocess.run([sys.executable, "-c", CHILD, str(root), str(fatal)], timeout=60)
        seen.append(step(root, look))
        if child.returncode == 0:
            break
        assert child.returncode == -9
    assert len(seen) > 10
    decided = seen.index(AFTER)
    assert seen == [BEFORE] * decided + [AFTER] * (len(seen) - decided)
    assert 0 < decided < len(seen) - 1, "it was killed before and after the step was decided"


def test_any_text_is_a_name_and_no_two_are_one(tmp_path):
    texts = ["", ".", "..", "a", "A", "a b", "a-b", "a/b", "é", "x" * 300, "x" * 301, "a\n", "a\0"]

    def write(files: Files) -> None:
        for text in texts:
            files.put(("names", text), text)

    step(tmp_path, write)
    assert step(tmp_path, lambda files: [files.get(("names", t), str) for t in texts]) == texts
    names = step(tmp_path, lambda files: files.names(("names",)))
    assert len({name.lower() for name in names}) == len(texts)
