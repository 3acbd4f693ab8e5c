"""The sentences of docs/semantics.md, the tests that hold them, and the bugs that those reject.

Tests say what they hold by `@check("S5.2")` or `@covers("S5.2")`; that is read from the source,
so that nothing need be imported or collected.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.planted.bug import Bug

WORKSPACE = Path(__file__).parents[2]
SEMANTICS = WORKSPACE / "docs" / "semantics.md"
GUARANTEES = {
    "G1": "Progress",
    "G2": "One outcome",
    "G3": "One firing",
    "G4": "One end",
    "G5": "No lost writes",
    "G6": "Acknowledge last",
    "G7": "Same meaning everywhere",
    "G8": "Bad input is contained",
    "G9": "Nothing alive expires",
}
MARKS = frozenset({"check", "covers"})
SEARCHED = ("packages", "tests", "examples")

_SENTENCE = re.compile(
    r"^- \*\*(S\d+\.\d+)\*\* (.*?)(?=\n- |\n\n|\n#|\Z)", re.MULTILINE | re.DOTALL
)


class Sentence(NamedTuple):
    """A numbered sentence.

    Attributes:
        number: Such as `S5.2`.
        text: What it says, in one line.
        chapter: The heading that it stands under, such as `5 Joins`.
    """

    number: str
    text: str
    chapter: str


class Holder(NamedTuple):
    """A test, and what it holds.

    Attributes:
        name: `Class.test_name`, or the name alone.
        path: Its file, from the workspace's root.
        sentences: Numbers, and names of guarantees.
    """

    name: str
    path: str
    sentences: tuple[str, ...]


def read_sentences() -> list[Sentence]:
    """Read the numbered sentences, in the order of the page."""
    return [
        Sentence(number, " ".join(text.split()), chapter.partition("\n")[0])
        for chapter in SEMANTICS.read_text().split("\n## ")
        for number, text in _SENTENCE.findall(chapter)
    ]


def read_holders() -> list[Holder]:
    """Find every test that says what it holds."""
    return sorted(
        holder
        for folder in SEARCHED
        for path in (WORKSPACE / folder).rglob("*.py")
        for holder in _holders_in(path)
    )


def _holders_in(path: Path) -> Iterator[Holder]:
    where = str(path.relative_to(WORKSPACE))
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                yield from _holder(member, where, f"{node.name}.")
        else:
            yield from _holder(node, where, "")


def _holder(node: ast.stmt, where: str, prefix: str) -> Iterator[Holder]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    if not node.name.startswith("test_"):
        return
    numbers = tuple(
        argument.value
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id in MARKS
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    )
    if numbers:
        yield Holder(prefix + node.name, where, numbers)


def by_sentence(holders: list[Holder]) -> Mapping[str, list[Holder]]:
    """Order tests by what they hold."""
    found: dict[str, list[Holder]] = defaultdict(list)
    for holder in holders:
        for number in holder.sentences:
            found[number].append(holder)
    return found


def rejecting(holder: Holder, bugs: Mapping[str, Bug]) -> list[str]:
    """The planted bugs that a test is there to reject."""
    return [
        name
        for name, bug in bugs.items()
        if bug.rejected_by.partition("[")[0]
        in (holder.name, f"{holder.path}::{holder.name.replace('.', '::')}")
    ]
