"""A purged run leaves nothing, and nothing of it comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from flowcraft.errors import UnknownRunError
from flowcraft.nodes import Context
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import batch, graph, node


def traces(stage: Stage, run_id: str = "run") -> list[str]:
    """Everything of the memory tables that still speaks of a run."""
    tables = stage.backend.tables
    found = [f"run {key}" for key in tables.runs if run_id in key]
    found += [f"children of {key}" for key in tables._children if run_id in key]
    found += [f"timer {name}" for name in tables._timers if run_id in name]
    found += [f"key {key}" for key in tables._keys if f"/{run_id}/" in key]
    found += [f"job {job.body!r}" for job in tables.jobs.values() if run_id.encode() in job.body]
    return found


@virtually
async def test_a_purged_run_leaves_nothing(memory: Stage) -> None:
    @memory.node("long")
    async def long(input: Any, ctx: Context) -> Any:
        await asyncio.sleep(60.0)
        await ctx.set("key", "value")
        return input

    nodes = [node("a", "long"), node("s", "sleep", duration="30s"), node("z", "echo")]
    memory.add(graph(nodes, ("a", "s"), ("s", "z")))
    memory.worker()
    await memory.submit("g", {"n": 1}, run_id="gone", deadline_seconds=1000.0)
    await memory.submit("g", {"n": 1}, run_id="kept", deadline_seconds=1000.0)
    for run_id in ("gone", "kept"):
        await memory.result(run_id)
    assert await memory.client.runs.purge("gone") is True
    # What is still under way becomes a dead letter when its time comes.
    await memory.until_quiet()
    assert traces(memory, "gone") == []
    assert (await memory.client.runs.result_of("kept")).status == "completed"


@virtually
async def test_a_run_that_has_not_ended_is_not_purged(stage: Stage) -> None:
    stage.add(graph([node("w", "wait")]))
    stage.worker()
    await stage.submit("g")
    await stage.until_open("w")
    assert await stage.client.runs.purge("run") is False
    assert await stage.client.runs.purge("nobody") is False
    assert await stage.resume("w", 1) == "woke"
    assert (await stage.result()).output == 1


@virtually
async def test_a_purged_run_does_not_come_back(stage: Stage) -> None:
    @stage.node("long")
    async def long(input: Any, ctx: Context) -> None:
        await ctx.set("key", 1)
        await asyncio.sleep(500.0)

    stage.add(graph([node("a", "long"), node("b", "echo")], ("a", "b")))
    stage.worker()
    stage.worker()
    await stage.submit("g")
    await asyncio.sleep(20.0)
    await stage.client.runs.cancel("run")
    assert await stage.client.runs.purge("run") is True
    for node_id in ("a", "b", ""):
        stage.send(node_id)
        stage.send(node_id, origin="sweep")
    await asyncio.sleep(1000.0)
    await stage.until_quiet()
    assert await stage.client.ports.store.headers(["run"]) == [None]
    assert await stage.client.ports.store.context("run") == {}
    assert stage.calls["echo"] == 0


@virtually
async def test_a_worker_that_is_late_writes_nothing_into_a_purged_run(memory: Stage) -> None:
    late = asyncio.Event()

    @memory.node("late")
    async def wait(input: Any, ctx: Context) -> None:
        try:
            await late.wait()
        except asyncio.CancelledError:
            await late.wait()
        await ctx.set("key", 1)

    memory.add(graph([node("a", "late"), node("b", "echo")], ("a", "b")))
    memory.worker()
    await memory.submit("g")
    await asyncio.sleep(20.0)
    await memory.client.runs.cancel("run")
    await memory.client.runs.purge("run")
    late.set()
    await asyncio.sleep(100.0)
    await memory.until_quiet()
    assert traces(memory) == []


@virtually
async def test_purging_a_batch_leaves_nothing(memory: Stage) -> None:
    memory.node("sim.node")(_value)
    memory.node("sim.worker")(_value)
    await memory.run(batch(20, {}))
    await memory.client.runs.purge("run")
    await memory.until_quiet()
    assert traces(memory) == []


async def _value(input: Any, params: dict[str, Any]) -> Any:
    return params.get("value", input)


@pytest.mark.parametrize(
    "what",
    [
        node("n", "sleep", duration="1h"),
        node("n", "wait", config={"timeout": 3_600_000}),
        node("n", "fails", config={"maxRetries": 2, "retryDelay": 300_000}),
        node("n", "nowhere"),
    ],
    ids=lambda what: str(what["uses"]),
)
@virtually
async def test_what_was_to_come_later_in_a_purged_run_is_nothing(
    stage: Stage, what: dict[str, Any]
) -> None:
    """S1.62"""

    @stage.node("fails")
    async def fails(input: Any) -> None:
        raise ValueError("no")

    stage.add(graph([what]))
    stage.worker()
    await stage.submit("g")
    await asyncio.sleep(60.0)
    await stage.client.runs.cancel("run")
    assert await stage.client.runs.purge("run") is True
    await asyncio.sleep(2 * 3600.0)
    assert (stage.messages(), stage.dead_letters()) == ([], [])


@virtually
async def test_the_result_of_a_run_is_the_same_whenever_it_is_read(stage: Stage) -> None:
    result = await stage.run(graph([node("a", "echo")]), {"n": 1})
    await asyncio.sleep(10_000.0)
    assert msgspec.to_builtins(await stage.result()) == msgspec.to_builtins(result)


@pytest.mark.parametrize("value", [{"n": 1}, "no mapping"])
@virtually
async def test_the_result_of_a_run_that_is_purged_while_it_is_read_is_not_an_empty_one(
    memory: Stage, value: Any
) -> None:
    @memory.node("strict")
    async def strict(input: dict[str, Any]) -> Any:
        return input

    await memory.run(graph([node("a", "strict")]), value)
    header = await memory.header()
    await memory.client.runs.purge("run")
    with pytest.raises(UnknownRunError, match="'run'"):
        await memory.client.runs.result_of("run", header)
