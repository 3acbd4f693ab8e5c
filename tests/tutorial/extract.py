"""Writes the files of docs/write-an-adapter.md into a folder.

    python -m tests.tutorial.extract FOLDER
    python -m tests.tutorial.extract FOLDER --until four-methods

In the page, a file is a block of code below a line that names it, as a whole; a later one of the
same path takes its place:

    File `PATH`:

A line `<!-- checkpoint: NAME -->` stands where the package is complete, and its tests pass.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "write-an-adapter.md"
NAMED = re.compile(r"File `(?P<path>\S+)`:")
CHECKPOINT = re.compile(r"<!-- checkpoint: (?P<name>\S+) -->")
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
        if named := NAMED.fullmatch(line):
            files[named["path"]] = _block_below(lines, number)
        elif (mark := CHECKPOINT.fullmatch(line)) and mark["name"] == until:
            return files
    if until is not None:
        raise PageError(f"no checkpoint {until!r}")
    return files


def checkpoints_of(page: str) -> list[str]:
    """The names of a page's checkpoints, in their order."""
    found = (CHECKPOINT.fullmatch(line) for line in page.split("\n"))
    return [mark["name"] for mark in found if mark is not None]


def _block_below(lines: list[str], number: int) -> str:
    gap, first, *block = [*lines[number + 1 :], "", ""]
    opening = None if gap else FENCE.fullmatch(first)
    if opening is None:
        raise PageError(f"line {number + 1}: no block of code below {lines[number]}")
    if opening["fence"] not in block:
        raise PageError(f"line {number + 3}: a block of code without an end")
    return "".join(f"{line}\n" for line in block[: block.index(opening["fence"])])


def write(files: dict[str, str], folder: Path) -> None:
    """Write files into a folder, which is made if it is not there."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> None:
    """Run as the command line asks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", metavar="CHECKPOINT")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    try:
        files = files_of(page, options.until)
    except PageError as error:
        parser.error(f"{error}; the page has {', '.join(checkpoints_of(page))}")
    write(files, options.folder)
    print(f"{len(files)} files in {options.folder}")


if __name__ == "__main__":
    main()
