"""A run whose messages are gone, whenever that was, is repaired from its records."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.nodes import RunInfo
from flowcraft.testing import Call, Harness, Stage
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.wire import never
from flowcraft.testing.worker import Worker
from packages.core.tests.conformance.harnesses import (
    FourMethodHarness,
    MemoryHarness,
    SplitHarness,
)

STRIDES: dict[type[MemoryHarness | FourMethodHarness], int] = {
    MemoryHarness: 1,
    SplitHarness: 1,
    FourMethodHarness: 4,
}
"""Every moment; where calls are many, every fourth."""


def everything() -> Any:
    """A graph with most of the constructs, that ends by itself."""
    go = {"action": "continue"}
    nodes = [
        node("a"),
        node("left"),
        node("right"),
        node("never"),
        node("j"),
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
        node("z"),
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

    @stage.node("shaky")
    async def shaky(input: Any, run: RunInfo) -> Any:
        if run.attempt == 1:
            raise RuntimeError("once")
        return input

    child = graph([node("a"), node("b")], ("a", "b"), name="child")
    stage.add(child, everything())


async def run_it(stage: Stage, lose_after: int | None) -> tuple[Any, int]:
    """Run it, deleting every message after so many calls; the result and the number of calls."""
    set_up(stage)
    calls = 0
    is_lost = asyncio.Event()
    worker = stage.worker()

    async def before(call: Call) -> None:
        nonlocal calls
        calls += 1
        if calls == lose_after:
            is_lost.set()
            await never()

    worker.wire.before = before
    await stage.create("g", {"n": 0})
    assert await stage.resume("w", "resumed") == "kept"
    await stage.client.runs.start("run")
    if lose_after is not None:
        await is_lost.wait()
        worker.abandon()
        lose_messages(stage.harness)
        await stage.client.ports.store.clear_timers(await stage.timers())
        await repair(stage, stage.worker())
    result = await stage.result(within=1000.0)
    return (result.status, result.output), calls


async def repair(stage: Stage, worker: Worker) -> None:
    """Reconcile the run and its children, as an operator would, until it ends."""
    for _ in range(3):
        for run_id in ["run", *[child.run_id for child in await stage.children()]]:
            await worker.adapter.reconcile(run_id)
        await asyncio.sleep(60.0)


def lose_messages(harness: Harness) -> None:
    """Delete every message, held or not."""
    if isinstance(harness, FourMethodHarness):
        harness.server.messages.clear()
    else:
        assert isinstance(harness, MemoryHarness)
        harness.backend.tables.jobs.clear()


EXPECTED = ("completed", {"g": [1, 2, 3], "w": "resumed"})


@pytest.mark.slow
@pytest.mark.parametrize("kind", STRIDES)
def test_reconciling_repairs_a_run_that_lost_its_messages_at_any_moment(
    kind: type[MemoryHarness | FourMethodHarness],
) -> None:
    def outcome(lose_after: int | None) -> tuple[Any, int]:
        async def main(harness: Harness) -> tuple[Any, int]:
            async with Stage(harness) as stage:
                return await run_it(stage, lose_after)

        harness = kind()
        return harness.run(main(harness))

    uninterrupted, calls = outcome(None)
    assert uninterrupted == EXPECTED
    # A worker that waits makes calls of its own: beyond the end nothing is interrupted.
    for after in range(1, calls - 5, STRIDES[kind]):
        interrupted, _ = outcome(after)
        assert interrupted == EXPECTED, f"messages lost after call {after}"
