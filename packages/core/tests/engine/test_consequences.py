"""What follows from a record, construct by construct."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from flowcraft.engine.consequences import (
    Arrival,
    Cell,
    Consequences,
    Decision,
    decide,
    end_is_reached,
    lanes_arrival,
)
from flowcraft.testing import covers
from packages.core.tests.engine.made import (
    LOOP,
    arrivals,
    edge,
    few,
    follow,
    program,
    rescued_by,
    scatter,
)

# --- edges ------------------------------------------------------------------------------------


@covers("S4.5", "S4.7")
def test_each_edge_arrives_at_its_target_taken_with_a_value_or_skipped_without() -> None:
    """Taken ones first, then skipped ones, as the record lists them."""
    made = program("a j", "a k go", "b j", edge("a", "j", transform="x"))
    found = arrivals(made, "a", output=Raw(b"1"), taken=(0, 3), skipped=(1,), values={3: Raw(b"2")})
    assert found == [
        Arrival("j", "0", True, 3, False, b"1"),
        Arrival("j", "3", True, 3, False, b"2"),
        Arrival("k", "1", False, 1),
    ]


def test_an_any_join_is_marked_as_one() -> None:
    """S5.3; with one edge there is nothing to choose from."""
    anyhow = {"config": {"joinStrategy": "any"}}
    made = program("a j", "b j", "a k", j=anyhow, k=anyhow)
    assert arrivals(made, "a", taken=(0, 2)) == [
        Arrival("j", "0", True, 2, True, b"null"),
        Arrival("k", "2", True, 1, False, b"null"),
    ]


@covers("S1.31")
def test_a_failure_arrives_nowhere() -> None:
    """Neither at its targets nor at the end."""
    made = program("a b", a=rescued_by("F"))
    assert follow(made, "b", outcome="failed") == Consequences([], [])
    assert follow(made, "a", outcome="failed", taken=(0,)) == Consequences([], [])


# --- the end ----------------------------------------------------------------------------------


@covers("S1.24")
def test_each_sink_arrives_at_the_end_which_needs_all_of_them() -> None:
    """A skipped one arrives too."""
    made = program("a b", "a c")
    assert arrivals(made, "b") == [Arrival("/end", "b", True, 2)]
    assert arrivals(made, "c", outcome="skipped") == [Arrival("/end", "c", False, 2)]
    assert arrivals(made, "a") == []


SIDE = program("s c", "c x continue", "x c", "x side", "c t", c=LOOP)


@covers("S1.25")
def test_a_branch_that_ends_in_a_loop_is_expected_by_the_end_before_the_iteration_begins() -> None:
    """Expected first, and by no number, since nobody knows how many will come."""
    assert arrivals(SIDE, "c/4", action="continue", taken=(1,)) == [
        Arrival("/expected", "side/4", True, 0),
        Arrival("x/4", "1", True, 1, False, b"null"),
    ]
    assert arrivals(SIDE, "side/4") == [Arrival("/end", "side/4", True, 0)]
    assert arrivals(SIDE, "side/4", outcome="skipped") == [Arrival("/end", "side/4", True, 0)]
    assert arrivals(SIDE, "t", outcome="skipped") == [Arrival("/end", "t", False, 0)]


@covers("S1.25")
def test_a_loop_expects_the_branches_of_its_own_body_and_no_inner_ones() -> None:
    made = program(
        *("s c", "c x continue", "x c", "x one", "x two", "x d"),
        *("d y continue", "y d", "y three", "d c"),
        c=LOOP,
        d=LOOP,
    )
    outer = [one for one in arrivals(made, "c/0", action="continue") if one.target == "/expected"]
    assert sorted(one.member for one in outer) == ["one/0", "two/0"]
    assert arrivals(made, "d/2/1", action="continue") == [
        Arrival("/expected", "three/2/1", True, 0)
    ]


@covers("S1.24", "S1.25")
@pytest.mark.parametrize(
    ("members", "expected", "reached"),
    [
        ({"t"}, set(), True),
        (set(), set(), False),
        ({"t", "side/0"}, {"side/0"}, True),
        ({"t"}, {"side/0"}, False),
        ({"side/0"}, {"side/0"}, False),
        ({"t", "side/0", "side/1"}, {"side/0", "side/1"}, True),
    ],
)
def test_the_end_is_reached_when_sinks_and_expected_branches_are_over(
    members: set[str], expected: set[str], reached: bool
) -> None:
    assert end_is_reached(SIDE, members, expected) is reached


# --- loops ------------------------------------------------------------------------------------

NESTED = program(
    *("s c", "c d continue", "d y continue", "y d", "y d go", "d c", "c t", "c u"),
    c=LOOP,
    d=LOOP,
)


@covers("S6.7", "S6.8")
def test_the_way_into_a_loop_leads_to_evaluation_0() -> None:
    assert arrivals(NESTED, "s", taken=(0,)) == [Arrival("c/0", "0", True, 1, False, b"null")]


def test_an_evaluation_that_goes_on_begins_the_iteration_of_its_number() -> None:
    """S6.9; S6.20: an inner loop begins at evaluation 0 in each."""
    assert arrivals(NESTED, "c/3", action="continue", taken=(1,)) == [
        Arrival("d/3/0", "1", True, 1, False, b"null")
    ]
    assert arrivals(NESTED, "d/3/0", action="continue", taken=(2,)) == [
        Arrival("y/3/0", "2", True, 1, False, b"null")
    ]


@covers("S6.8")
def test_the_way_back_leads_to_the_next_evaluation() -> None:
    """It counts the edges that lead back, and not the way in."""
    assert arrivals(NESTED, "y/3/9", taken=(3,), skipped=(4,)) == [
        Arrival("d/3/10", "3", True, 2, False, b"null"),
        Arrival("d/3/10", "4", False, 2),
    ]


def test_an_exit_leads_out_of_the_loop_and_perhaps_to_the_next_evaluation_around_it() -> None:
    """S6.10 and S6.11; which evaluation was the last is noted outside of the loop."""
    assert follow(NESTED, "d/3/2", action="break", output=Raw(b"5"), taken=(5,)) == Consequences(
        [Arrival("c/4", "5", True, 1, False, b"5")], [Cell("d/3", "last", b"2")]
    )
    assert follow(NESTED, "c/12", action="break", taken=(6,), skipped=(7,)) == Consequences(
        [
            Arrival("t", "6", True, 1, False, b"null"),
            Arrival("u", "7", False, 1),
        ],
        [Cell("c", "last", b"12")],
    )


def test_a_skipped_controller_ends_its_loop_and_skips_the_exits() -> None:
    """S6.16, and S6.17 at evaluation 0."""
    for evaluation in (b"0", b"2"):
        found = follow(NESTED, f"c/{evaluation.decode()}", outcome="skipped", skipped=(6, 7))
        assert found.cells == [Cell("c", "last", evaluation)]
        assert found.arrivals == [Arrival("t", "6", False, 1), Arrival("u", "7", False, 1)]


@covers("S1.23")
def test_a_controller_without_exits_is_a_sink_once_its_loop_has_ended() -> None:
    made = program("s c", "c x continue", "x c", c=LOOP)
    assert follow(made, "c/2", action="break") == Consequences(
        [Arrival("/end", "c", True, 1)], [Cell("c", "last", b"2")]
    )
    assert follow(made, "c/0", outcome="skipped").arrivals == [Arrival("/end", "c", False, 1)]
    assert arrivals(made, "c/2", action="continue", taken=(1,)) == [
        Arrival("x/2", "1", True, 1, False, b"null")
    ]


@covers("S1.25")
def test_an_inner_controller_without_exits_ends_a_branch_of_the_iteration_around_it() -> None:
    """Under the name that the loop around it expects."""
    made = program("s c", "c x continue", "x c", "x d", "d y continue", "y d", c=LOOP, d=LOOP)
    assert arrivals(made, "c/1", action="continue")[0] == Arrival("/expected", "d/1", True, 0)
    assert follow(made, "d/1/7", action="break") == Consequences(
        [Arrival("/end", "d/1", True, 0)], [Cell("d/1", "last", b"7")]
    )


@covers("S6.3")
def test_a_function_whose_action_is_called_continue_begins_no_iteration() -> None:
    """That is the controller's word, and a function's like any other."""
    made = program("a b continue", "a c")
    assert arrivals(made, "b", action="continue") == [Arrival("/end", "b", True, 2)]


# --- fallbacks --------------------------------------------------------------------------------

CHAIN = program("a t", "G u", a=rescued_by("F"), F=rescued_by("G"))
SHARED = program("a t", "b t", a=rescued_by("H"), b=rescued_by("H"))


@covers("S7.14", "S7.15")
def test_a_node_that_was_caught_hands_its_input_to_its_fallback_and_decides_nothing() -> None:
    found = arrivals(CHAIN, "a", outcome="caught", input=Raw(b"7"), output=Raw(b"1"))
    assert found == [Arrival("F", "catch", True, 1, False, b"7")]
    assert arrivals(SHARED, "b", outcome="caught") == [
        Arrival("H/!b", "catch", True, 1, False, b"null")
    ]


@covers("S7.16", "S7.21")
def test_a_stand_in_takes_the_edges_under_the_names_of_those_it_stands_in_for() -> None:
    """The value is the stand-in's."""
    assert arrivals(CHAIN, "G", taken=(0, 1), output=Raw(b"9")) == [
        Arrival("t", "0", True, 1, False, b"9"),
        Arrival("u", "1", True, 1, False, b"9"),
    ]
    assert arrivals(SHARED, "H/!b", taken=(1,)) == [Arrival("t", "1", True, 2, False, b"null")]


@covers("S7.20")
def test_a_stand_in_in_a_loop_takes_edges_in_the_scope_of_the_one_that_failed() -> None:
    """Its own scope is one further in."""
    made = program(
        *("s c", "c a continue", "a b", "b c", "c t"),
        c=LOOP,
        a=rescued_by("H"),
        b=rescued_by("H"),
    )
    assert arrivals(made, "H/2/!a", taken=(2,)) == [Arrival("b/2", "2", True, 1, False, b"null")]
    assert arrivals(made, "H/2/!b", taken=(3,)) == [Arrival("c/3", "3", True, 1, False, b"null")]
    assert arrivals(made, "H/2/!b", skipped=(3,)) == [Arrival("c/3", "3", False, 1)]
    assert arrivals(made, "a/2", outcome="caught")[0].target == "H/2/!a"


@covers("S7.17")
def test_a_stand_in_ends_the_run_in_the_place_of_a_sink() -> None:
    """It is no sink itself."""
    made = program("s a", "s b", a=rescued_by("F"), b=rescued_by("G"), F=rescued_by("E"))
    assert arrivals(made, "F") == [Arrival("/end", "a", True, 2)]
    assert arrivals(made, "E") == [Arrival("/end", "a", True, 2)]
    assert arrivals(made, "a", outcome="caught")[0].target == "F"


@covers("S1.25", "S7.16")
def test_a_stand_in_ends_a_branch_of_a_loop_under_the_name_that_is_expected() -> None:
    made = program(
        *("s c", "c x continue", "x c", "x a", "x b", "c t"),
        c=LOOP,
        a=rescued_by("H"),
        b=rescued_by("H"),
    )
    assert arrivals(made, "H/2/!b") == [Arrival("/end", "b/2", True, 0)]


@covers("S7.19")
def test_a_fallback_with_edges_that_was_not_needed_is_skipped_down_the_chain() -> None:
    made = program("a t", "F u", a=rescued_by("F"))
    assert arrivals(made, "a", taken=(0,))[1:] == [Arrival("F", "catch", False, 1)]
    assert arrivals(made, "a", outcome="skipped", skipped=(0,))[1:] == [
        Arrival("F", "catch", False, 1)
    ]
    assert arrivals(made, "F", outcome="skipped", skipped=(1,)) == [Arrival("u", "1", False, 1)]
    # Edges further down the chain have to be skipped as well.
    assert arrivals(CHAIN, "a", taken=(0,))[1:] == [Arrival("F", "catch", False, 1)]
    assert arrivals(CHAIN, "F", outcome="skipped") == [Arrival("G", "catch", False, 1)]
    assert arrivals(CHAIN, "F", taken=(0,))[1:] == [Arrival("G", "catch", False, 1)]
    assert arrivals(CHAIN, "G", outcome="skipped", skipped=(1,)) == [Arrival("u", "1", False, 1)]


@covers("S7.18", "S7.19")
def test_a_fallback_in_a_loop_is_skipped_in_its_iteration() -> None:
    made = program("s c", "c a continue", "a c", "F c", "c t", c=LOOP, a=rescued_by("F"))
    assert arrivals(made, "a/4", taken=(2,))[1:] == [Arrival("F/4", "catch", False, 1)]


def test_a_fallback_without_edges_that_was_not_needed_leaves_nothing() -> None:
    """S7.19; S7.20: one that serves several has none."""
    plain = program("a t", a=rescued_by("F"), F=rescued_by("G"))
    assert len(arrivals(plain, "a", taken=(0,))) == 1
    assert len(arrivals(SHARED, "a", taken=(0,))) == 1
    joined = program("a t", "b t", "c t", a=rescued_by("F"), F=rescued_by("H"), b=rescued_by("H"))
    assert len(arrivals(joined, "a", taken=(0,))) == 1


@covers("S1.24")
def test_a_skipped_fallback_says_nothing_of_the_node_that_it_serves() -> None:
    """That node has arrived at the end itself."""
    made = program("s a", "F u", a=rescued_by("F"))
    assert arrivals(made, "F", outcome="skipped", skipped=(1,)) == [Arrival("u", "1", False, 1)]
    assert arrivals(made, "F", taken=(1,)) == [
        Arrival("u", "1", True, 1, False, b"null"),
        Arrival("/end", "a", True, 2),
    ]


# --- batches ----------------------------------------------------------------------------------


@covers("S8.5", "S8.7", "S8.8")
def test_a_batch_starts_as_many_items_as_fit_in_flight() -> None:
    made = program("s g", s=scatter(chunkSize=3), g="batch-gather")
    go = [Arrival(f"s/#{index}", "go", True, 1) for index in range(3)]
    assert arrivals(made, "s", items=7) == go
    assert arrivals(made, "s", items=3) == go
    assert arrivals(made, "s", items=2) == go[:2]


@covers("S8.4")
@pytest.mark.parametrize("items", [0, None])
def test_a_batch_without_items_goes_on_to_its_gather(items: int | None) -> None:
    made = program("s g", s=scatter(), g="batch-gather")
    assert arrivals(made, "s", items=items) == [Arrival("g", "0", True, 1, False, b"null")]


@covers("S5.5")
def test_a_skipped_scatter_skips_its_gather() -> None:
    made = program("s g", s=scatter(), g="batch-gather")
    assert arrivals(made, "s", outcome="skipped", skipped=(0,)) == [Arrival("g", "0", False, 1)]


@covers("S8.8", "S8.9")
def test_an_item_starts_the_next_of_its_lane_and_the_last_of_a_lane_ends_it() -> None:
    made = program("s g", s=scatter(chunkSize=3), g="batch-gather")

    def after(item: int, items: int) -> list[Arrival]:
        return arrivals(made, f"s/#{item}", items=items)

    assert after(0, 7) == [Arrival("s/#3", "go", True, 1)]
    assert after(3, 7) == [Arrival("s/#6", "go", True, 1)]
    assert after(4, 7) == [Arrival("s/#", "1", True, 3)]
    assert after(6, 7) == [Arrival("s/#", "0", True, 3)]
    # With fewer items than fit in flight, each is a lane.
    assert after(1, 2) == [Arrival("s/#", "1", True, 2)]


@few
@given(st.integers(1, 30), st.integers(1, 9))
def test_every_item_starts_once_and_every_lane_ends_once(items: int, chunk: int) -> None:
    """S8.7 to S8.9: walking from the scatter reaches each item, and completes the lanes."""
    made = program("s g", s=scatter(chunkSize=chunk), g="batch-gather")
    pending = arrivals(made, "s", items=items)
    assert len(pending) <= chunk
    started, ended = [], []
    while pending:
        one = pending.pop()
        if one.target == "s/#":
            ended.append((one.member, one.need))
            continue
        started.append(one.target)
        pending += arrivals(made, one.target, items=items)
    assert sorted(started) == sorted(f"s/#{index}" for index in range(items))
    lanes = min(items, chunk)
    assert sorted(ended) == sorted((str(lane), lanes) for lane in range(lanes))


@covers("S8.10", "S8.11")
def test_a_failed_item_stops_its_lane_unless_the_batch_goes_on() -> None:
    strict = program("s g", s=scatter(chunkSize=1), g="batch-gather")
    assert arrivals(strict, "s/#0", outcome="failed", items=2) == []
    lenient = program("s g", s=scatter(chunkSize=1, onItemError="continue"), g="batch-gather")
    assert arrivals(lenient, "s/#0", outcome="failed", items=2) == [Arrival("s/#1", "go", True, 1)]
    assert arrivals(lenient, "s/#1", outcome="failed", items=2) == [Arrival("s/#", "0", True, 1)]


@covers("S6.19", "S8.5")
def test_a_batch_in_a_loop_has_items_and_lanes_in_each_iteration() -> None:
    made = program(
        *("b c", "c s continue", "s g", "g c", "c t"),
        c=LOOP,
        s=scatter(chunkSize=2),
        g="batch-gather",
    )
    assert arrivals(made, "s/4", items=1) == [Arrival("s/4/#0", "go", True, 1)]
    assert arrivals(made, "s/4/#0", items=3) == [Arrival("s/4/#2", "go", True, 1)]
    assert arrivals(made, "s/4/#1", items=3) == [Arrival("s/4/#", "1", True, 2)]
    assert lanes_arrival(made, "s/4/#") == Arrival("g/4", "2", True, 1, False, b"null")
    assert arrivals(made, "s/4", items=0) == [lanes_arrival(made, "s/4/#")]


@covers("S8.9")
def test_complete_lanes_arrive_at_the_gather() -> None:
    made = program("s g", s=scatter(), g="batch-gather")
    assert lanes_arrival(made, "s/#") == Arrival("g", "0", True, 1, False, b"null")


# --- joins ------------------------------------------------------------------------------------


@covers("S5.2", "S5.4", "S12.8", "S12.9")
@pytest.mark.parametrize(
    ("members", "taken", "decision"),
    [(1, 0, "pending"), (1, 1, "pending"), (2, 0, "skip"), (2, 1, "ready"), (2, 2, "ready")]
)  # fmt: skip
def test_an_all_join_is_decided_when_every_edge_has_arrived(
    members: int, taken: int, decision: Decision
) -> None:
    for came_taken in (True, False):
        arrival = Arrival("j", "0", came_taken, 2)
        assert decide(arrival, members, taken, None) == decision


@covers("S5.3", "S5.4", "S5.7", "S12.9")
@pytest.mark.parametrize(
    ("came_taken", "members", "taken", "winner", "decision"),
    [
        (True, 1, 1, "0", "ready"),
        (True, 2, 2, "0", "ready"),
        # Another one has won: later arrivals change nothing.
        (True, 2, 2, "1", "pending"),
        (False, 2, 1, "1", "pending"),
        (False, 2, 1, "0", "pending"),
        # Skips decide only when nothing else can come.
        (False, 1, 0, None, "pending"),
        (False, 2, 0, None, "skip"),
        (False, 3, 0, None, "skip"),
        # Taken, but who won has not been noted yet.
        (True, 2, 2, None, "pending"),
        (False, 2, 1, None, "pending"),
    ],
)
def test_an_any_join_starts_with_its_winner_alone(
    came_taken: bool, members: int, taken: int, winner: str | None, decision: Decision
) -> None:
    assert decide(Arrival("j", "0", came_taken, 2, any=True), members, taken, winner) == decision


@covers("S1.25")
@pytest.mark.parametrize("members", [0, 1, 5])
def test_a_set_that_needs_nothing_decides_nothing(members: int) -> None:
    """The end that waits for branches of loops is compared, and not counted."""
    assert decide(Arrival("/end", "t", True, 0), members, members, None) == "pending"
