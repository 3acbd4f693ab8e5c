"""What is written down about an activation, as bytes that later versions will read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from flowcraft.engine import cells
from flowcraft.engine.record import (
    ErrorInfo,
    GatherReference,
    Record,
    carried_value,
    decode_record,
    decode_reference,
    encode_record,
    encode_reference,
    output_value,
)
from flowcraft.errors import NewerFormatError
from flowcraft.format import FORMAT
from flowcraft.testing import covers
from packages.core.tests.engine.made import few

FULL = Record(
    outcome="caught",
    output=Raw(b'{"n":1}'),
    action="go",
    taken=(0, 2),
    skipped=(1,),
    values={2: Raw(b"[3]")},
    input=Raw(b'"in"'),
    attempt=3,
    via="a/1",
    token="t",
    winner=4,
    error=ErrorInfo("a", "broke", "ValueError", "/1", 3, "because"),
    items=7,
    gathered="s/1",
    at=2.5,
)
STORED = (
    b'{"outcome":"caught","output":{"n":1},"action":"go","taken":[0,2],"skipped":[1],'
    b'"values":{"2":[3]},"input":"in","attempt":3,"via":"a/1","token":"t","winner":4,'
    b'"error":{"node":"a","message":"broke","type":"ValueError","scope":"/1","attempt":3,'
    b'"cause":"because"},"items":7,"gathered":"s/1","at":2.5}'
)


def test_a_record_is_stored_in_these_bytes_for_ever() -> None:
    """What an older worker wrote is read, and what a newer one writes can be read by it."""
    assert encode_record(FULL) == STORED
    assert decode_record(STORED) == FULL


@pytest.mark.parametrize("outcome", ["completed", "skipped", "failed", "caught"])
def test_what_is_not_said_of_an_outcome_is_nothing(outcome: str) -> None:
    stored = b'{"outcome":"%s"}' % outcome.encode()
    record = decode_record(stored)
    assert encode_record(record) == stored
    assert (bytes(record.output), bytes(record.input)) == (b"null", b"null")
    assert (record.action, record.winner, record.error, record.items) == (None, None, None, None)
    assert (record.gathered, record.taken, record.skipped, record.values) == (None, (), (), {})
    assert (record.attempt, record.via, record.token, record.at) == (1, "", "", 0.0)


def test_what_is_not_said_of_an_error_is_not_written() -> None:
    stored = b'{"outcome":"failed","error":{"node":"a","message":"broke"}}'
    assert encode_record(Record(outcome="failed", error=ErrorInfo("a", "broke"))) == stored


@covers("S12.4")
@pytest.mark.parametrize(
    ("written", "field"),
    [(FULL, "outcome"), (ErrorInfo("a", "broke"), "node"), (GatherReference("s", 1), "items")],
)
def test_what_was_written_down_cannot_be_changed(written: object, field: str) -> None:
    """The runtime in one process hands the very same record to all who ask."""
    with pytest.raises(AttributeError):
        setattr(written, field, getattr(written, field))


def test_a_record_says_by_name_what_it_is_told() -> None:
    with pytest.raises(TypeError):
        Record("completed")  # type: ignore[misc]


@covers("S1.32")
def test_an_error_says_node_and_message_and_begins_at_the_first_attempt() -> None:
    assert ErrorInfo("a", "broke") == ErrorInfo("a", "broke", "NodeError", "", 1, "")


def test_the_format_is_not_written_as_long_as_it_is_the_first() -> None:
    assert FORMAT == 1
    assert decode_record(b'{"outcome":"completed"}').format == 1
    assert decode_record(b'{"outcome":"completed","format":2}', reads=2).format == 2


@covers("S12.61")
@pytest.mark.parametrize("more", [b'"outcome":"completed"', b'"outcome":"unheard of","x":[1]'])
def test_a_record_of_a_newer_format_is_not_read_and_says_so(more: bytes) -> None:
    """Whatever a newer format may say."""
    with pytest.raises(NewerFormatError, match="has format 3"):
        decode_record(b'{%s,"format":3}' % more, reads=2)


def test_an_outcome_that_nobody_knows_is_not_read() -> None:
    with pytest.raises(ValueError, match="outcome"):
        decode_record(b'{"outcome":"lost"}')


@covers("S4.7")
def test_an_edge_carries_its_transformed_value_or_else_the_output() -> None:
    """Null is a value that a transform may give."""
    record = Record(outcome="completed", output=Raw(b"1"), values={0: Raw(b"null"), 2: Raw(b"2")})
    assert [carried_value(record, index) for index in range(3)] == [b"null", b"1", b"2"]


@covers("S8.14")
def test_the_output_of_a_gather_is_a_reference_to_its_items() -> None:
    """The list is never one stored value."""
    record = Record(outcome="completed", output=Raw(b"1"), gathered="s/1", items=12)
    assert output_value(record) == carried_value(record, 0) == b'@["s/1",12]'
    empty = Record(outcome="completed", gathered="s", items=0)
    assert output_value(empty) == b'@["s",0]'
    # An older record says nothing where it could have said 0.
    assert output_value(Record(outcome="completed", gathered="s")) == b'@["s",0]'


@few
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**40))
def test_a_reference_is_read_back_as_it_was_written(scatter: str, items: int) -> None:
    reference = GatherReference(scatter, items)
    assert decode_reference(encode_reference(reference)) == reference


@pytest.mark.parametrize("value", [b"null", b'"@"', b'["s",3]', b"", b'{"@":1}'])
def test_no_plain_value_is_a_reference(value: bytes) -> None:
    assert decode_reference(value) is None


def test_cells_are_stored_under_these_names_for_ever() -> None:
    """A run that began under an older version goes on under a newer one."""
    names = [
        *("record", "open", "signal", "early", "claim", "due"),
        *("input", "missing", "last", "payload", "winner"),
    ]
    assert tuple(names) == cells.SINGLE_CELLS
    assert [getattr(cells, name.upper()) for name in names] == names
    numbered = (cells.FAILED, cells.CHILD, cells.STARTED, cells.HANDED_BACK)
    assert numbered == ("failed:", "child:", "started:", "back:")


@covers("S1.42", "S1.43")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[("record", True), ("failed:1", True), ("failed:12", True), ("failed", False)],
        *[("open", False), ("started:1:2", False), ("back:1:2", False), ("child:1", False)],
    ],
)
def test_the_journal_tells_of_records_and_failed_attempts(name: str, expected: bool) -> None:
    """Of what is over, and of nothing that may be missing."""
    assert cells.is_told(name) is expected
