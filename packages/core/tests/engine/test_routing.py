"""Which edges an outcome takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcraft.blueprint import EdgePlan
from flowcraft.engine.activation import Activation, parse_activation
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record
from flowcraft.engine.routing import BREAK, CONTINUE, owners, route, skip_record
from flowcraft.testing import covers
from packages.core.tests.engine.made import LOOP, edge, few, program, rescued_by, scatter


def taken(
    program: Program, key: str, action: str | None = None, *, holds: tuple[int, ...] = ()
) -> tuple[list[int], list[int]]:
    """The indexes of the edges taken and skipped, if the conditions of these edges hold."""

    def asked(one: EdgePlan) -> bool:
        assert one.condition is not None, "a condition was asked for that does not exist"
        return one.index in holds

    decided = route(program.plan, parse_activation(key), action, asked)
    return [one.index for one in decided.taken], [one.index for one in decided.skipped]


FORK = program(
    edge("a", "b", action="go"),
    edge("a", "c", action="go", condition="x"),
    edge("a", "d"),
    edge("a", "e", condition="x"),
    edge("a", "f", action="stay"),
)


@pytest.mark.parametrize(
    ("action", "holds", "expected"),
    [
        ("go", (1, 3), [0, 1]),
        ("go", (3,), [0]),
        ("stay", (), [4]),
        ("stay", (1, 3), [4]),
        (None, (), [2]),
        (None, (1, 3), [2, 3]),
        ("unknown", (1, 3), [2, 3]),
        ("unknown", (1,), [2]),
    ],
)
def test_a_named_action_has_its_edges_and_every_other_result_those_without(
    action: str | None, holds: tuple[int, ...], expected: list[int]
) -> None:
    """S4.1, S4.2 and S4.3; whatever is not taken is skipped, S4.5."""
    others = [index for index in range(5) if index not in expected]
    assert taken(FORK, "a", action, holds=holds) == (expected, others)


@covers("S4.4")
def test_edges_without_an_action_are_no_second_choice() -> None:
    """The action is named, and its condition does not hold."""
    made = program(edge("a", "b", action="go", condition="x"), edge("a", "c"))
    assert taken(made, "a", "go") == ([], [0, 1])
    assert taken(made, "a", "other") == ([1], [0])


@covers("S4.6")
def test_two_edges_between_the_same_nodes_are_decided_each_for_itself() -> None:
    made = program(edge("a", "b", action="go"), edge("a", "b", action="stay"))
    assert taken(made, "a", "stay") == ([1], [0])
    assert taken(made, "a") == ([], [0, 1])


EDGES = st.tuples(st.sampled_from([None, "x", "y"]), st.sampled_from([None, "k"]))


@few
@given(
    st.lists(EDGES, min_size=1, max_size=5),
    st.sampled_from([None, "x", "z"]),
    st.sets(st.integers(0, 4)),
)
def test_each_edge_is_taken_or_skipped_as_the_sentences_say(
    shapes: list[tuple[str | None, str | None]], action: str | None, holds: set[int]
) -> None:
    """S4.1 to S4.5, read from the sentences once more."""
    given_ = [{"action": one, "condition": condition} for one, condition in shapes]
    edges = [
        edge("a", "b", **{name: text for name, text in one.items() if text is not None})
        for one in given_
    ]
    named = action in [one["action"] for one in given_]
    expected = [
        index
        for index, one in enumerate(given_)
        if one["action"] == (action if named else None)
        and (one["condition"] is None or index in holds)
    ]
    found = taken(program(*edges), "a", action, holds=tuple(holds))
    assert found == (expected, [index for index in range(len(edges)) if index not in expected])


@covers("S4.8")
def test_a_condition_is_asked_for_candidates_only() -> None:
    """What cannot be taken is not evaluated, so it cannot fail the run."""
    asked: list[int] = []

    def holds(one: EdgePlan) -> bool:
        asked.append(one.index)
        return True

    route(FORK.plan, Activation("a"), "go", holds)
    assert asked == [1]


RING = program(edge("s", "c"), edge("c", "x", action="continue"), edge("x", "c"),
               edge("c", "t"), edge("c", "u", action="break"), edge("c", "v", action="other"),
               c=LOOP)  # fmt: skip


@covers("S6.9", "S6.10", "S6.11")
@pytest.mark.parametrize(
    ("action", "expected"),
    [("continue", ([1], [])), ("break", ([4], [3, 5]))],
)
def test_an_evaluation_decides_either_the_iteration_or_the_exits(
    action: str, expected: tuple[list[int], list[int]]
) -> None:
    assert taken(RING, "c/0", action) == expected


@covers("S6.9", "S6.10")
def test_a_controller_says_continue_or_break() -> None:
    """Blueprints name their edges so."""
    assert (CONTINUE, BREAK) == ("continue", "break")


@covers("S4.2", "S6.3")
def test_a_loop_that_ends_takes_the_exits_without_an_action_where_none_is_named_break() -> None:
    made = program("s c", "c x continue", "x c", "c t", "c u other", c=LOOP)
    assert taken(made, "c/2", "break") == ([3], [4])


@covers("S8.9")
def test_the_edge_of_a_scatter_waits_for_its_items() -> None:
    """The scatter itself decides nothing, and neither does an item."""
    made = program("s g", s=scatter(), g="batch-gather")
    assert taken(made, "s") == ([], [])
    assert taken(made, "s/#0") == ([], [])


RESCUED = program("a b", "a c go", "F d", "G e go", a=rescued_by("F"), F=rescued_by("G"))


@covers("S4.10", "S7.16", "S7.18", "S7.21")
def test_a_stand_in_decides_the_edges_of_all_that_it_stands_in_for() -> None:
    """Each owner's edges for themselves, the first to fail first."""
    assert taken(RESCUED, "a", "go") == ([1], [0])
    assert taken(RESCUED, "F", "go") == ([1, 2], [0])
    assert taken(RESCUED, "G", "go") == ([1, 2, 3], [0])
    assert taken(RESCUED, "G") == ([0, 2], [1, 3])


@covers("S7.21")
def test_who_stands_in_for_whom_is_told_from_the_first_to_the_last() -> None:
    assert owners(RESCUED.plan, Activation("a", "/1")) == [Activation("a", "/1")]
    assert owners(RESCUED.plan, Activation("G")) == [
        Activation("a"),
        Activation("F"),
        Activation("G"),
    ]


@covers("S7.20")
def test_a_shared_stand_in_decides_the_edges_of_the_one_that_failed() -> None:
    made = program("a x", "b y", a=rescued_by("F"), b=rescued_by("F"))
    assert taken(made, "F/!a") == ([0], [])
    assert taken(made, "F/!b") == ([1], [])
    assert owners(made.plan, Activation("F", "/3/!b")) == [
        Activation("b", "/3"),
        Activation("F", "/3/!b"),
    ]


@covers("S5.5", "S6.16", "S6.17")
@pytest.mark.parametrize(
    ("made", "key", "skipped"),
    [
        (FORK, "a", (0, 1, 2, 3, 4)),
        (FORK, "b", ()),
        (RING, "c/0", (3, 4, 5)),
        (RING, "c/2", (3, 4, 5)),
        (RESCUED, "F", (2,)),
        (program("s g", s=scatter(), g="batch-gather"), "s", (0,)),
    ],
)
def test_a_skipped_node_skips_its_own_edges_and_of_a_controller_the_exits(
    made: Program, key: str, skipped: tuple[int, ...]
) -> None:
    """No iteration begins; S7.19: an idle fallback skips its own."""
    found = skip_record(made.plan, parse_activation(key), via="m/1", token="t", at=2.5)
    assert found == Record(outcome="skipped", skipped=skipped, via="m/1", token="t", at=2.5)
