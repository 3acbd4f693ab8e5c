"""What a node costs in one process: counted, never timed."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest

from flowcraft.blueprint import Blueprint
from flowcraft.nodes import RunInfo
from flowcraft.runtime import FlowRuntime
from flowcraft.runtime.line import BREATH
from flowcraft.status import RunResult


def chain(graph: Callable[..., Blueprint], nodes: int) -> Blueprint:
    ids = [f"n{number}" for number in range(nodes)]
    return graph(dict.fromkeys(ids, "echo"), *pairwise(ids))


def fan(graph: Callable[..., Blueprint], width: int) -> Blueprint:
    middle = [f"m{number}" for number in range(width)]
    edges = [edge for m in middle for edge in (("a", m), (m, "z"))]
    return graph(dict.fromkeys(["a", *middle, "z"], "echo"), *edges)


def batch(graph: Callable[..., Blueprint], uses: str = "echo") -> Blueprint:
    params = {"workerUsesKey": uses, "chunkSize": 10, "gatherNodeId": "g"}
    nodes = {
        "s": {"uses": "batch-scatter", "params": params},
        "g": {"uses": "batch-gather"},
    }
    return graph(nodes, ("s", "g"))


def loop(graph: Callable[..., Blueprint]) -> Blueprint:
    params = {"condition": "input.n > 0", "maxIterations": 100_000}
    nodes = {
        "a": "echo",
        "c": {"uses": "loop-controller", "params": params},
        "down": "down",
        "z": "echo",
    }
    edges = (("a", "c"), ("c", "down", {"action": "continue"}), ("down", "c"), ("c", "z"))
    return graph(nodes, *edges)


def run(runtime: FlowRuntime, blueprint: Blueprint, payload: Any = None) -> RunResult:
    result = asyncio.run(runtime.run(blueprint, payload))
    assert result.status == "completed"
    return result


def count_tasks(runtime: FlowRuntime, blueprint: Blueprint) -> int:
    """How many tasks a run makes, beside the one that waits for it."""
    made: list[asyncio.Task[Any]] = []

    def make(
        loop: asyncio.AbstractEventLoop, code: Coroutine[Any, Any, Any], **how: Any
    ) -> asyncio.Task[Any]:
        made.append(asyncio.Task(code, loop=loop, **how))
        return made[-1]

    async def main() -> int:
        asyncio.get_running_loop().set_task_factory(make)
        await runtime.run(blueprint)
        return len(made)

    return asyncio.run(main())


def count_calls(runtime: FlowRuntime, blueprint: Blueprint, payload: Any = None) -> Counter[str]:
    """How often each function is called in a run of a blueprint that is compiled already."""
    program = runtime.program(blueprint)
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            found[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            found[argument.__qualname__] += 1

    async def main() -> RunResult:
        sys.setprofile(note)
        try:
            return await runtime.run(program, payload)
        finally:
            sys.setprofile(None)

    assert asyncio.run(main()).status == "completed"
    return found


def test_a_chain_is_one_task_however_long(lab, graph):
    runtime = lab.runtime()
    assert count_tasks(runtime, chain(graph, 5)) == count_tasks(runtime, chain(graph, 500)) == 1


def test_a_fan_of_nodes_that_need_not_wait_has_no_task_for_each(lab, graph):
    assert count_tasks(lab.runtime(), fan(graph, 1000)) <= 2 * BREATH


def test_all_branches_of_a_fan_wait_at_once(lab, graph):
    there = 0
    everybody = asyncio.Event()

    async def meet(input: Any) -> Any:
        nonlocal there
        there += 1
        if there == 1000:
            everybody.set()
        await everybody.wait()
        return input

    lab.register("meet", meet)
    middle = [f"m{number}" for number in range(1000)]
    edges = [edge for m in middle for edge in (("a", m), (m, "z"))]
    nodes = {"a": "echo", **dict.fromkeys(middle, "meet"), "z": "echo"}
    assert lab.run(graph(nodes, *edges), 1).output == dict.fromkeys(middle, 1)


def test_a_branch_that_never_waits_does_not_keep_the_others_from_their_turn(lab, graph):
    course: list[str] = []

    async def step(input: Any, run: RunInfo) -> Any:
        course.append(run.node_id)
        return input

    lab.register("step", step)
    long = [f"n{number}" for number in range(10 * BREATH)]
    nodes = dict.fromkeys(["a", *long, "other"], "step")
    result = lab.run(graph(nodes, ("a", "n0"), *pairwise(long), ("a", "other")), 1)
    assert result.status == "completed"
    assert course.index("other") <= 2 * BREATH


@pytest.mark.parametrize("shape", [chain, fan])
def test_what_a_node_costs_does_not_grow_with_the_graph(lab, graph, shape):
    small, large = (
        sum(count_calls(lab.runtime(), shape(graph, size), {"id": 7}).values())
        for size in (100, 1000)
    )
    assert large < small * 10.5


def test_what_an_item_costs_does_not_grow_with_the_batch(lab, graph):
    small, large = (
        sum(count_calls(lab.runtime(), batch(graph), list(range(size))).values())
        for size in (100, 1000)
    )
    assert large < small * 10.5


def test_what_an_iteration_costs_does_not_grow_with_the_loop(lab, graph):
    async def down(input: dict[str, int]) -> dict[str, int]:
        return {"n": input["n"] - 1}

    lab.register("down", down)
    small, large = (
        sum(count_calls(lab.runtime(), loop(graph), {"n": size}).values()) for size in (100, 1000)
    )
    assert large < small * 10.5


def test_a_value_is_read_and_written_once_on_its_way_through_a_node(lab, graph):
    long, short = (count_calls(lab.runtime(), chain(graph, n), {"id": 7}) for n in (101, 1))
    extra = long - short
    assert {name: extra[name] for name in ("Encoder.encode", "Decoder.decode", "_is_strict")} == {
        "Encoder.encode": 100,
        "Decoder.decode": 100,
        "_is_strict": 100,
    }


def test_a_batch_of_100_000_items_has_a_chunk_of_them_under_way(lab, graph):
    busy = peak = 0

    async def count(input: int) -> int:
        nonlocal busy, peak
        busy += 1
        peak = max(peak, busy)
        if input < 100:
            await asyncio.sleep(0)
        busy -= 1
        return input + 1

    lab.register("count", count)
    result = run(lab.runtime(), batch(graph, "count"), list(range(100_000)))
    assert result.output == list(range(1, 100_001))
    assert peak == 10
