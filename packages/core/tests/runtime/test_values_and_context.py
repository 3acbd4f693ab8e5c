"""Values and the context in one process: strict, isolated, and visible with the record alone."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import pytest

from flowcraft.builder import create_flow
from flowcraft.nodes import Context, Depends, NodeResult, RunInfo
from flowcraft.runtime import FlowRuntime


@dataclass
class Order:
    id: int
    price: Decimal


def test_each_consumer_changes_a_copy_of_its_own(lab, graph, gives):
    async def spoil(input: dict[str, Any]) -> Any:
        input["list"].append("spoilt")
        return input

    lab.register("spoil", spoil)
    payload = {"list": [1]}
    blueprint = graph({"a": "echo", "b": "spoil", "c": "spoil"}, ("a", "b"), ("a", "c"))
    result = lab.run(blueprint, payload)
    assert result.output == {"b": {"list": [1, "spoilt"]}, "c": {"list": [1, "spoilt"]}}
    assert payload == {"list": [1]} == result.context


def test_a_node_cannot_change_its_params_for_the_next_run(lab, graph):
    async def spoil(params: dict[str, Any]) -> int:
        params["list"].append(1)
        return len(params["list"])

    lab.register("spoil", spoil)
    blueprint = graph({"a": {"uses": "spoil", "params": {"list": []}}})
    assert [lab.run(blueprint).output, lab.run(blueprint).output] == [1, 1]


@pytest.mark.parametrize("is_quick", [False, True])
def test_a_context_variable_that_a_node_sets_is_seen_by_no_other_node_or_attempt(
    lab, graph, is_quick
):
    variable = ContextVar("variable", default="nobody")

    def leave(run: RunInfo) -> str:
        before = variable.get()
        variable.set(run.node_id)
        if run.attempt == 1:
            raise ValueError("once more")
        return before

    async def leave_later(run: RunInfo) -> str:
        await asyncio.sleep(0)
        return leave(run)

    if is_quick:
        lab.register("leave", leave, quick=True)
    else:
        lab.register("leave", leave_later)
    nodes = {node: {"uses": "leave", "config": {"maxRetries": 2}} for node in "abcd"}
    run = lab.run(graph(nodes, ("a", "b"), ("a", "c"), ("a", "d")))
    assert run.output == {"b": "nobody", "c": "nobody", "d": "nobody"}


@pytest.mark.parametrize("output", [{1, 2}, float("nan"), {"a": (1, 2)}, {1: "x"}])
def test_a_value_that_no_store_holds_fails_the_node_here_too(lab, graph, output):
    async def bad() -> Any:
        return output

    lab.register("bad", bad)
    result = lab.run(graph({"a": {"uses": "bad", "config": {"maxRetries": 3}}}))
    assert (result.errors[0].type, result.errors[0].attempt) == ("ValueNotStorableError", 1)
    assert result.errors[0].message.startswith("output of node 'a'")


def test_declared_types_are_converted_on_the_way_in_and_out(lab, graph):
    async def charge(order: Order) -> Order:
        return Order(order.id, order.price * 2)

    lab.register("charge", charge)
    result = lab.run(graph({"a": "charge", "b": "charge"}, ("a", "b")), {"id": 1, "price": "2.5"})
    assert result.output == {"id": 1, "price": "10.0"}


def test_declared_types_are_converted_within_a_result_too(lab, graph):
    async def charge(order: Order) -> Any:
        return NodeResult([order], action="charged")

    lab.register("charge", charge)
    result = lab.run(graph({"a": "charge"}), {"id": 1, "price": "2.5"})
    assert result.output == [{"id": 1, "price": "2.5"}]


def test_a_conversion_that_raises_is_a_failure_of_its_node(lab, graph, gives):
    class Broken:
        def model_dump(self, **_how: Any) -> Any:
            raise RuntimeError("no form")

    async def break_() -> Any:
        return Broken()

    lab.register("break", break_)
    config = {"fallback": "f", "maxRetries": 2, "retryDelay": 0}
    blueprint = graph({"a": {"uses": "break", "config": config}, "f": gives("instead")})
    result = lab.run(blueprint)
    assert (result.status, result.output) == ("completed", "instead")
    caught = result.context["_catch_error"]
    assert (caught["type"], caught["attempt"]) == ("RuntimeError", 2)


def test_a_test_can_meet_the_limit_of_an_adapter(lab, graph):
    lab.register("large", lambda n: "x" * n, quick=True)
    lab.settings["largest_value"] = 100
    assert lab.run(graph({"a": "large"}), 98).status == "completed"
    result = lab.run(graph({"a": "large"}), 99)
    assert result.errors[0].type == "PayloadTooLargeError"


def test_context_writes_are_seen_by_others_when_the_node_is_recorded(lab, graph):
    seen: list[Any] = []

    async def writer(ctx: Context) -> None:
        await ctx.set("k", 1)
        await ctx.delete("gone")
        seen.append([await ctx.get("k"), await ctx.has("gone")])
        await asyncio.sleep(10)

    async def watcher(ctx: Context) -> None:
        for _ in range(2):
            await asyncio.sleep(8)
            seen.append([await ctx.get("k"), await ctx.has("gone")])

    lab.register("writer", writer)
    lab.register("watcher", watcher)
    result = lab.run(graph({"a": "writer", "b": "watcher"}), {"gone": None})
    assert seen == [[1, False], [None, True], [1, False]]
    assert result.context == {"k": 1}


def test_what_a_failed_attempt_wrote_is_never_seen(lab, graph):
    seen: list[Any] = []

    async def flaky(ctx: Context, run: RunInfo) -> None:
        seen.append(await ctx.get("k", "nothing"))
        await ctx.set("k", run.attempt)
        if run.attempt == 1:
            raise ValueError("once")
        await ctx.set("other", True)

    lab.register("flaky", flaky)
    blueprint = graph({"a": {"uses": "flaky", "config": {"maxRetries": 2}}})
    assert lab.run(blueprint).context == {"k": 2, "other": True}
    assert seen == ["nothing", "nothing"]


@pytest.mark.parametrize("key", ["", "é" * 257, "/errors/b/#1"])
def test_a_context_key_is_1_to_512_bytes_and_not_of_the_engine(lab, graph, key):
    async def writer(ctx: Context) -> None:
        await ctx.set(key, 1)

    lab.register("writer", writer)
    result = lab.run(graph({"a": "writer"}))
    assert result.errors[0].type == "ValueNotStorableError"


def test_dependencies_reach_the_nodes(lab, graph):
    async def uses_pool(pool: Annotated[list[int], Depends("pool")]) -> int:
        return len(pool)

    lab.register("uses", uses_pool)
    lab.settings["dependencies"] = {"pool": [1, 2, 3]}
    assert lab.run(graph({"a": "uses"})).output == 3


def test_a_run_knows_its_place(lab, graph):
    async def where(run: RunInfo) -> list[Any]:
        return [run.run_id, run.blueprint_id, run.node_id, run.scope, run.attempt]

    lab.register("where", where)
    assert lab.run(graph({"a": "where"}), run_id="r1").output == ["r1", "g", "a", "", 1]


async def test_a_function_that_is_not_async_runs_in_a_thread():
    flow = create_flow("threads")
    here = threading.get_ident()
    flow.node(lambda: threading.get_ident() != here, id="a", uses="t.a")
    result = await FlowRuntime(registry=flow.registry).run(flow.to_blueprint())
    assert result.output is True


async def test_a_run_in_real_time_ends_by_itself():
    flow = create_flow("real")

    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return n * 2

    a = flow.node(double, id="a", uses="r.double")
    b = flow.node(double, id="b", uses="r.double")
    flow.edge(a, b)
    runtime = FlowRuntime(registry=flow.registry)
    runs = [runtime.start(flow.to_blueprint(), n) for n in range(20)]
    assert [(await run.result()).output for run in runs] == [4 * n for n in range(20)]
    assert len({run.run_id for run in runs}) == 20
