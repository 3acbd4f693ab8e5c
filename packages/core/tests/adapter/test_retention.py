"""Runs that ended long ago are purged by the sweeper, and only those."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from packages.core.tests.adapter.test_purge import traces

from flowcraft.ports.store import End
from packages.core.tests.adapter.stage import KINDS, Stage, virtually
from tests.simulation.hand_written import graph, node

KEPT = 1000.0


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(request.param, retention_seconds=KEPT)


async def is_there(stage: Stage, run_id: str = "run") -> bool:
    (header,) = await stage.client.ports.store.headers([run_id])
    return header is not None


@virtually
async def test_a_run_is_kept_for_so_long_after_its_end_and_no_longer(stage: Stage) -> None:
    @stage.node("slow")
    async def slow(input: Any) -> Any:
        await asyncio.sleep(500.0)
        return input

    await stage.run(graph([node("a", "slow")]))
    await asyncio.sleep(KEPT - 100.0)  # older than it is kept, counted from its beginning
    assert await is_there(stage)
    await asyncio.sleep(300.0)
    assert not await is_there(stage)
    await stage.until_quiet()
    if stage.kind != "four_method":
        assert traces(stage) == []


@virtually
async def test_a_tree_goes_whole_and_late_messages_bring_nothing_back(stage: Stage) -> None:
    inner = graph([node("e", "echo")], name="inner")
    middle = graph([node("s", "subflow", blueprintId="inner")], name="middle")
    stage.add(inner, middle)
    await stage.run(graph([node("s", "subflow", blueprintId="middle")]))
    (child,) = await stage.children()
    (grandchild,) = await stage.children(child.run_id)
    tree = ["run", child.run_id, grandchild.run_id]
    await asyncio.sleep(KEPT - 100.0)
    assert [await is_there(stage, run_id) for run_id in tree] == [True] * 3
    await asyncio.sleep(300.0)
    assert [await is_there(stage, run_id) for run_id in tree] == [False] * 3
    for run_id in tree:
        for origin in ("edge", "sweep", "timer"):
            stage.send("s", run_id=run_id, origin=origin)
            stage.send("e", run_id=run_id, origin=origin)
            stage.send("", run_id=run_id, origin=origin)
    await asyncio.sleep(1000.0)
    await stage.until_quiet()
    assert [await is_there(stage, run_id) for run_id in tree] == [False] * 3
    if stage.kind != "four_method":
        assert traces(stage) == []


@virtually
async def test_a_child_is_kept_as_long_as_its_root(stage: Stage) -> None:
    child = graph([node("e", "echo")], name="child")
    stage.add(child)
    nodes = [node("s", "subflow", blueprintId="child"), node("w", "wait")]
    stage.add(graph(nodes, ("s", "w")))
    stage.worker()
    await stage.submit("g")
    await stage.until_open("w")
    await asyncio.sleep(2 * KEPT)
    (below,) = await stage.children()
    assert below.is_announced
    await stage.resume("w", 1)
    assert (await stage.result()).output == 1


@pytest.mark.parametrize("stage", ["split", "four_method"], indirect=True)
@virtually
async def test_what_is_not_announced_does_not_expire(stage: Stage) -> None:
    worker = stage.worker()
    stage.add(graph([node("w", "wait")]))
    await stage.submit("g")
    await stage.until_open("w")
    await worker.stop()
    now = stage.client.parts.clock.now()
    await stage.client.ports.store.finish([End("run", "cancelled", None, now)])
    await asyncio.sleep(KEPT + 1000.0)
    assert await stage.client.ports.store.expired(stage.client.parts.clock.now(), 9) == []
    stage.worker()  # which announces it, and may purge it from then on
    await stage.until(lambda: _gone(stage))


async def _gone(stage: Stage) -> bool:
    return not await is_there(stage)


@virtually
async def test_without_a_retention_runs_are_kept(stage: Stage) -> None:
    stage.settings["retention_seconds"] = None
    await stage.run(graph([node("a", "echo")]))
    await asyncio.sleep(5 * KEPT)
    assert await is_there(stage)


@virtually
async def test_a_sweep_purges_so_many_and_the_next_one_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowcraft.adapter.sweeper.PURGED_PER_SWEEP", 2)
    stage.add(graph([node("a", "echo")]))
    worker = stage.worker()
    run_ids = [f"r{number}" for number in range(5)]
    for run_id in run_ids:
        await stage.submit("g", run_id=run_id)
        await stage.result(run_id)
    await worker.stop()
    await asyncio.sleep(KEPT + 100.0)
    sweeper = stage.worker().adapter._sweeper
    left = []
    for _ in range(3):
        await asyncio.sleep(0.0)
        await sweeper._purge_expired(stage.client.parts.clock.now())
        left.append(sum([await is_there(stage, run_id) for run_id in run_ids]))
    assert left == [3, 1, 0]


@virtually
async def test_a_deadline_beyond_the_retention_makes_no_dead_letter(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    stage.worker()
    await stage.result(await stage.submit("g", deadline_seconds=5 * KEPT))
    await asyncio.sleep(2 * KEPT)
    assert not await is_there(stage)
    await asyncio.sleep(10 * KEPT)
    await stage.until_quiet()
    assert (stage.timers(), stage.dead_letters()) == ([], [])
