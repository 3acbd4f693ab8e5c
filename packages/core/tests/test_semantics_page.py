"""The page of numbered sentences: each number once, and every number that is cited is there."""

from __future__ import annotations

import re
from pathlib import Path

WORKSPACE = Path(__file__).parents[3]
PAGE = WORKSPACE / "docs" / "semantics.md"
CITED_IN = ("docs", "packages", "tests", "examples")


def numbers() -> list[str]:
    return re.findall(r"^- \*\*(S\d+\.\d+)\*\*", PAGE.read_text(), re.MULTILINE)


def test_no_two_sentences_have_one_number():
    found = numbers()
    assert len(found) > 200
    assert sorted(set(found)) == sorted(found)


def test_every_sentence_that_is_cited_is_there():
    known = set(numbers())
    lost = {
        f"{path.relative_to(WORKSPACE)}: {number}"
        for folder in CITED_IN
        for ending in ("py", "md")
        for path in (WORKSPACE / folder).rglob(f"*.{ending}")
        for number in re.findall(r"\bS\d+\.\d+\b", path.read_text())
        if number not in known
    }
    assert lost == set()
