"""What a name stands for: in `inputs`, in an expression, as an activation, as a path."""

from __future__ import annotations

import pytest

from flowcraft.engine.activation import Activation, parse_activation
from flowcraft.engine.names import (
    Candidate,
    Place,
    evaluated_loops,
    expression_candidates,
    input_candidates,
    is_slot,
    output_place,
    outside_place,
    stand_in,
    stood_for,
    walk_path,
)
from flowcraft.testing import covers
from packages.core.tests.engine.made import LOOP, program, rescued_by, scatter

NODES = {"a", "a.b", "x.y.z", "_outputs.q", "_outputs."}


def node(id_: str, *path: str) -> Candidate:
    return Candidate(id_, None, path)


def key(name: str, *path: str) -> Candidate:
    return Candidate(None, name, path)


@covers("S1.11", "S3.7")
@pytest.mark.parametrize(
    ("name", "meanings"),
    [
        ("a", [node("a")]),
        ("a.b", [node("a.b")]),
        ("_outputs.a", [node("a")]),
        ("_outputs.a.b", [node("a.b")]),
        # It is a node's id, so it is nothing else.
        ("_outputs.q", [node("_outputs.q")]),
        ("k", [key("k")]),
        ("_outputs.k", [key("_outputs.k"), key("_outputs", "k")]),
        ("_outputs", [key("_outputs")]),
        # The longest first; where a node is found, no shorter one can be meant.
        ("a.n", [key("a.n"), node("a", "n")]),
        ("a.b.n.0", [key("a.b.n.0"), key("a.b.n", "0"), node("a.b", "n", "0")]),
        ("_outputs.a.n", [key("_outputs.a.n"), node("a", "n")]),
        ("_outputs.k.n", [key("_outputs.k.n"), key("_outputs.k", "n"), key("_outputs", "k", "n")]),
        ("12345678.a.n", [key("12345678.a.n"), key("12345678.a", "n"), key("12345678", "a", "n")]),
        ("k.n.m", [key("k.n.m"), key("k.n", "m"), key("k", "n", "m")]),
        ("x.y", [key("x.y"), key("x", "y")]),
        ("x.y.z.n", [key("x.y.z.n"), node("x.y.z", "n")]),
        ("", [key("")]),
        ("k.", [key("k."), key("k", "")]),
        ("XX.a", [key("XX.a"), key("XX", "a")]),
    ],
)
def test_a_name_in_inputs_means_what_the_order_says(name: str, meanings: list[Candidate]) -> None:
    assert input_candidates(name, NODES) == tuple(meanings)


@covers("S4.12", "S4.13")
@pytest.mark.parametrize(
    ("name", "meanings"),
    [
        ("a", [key("a"), node("a")]),
        ("k", [key("k")]),
        ("a.b", [key("a.b"), node("a.b")]),
        ("a.n", [key("a.n")]),
        ("_outputs.a", [key("_outputs.a"), node("a")]),
        ("_outputs.k", [key("_outputs.k")]),
        ("_outputs.q", [key("_outputs.q"), node("_outputs.q")]),
    ],
)
def test_a_name_in_an_expression_is_a_context_key_and_then_a_node(
    name: str, meanings: list[Candidate]
) -> None:
    assert expression_candidates(name, NODES) == tuple(meanings)


# Loop c has the body x, d, tail and within it loop d the body y; e is a loop of its own after c.
LOOPS = program(
    *("s c", "c x continue", "x d", "d y continue", "y d", "d tail", "tail c"),
    *("c e", "e z continue", "z e", "e t"),
    c=LOOP,
    d=LOOP,
    e=LOOP,
)


@covers("S6.6", "S6.7")
@pytest.mark.parametrize(
    ("target", "loops"),
    [("s", ()), ("x", ("c",)), ("y", ("c", "d")), ("c", ("c",)), ("d", ("c", "d")), ("t", ())],
)
def test_a_scope_counts_the_iterations_around_a_node_and_the_evaluations_of_a_controller(
    target: str, loops: tuple[str, ...]
) -> None:
    assert evaluated_loops(LOOPS.plan, target) == loops


@covers("S3.9", "S3.10", "S6.15")
@pytest.mark.parametrize(
    ("reader", "target", "place"),
    [
        # Of the reader's own loop the same iteration, of a loop around it the one it is in.
        ("x/3", "tail", Place("/3", "tail")),
        ("y/3/5", "y", Place("/3/5", "y")),
        ("y/3/5", "x", Place("/3", "x")),
        ("y/3/5", "s", Place("", "s")),
        ("y/3/5", "c", Place("/3", "c")),
        ("y/3/5", "d", Place("/3/5", "d")),
        # Of a loop the reader is outside of, the last iteration.
        ("s", "x", Place("", "x", ("c",))),
        ("t", "y", Place("", "y", ("c", "d"))),
        ("x/3", "y", Place("/3", "y", ("d",))),
        ("x/3", "d", Place("/3", "d", ("d",))),
        ("z/4", "x", Place("", "x", ("c",))),
        ("z/4", "y", Place("", "y", ("c", "d"))),
        ("t", "c", Place("", "c", ("c",))),
        # A controller at evaluation k sees iteration k - 1, and none at evaluation 0.
        ("c/3", "x", Place("/2", "x")),
        ("c/1", "x", Place("/0", "x")),
        ("c/0", "x", None),
        ("c/0", "y", None),
        ("c/10", "y", Place("/9", "y", ("d",))),
        ("c/3", "c", Place("/2", "c")),
        ("c/0", "s", Place("", "s")),
        ("c/0", "z", Place("", "z", ("e",))),
        ("d/3/5", "y", Place("/3/4", "y")),
        ("d/3/0", "y", None),
        ("d/3/0", "x", Place("/3", "x")),
        ("d/3/0", "c", Place("/3", "c")),
        ("e/2", "x", Place("", "x", ("c",))),
    ],
)
def test_the_output_of_a_node_is_found_from_where_the_reader_stands(
    reader: str, target: str, place: Place | None
) -> None:
    assert output_place(LOOPS.plan, parse_activation(reader), target) == place


@covers("S3.10", "S3.15")
@pytest.mark.parametrize(
    ("target", "place"),
    [("t", Place("", "t")), ("y", Place("", "y", ("c", "d"))), ("e", Place("", "e", ("e",)))],
)
def test_from_outside_of_every_loop_a_node_is_meant_in_the_last_iterations(
    target: str, place: Place
) -> None:
    assert outside_place(LOOPS.plan, target) == place


# F and then G stand in for a, H for p and r, K for H and v, and L for K.
RESCUED = program(
    *("a b", "p q", "r q", "v q"),
    a=rescued_by("F"),
    F=rescued_by("G"),
    p=rescued_by("H"),
    r=rescued_by("H"),
    v=rescued_by("K"),
    H=rescued_by("K"),
    K=rescued_by("L"),
)


@pytest.mark.parametrize(
    ("failed", "standing_in"),
    [
        *[("a", "F"), ("F", "G"), ("p", "H/!p"), ("r", "H/!r"), ("r/3/1", "H/3/1/!r")],
        *[("a/3", "F/3"), ("v", "K/!v"), ("H/!r", "K/!r/!H"), ("K/!v", "L/!v")],
    ],
)
def test_a_fallback_of_one_node_has_its_scope_and_a_shared_one_a_scope_of_its_own(
    failed: str, standing_in: str
) -> None:
    """S7.20 and S7.21, there and back."""
    one, other = parse_activation(failed), parse_activation(standing_in)
    assert stand_in(RESCUED.plan, one) == other
    assert stood_for(RESCUED.plan, other) == one


def test_who_is_no_fallback_stands_in_for_nobody() -> None:
    assert stood_for(RESCUED.plan, Activation("a")) is None


BATCH = program("s g", "c s continue", "g c", "b c", "c t", s=scatter(), g="batch-gather", c=LOOP)


@pytest.mark.parametrize(
    "slot",
    [
        *[(LOOPS, key) for key in ("s", "x/0", "x/10", "y/3/0", "c/0", "d/0/7", "e/9", "z/0")],
        *[(RESCUED, key) for key in ("a", "F", "G", "H/!p", "H/!r", "q", "K/!v", "K/!r/!H")],
        *[(RESCUED, key) for key in ("L/!v", "L/!r/!H")],
        *[(BATCH, key) for key in ("s/0", "s/0/#0", "s/10/#99", "g/0", "t")],
    ],
)
def test_a_run_can_have_a_node_in_each_scope_of_its_place(slot: tuple[object, str]) -> None:
    made, key = slot
    assert is_slot(made.plan, parse_activation(key))


@covers("S12.19")
@pytest.mark.parametrize(
    "slot",
    [
        *[(LOOPS, key) for key in ("nobody", "", "s/0", "x", "x/0/0", "y/3", "c", "d/0", "t/0")],
        # Not written as a number is written in scopes.
        *[(LOOPS, key) for key in ("x/00", "x/01", "x/-1", "x/", "x/a", "x/²", "x/٣", "x/1 ")],
        *[(LOOPS, key) for key in ("x/#0", "x/!s", "y/0/", "y//0")],
        *[(RESCUED, key) for key in ("a/0", "F/0", "F/!a", "H", "H/p", "H/!a", "H/!", "H/0/!p")],
        *[(RESCUED, key) for key in ("H/!p/0", "G/!F", "H/!nobody", "K/!H", "K/!H/!r", "K/!v/!H")],
        *[(RESCUED, key) for key in ("K/!r/!K", "L/!r", "L")],
        *[(BATCH, key) for key in ("s", "s/#0", "s/0/0", "s/0/#", "s/0/#0/#1", "g/0/#0", "t/#0")],
        *[(BATCH, key) for key in ("s/0/#00", "s/0/0#", "s/#0/0")],
    ],
)
def test_a_run_cannot_have_any_other_activation(slot: tuple[object, str]) -> None:
    """Such a message is malformed."""
    made, key = slot
    assert not is_slot(made.plan, parse_activation(key))


def test_a_scope_begins_with_a_slash() -> None:
    assert is_slot(LOOPS.plan, Activation("x", "/0"))
    assert not is_slot(LOOPS.plan, Activation("x", "0/0"))


VALUE = {"a": [{"b": 1}, [2, 3]], "0": "text", "": {"n": None}}


@covers("S3.8")
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", VALUE),
        ("a", VALUE["a"]),
        ("a.0.b", 1),
        ("a.1.1", 3),
        ("a.1.2", None),
        ("a.1.3", None),
        ("a.-1", None),
        ("a.b", None),
        ("a.0.c", None),
        ("0", "text"),
        ("0.0", None),
        ("a.0.b.c", None),
        (".n", None),
        ("nowhere.at.all", None),
    ],
)
def test_a_path_leads_to_a_member_or_an_element_or_nowhere(path: str, found: object) -> None:
    """What leads nowhere is null."""
    assert walk_path(VALUE, tuple(path.split(".")) if path else ()) == found


@covers("S3.8")
@pytest.mark.parametrize("part", ["²", "٣", "१", "01", "9" * 5000, ""])
def test_only_a_number_as_it_is_written_is_an_index(part: str) -> None:
    """What looks like a number leads nowhere, and breaks nothing."""
    assert walk_path(["x"] * 9, (part,)) is None


@covers("S12.19")
def test_no_iteration_has_a_number_beyond_64_bits() -> None:
    """Whoever reads a scope may take its numbers for numbers."""
    assert is_slot(LOOPS.plan, Activation("x", "/" + "9" * 18))
    assert not is_slot(LOOPS.plan, Activation("x", "/" + "9" * 19))
