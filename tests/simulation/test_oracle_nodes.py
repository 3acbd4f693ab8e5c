"""Failures, batches, subflows and waits, on graphs small enough to work out by hand."""

from __future__ import annotations

from tests.simulation.case import Signal
from tests.simulation.check import ObservedRecord
from tests.simulation.hand_written import (
    LOOP,
    batch,
    counting,
    graph,
    node,
    outcomes,
    run,
    through,
    value,
)

# --- failures ---------------------------------------------------------------------------------


def test_a_retried_node_is_recorded_with_the_attempt_that_succeeded() -> None:
    nodes = [value("a", 1, fail_attempts=2, config={"maxRetries": 3})]
    assert run(graph(nodes)).records["a"].attempt == 3


def test_a_node_without_attempts_left_fails_the_run_and_nothing_follows() -> None:
    nodes = [value("a", 1, fail_attempts=9, config={"maxRetries": 2}), node("b")]
    seen = run(graph(nodes, ("a", "b")))
    assert (seen.status, outcomes(seen)) == ("failed", {"a": "failed"})
    error = {"node": "a", "scope": "", "attempt": 2, "type": "SimulatedError"}
    assert seen.errors == [{**error, "message": "SimulatedError"}]


def test_a_fatal_failure_uses_one_attempt_and_a_timeout_uses_them_up() -> None:
    fatal = [node("a", fatal=True, config={"maxRetries": 5})]
    assert run(graph(fatal)).records["a"].attempt == 1
    hanging = [node("a", hang_attempts=2, config={"maxRetries": 2, "timeout": 5})]
    error = run(graph(hanging)).records["a"].error
    assert error is not None
    assert (error["attempt"], error["type"]) == (2, "NodeTimeoutError")


def test_a_fallback_gets_the_input_and_feeds_the_edges_under_the_failed_name() -> None:
    nodes = [
        value("s", 5),
        value("a", 1, fail_attempts=9, config={"fallback": "f"}),
        through("f", action="go"),
        value("b", 2),
        through("j"),
        through("k", inputs={"a": "a"}),
    ]
    edges = [("s", "a"), ("a", "j", {"action": "go"}), ("a", "b"), ("b", "j"), ("j", "k")]
    seen = run(graph(nodes, *edges))
    assert seen.records["a"].outcome == "caught"
    assert not seen.records["a"].taken
    assert (seen.records["f"].taken, seen.records["f"].skipped) == ({1: 5}, {2})
    assert (seen.records["j"].output, seen.output) == ({"a": 5}, {"a": 5})


def test_a_fallback_not_needed_has_a_skipped_record_only_if_it_has_edges() -> None:
    nodes = [value("a", 1, config={"fallback": "f"}), value("f", 2), through("j")]
    assert set(run(graph(nodes, ("a", "j"))).records) == {"a", "j"}
    seen = run(graph(nodes, ("a", "j"), ("f", "j")))
    assert seen.records["f"] == ObservedRecord(outcome="skipped", skipped={1})
    assert seen.output == {"a": 1}


def test_the_stand_ins_record_holds_the_failed_nodes_edges_and_its_own() -> None:
    nodes = [value("a", 1, fail_attempts=1, config={"fallback": "f"}), value("f", 2), through("j")]
    seen = run(graph(nodes, ("a", "j"), ("f", "j")))
    assert seen.records["f"].taken == {0: 2, 1: 2}
    assert seen.output == {"a": 2, "f": 2}


def test_a_shared_fallback_runs_in_a_scope_for_each_node_it_serves() -> None:
    failing = {"fail_attempts": 1, "config": {"fallback": "f"}}
    nodes = [value("a", 1, **failing), value("b", 2, **failing), node("f"), through("j")]
    seen = run(graph(nodes, ("a", "j"), ("b", "j")))
    assert seen.output["a"]["at"] == "f/!a"
    assert seen.output["b"]["at"] == "f/!b"
    assert seen.records["f/!a"].taken.keys() == {0}


def test_the_fallback_of_a_fallback_stands_for_both() -> None:
    nodes = [
        node("a", fail_attempts=1, config={"fallback": "f"}),
        node("f", fail_attempts=1, config={"fallback": "g"}),
        value("g", 3),
        through("j"),
    ]
    seen = run(graph(nodes, ("a", "j"), ("f", "j")))
    assert outcomes(seen) == {"a": "caught", "f": "caught", "g": "completed", "j": "completed"}
    assert (seen.records["g"].taken, seen.output) == ({0: 3, 1: 3}, {"a": 3, "f": 3})


def test_the_writes_of_a_failed_node_vanish() -> None:
    nodes = [node("a", fail_attempts=1, writes={"k": 1}, config={"fallback": "f"}), node("f")]
    assert run(graph(nodes), payload={"z": 0}).context == {"z": 0}


# --- batches ----------------------------------------------------------------------------------


def test_a_batch_gathers_in_order_and_gives_an_empty_list_for_no_items() -> None:
    seen = run(batch(5, {"emit": "count"}, chunkSize=2))
    assert [item["n"] for item in seen.output] == [1, 2, 3, 4, 5]
    assert seen.output[3]["at"] == "b/#3"
    assert "b/#4" in seen.records
    assert run(batch(0, {})).output == []


def test_a_failed_item_is_null_and_in_the_errors_or_fails_the_run() -> None:
    failing = {"emit": "number", "n": 1, "fail_attempts": 9, "fail_scopes": ["/#1"]}
    seen = run(batch(3, failing, onItemError="continue"))
    assert (seen.status, seen.output) == ("completed", [1, None, 1])
    assert seen.records["b/#1"].outcome == "failed"
    assert [(e["node"], e["scope"]) for e in seen.errors] == [("b", "/#1")]
    assert run(batch(3, failing)).status == "failed"


def test_a_skipped_scatter_skips_its_gather() -> None:
    blueprint = batch(2, {})
    blueprint["edges"][0]["condition"] = "input.nowhere"
    assert outcomes(run(blueprint)) == {"s": "completed", "b": "skipped", "g": "skipped"}


# --- subflows, waits, sleeps ------------------------------------------------------------------


def test_a_subflow_gives_its_childs_output_and_sets_parent_keys() -> None:
    child = graph([through("x", writes={"inner": 8})], name="child")
    params = {"blueprintId": "child", "inputs": {"y": "s.n"}, "outputs": {"k": "x", "m": "inner"}}
    nodes = [value("s", {"n": 6}), node("f", "subflow", **params)]
    seen = run(graph(nodes, ("s", "f")), child)
    assert seen.output == {"y": 6}
    assert seen.context == {"k": {"y": 6}, "m": 8}
    assert seen.children["f", 1].context == {"y": 6, "inner": 8}


def test_each_attempt_of_a_subflow_is_a_new_child_and_its_failure_names_the_childs_node() -> None:
    child = graph([node("x", fail_attempts=1)], name="child")
    subflow = node("f", "subflow", blueprintId="child", config={"maxRetries": 2})
    seen = run(graph([subflow]), child)
    assert set(seen.children) == {("f", 1), ("f", 2)}
    assert (seen.status, seen.errors[0]["type"]) == ("failed", "ChildRunError")
    assert "x" in seen.errors[0]["message"]


def test_items_may_be_subflows() -> None:
    child = graph([through("x")], name="child")
    seen = run(batch(2, {"blueprintId": "child"}, uses="subflow"), child)
    assert seen.output == [0, 1]
    assert set(seen.children) == {("b/#0", 1), ("b/#1", 1)}


def test_a_wait_gives_what_resumed_it_and_its_action_chooses_the_edge() -> None:
    nodes = [node("w", "wait"), value("yes", 1), value("no", 2)]
    blueprint = graph(nodes, ("w", "yes", {"action": "approve"}), ("w", "no"))
    seen = run(blueprint, signals=[Signal(node="w", action="approve", output={"by": "me"})])
    by = {"by": "me"}
    assert seen.records["w"] == ObservedRecord(
        outcome="completed", output=by, action="approve", taken={0: by}, skipped={1}
    )
    assert seen.output == {"yes": 1}


def test_a_wait_in_a_child_is_named_by_its_path_and_one_in_a_loop_by_its_scope() -> None:
    child = graph([node("w", "wait")], name="child")
    blueprint = graph([node("f", "subflow", blueprintId="child")])
    assert run(blueprint, child, signals=[Signal(node="f/w", output=4)]).output == 4
    nodes = counting(2)
    nodes[2] = node("b", "wait")
    signals = [Signal(node="b", scope=f"/{k}", output={"n": k + 1}) for k in range(2)]
    assert run(graph(nodes, *LOOP), signals=signals).output == {"n": 2}


def test_sleeps_and_joins_pass_their_input_and_webhooks_give_the_request() -> None:
    request = {"body": 1, "headers": {}, "method": "POST", "query": {}}
    nodes = [value("a", 9), node("s", "SleepNode", duration="1h"), node("j", "join")]
    nodes.append(node("h", "webhook"))
    seen = run(
        graph(nodes, ("a", "s"), ("s", "j"), ("j", "h")),
        signals=[Signal(node="h", output=request)],
    )
    assert (seen.records["s"].output, seen.records["j"].output, seen.output) == (9, 9, request)
