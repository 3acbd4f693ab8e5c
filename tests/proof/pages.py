"""Writes docs/proof.md and docs/planted-bugs.md: `./dev proof`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from tests.planted.bug import Bug
from tests.planted.bugs import BUGS
from tests.proof.sentences import (
    GUARANTEES,
    WORKSPACE,
    Holder,
    Sentence,
    by_sentence,
    read_holders,
    read_sentences,
    rejecting,
)

PROOF = WORKSPACE / "docs" / "proof.md"
PLANTED = WORKSPACE / "docs" / "planted-bugs.md"
LONGEST_TEXT = 90
SHOWN = 3
"""So many tests of a sentence are named, those first that reject a planted bug."""

PROOF_HEAD = """\
# What is proven, and by what

Each numbered sentence of [semantics.md](semantics.md) and each guarantee, the tests that hold it,
and the [planted bugs](planted-bugs.md) that those tests reject. `Suite.test_name` is a check of the
kit, which runs on every adapter; three tests of a sentence are named at most. Written by
`./dev proof`; a test fails where a sentence has none.
"""

TABLE_HEAD = ("| | sentence | held by | rejects |", "|---|---|---|---|")

PLANTED_HEAD = """\
# Planted bugs

Small patches of our own code, each with the check that must reject it. A test plants each one in a
process of its own and sees that very check fail. Written by `./dev proof`.
"""


def proof_page() -> str:
    """The tables of sentences, one for each chapter."""
    held = by_sentence(read_holders())
    lines = [PROOF_HEAD]
    for chapter, sentences in groupby(read_sentences(), lambda sentence: sentence.chapter):
        lines += [f"## [{chapter}](semantics.md#{_anchor(chapter)})", "", *TABLE_HEAD]
        lines += [_row(sentence, held.get(sentence.number, []), BUGS) for sentence in sentences]
        lines.append("")
    lines += ["## [The guarantees by name](semantics.md#12-guarantees)", "", *TABLE_HEAD]
    named = [Sentence(name, text, "12 Guarantees") for name, text in GUARANTEES.items()]
    lines += [_row(sentence, held.get(sentence.number, []), BUGS) for sentence in named]
    return "\n".join(lines) + "\n"


def _anchor(heading: str) -> str:
    """What a link names a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _row(sentence: Sentence, holders: list[Holder], bugs: Mapping[str, Bug]) -> str:
    # First those that are known to fail when they should.
    holders = sorted(holders, key=lambda holder: not rejecting(holder, bugs))
    named = [f"`{holder.name}`" for holder in holders[:SHOWN]]
    if len(holders) > SHOWN:
        named.append(f"{len(holders) - SHOWN} more")
    bugs_of_it = ", ".join(f"`{name}`" for name in _rejected(holders, bugs))
    text = _cell(_short(sentence.text))
    return f"| {sentence.number} | {text} | {', '.join(named)} | {bugs_of_it} |"


def _rejected(holders: list[Holder], bugs: Mapping[str, Bug]) -> list[str]:
    """The bugs that some of these tests reject, each once."""
    return [*dict.fromkeys(name for holder in holders for name in rejecting(holder, bugs))]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT].rsplit(" ", 1)[0] + " ..."


def planted_page() -> str:
    """The table of bugs."""
    lines = [PLANTED_HEAD, "| bug | what it does | planted in | rejected by |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {_cell(bug.what)} | {_places(bug)} | `{bug.rejected_by}` on {bug.on} |"
        for name, bug in sorted(BUGS.items())
    ]
    return "\n".join(lines) + "\n"


def _places(bug: Bug) -> str:
    targets = dict.fromkeys(patch.target.partition(":")[2] for patch in bug.patches)
    return ", ".join(f"`{target}`" for target in targets)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> Iterator[tuple[Path, str]]:
    """Each page, and what stands on it."""
    yield PROOF, proof_page()
    yield PLANTED, planted_page()


def main() -> None:
    """Write the pages, and say what they have."""
    for path, text in pages():
        path.write_text(text)
    held = by_sentence(read_holders())
    sentences = [sentence.number for sentence in read_sentences()]
    lacking = [number for number in (*sentences, *GUARANTEES) if number not in held]
    if lacking:
        print("without a test:", ", ".join(lacking))
    tests = {(holder.path, holder.name) for holders in held.values() for holder in holders}
    unbroken = [number for number in sentences if not _rejected(held.get(number, []), BUGS)]
    print(
        f"{len(sentences)} sentences, {len(sentences) - len(lacking)} held by"
        f" {len(tests)} tests, {len(BUGS)} planted bugs, {len(unbroken)} sentences without one"
    )


if __name__ == "__main__":
    main()
