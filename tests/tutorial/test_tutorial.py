"""The tutorial gives the example, and what it gives passes its tests at every checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tutorial.extract import PAGE, PageError, checkpoints_of, files_of, write

WORKSPACE = PAGE.parents[1]
EXAMPLE = WORKSPACE / "examples" / "files_adapter"
NOT_OURS = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
CHECKPOINTS = {
    "four-methods": ("-m", "not slow"),
    # The rest of the kit runs on the example itself, which is the same file by file.
    "native": ("-m", "not slow", "-k", "TestContracts or folder"),
}
PATIENCE_SECONDS = 1800


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_tutorial_gives_the_example_file_by_file():
    there = {
        str(path.relative_to(EXAMPLE)): path.read_text(encoding="utf-8")
        for path in EXAMPLE.rglob("*")
        if path.is_file() and NOT_OURS.isdisjoint(path.parts) and path.suffix != ".pyc"
    }
    given = files_of(page())
    assert sorted(given) == sorted(there)
    for name, text in given.items():
        assert text == there[name], f"{name}: python -m tests.tutorial.extract {EXAMPLE}"


def test_the_tutorial_has_its_checkpoints():
    assert checkpoints_of(page()) == [*CHECKPOINTS]


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_what_the_tutorial_gives_passes_its_own_tests(tmp_path: Path, checkpoint: str):
    write(files_of(page(), checkpoint), tmp_path)
    paths = [str(tmp_path / "src"), *(path for path in sys.path if path)]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            *CHECKPOINTS[checkpoint],
            "tests",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout


FILE = "File `a.py`:\n\n```python\n1\n```\n"


def test_a_later_block_takes_the_place_of_an_earlier_one():
    text = f"{FILE}\n<!-- checkpoint: one -->\n{FILE.replace('1', '2')}"
    assert files_of(text, "one") == {"a.py": "1\n"}
    assert files_of(text) == {"a.py": "2\n"}


@pytest.mark.parametrize(
    "text",
    ["File `a.py`:\n\nas said\n```python\n1\n```\n", FILE.removesuffix("```\n"), FILE],
    ids=["no block", "no end", "no checkpoint"],
)
def test_a_page_that_is_not_marked_as_it_should_be_is_refused(text: str):
    with pytest.raises(PageError):
        files_of(text, "one")
