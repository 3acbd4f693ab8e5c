"""The status of a run: S1.14 to S1.17 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.client.listing import list_runs
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage


class StatusScenarios:
    """What a run says of itself while it goes on, and for good."""

    @check("S1.14", "S1.15", "S1.16", "S10.1")
    @pytest.mark.parametrize("uses", ["wait", "webhook", "sleep"])
    async def test_a_run_waits_when_something_is_suspended_and_nothing_else_is_to_do(
        self, stage: Stage, uses: str
    ) -> None:
        params = {"duration": "30d"} if uses == "sleep" else {}
        stage.add(graph([node("a"), node("w", uses, **params)], ("a", "w")))
        await stage.submit("g")
        assert await stage.handle().status() == "running"
        worker = stage.worker()
        await until_waiting(stage)

        async def is_free() -> bool:
            return worker.is_idle

        # What it did is seen before its message is acknowledged.
        await stage.until(is_free, within=stage.lease_seconds)
        assert await listed_status(stage) == "running"

    @check("S1.15")
    async def test_a_run_runs_while_one_branch_waits_and_another_executes(
        self, stage: Stage
    ) -> None:
        done = asyncio.Event()

        @stage.node("held")
        async def held(input: Any) -> None:
            await done.wait()

        stage.add(graph([node("w", "wait"), node("h", "held")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await stage.until_called("held")
        assert await stage.handle().status() == "running"
        done.set()
        await until_waiting(stage)
        await stage.resume("w")
        assert (await stage.result()).status == "completed"
        assert await stage.handle().status() == "completed"

    @check("S1.15")
    async def test_a_run_runs_while_a_job_of_it_is_ready(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait"), node("n", "absent")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        assert await stage.handle().status() == "running"

    @check("S1.15", "S1.16")
    async def test_a_run_runs_as_soon_as_its_wait_was_resumed(self, stage: Stage) -> None:
        """Though nobody has looked at the wait since."""
        stage.add(graph([node("w", "wait")]))
        worker = stage.worker()
        await stage.submit("g")
        await until_waiting(stage)
        worker.abandon()
        assert await stage.resume("w", 1) == "woke"
        assert await stage.handle().status() == "running"
        stage.worker()
        assert (await stage.result()).output == 1

    @check("S1.15")
    async def test_a_run_waits_when_its_child_does(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait")], name="child"))
        stage.add(graph([node("s", "subflow", blueprintId="child")]))
        stage.worker()
        await stage.submit("g")
        await until_waiting(stage)
        assert await stage.resume("s/w", 3) == "woke"
        assert (await stage.result()).output == 3

    @check("S1.15")
    async def test_a_run_runs_while_its_child_does(self, stage: Stage) -> None:
        done = asyncio.Event()

        @stage.node("held")
        async def held(input: Any) -> None:
            await done.wait()

        stage.add(graph([node("h", "held")], name="child"))
        stage.add(graph([node("s", "subflow", blueprintId="child"), node("w", "wait")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await stage.until_called("held")
        assert await stage.handle().status() == "running"
        done.set()
        await until_waiting(stage)

    @check("S1.17", "S12.10")
    @pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
    async def test_a_final_status_never_changes(self, stage: Stage, end: str) -> None:
        uses = {"completed": "echo", "failed": "fails", "cancelled": "wait"}[end]
        stage.add(graph([node("a", uses), node("b")], ("a", "b")))
        stage.worker()
        await stage.submit("g", 1)
        if end == "cancelled":
            await stage.until_open("a")
            await stage.handle().cancel()
        result = await stage.result()
        assert result.status == end
        assert await stage.handle().cancel() == end
        calls = stage.calls.copy()
        await stage.client.reconcile("run")
        for node_id in ("a", "b", "", "ghost"):
            await stage.send(node_id)
        await stage.until_quiet()
        assert await stage.handle().status() == end
        assert await stage.result() == result
        assert stage.calls == calls, "something started after the end"
        assert await listed_status(stage) == end


async def until_waiting(stage: Stage) -> None:
    """Wait until the run waits."""

    async def holds() -> bool:
        return await stage.handle().status() == "waiting"

    await stage.until(holds)


async def listed_status(stage: Stage) -> str:
    """The status of the run in a listing."""
    page = await list_runs(stage.client, status=None, blueprint_id=None, limit=9, after=None)
    (status,) = (run.status for run in page.runs if run.run_id == "run")
    return status
