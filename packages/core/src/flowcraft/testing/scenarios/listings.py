"""Listings of runs: S1.16 and S1.45 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.client.listing import list_runs
from flowcraft.errors import RunError
from flowcraft.status import RunPage
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage

APART_SECONDS = 0.01


class ListingScenarios:
    """Runs are listed newest first, page by page."""

    @check("S1.45", "S1.16")
    async def test_the_newest_run_comes_first(self, stage: Stage) -> None:
        add_two(stage)
        stage.worker()
        await submit_each(stage, "a", "c", "b")
        for run_id in "abc":
            await stage.until_open("w", run_id=run_id)
        page = await listed(stage)
        assert [run.run_id for run in page.runs] == ["b", "c", "a"]
        assert page.next is None
        assert {run.status for run in page.runs} == {"running"}

    @check("S1.45")
    async def test_runs_are_listed_by_status_and_blueprint(self, stage: Stage) -> None:
        add_two(stage)
        stage.worker()
        await submit_each(stage, "a", "b")
        await submit_each(stage, "x", "y", blueprint_id="other")
        for run_id in ("b", "y"):
            await stage.handle(run_id).cancel()
        assert await ids(stage, status="running") == ["x", "a"]
        assert await ids(stage, status="cancelled") == ["y", "b"]
        assert await ids(stage, blueprint_id="g") == ["b", "a"]
        assert await ids(stage, status="cancelled", blueprint_id="g") == ["b"]
        assert await ids(stage, status="failed") == []
        assert await ids(stage, blueprint_id="nobody's") == []

    @check("S1.45")
    async def test_pages_hold_every_run_once_although_runs_come_and_end_in_between(
        self, stage: Stage
    ) -> None:
        add_two(stage)
        old = [f"old{number}" for number in range(10)]
        for run_id in old:
            await stage.submit("g", run_id=run_id)  # some in the same moment
            await asyncio.sleep(0.0 if int(run_id[-1]) % 2 else APART_SECONDS)
        seen: list[str] = []
        after = None
        while True:
            page = await listed(stage, limit=3, after=after, blueprint_id="g")
            seen += [run.run_id for run in page.runs]
            await submit_each(stage, f"new{len(seen)}")
            await stage.handle(seen[0]).cancel()
            await stage.handle(old[0]).cancel()
            if page.next is None:
                break
            assert len(page.runs) == 3
            after = page.next
        assert sorted(seen) == old, "a run is missing, or there twice"
        times = [(await stage.header(run_id)).created_at for run_id in seen]
        assert times == sorted(times, reverse=True)

    @check("S1.45", "S12.11")
    async def test_a_purged_run_is_not_listed(self, stage: Stage) -> None:
        add_two(stage)
        await submit_each(stage, "a", "b")
        await stage.handle("a").cancel()
        await stage.client.runs.purge("a")
        assert await ids(stage) == ["b"]
        assert await ids(stage, status="cancelled") == []

    @check("S1.45", "S9.5")
    async def test_a_listing_tells_how_a_run_ended_and_whose_child_it_is(
        self, stage: Stage
    ) -> None:
        stage.add(graph([node("f", "fails")], name="child"))
        assert (await stage.run(graph([node("s", "subflow", blueprintId="child")]))).errors
        runs = {run.run_id: run for run in (await listed(stage)).runs}
        above = runs.pop("run")
        ((_, below),) = runs.items()
        assert (above.status, above.parent) == ("failed", "")
        assert (below.parent, below.status, below.blueprint_id) == ("run", "failed", "child")
        assert below.error is not None
        assert below.error.node == "f"
        assert below.ended_at is not None
        assert below.ended_at >= below.created_at

    @check("S1.16", "S1.45")
    async def test_what_a_listing_cannot_do_it_says(self, stage: Stage) -> None:
        with pytest.raises(RunError, match=r"status='running'.*run\.status"):
            await listed(stage, status="waiting")
        for after in ("x", "", "bm90IG9uZQ==", "\u00e9"):
            with pytest.raises(RunError, match="not the `next` of a page"):
                await listed(stage, after=after)
        for limit in (0, 1001, True):
            with pytest.raises(RunError, match="from 1 to 1000"):
                await listed(stage, limit=limit)


async def listed(stage: Stage, **how: Any) -> RunPage:
    """A page of a listing."""
    wanted: dict[str, Any] = {"status": None, "blueprint_id": None, "limit": 50, "after": None}
    return await list_runs(stage.client, **(wanted | how))


async def ids(stage: Stage, **how: Any) -> list[str]:
    """The ids on a page of a listing."""
    return [run.run_id for run in (await listed(stage, **how)).runs]


async def submit_each(stage: Stage, *run_ids: str, blueprint_id: str = "g") -> None:
    """Submit runs one after another."""
    for run_id in run_ids:
        await stage.submit(blueprint_id, run_id=run_id)
        await asyncio.sleep(APART_SECONDS)


def add_two(stage: Stage) -> None:
    """Add two blueprints whose runs wait."""
    stage.add(graph([node("w", "wait")]), graph([node("w", "wait")], name="other"))
