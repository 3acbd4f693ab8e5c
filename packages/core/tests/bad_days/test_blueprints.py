"""A sound blueprint with something wrong put into it: taken, or refused with all its faults."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcraft import Flowcraft
from flowcraft.blueprint import canonical_bytes, load_blueprint
from flowcraft.engine.program import Program
from flowcraft.errors import BlueprintError
from flowcraft.expressions import Expressions
from flowcraft.testing import covers

SOUND: dict[str, Any] = {
    "id": "sound",
    "nodes": [
        {"id": "start", "uses": "f", "config": {"maxRetries": 3, "retryDelay": 5, "timeout": 9}},
        {"id": "loop", "uses": "loop-controller", "params": {"condition": "input.n < 3"}},
        {"id": "body", "uses": "f", "inputs": {"x": "start", "y": "k.ey"}},
        {"id": "scatter", "uses": "batch-scatter",
         "params": {"workerUsesKey": "f", "gatherNodeId": "gather", "chunkSize": 2}},
        {"id": "gather", "uses": "batch-gather", "params": {"outputKey": "all"}},
        {"id": "sub", "uses": "subflow", "params": {"blueprintId": "sound", "inputs": {"a": "b"}}},
        {"id": "wait", "uses": "wait", "config": {"fallback": "instead"}},
        {"id": "instead", "uses": "f"},
        {"id": "sleep", "uses": "sleep", "params": {"duration": "10s"}},
        {"id": "end", "uses": "f", "config": {"joinStrategy": "any"}, "inputs": "start"},
    ],
    "edges": [
        {"source": "start", "target": "loop"},
        {"source": "loop", "target": "body", "action": "continue"},
        {"source": "body", "target": "loop", "condition": "result.output.ok == true"},
        {"source": "loop", "target": "scatter", "transform": "result.output.items"},
        {"source": "scatter", "target": "gather"},
        {"source": "gather", "target": "sub"},
        {"source": "gather", "target": "wait"},
        {"source": "wait", "target": "sleep", "action": "approve"},
        {"source": "sub", "target": "end"},
        {"source": "sleep", "target": "end"},
    ],
    "metadata": {"version": "1", "timeout": 60000, "note": ["free", {"form": 1}]},
}  # fmt: skip


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


JUNK = [
    None, True, 0, -1, 2**63, 10**400, 0.5, float("nan"), float("inf"), 1e308,
    "", "\0", "\ud800", "a/b", "x" * 300, "start", "loop", "gather", "instead", "9" * 30 + "d",
    "1 +", "input.map(x, x)", "(" * 3000, "a ? " * 900,
    [], {}, [[]], {"": None}, {"id": "start"}, ["start"], nested(90), nested(101), nested(5000),
    {5: 6}, {1, 2}, b"x", object(),
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))
        else:
            yield (*path, key)


PLACES = [path for path in places(SOUND) if path]
FAULTS = st.tuples(
    st.sampled_from(PLACES),
    st.sampled_from(["replace", "delete", "rename", "double"]),
    st.sampled_from(JUNK),
)


def spoil(faults: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    """The sound document with faults; one whose place is gone is left out."""
    document = copy.deepcopy(SOUND)
    for (*above, last), how, junk in faults:
        inside: Any = document
        try:
            for key in above:
                inside = inside[key]
            if how == "double":
                inside.append(inside[last])
            elif how == "rename":
                inside[junk] = inside.pop(last)
            elif how == "delete":
                del inside[last]
            else:
                inside[last] = junk
        except (KeyError, IndexError, TypeError, AttributeError):
            continue
    return document


def load(source: Any) -> None:
    """Load it; what is taken can be run and written."""
    expressions = Expressions()
    try:
        blueprint = load_blueprint(source, uses=["f"], expressions=expressions)
    except BlueprintError:
        return
    Program(blueprint, expressions)
    assert load_blueprint(canonical_bytes(blueprint)) == blueprint


def test_the_sound_blueprint_is_sound() -> None:
    load_blueprint(json.dumps(SOUND), uses=["f"], expressions=Expressions())


@covers("S11.1", "S11.10")
@settings(deadline=None, max_examples=200)
@given(st.lists(FAULTS, min_size=1, max_size=3))
def test_a_spoilt_document_is_taken_or_refused_with_its_faults(faults: Any) -> None:
    document = spoil(faults)
    load(document)
    try:
        text = json.dumps(document)
    except (TypeError, ValueError, RecursionError):
        return
    load(text)


TEXT = json.dumps(SOUND).encode()


@settings(deadline=None, max_examples=200)
@given(st.integers(0, len(TEXT)), st.integers(0, 20), st.binary(max_size=8))
def test_a_text_with_bytes_lost_and_put_in_is_taken_or_refused(
    at: int, lost: int, put: bytes
) -> None:
    load(TEXT[:at] + put + TEXT[at + lost :])


@pytest.mark.parametrize("cut", range(1, len(TEXT), 97))
def test_a_text_cut_short_is_refused_with_the_place(cut: int) -> None:
    with pytest.raises(BlueprintError, match="not JSON at line 1, column"):
        Flowcraft(adapter="memory").add(TEXT[:cut])


@covers("S11.1", "S11.9")
@pytest.mark.parametrize(
    ("source", "what"),
    [
        (TEXT.decode().encode("utf-16"), "not UTF-8"),
        (b"\xff" + TEXT, r"not UTF-8 \(byte 0\)"),
        ("[" * 100_000, "nested deeper than 100 levels"),
        ('{"id":' * 100_000, "nested deeper than 100 levels"),
        (TEXT.replace(b'"id": "sound"', b'"id": "sound", "id": "other"'), "'id' appears twice"),
        (TEXT.replace(b'"timeout": 9', b'"timeout": NaN'), "timeout must be a finite number"),
        (TEXT.replace(b'"timeout": 9', b'"timeout": -Infinity'), "timeout must be a finite number"),
        (TEXT.replace(b'"timeout": 9', b'"timeout": -9'), "timeout"),
        (TEXT.replace(b'"retryDelay"', b'"retrydelay"'), "did you mean 'retryDelay'"),
        (5, "a blueprint is a mapping"),
        (None, "a blueprint is a mapping"),
        ({}, "id is missing"),
    ],
    ids=range(12),
)
def test_what_is_wrong_is_said_when_it_is_added(source: Any, what: str) -> None:
    with pytest.raises(BlueprintError, match=rf"(?i){what}"):
        Flowcraft(adapter="memory").add(source)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert Flowcraft(adapter="memory").add(b"\xef\xbb\xbf" + TEXT) == "sound"


def test_a_huge_blueprint_is_taken() -> None:
    count = 20_000
    nodes = [{"id": f"n{i}", "uses": "f"} for i in range(count)]
    edges = [{"source": f"n{i}", "target": f"n{i + 1}"} for i in range(count - 1)]
    load(json.dumps({"id": "huge", "nodes": nodes, "edges": edges}))
