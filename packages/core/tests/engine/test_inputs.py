"""What an activation gets as its input."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowcraft.engine.inputs import arriving_edges, shape_input
from flowcraft.testing import covers
from packages.core.tests.engine.made import LOOP, edge, few, program, rescued_by

IDS = st.text(
    st.characters(exclude_characters="/", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=5
)
JOIN = program("a j", "b j", "a j go", "s a", "s b").plan.nodes["j"]
RING = program("s c", "c x continue", "x c", "x c go", "c t", c=LOOP).plan.nodes["c"]


def shaped(slots: dict[str, bytes], winner: str | None = None) -> object:
    found = shape_input(JOIN, "", slots, winner)
    assert found is not None
    return json.loads(found)


@covers("S1.2")
def test_a_start_node_gets_nothing_from_edges() -> None:
    """Its input is the payload, which the drivers know."""
    made = program("a b")
    assert shape_input(made.plan.nodes["a"], "", {}, None) is None


@covers("S3.2")
def test_one_edge_gives_its_value() -> None:
    """In the blueprint there is one, so the value is bare; null if nothing came along it."""
    node = program("s a", "a b").plan.nodes["b"]
    assert shape_input(node, "", {"1": b'{"n":1}'}, None) == b'{"n":1}'
    assert shape_input(node, "", {}, None) == b"null"


@covers("S3.3")
def test_several_edges_give_a_mapping_of_those_taken() -> None:
    """A mapping even if one alone was taken, or none."""
    assert shaped({"0": b"1", "1": b"[2]"}) == {"a": 1, "b": [2]}
    assert shaped({"1": b"null"}) == {"b": None}
    assert shaped({}) == {}


@covers("S3.5")
def test_of_two_edges_from_one_source_the_later_one_counts() -> None:
    """Later in the blueprint, in whatever order they came."""
    assert shaped({"2": b'"late"', "0": b'"early"'}) == {"a": "late"}
    assert shaped({"0": b'"early"', "1": b"1"}) == {"a": "early", "b": 1}


@covers("S3.4")
@pytest.mark.parametrize(
    ("winner", "expected"), [("0", {"a": 1}), ("1", {"b": 2}), ("2", {"a": 3})]
)
def test_the_winner_of_an_any_join_is_the_only_key(winner: str, expected: dict[str, int]) -> None:
    assert shaped({"0": b"1", "1": b"2", "2": b"3"}, winner) == expected


@covers("S1.10", "S3.3")
@few
@given(IDS, IDS)
def test_any_id_is_a_key_of_the_mapping(one: str, other: str) -> None:
    """A quote or a backslash in an id is no part of the JSON."""
    assume(len({one, other, "join"}) == 3)
    node = program(edge(one, "join"), edge(other, "join")).plan.nodes["join"]
    found = shape_input(node, "", {"0": b"1", "1": b"2"}, None)
    assert found is not None
    assert json.loads(found) == {one: 1, other: 2}


@covers("S7.15")
def test_a_fallback_gets_the_input_of_the_node_that_failed() -> None:
    """It is what the node that failed got, whatever else arrives."""
    node = program("a b", a=rescued_by("F")).plan.nodes["F"]
    assert shape_input(node, "", {"catch": b'{"n":1}'}, None) == b'{"n":1}'


@covers("S6.8")
@pytest.mark.parametrize(
    ("scope", "edges"),
    [("/0", [0]), ("/1", [2, 3]), ("/10", [2, 3]), ("/3/0", [0]), ("/0/1", [2, 3])],
)
def test_evaluation_0_joins_what_enters_the_loop_and_each_later_one_what_comes_back(
    scope: str, edges: list[int]
) -> None:
    assert [one.index for one in arriving_edges(RING, scope)] == edges


def test_the_way_in_decides_the_shape_of_the_input_of_a_controller() -> None:
    """S6.8 with S3.2 and S3.3: one edge leads in, and two lead back."""
    slots = {"0": b"1", "2": b"2", "3": b"3"}
    assert shape_input(RING, "/0", slots, None) == b"1"
    assert shape_input(RING, "/1", slots, None) == b'{"x":3}'


@covers("S6.19")
def test_every_other_node_is_reached_by_all_its_edges_in_each_scope() -> None:
    assert arriving_edges(JOIN, "/0") == arriving_edges(JOIN, "/1") == JOIN.ins
