"""Edges, joins, loops and batches in one process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.nodes import Context, NodeResult, RunInfo


def outcomes(records: Any) -> dict[str, str]:
    return {key: record.outcome for key, record in records.items()}


async def records_of(run: Any) -> dict[str, str]:
    await run.result()
    return outcomes(run.records())


# --- edges ------------------------------------------------------------------------------------


def test_a_chain_hands_the_payload_on(lab, graph):
    lab.register("more", lambda order: order["n"] + 1, quick=True)
    result = lab.run(graph({"a": "more", "b": "echo"}, ("a", "b")), {"n": 1})
    assert (result.status, result.output, result.context) == ("completed", 2, {"n": 1})


def test_the_action_chooses_its_edges_and_the_others_are_skipped(lab, graph):
    async def choose(input: Any) -> NodeResult[int]:
        return NodeResult(input, "left")

    lab.register("choose", choose)
    blueprint = graph(
        {"a": "choose", "l": "echo", "r": "echo", "d": "echo"},
        ("a", "l", {"action": "left"}),
        ("a", "r", {"action": "right"}),
        ("a", "d"),
    )
    assert lab.run(blueprint, 5).output == {"l": 5}
    assert lab.drive(blueprint, records_of, 5) == {
        "a": "completed",
        "l": "completed",
        "r": "skipped",
        "d": "skipped",
    }


def test_a_condition_reads_result_context_and_other_nodes(lab, graph, gives):
    blueprint = graph(
        {"a": gives({"n": 3}), "b": gives(4), "c": "echo", "d": "echo"},
        ("a", "b"),
        ("b", "c", {"condition": 'result.output > a.n && context["x-y"] == "z"'}),
        ("b", "d", {"condition": "input < 0"}),
    )
    assert lab.run(blueprint, {"x-y": "z"}).output == {"c": 4}


def test_a_transform_changes_its_own_edge_alone(lab, graph, gives):
    blueprint = graph(
        {"a": gives({"n": 3}), "b": "echo", "c": "echo"},
        ("a", "b", {"transform": "result.output.n + 1"}),
        ("a", "c"),
    )
    assert lab.run(blueprint).output == {"b": 4, "c": {"n": 3}}


def test_an_expression_that_fails_fails_the_run_and_names_the_edge(lab, graph, gives):
    blueprint = graph(
        {"a": gives("text", config={"maxRetries": 3}), "b": "echo"},
        ("a", "b", {"condition": "result.output + 1 > 0"}),
    )
    result = lab.run(blueprint)
    assert (result.status, result.errors[0].type) == ("failed", "ExpressionError")
    assert "edge 0 'a' -> 'b'" in result.errors[0].message


def test_inputs_name_nodes_paths_and_context_keys(lab, graph, gives):
    blueprint = graph(
        {
            "a": gives({"n": {"m": 3}}),
            "b": {"inputs": {"x": "a.n.m", "y": "k", "z": "_outputs.a", "nothing": "no.where"}},
            "c": {"inputs": "k"},
        },
        ("a", "b"),
        ("a", "c"),
    )
    result = lab.run(blueprint, {"k": [1]})
    assert result.output == {
        "b": {"x": 3, "y": [1], "z": {"n": {"m": 3}}, "nothing": None},
        "c": [1],
    }


# --- joins ------------------------------------------------------------------------------------


def test_an_all_join_gets_the_branches_that_ran(lab, graph, gives):
    blueprint = graph(
        {"s": "echo", "a": gives(1), "b": gives(2), "c": gives(3), "j": "join"},
        ("s", "a"),
        ("s", "b", {"condition": "false"}),
        ("s", "c"),
        ("a", "j"),
        ("b", "j"),
        ("c", "j"),
    )
    assert lab.run(blueprint).output == {"a": 1, "c": 3}


def test_an_any_join_starts_with_the_first_and_names_its_winner(lab, graph):
    async def late(input: Any, params: dict[str, Any]) -> str:
        await asyncio.sleep(params["seconds"])
        return f"after {params['seconds']}"

    lab.register("late", late)
    blueprint = graph(
        {
            "a": {"uses": "late", "params": {"seconds": 5}},
            "b": {"uses": "late", "params": {"seconds": 1}},
            "j": {"config": {"joinStrategy": "any"}},
        },
        ("a", "j"),
        ("b", "j"),
    )

    async def course(run: Any) -> Any:
        result = await run.result()
        return result.output, run.records()["j"].winner

    assert lab.drive(blueprint, course) == ({"b": "after 1"}, 1)


@pytest.mark.parametrize("strategy", ["all", "any"])
def test_a_join_whose_arrivals_are_all_skipped_is_skipped(lab, graph, gives, strategy):
    blueprint = graph(
        {"a": gives(0), "j": {"config": {"joinStrategy": strategy}}, "end": "echo"},
        ("a", "j", {"condition": "input"}),
        ("a", "j", {"condition": "input > 7"}),
        ("j", "end"),
    )
    result = lab.run(blueprint)
    assert (result.status, result.output) == ("completed", None)


def test_the_end_waits_for_the_sinks_and_cancels_the_rest(lab, graph, gives):
    seen: list[str] = []

    async def slow(input: Any) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    lab.register("slow", slow)
    blueprint = graph(
        {"a": gives(1), "slow": "slow", "j": {"config": {"joinStrategy": "any"}}},
        ("a", "slow"),
        ("a", "j"),
        ("slow", "j"),
    )
    assert lab.drive(blueprint, records_of) == {"a": "completed", "j": "completed"}
    assert seen == ["cancelled"]


# --- loops ------------------------------------------------------------------------------------

LOOP = [
    ("s", "c"),
    ("c", "b", {"action": "continue"}),
    ("b", "c"),
    ("c", "e", {"action": "break"}),
]


def test_a_loop_runs_its_body_until_the_condition_fails(lab, graph, gives):
    lab.register("more", lambda n: n + 1, quick=True)
    nodes = {
        "s": gives(0),
        "c": {"uses": "loop-controller", "params": {"condition": "input < 3"}},
        "b": "more",
        "e": "echo",
    }
    blueprint = graph(nodes, *LOOP)
    assert lab.run(blueprint).output == 3
    assert lab.drive(blueprint, records_of) == dict.fromkeys(
        ["s", "c/0", "b/0", "c/1", "b/1", "c/2", "b/2", "c/3", "e"], "completed"
    )


def test_a_loop_beyond_its_limit_fails_the_run(lab, graph, gives):
    nodes = {
        "s": gives(0),
        "c": {"uses": "loop-controller", "params": {"condition": "true", "maxIterations": 2}},
        "b": "echo",
        "e": "echo",
    }
    result = lab.run(graph(nodes, *LOOP))
    assert (result.status, result.errors[0].node, result.errors[0].scope) == ("failed", "c", "/2")
    assert "iteration 3 of at most 2" in result.errors[0].message


def test_a_side_branch_of_a_body_delays_the_end(lab, graph, gives):
    done: list[str] = []

    async def slow(input: Any, run: RunInfo) -> None:
        await asyncio.sleep(10)
        done.append(run.scope)

    lab.register("slow", slow)
    lab.register("more", lambda n: n + 1, quick=True)
    nodes = {
        "s": gives(0),
        "c": {"uses": "loop-controller", "params": {"condition": "input < 2"}},
        "b": "more",
        "e": "echo",
        "side": "slow",
    }
    assert lab.run(graph(nodes, *LOOP, ("b", "side"))).output == 2
    assert done == ["/0", "/1"]


def test_a_body_is_read_from_outside_as_of_the_last_iteration(lab, graph, gives):
    lab.register("more", lambda n: n + 1, quick=True)
    nodes = {
        "s": gives(0),
        "c": {"uses": "loop-controller", "params": {"condition": "input < 2"}},
        "b": "more",
        "e": {"inputs": {"body": "b", "controller": "c"}},
    }
    assert lab.run(graph(nodes, *LOOP)).output == {"body": 2, "controller": 2}


# --- batches ----------------------------------------------------------------------------------


def batch(graph: Any, items: Any, gives: Any, *, config: Any = None, gather: Any = None, **params):
    scatter = {
        "uses": "batch-scatter",
        "params": {"workerUsesKey": "work", "gatherNodeId": "g", **params},
        "config": config or {},
    }
    nodes = {"s": gives(items), "b": scatter, "g": {"uses": "batch-gather", "params": gather or {}}}
    return graph(nodes, ("s", "b"), ("b", "g"))


def test_a_batch_gathers_in_the_order_of_the_items(lab, graph, gives):
    async def work(item: int) -> int:
        await asyncio.sleep(10 - item)
        return item * 2

    lab.register("work", work)
    blueprint = batch(graph, [1, 2, 3], gives, gather={"outputKey": "all"})
    result = lab.run(blueprint)
    assert (result.output, result.context) == ([2, 4, 6], {"all": [2, 4, 6]})
    assert lab.seconds == 9


def test_a_batch_whose_key_no_context_holds_fails_and_names_it(lab, graph, gives):
    lab.register("work", lambda item: item)
    result = lab.run(batch(graph, [1], gives, gather={"outputKey": "/errors/a"}))
    assert result.status == "failed"
    assert "context key '/errors/a'" in result.errors[0].message


def test_no_more_items_are_under_way_than_the_chunk_size(lab, graph, gives):
    under_way: list[int] = []
    most: list[int] = []

    async def work(item: int) -> int:
        under_way.append(item)
        most.append(len(under_way))
        await asyncio.sleep(1)
        under_way.remove(item)
        return item

    lab.register("work", work)
    result = lab.run(batch(graph, list(range(7)), gives, chunkSize=3))
    assert (result.output, max(most), lab.seconds) == (list(range(7)), 3, 3)


def test_a_batch_of_nothing_gives_the_empty_list(lab, graph, gives):
    assert lab.run(batch(graph, [], gives)).output == []


def test_a_batch_goes_on_past_failed_items_when_asked(lab, graph, gives):
    async def work(item: int, ctx: Context) -> int:
        await ctx.set("seen", item)
        if item == 1:
            raise ValueError("not one")
        return item

    lab.register("work", work)
    result = lab.run(batch(graph, [0, 1, 2], gives, onItemError="continue", chunkSize=1))
    assert (result.status, result.output, result.context) == (
        "completed",
        [0, None, 2],
        {"seen": 2},
    )
    assert [(e.node, e.scope, e.message) for e in result.errors] == [("b", "/#1", "not one")]


def test_a_failed_item_fails_the_run_unless_asked(lab, graph, gives):
    def work(item: int) -> float:
        return 1 / item

    lab.register("work", work, quick=True)
    result = lab.run(batch(graph, [1, 0], gives, config={"maxRetries": 2}))
    assert (result.status, result.output) == ("failed", None)
    assert [(e.scope, e.attempt, e.type) for e in result.errors] == [
        ("/#1", 2, "ZeroDivisionError")
    ]


def test_a_batch_over_what_is_no_list_fails(lab, graph, gives):
    lab.register("work", lambda item: item, quick=True)
    result = lab.run(batch(graph, {"a": 1}, gives))
    assert (result.status, result.errors[0].type) == ("failed", "InputError")


@pytest.mark.parametrize("worker", ["join", "sleep"])
def test_a_built_in_can_be_the_worker(lab, graph, gives, worker):
    blueprint = batch(
        graph, [1, 2], gives, workerUsesKey=worker, workerParams={"duration": 5}, chunkSize=1
    )
    assert lab.run(blueprint).output == [1, 2]
