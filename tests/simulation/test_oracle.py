"""Edges, joins and loops, on graphs small enough to work out by hand what must come out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.behaviour import digest
from tests.simulation.check import ObservedRecord
from tests.simulation.hand_written import (
    LOOP,
    counting,
    graph,
    node,
    outcomes,
    run,
    through,
    value,
)

# --- edges, inputs and joins ------------------------------------------------------------------


def test_a_start_node_gets_the_payload_and_one_edge_gives_its_value() -> None:
    seen = run(graph([through("a"), through("b")], ("a", "b")), payload={"n": 7})
    assert seen.records["a"] == ObservedRecord(
        outcome="completed", output={"n": 7}, taken={0: {"n": 7}}
    )
    assert (seen.status, seen.output, seen.context) == ("completed", {"n": 7}, {"n": 7})


def test_a_join_maps_sources_to_values_and_leaves_out_the_skipped() -> None:
    blueprint = graph(
        [value("s", 1), value("a", "A"), value("b", "B"), through("j")],
        ("s", "a"),
        ("s", "b", {"condition": "result.output > 1"}),
        ("a", "j"),
        ("b", "j"),
    )
    seen = run(blueprint)
    assert seen.output == {"a": "A"}
    assert seen.records["s"].skipped == {1}
    assert seen.records["b"] == ObservedRecord(outcome="skipped", skipped={3})


def test_a_skip_travels_to_the_only_sink_whose_output_is_null() -> None:
    edges = [("a", "b", {"condition": "input"}), ("b", "c")]
    seen = run(graph([value("a", 0), through("b"), through("c")], *edges))
    assert outcomes(seen) == {"a": "completed", "b": "skipped", "c": "skipped"}
    assert (seen.status, seen.output) == ("completed", None)


def test_several_sinks_give_a_mapping_of_those_that_ran() -> None:
    blueprint = graph(
        [value("a", 5), value("b", 1), value("c", 2)],
        ("a", "b"),
        ("a", "c", {"condition": "result.output.nowhere"}),
    )
    assert run(blueprint).output == {"b": 1}


@pytest.mark.parametrize(
    ("output", "satisfied"),
    [(None, False), (False, False), (0, False), ("", False), ([], True), ({}, True), ("0", True)],
)
def test_conditions_are_satisfied_by_all_but_null_false_zero_and_empty_text(
    output: Any, satisfied: bool
) -> None:
    blueprint = graph(
        [value("a", output), through("b")], ("a", "b", {"condition": "result.output"})
    )
    assert (run(blueprint).records["b"].outcome == "completed") is satisfied


def test_of_two_edges_between_the_same_nodes_the_later_taken_one_gives_the_value() -> None:
    nodes = [value("a", {"x": 1, "y": 2}), through("b")]
    first, last = {"transform": "result.output.x"}, {"transform": "input.y"}
    assert run(graph(nodes, ("a", "b", first), ("a", "b", last))).output == {"a": 2}
    unmet = {**last, "condition": "input.z"}
    assert run(graph(nodes, ("a", "b", first), ("a", "b", unmet))).output == {"a": 1}


def test_default_edges_are_taken_only_when_no_edge_names_the_action() -> None:
    def taken(action: str | None) -> dict[int, Any]:
        nodes = [value("a", 1, action=action), through("b"), through("c")]
        edges = [("a", "b", {"action": "go", "condition": "input > 1"}), ("a", "c")]
        return run(graph(nodes, *edges)).records["a"].taken

    assert taken("go") == {}
    assert taken("other") == {1: 1}
    assert taken(None) == {1: 1}


def test_an_any_join_takes_its_winner_alone() -> None:
    blueprint = graph(
        [value("a", 1), value("b", 2), through("j", config={"joinStrategy": "any"})],
        ("a", "j"),
        ("b", "j"),
    )
    outputs = [run(blueprint, seed=seed).output for seed in range(20)]
    assert {"a": 1} in outputs
    assert {"b": 2} in outputs
    winners = {run(blueprint, seed=seed).records["j"].winner for seed in range(20)}
    assert winners == {0, 1}


def test_an_any_join_is_skipped_when_all_its_arrivals_are() -> None:
    never = {"condition": "input.nowhere"}
    blueprint = graph(
        [value("a", 1), through("b"), through("c"), through("j", config={"joinStrategy": "any"})],
        ("a", "b", never),
        ("a", "c", never),
        ("b", "j"),
        ("c", "j"),
    )
    assert run(blueprint).records["j"] == ObservedRecord(outcome="skipped")


def test_inputs_name_nodes_outputs_keys_and_paths_in_that_order() -> None:
    reads = {"id": "a", "out": "_outputs.a", "key": "k", "path": "a.b.0", "dot": "p.q", "no": "z.y"}
    blueprint = graph(
        [value("a", {"b": [9]}, writes={"k": 3}), through("p.q"), through("c", inputs=reads)],
        ("a", "p.q", {"transform": "result.output.b"}),
        ("p.q", "c"),
    )
    a = {"b": [9]}
    assert run(blueprint, payload={"p": {"q": 0}}).output == {
        "id": a, "out": a, "key": 3, "path": 9, "dot": [9], "no": None
    }  # fmt: skip


def test_expressions_see_own_writes_keys_before_nodes_and_null_for_what_leads_nowhere() -> None:
    forms = ["context.k", "k", 'context["k"]', "s.n", 'context["_outputs.s"].n', "nothing.here"]
    nodes = [value("s", {"n": 4}), value("a", 1, writes={"k": "new"})]
    nodes += [through(f"t{index}") for index in range(len(forms))]
    edges = [("a", f"t{index}", {"transform": form}) for index, form in enumerate(forms)]
    seen = run(graph(nodes, ("s", "a"), *edges), payload={"k": "old"})
    assert list(seen.records["a"].taken.values()) == ["new", "new", "new", 4, 4, None]
    assert seen.context == {"k": "new"}


def test_an_expression_without_a_value_fails_the_run_without_retry_or_fallback() -> None:
    blueprint = graph(
        [value("a", "text", config={"maxRetries": 3, "fallback": "f"}), node("f"), node("b")],
        ("a", "b", {"condition": "result.output > 1"}),
    )
    seen = run(blueprint)
    assert (seen.status, outcomes(seen)) == ("failed", {"a": "failed"})
    assert seen.errors[0]["type"] == "ExpressionError"


# --- loops ------------------------------------------------------------------------------------


def test_each_evaluation_of_a_loop_has_the_scope_of_the_iteration_it_begins() -> None:
    seen = run(graph(counting(2), *LOOP))
    first = {"at": "b/0", "seen": digest({"n": 0}), "n": 1, "flag": False}
    second = {"at": "b/1", "seen": digest(first), "n": 2, "flag": True}
    assert seen.records == {
        "s": ObservedRecord(outcome="completed", output={"n": 0}, taken={0: {"n": 0}}),
        "c/0": ObservedRecord(
            outcome="completed", output={"n": 0}, action="continue", taken={1: {"n": 0}}
        ),
        "b/0": ObservedRecord(outcome="completed", output=first, taken={2: first}),
        "c/1": ObservedRecord(
            outcome="completed", output=first, action="continue", taken={1: first}
        ),
        "b/1": ObservedRecord(outcome="completed", output=second, taken={2: second}),
        "c/2": ObservedRecord(
            outcome="completed", output=second, action="break", taken={3: second}
        ),
        "e": ObservedRecord(outcome="completed", output=second),
    }


def test_a_loop_of_no_iteration_leaves_no_records_of_its_body() -> None:
    assert set(run(graph(counting(0), *LOOP)).records) == {"s", "c/0", "e"}


def test_a_loop_beyond_its_iterations_fails_the_run_at_the_controller() -> None:
    seen = run(graph(counting(3, maxIterations=2), *LOOP))
    assert seen.status == "failed"
    assert (seen.errors[0]["node"], seen.errors[0]["scope"]) == ("c", "/2")
    assert run(graph(counting(2, maxIterations=2), *LOOP)).status == "completed"


def test_when_all_back_edges_are_skipped_the_controller_and_its_exits_are() -> None:
    edges = [*LOOP]
    edges[2] = ("b", "c", {"condition": "input.nowhere"})
    seen = run(graph(counting(2), *edges))
    assert seen.records["c/1"] == ObservedRecord(outcome="skipped", skipped={3})
    assert (seen.records["e"].outcome, seen.output) == ("skipped", None)


def test_a_skipped_loop_skips_its_exits_and_not_its_body() -> None:
    edges = [*LOOP]
    edges[0] = ("s", "c", {"condition": "input.nowhere"})
    assert outcomes(run(graph(counting(2), *edges))) == {
        "s": "completed", "c/0": "skipped", "e": "skipped"
    }  # fmt: skip


def test_a_body_sink_is_resolved_in_each_iteration_and_is_no_output() -> None:
    seen = run(graph([*counting(2), node("side")], *LOOP, ("b", "side")))
    assert {"side/0", "side/1"} <= set(seen.records)
    assert seen.output == seen.records["e"].output


def test_a_controller_without_exits_is_a_sink_whose_output_is_its_input() -> None:
    seen = run(graph(counting(1)[:3], *LOOP[:3]))
    assert seen.output == seen.records["b/0"].output
    assert seen.records["c/1"].taken == {}


def test_nested_loops_have_a_scope_for_each_loop_and_start_anew() -> None:
    nodes = [
        value("s", {"n": 0}),
        node("o", "loop-controller", condition="input.n < 2"),
        node("step", emit="count"),
        value("zero", {"n": 0}),
        node("i", "loop-controller", condition="input.n < 1"),
        node("b", emit="count"),
        through("tail", inputs="step"),
    ]
    edges = [
        ("s", "o"),
        ("o", "step", {"action": "continue"}),
        ("step", "zero"),
        ("zero", "i"),
        ("i", "b", {"action": "continue"}),
        ("b", "i"),
        ("i", "tail", {"action": "break"}),
        ("tail", "o"),
    ]
    seen = run(graph(nodes, *edges))
    assert {"b/0/0", "i/0/1", "tail/0", "b/1/0", "i/1/1", "tail/1", "o/2"} <= set(seen.records)
    assert len(seen.records) == 1 + 3 + 2 * 6
    assert seen.records["b/1/0"].output["at"] == "b/1/0"


def test_a_node_of_a_body_means_this_iteration_inside_and_the_last_one_outside() -> None:
    nodes = [*counting(2), through("in", inputs="b.n"), through("out", inputs="b.n")]
    edges = [*LOOP, ("b", "in"), ("e", "out")]
    edges[3] = ("c", "e", {"action": "break", "transform": "b.n"})
    seen = run(graph(nodes, *edges))
    assert (seen.records["in/0"].output, seen.records["in/1"].output) == (1, 2)
    assert (seen.records["e"].output, seen.records["out"].output) == (2, 2)


def test_a_controller_reads_the_iteration_before_the_one_it_may_begin() -> None:
    nodes = counting(0)
    nodes[1]["params"]["condition"] = "again"
    nodes.insert(3, node("again", emit="value", value=True))
    edges = [*LOOP[:2], ("b", "again"), ("again", "c"), LOOP[3]]
    assert run(graph(nodes, *edges)).records["c/0"].action == "break"


def test_several_back_edges_join_under_the_controllers_strategy() -> None:
    nodes = [
        value("s", 0),
        node("c", "loop-controller", condition="k < 1", config={"joinStrategy": "all"}),
        through("b", writes={"k": 1}),
        value("x", "X"),
        value("y", "Y"),
    ]
    edges = [("s", "c"), ("c", "b", {"action": "continue"}), ("b", "x"), ("b", "y")]
    edges += [("x", "c"), ("y", "c")]
    assert run(graph(nodes, *edges), payload={"k": 0}).output == {"x": "X", "y": "Y"}
    nodes[1]["config"] = {"joinStrategy": "any"}
    outputs = [run(graph(nodes, *edges), payload={"k": 0}, seed=s).output for s in range(20)]
    assert {"x": "X"} in outputs
    assert {"y": "Y"} in outputs
    assert run(graph(nodes, *edges), payload={"k": 0}).records["c/0"].winner == 0
