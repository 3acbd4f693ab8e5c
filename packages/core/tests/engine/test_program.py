"""What the drivers ask about one node, worked out once."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.blueprint import compile_plan
from flowcraft.engine.names import Candidate
from flowcraft.engine.program import DEFAULT_CHUNK_SIZE, DEFAULT_MAX_ITERATIONS, Program
from flowcraft.testing import covers
from packages.core.tests.engine.made import LOOP, edge, program, rescued_by, scatter


def with_inputs(inputs: Any) -> Program:
    return program("a b", "b c", c={"inputs": inputs})


@covers("S3.1", "S3.7")
def test_a_mapping_of_inputs_has_the_meanings_of_each_name() -> None:
    node = with_inputs({"one": "a", "two": "k"}).nodes["c"]
    assert node.inputs == {"one": (Candidate("a", None),), "two": (Candidate(None, "k"),)}


@covers("S3.6")
def test_a_bare_input_has_the_meanings_of_its_name() -> None:
    assert with_inputs("a").nodes["c"].inputs == {"": (Candidate("a", None),)}


@covers("S3.2")
def test_a_node_without_inputs_names_nothing() -> None:
    """It gets what arrives."""
    assert program("a b").nodes["b"].inputs is None
    assert with_inputs({}).nodes["c"].inputs == {}


@covers("S3.7", "S8.18")
@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (None, False),
        ({}, False),
        ("a", False),
        ({"x": "a", "y": "_outputs.b"}, False),
        ("k", True),
        ({"x": "a", "y": "k"}, True),
        # It may be the context key a.n before it is a path into the output of a.
        ("a.n", True),
    ],
)
def test_inputs_name_the_context_if_one_of_them_may_be_a_key(inputs: Any, expected: bool) -> None:
    made = program("a b", "b c", c={"inputs": inputs} if inputs is not None else "f")
    assert made.nodes["c"].names_context is expected


FORK = program(
    edge("a", "b", condition="k > other"),
    edge("a", "c", transform="result.output.n + k"),
    edge("a", "d", condition="b == 1", transform="input"),
    "b d",
)


@covers("S4.6", "S4.8")
def test_a_node_knows_the_expressions_of_its_own_edges() -> None:
    node = FORK.nodes["a"]
    assert {index: one.source for index, one in node.conditions.items()} == {
        0: "k > other",
        2: "b == 1",
    }
    assert {index: one.source for index, one in node.transforms.items()} == {
        1: "result.output.n + k",
        2: "input",
    }
    assert FORK.nodes["b"].conditions == FORK.nodes["b"].transforms == {}


def test_only_what_the_expressions_of_a_node_name_is_read_for_them() -> None:
    """S4.16; the order is fixed, so that two workers read alike."""
    assert list(FORK.nodes["a"].reads.items()) == [
        ("b", (Candidate(None, "b"), Candidate("b", None))),
        ("k", (Candidate(None, "k"),)),
        ("other", (Candidate(None, "other"),)),
    ]
    assert FORK.nodes["b"].reads == {}


@covers("S4.10", "S7.20", "S7.21")
def test_a_fallback_has_the_expressions_of_all_that_it_may_stand_in_for() -> None:
    made = program(
        edge("a", "t", condition="one"),
        edge("b", "t", transform="two"),
        edge("F", "t", condition="three"),
        edge("c", "t", condition="four"),
        a=rescued_by("F"),
        F=rescued_by("G"),
        b=rescued_by("H"),
        c=rescued_by("H"),
    )
    nodes = made.nodes
    assert set(nodes["G"].conditions) == {0, 2}
    assert set(nodes["F"].conditions) == {0, 2}
    assert (set(nodes["H"].conditions), set(nodes["H"].transforms)) == ({3}, {1})
    assert set(nodes["H"].reads) == {"two", "four"}
    assert set(nodes["a"].conditions) == {0}
    assert set(nodes["G"].reads) == {"one", "three"}


@covers("S6.2", "S6.9")
def test_a_controller_has_its_condition_and_reads_for_it() -> None:
    made = program("s c", "c x continue", edge("x", "c", condition="j"), "c t", c=LOOP)
    controller = made.nodes["c"].controller
    assert controller is not None
    assert controller.source == "k"
    assert list(made.nodes["c"].reads) == ["k"]
    assert made.nodes["x"].controller is None
    assert list(made.nodes["x"].reads) == ["j"]


@pytest.mark.parametrize(
    ("edges", "nodes", "expected"),
    [
        (["a n"], {}, True),
        (["a n"], {"n": "join"}, True),
        (["n a"], {}, False),
        (["a n", "b n"], {}, False),
        (["a n"], {"n": {"inputs": "a"}}, False),
        (["a n"], {"n": {"inputs": {}}}, False),
        (["a n", edge("n", "t", condition="k")], {}, False),
        (["a n", edge("n", "t", condition="result.output")], {}, True),
        (["a n"], {"n": "wait"}, False),
        (["a n"], {"n": {"uses": "sleep", "params": {"duration": "1s"}}}, False),
        (["a b"], {"a": rescued_by("n")}, False),
    ],
)
def test_a_node_is_self_contained_if_one_value_is_all_it_needs(
    edges: list[Any], nodes: dict[str, Any], expected: bool
) -> None:
    assert program(*edges, **nodes).nodes["n"].is_self_contained is expected


@pytest.mark.parametrize(
    ("edges", "nodes", "expected"),
    [
        (["a n"], {}, ()),
        (["a n", "n b", "n c"], {}, (1, 2)),
        (["a n", "n b", "n c go"], {}, None),
        (["n b", edge("n", "c", condition="k")], {}, None),
        (["n b", edge("n", "c", transform="k")], {}, None),
        (["n b"], {"n": "wait"}, (0,)),
        (["a n", "n b continue", "b n"], {"n": LOOP}, None),
        (["n b"], {"n": scatter("b"), "b": "batch-gather"}, None),
        (["a b"], {"a": rescued_by("n")}, None),
        (["n b"], {"n": rescued_by("F")}, (0,)),
    ],
)
def test_a_node_whose_edges_ask_nothing_always_takes_them(
    edges: list[Any], nodes: dict[str, Any], expected: tuple[int, ...] | None
) -> None:
    """S4.2 and S4.3; what a controller, a scatter or a fallback takes has to be decided."""
    assert program(*edges, **nodes).nodes["n"].always_takes == expected


def of_scatter(**params: Any) -> Any:
    return program("s g", s=scatter(**params), g="batch-gather").nodes["s"]


@covers("S8.7")
def test_a_batch_has_a_hundred_items_in_flight_unless_given() -> None:
    assert of_scatter().chunk_size == DEFAULT_CHUNK_SIZE == 100
    assert of_scatter(chunkSize=1).chunk_size == 1


@covers("S6.18")
def test_a_loop_begins_ten_thousand_iterations_at_most_unless_given() -> None:
    assert DEFAULT_MAX_ITERATIONS == 10_000


@covers("S8.10")
def test_a_failed_item_is_passed_only_if_the_scatter_says_so() -> None:
    assert of_scatter(onItemError="continue").goes_on_past_failed_items is True
    assert of_scatter(onItemError="fail").goes_on_past_failed_items is False
    assert of_scatter().goes_on_past_failed_items is False


@covers("S8.1")
def test_each_item_runs_the_implementation_that_the_scatter_names() -> None:
    assert of_scatter(worker="work").worker_uses == "work"
    assert program("a b", b={"uses": "work"}).nodes["b"].uses == "work"


@covers("S11.10")
def test_a_program_knows_its_blueprint_its_edges_and_its_hash() -> None:
    made = program("a b", "b c")
    assert made.plan == compile_plan(made.blueprint)
    assert made.hash == made.plan.hash
    assert made.edges == made.plan.edges
    assert list(made.nodes) == ["a", "b", "c"]
    assert all(made.nodes[id_].plan is made.plan.nodes[id_] for id_ in made.nodes)


@covers("S1.4", "S8.15", "S9.1")
def test_the_children_of_a_program_are_those_of_its_subflows_and_batches() -> None:
    made = program(
        *("a b", "b s", "s g", "g u", "u h"),
        a={"uses": "subflow", "params": {"blueprintId": "one"}},
        s=scatter(worker="subflow", workerParams={"blueprintId": "two"}),
        g="batch-gather",
        u=scatter("h", worker="f", workerParams={"blueprintId": "none of them"}),
        h="batch-gather",
        b={"params": {"blueprintId": "nor this", "workerUsesKey": "subflow"}},
    )
    assert made.subflows() == {"one", "two"}
    assert program("a b").subflows() == set()
