"""Every sentence has a test, and the tables in docs/ say so."""

from __future__ import annotations

from tests.planted.bugs import BUGS
from tests.planted.plant import node_id
from tests.proof.pages import pages
from tests.proof.sentences import (
    GUARANTEES,
    by_sentence,
    read_holders,
    read_sentences,
    rejecting,
)


def test_every_sentence_and_guarantee_has_a_test():
    held = by_sentence(read_holders())
    numbers = [*(sentence.number for sentence in read_sentences()), *GUARANTEES]
    assert [number for number in numbers if number not in held] == []


def test_no_test_holds_a_sentence_that_is_not_there():
    known = {*(sentence.number for sentence in read_sentences()), *GUARANTEES}
    strange = {
        f"{holder.path}: {holder.name}: {number}"
        for holder in read_holders()
        for number in holder.sentences
        if number not in known
    }
    assert strange == set()


def test_every_planted_bug_names_a_check_that_is_there():
    assert all(node_id(bug) for bug in BUGS.values())


def test_every_planted_bug_is_rejected_by_a_test_that_says_what_it_holds():
    rejected = {name for holder in read_holders() for name in rejecting(holder, BUGS)}
    assert set(BUGS) - rejected == set()


def test_the_tables_in_the_docs_are_as_the_code_says():
    stale = [path.name for path, text in pages() if not path.exists() or path.read_text() != text]
    assert stale == [], "write them anew: ./dev proof"
