"""Runs that are ended from outside: by somebody, or by the time they were given."""

from __future__ import annotations

import asyncio

import pytest

from packages.core.tests.adapter.stage import EPOCH, Stage, virtually
from tests.simulation.hand_written import graph, node


@virtually
async def test_cancelling_stops_an_async_node_at_its_next_heartbeat(stage: Stage) -> None:
    ended: list[float] = []
    loop = asyncio.get_running_loop()

    @stage.node("long")
    async def long(input: None) -> None:
        try:
            await asyncio.sleep(10_000.0)
        finally:
            ended.append(loop.time())

    stage.add(graph([node("a", "long"), node("b", "echo")], ("a", "b")))
    stage.worker()
    await stage.submit("g")
    await asyncio.sleep(30.0)
    assert await stage.client.runs.cancel("run") == "cancelled"
    cancelled_at = loop.time()
    assert (await stage.result()).status == "cancelled"
    await asyncio.sleep(100.0)
    assert len(ended) == 1
    assert ended[0] - cancelled_at <= stage.lease_seconds / 3 + 1
    assert await stage.record("a") is None
    await stage.until_quiet()
    assert stage.calls["echo"] == 0


@virtually
async def test_what_a_cancelled_node_still_returns_is_thrown_away(stage: Stage) -> None:
    @stage.node("stubborn")
    async def stubborn(input: None) -> str:
        try:
            await asyncio.sleep(10_000.0)
        except asyncio.CancelledError:
            await asyncio.sleep(5.0)
        return "too late"

    stage.add(graph([node("a", "stubborn")]))
    stage.worker()
    await stage.submit("g")
    await asyncio.sleep(30.0)
    await stage.client.runs.cancel("run")
    await asyncio.sleep(100.0)
    assert await stage.record("a") is None
    result = await stage.result()
    assert (result.status, result.output) == ("cancelled", None)
    await stage.until_quiet()


@virtually
async def test_a_worker_works_on_after_it_cancelled_a_node(stage: Stage) -> None:
    @stage.node("long")
    async def long(input: None) -> None:
        await asyncio.sleep(10_000.0)

    stage.add(graph([node("a", "long")], name="long"), graph([node("a", "echo")], name="short"))
    stage.worker(concurrency=1)
    await stage.submit("long", run_id="long")
    await asyncio.sleep(5.0)
    await stage.client.runs.cancel("long")
    await stage.submit("short", 3, run_id="short")
    assert (await stage.result("short", within=60.0)).output == 3


@virtually
async def test_cancelling_twice_or_after_the_end_changes_nothing(stage: Stage) -> None:
    result = await stage.run(graph([node("a", "echo")]), 1)
    assert await stage.client.runs.cancel("run") == "completed"
    assert await stage.result() == result
    assert await stage.client.runs.cancel("nobody") is None


@virtually
async def test_a_run_cancelled_before_any_worker_came_runs_nothing(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    await stage.submit("g")
    await stage.client.runs.cancel("run")
    stage.worker()
    await stage.until_quiet()
    assert stage.calls["echo"] == 0
    assert await stage.record("a") is None


@pytest.mark.parametrize("origin", ["submission", "blueprint", "both"])
@virtually
async def test_a_deadline_ends_a_run_as_failed(stage: Stage, origin: str) -> None:
    @stage.node("long")
    async def long(input: None) -> None:
        await asyncio.sleep(10_000.0)

    blueprint = graph([node("a", "long")])
    if origin != "submission":
        blueprint["metadata"] = {"timeout": 90_000 if origin == "blueprint" else 5_000_000}
    how = {} if origin == "blueprint" else {"deadline_seconds": 90.0}
    result = await stage.run(blueprint, **how)
    assert result.status == "failed"
    assert [e.type for e in result.errors] == ["RunDeadlineError"]
    ended_at = (await stage.header()).ended_at
    assert ended_at is not None
    assert 89.9 <= ended_at - EPOCH <= 90.0 + 2 * stage.slack_seconds
    await stage.until_quiet()
    assert await stage.record("a") is None


@pytest.mark.parametrize("uses", ["wait", "sleep", "webhook"])
@virtually
async def test_a_deadline_counts_while_the_run_is_suspended(stage: Stage, uses: str) -> None:
    params = {"duration": "10h"} if uses == "sleep" else {}
    result = await stage.run(graph([node("a", uses, **params)]), deadline_seconds=5000.0)
    assert [e.type for e in result.errors] == ["RunDeadlineError"]
    ended_at = (await stage.header()).ended_at
    assert ended_at is not None
    assert 4999.9 <= ended_at - EPOCH <= 5000.0 + 2 * stage.slack_seconds


@virtually
async def test_a_deadline_message_that_comes_early_is_not_the_last_word(stage: Stage) -> None:
    stage.add(graph([node("a", "wait")]))
    stage.worker()
    await stage.submit("g", deadline_seconds=50_000.0)
    stage.lose_messages()
    stage.lose_timers()
    # As another machine's clock would send it, whose time is ahead of ours.
    stage.send("a")
    stage.send("")
    result = await stage.result()
    assert result.status == "failed"
    ended_at = (await stage.header()).ended_at
    assert ended_at is not None
    assert 49_999.9 <= ended_at - EPOCH <= 50_000.0 + 2 * stage.slack_seconds


@virtually
async def test_a_run_within_its_deadline_is_not_touched_by_it(stage: Stage) -> None:
    result = await stage.run(graph([node("a", "echo")]), 1, deadline_seconds=60.0)
    await asyncio.sleep(100.0)
    await stage.until_quiet()
    assert await stage.result() == result
    assert result.status == "completed"


@virtually
async def test_the_deadline_of_a_parent_cancels_its_children(stage: Stage) -> None:
    stage.add(
        graph([node("w", "wait")], name="child"),
        graph([node("s", "subflow", blueprintId="child")], name="parent"),
    )
    stage.worker()
    await stage.submit("parent", deadline_seconds=100.0)
    assert (await stage.result()).status == "failed"
    (child,) = await stage.children()
    assert (child.status, child.is_announced) == ("cancelled", True)
