"""A run whose messages are gone, whenever that was, is repaired from its records."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import UnknownRunError
from flowcraft.nodes import RunInfo
from flowcraft.ports.store import End
from packages.core.tests.adapter.stage import KINDS, Kind, Stage, Worker, virtually
from tests.simulation.hand_written import graph, node

STRIDES = {"fused": 1, "split": 1, "four_method": 4}
"""Every moment; where calls are many, every fourth."""


def everything() -> Any:
    """A graph with most of the constructs, that ends by itself."""
    go = {"action": "continue"}
    nodes = [
        node("a", "echo"),
        node("left", "echo"),
        node("right", "echo"),
        node("never", "echo"),
        node("j", "echo"),
        node("c", "loop-controller", condition="input.n < 2"),
        node("body", "count"),
        node("list", "value", value=[1, 2, 3]),
        node("b", "batch-scatter", workerUsesKey="echo", gatherNodeId="g", chunkSize=2),
        node("g", "batch-gather"),
        node("p", "sleep", duration="1s"),
        node("r", "shaky", config={"maxRetries": 3, "retryDelay": 100}),
        node("f", "fails", config={"fallback": "instead"}),
        node("instead", "value", value="instead"),
        node("s", "subflow", blueprintId="child"),
        node("w", "wait"),
        node("z", "echo"),
    ]
    edges = [
        ("a", "left"), ("a", "right"), ("a", "never", {"condition": "false"}),
        ("left", "j"), ("right", "j"), ("never", "j"),
        ("a", "c"), ("c", "body", go), ("body", "c"),
        ("j", "list"), ("list", "b"), ("b", "g"),
        ("c", "p"), ("p", "r"), ("r", "f"), ("f", "s"), ("s", "w"),
        ("g", "z"), ("w", "z"),
    ]  # fmt: skip
    return graph(nodes, *edges)


def set_up(stage: Stage) -> None:
    """Nodes, blueprints, and no sweeper that would help."""
    stage.settings["sweep_interval_seconds"] = 1e7

    @stage.node("count")
    async def count(input: Any) -> Any:
        return {"n": input["n"] + 1}

    @stage.node("fails")
    async def fails(input: Any) -> None:
        raise RuntimeError("always")

    @stage.node("shaky")
    async def shaky(input: Any, run: RunInfo) -> Any:
        if run.attempt == 1:
            raise RuntimeError("once")
        return input

    child = graph([node("a", "echo"), node("b", "echo")], ("a", "b"), name="child")
    stage.add(child, everything())


async def run_it(stage: Stage, lose_after: int | None) -> tuple[Any, int]:
    """Run it, deleting every message after so many calls; the result and the number of calls."""
    set_up(stage)
    calls = 0
    is_lost = asyncio.Event()
    worker = stage.worker()

    async def before(call: str) -> None:
        nonlocal calls
        calls += 1
        if calls == lose_after:
            is_lost.set()
            await asyncio.get_running_loop().create_future()

    worker.before = before
    await stage.create("g", {"n": 0})
    assert await stage.resume("w", "resumed") == "kept"
    await stage.client.runs.start("run")
    if lose_after is not None:
        await is_lost.wait()
        worker.abandon()
        stage.lose_messages()
        stage.lose_timers()
        await repair(stage, stage.worker())
    result = await stage.result(within=1000.0)
    return (result.status, result.output), calls


async def repair(stage: Stage, worker: Worker) -> None:
    """Reconcile the run and its children, as an operator would, until it ends."""
    for _ in range(3):
        for run_id in ["run", *[child.run_id for child in await stage.children()]]:
            await worker.adapter.reconcile(run_id)
        await asyncio.sleep(60.0)


EXPECTED = ("completed", {"g": [1, 2, 3], "w": "resumed"})


@pytest.mark.parametrize("kind", KINDS)
def test_reconciling_repairs_a_run_that_lost_its_messages_at_any_moment(kind: Kind) -> None:
    counted: list[int] = []

    @virtually
    async def uninterrupted() -> None:
        outcome, calls = await run_it(Stage(kind), None)
        assert outcome == EXPECTED
        counted.append(calls)

    @virtually
    async def interrupted(after: int) -> None:
        outcome, _ = await run_it(Stage(kind), after)
        assert outcome == EXPECTED, f"messages lost after call {after}"

    uninterrupted()
    # A worker that waits makes calls of its own: beyond the end nothing is interrupted.
    for after in range(1, counted[0] - 5, STRIDES[kind]):
        interrupted(after)


@virtually
async def test_reconciling_what_is_not_broken_changes_nothing(stage: Stage) -> None:
    set_up(stage)
    stage.worker()
    await stage.create("g", {"n": 0})
    await stage.client.runs.start("run")
    for _ in range(20):
        await stage.client.reconcile("run")
        await asyncio.sleep(0.1)
    await stage.until_open("w")
    await stage.resume("w", "resumed")
    result = await stage.result()
    assert (result.status, result.output) == EXPECTED
    await stage.client.reconcile("run")
    await stage.until_quiet()
    assert await stage.result() == result


@virtually
async def test_reconciling_a_run_that_is_not_there_is_an_error(stage: Stage) -> None:
    with pytest.raises(UnknownRunError, match="'nobody'"):
        await stage.client.reconcile("nobody")


@pytest.mark.parametrize("stage", ["split", "four_method"], indirect=True)
@virtually
async def test_reconciling_announces_an_end_that_nobody_announced(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    await stage.create("g", 1)
    store = stage.client.ports.store
    await store.finish([End("run", "cancelled")])
    assert not (await stage.header()).is_announced
    await stage.client.reconcile("run")
    assert (await stage.header()).is_announced
