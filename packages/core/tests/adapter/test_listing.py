"""Runs are listed newest first, page by page, on every kind of store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.client.listing import list_runs
from flowcraft.errors import RunError
from flowcraft.status import RunPage
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node


async def listed(stage: Stage, **how: Any) -> RunPage:
    wanted: dict[str, Any] = {"status": None, "blueprint_id": None, "limit": 50, "after": None}
    return await list_runs(stage.client, **(wanted | how))


async def ids(stage: Stage, **how: Any) -> list[str]:
    return [run.run_id for run in (await listed(stage, **how)).runs]


async def submit_each(stage: Stage, *run_ids: str, blueprint_id: str = "g") -> None:
    for run_id in run_ids:
        await stage.submit(blueprint_id, run_id=run_id)
        await asyncio.sleep(1.0)


def two(stage: Stage) -> None:
    stage.add(graph([node("w", "wait")]), {**graph([node("w", "wait")]), "id": "other"})


@virtually
async def test_the_newest_run_comes_first(stage: Stage) -> None:
    two(stage)
    await submit_each(stage, "a", "c", "b")
    page = await listed(stage)
    assert [run.run_id for run in page.runs] == ["b", "c", "a"]
    assert page.next is None
    assert {run.status for run in page.runs} == {"running"}


@virtually
async def test_runs_are_listed_by_status_and_blueprint(stage: Stage) -> None:
    two(stage)
    stage.worker()
    await submit_each(stage, "a", "b")
    await submit_each(stage, "x", "y", blueprint_id="other")
    for run_id in ("b", "y"):
        await stage.client.runs.cancel(run_id)
    assert await ids(stage, status="running") == ["x", "a"]
    assert await ids(stage, status="cancelled") == ["y", "b"]
    assert await ids(stage, blueprint_id="g") == ["b", "a"]
    assert await ids(stage, status="cancelled", blueprint_id="g") == ["b"]
    assert await ids(stage, status="failed") == []
    assert await ids(stage, blueprint_id="nobody's") == []


@virtually
async def test_pages_hold_every_run_once_although_runs_come_in_between(stage: Stage) -> None:
    two(stage)
    old = [f"old{number:02}" for number in range(10)]
    for run_id in old:
        await stage.submit("g", run_id=run_id)  # some in the same moment
        await asyncio.sleep(0.0 if int(run_id[-1]) % 2 else 1.0)
    seen: list[str] = []
    after = None
    while True:
        page = await listed(stage, limit=3, after=after, blueprint_id="g")
        seen += [run.run_id for run in page.runs]
        await submit_each(stage, f"new{len(seen)}")
        if page.next is None:
            break
        assert len(page.runs) == 3
        after = page.next
    assert seen == old[::-1]


@virtually
async def test_a_purged_run_is_not_listed(stage: Stage) -> None:
    two(stage)
    stage.worker()
    await submit_each(stage, "a", "b")
    await stage.client.runs.cancel("a")
    await stage.client.runs.purge("a")
    assert await ids(stage) == ["b"]


@virtually
async def test_a_listing_tells_how_a_run_ended_and_whose_child_it_is(stage: Stage) -> None:
    child = {**graph([node("f", "fails")]), "id": "child"}
    parent = graph([{**node("s", "subflow"), "params": {"blueprintId": "child"}}])

    @stage.node("fails")
    async def fails(input: Any) -> None:
        raise ValueError("no")

    stage.add(child)
    assert (await stage.run(parent)).status == "failed"
    below, above = (await listed(stage)).runs
    assert (above.run_id, above.status, above.parent) == ("run", "failed", "")
    assert (below.parent, below.status, below.blueprint_id) == ("run", "failed", "child")
    assert below.error is not None
    assert below.error.node == "f"
    assert below.ended_at is not None
    assert below.ended_at >= below.created_at


@virtually
async def test_what_a_listing_cannot_do_it_says(stage: Stage) -> None:
    with pytest.raises(RunError, match=r"status='running'.*run\.status"):
        await listed(stage, status="waiting")
    for after in ("x", "", "bm90IG9uZQ==", "é"):
        with pytest.raises(RunError, match="not the `next` of a page"):
            await listed(stage, after=after)
    for limit in (0, 1001, True):
        with pytest.raises(RunError, match="from 1 to 1000"):
            await listed(stage, limit=limit)
