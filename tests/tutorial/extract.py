"""Writes the files of docs/write-an-adapter.md into a folder.

    python -m tests.tutorial.extract FOLDER
    python -m tests.tutorial.extract FOLDER --until four-methods

In the page, a file is a block of code under a line `<!-- file: PATH -->`, as a whole; a later one
of the same path takes its place. A line `<!-- checkpoint: NAME -->` stands where the package is
complete, and its tests pass.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "write-an-adapter.md"
MARK = re.compile(r"<!-- (?P<kind>file|checkpoint): (?P<name>\S+) -->")
FENCE = re.compile(r"(?P<fence>`{3,})\w*")


class PageError(Exception):
    """The page is not marked as it should be."""


def files_of(page: str, until: str | None = None) -> dict[str, str]:
    """The files of a page, by path.

    Args:
        page: Its text.
        until: The checkpoint at which to stop; None for the whole page.

    Raises:
        PageError: A file has no block, a block no end, or there is no such checkpoint.
    """
    lines = page.split("\n")
    files: dict[str, str] = {}
    for number, line in enumerate(lines):
        mark = MARK.fullmatch(line)
        if mark is None:
            continue
        if mark["kind"] == "file":
            files[mark["name"]] = _block_below(lines, number)
        elif mark["name"] == until:
            return files
    if until is not None:
        raise PageError(f"no checkpoint {until!r}")
    return files


def checkpoints_of(page: str) -> list[str]:
    """The names of a page's checkpoints, in their order."""
    marks = (MARK.fullmatch(line) for line in page.split("\n"))
    return [mark["name"] for mark in marks if mark is not None and mark["kind"] == "checkpoint"]


def _block_below(lines: list[str], number: int) -> str:
    opening = FENCE.fullmatch(lines[number + 1]) if number + 1 < len(lines) else None
    if opening is None:
        raise PageError(f"line {number + 1}: no block of code below {lines[number]}")
    block = lines[number + 2 :]
    if opening["fence"] not in block:
        raise PageError(f"line {number + 2}: a block of code without an end")
    return "".join(f"{line}\n" for line in block[: block.index(opening["fence"])])


def write(files: dict[str, str], folder: Path) -> None:
    """Write files into a folder, which is made if it is not there."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> None:
    """Run as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", metavar="CHECKPOINT")
    options = parser.parse_args()
    files = files_of(PAGE.read_text(encoding="utf-8"), options.until)
    write(files, options.folder)
    print(f"{len(files)} files in {options.folder}")


if __name__ == "__main__":
    main()
