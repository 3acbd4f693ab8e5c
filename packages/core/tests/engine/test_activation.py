"""Names of activations and of their scopes, as docs/semantics.md writes them under "Words"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcraft.engine import activation as names
from flowcraft.engine.activation import (
    Activation,
    first_segments,
    is_lanes_key,
    item_index,
    item_scope,
    iteration_scope,
    lanes_key,
    last_segment,
    outer_scope,
    parse_activation,
    signal_key,
    stand_in_scope,
)
from flowcraft.testing import covers
from packages.core.tests.engine.made import few

ids = st.text(st.characters(exclude_characters="/", exclude_categories=["Cc", "Cs"]), min_size=1)
segments = st.one_of(
    st.integers(0).map(str), st.integers(0).map("#{}".format), ids.map("!{}".format)
)


@covers("S1.10", "S1.11")
@few
@given(ids, st.lists(segments))
def test_a_key_is_read_back_as_the_activation_that_it_names(node: str, path: list[str]) -> None:
    """No id has a slash, and some have dots, marks and numbers."""
    activation = Activation(node, "".join("/" + segment for segment in path))
    assert parse_activation(activation.key) == activation


@few
@given(st.lists(segments))
def test_a_scope_is_its_segments_from_outside_to_inside(path: list[str]) -> None:
    scope = "".join("/" + segment for segment in path)
    assert last_segment(scope) == (path[-1] if path else "")
    for count in range(len(path) + 2):
        assert first_segments(scope, count) == "".join("/" + one for one in path[:count])
    if path:
        assert outer_scope(scope) == first_segments(scope, len(path) - 1)


def test_scopes_are_written_as_the_words_say() -> None:
    """An iteration within an iteration, an item, and a stand-in."""
    assert Activation("node").key == "node"
    assert "node" + iteration_scope("/3", 0) == "node/3/0"
    assert "node" + item_scope("", 7) == "node/#7"
    assert "node" + stand_in_scope("", "failed") == "node/!failed"
    assert stand_in_scope("/3", "failed") == "/3/!failed"
    assert item_scope("/3", 0) == "/3/#0"


@pytest.mark.parametrize(
    ("scope", "index"),
    [
        *[("/#7", 7), ("/3/#10", 10), ("", None), ("/3", None), ("/#3/4", None), ("/#", None)],
        *[("/!#3", None), ("/!failed", None)],
    ],
)
def test_only_the_scope_of_an_item_has_its_index(scope: str, index: int | None) -> None:
    assert item_index(scope) == index


@covers("S8.9")
def test_the_lanes_of_a_batch_are_no_activation() -> None:
    """The set of a batch's lanes has a key of its own in each scope of the scatter."""
    assert lanes_key(Activation("s")) == "s/#"
    assert lanes_key(Activation("s", "/3")) == "s/3/#"
    assert is_lanes_key("s/#")
    assert is_lanes_key("s/3/#")
    assert not is_lanes_key("s/#0")
    assert not is_lanes_key("s")
    assert not is_lanes_key("s#")


@covers("S1.10")
def test_what_belongs_to_the_run_has_the_keys_of_no_activation() -> None:
    """No id is empty or has a slash, so these begin like no activation's key."""
    keys = [names.END, names.EXPECTED, names.WAITS, names.RUN, signal_key(""), signal_key("w")]
    assert keys == ["/end", "/expected", "/waits", "/run", "/signals/", "/signals/w"]
    assert all(parse_activation(key).node == "" for key in keys)
