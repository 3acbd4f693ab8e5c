"""Runs that are ended from outside: S1.30 and S1.33 to S1.35 of docs/semantics.md."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from flowcraft.errors import UnknownRunError
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import never


class CancelScenarios:
    """Cancelling stops what is new at once, and what executes by its next heartbeat."""

    @check("S1.33", "S1.27")
    async def test_cancelling_stops_an_async_node_at_its_next_heartbeat(self, stage: Stage) -> None:
        ended: list[float] = []
        loop = asyncio.get_running_loop()

        @stage.node("long")
        async def long(input: Any) -> None:
            try:
                await never()
            finally:
                ended.append(loop.time())

        stage.add(graph([node("a", "long"), node("b")], ("a", "b")))
        stage.worker()
        await stage.submit("g")
        await stage.until_called("long")
        assert await stage.handle().cancel() == "cancelled"
        cancelled_at = loop.time()
        assert (await stage.result()).status == "cancelled"
        await stage.until_quiet()
        assert len(ended) == 1
        heartbeat = stage.client.ports.queue.lease_seconds / 3
        assert ended[0] - cancelled_at <= heartbeat + 1
        assert await stage.record("a") is None
        assert stage.calls["echo"] == 0

    @check("S1.30", "S12.6")
    async def test_what_a_cancelled_node_still_returns_is_thrown_away(self, stage: Stage) -> None:
        @stage.node("stubborn")
        async def stubborn(input: Any) -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await never()
            return "too late"

        stage.add(graph([node("a", "stubborn")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_called("stubborn")
        await stage.handle().cancel()
        await stage.until_quiet()
        assert await stage.record("a") is None
        result = await stage.result()
        assert (result.status, result.output) == ("cancelled", None)

    @check("S1.33")
    async def test_a_worker_works_on_after_it_cancelled_a_node(self, stage: Stage) -> None:
        @stage.node("long")
        async def long(input: Any) -> None:
            await never()

        stage.add(graph([node("a", "long")], name="long"), graph([node("a")], name="short"))
        stage.worker(concurrency=1)
        await stage.submit("long", run_id="long")
        await stage.until_called("long")
        await stage.handle("long").cancel()
        await stage.submit("short", 3, run_id="short")
        bound = 3 * stage.lease_seconds + 2 * stage.harness.slack_seconds
        assert (await stage.result("short", within=bound)).output == 3

    @check("S1.17")
    async def test_cancelling_after_the_end_changes_nothing(self, stage: Stage) -> None:
        result = await stage.run(graph([node("a")]), 1)
        assert await stage.handle().cancel() == "completed"
        assert await stage.result() == result
        with pytest.raises(UnknownRunError, match="nobody"):
            await stage.handle("nobody").cancel()

    @check("S1.33")
    async def test_a_run_cancelled_before_any_worker_came_executes_nothing(
        self, stage: Stage
    ) -> None:
        stage.add(graph([node("a")]))
        await stage.submit("g")
        await stage.handle().cancel()
        stage.worker()
        await stage.until_quiet()
        assert stage.calls["echo"] == 0
        assert await stage.record("a") is None

    @check("S1.30", "S9.7")
    async def test_cancelling_a_run_cancels_its_children_and_theirs(self, stage: Stage) -> None:
        stage.add(
            graph([node("w", "wait")], name="inner"),
            graph([node("s", "subflow", blueprintId="inner")], name="middle"),
            graph([node("s", "subflow", blueprintId="middle")]),
        )
        stage.worker()
        await stage.submit("g")
        (child,) = await until_children(stage, "run")
        (grandchild,) = await until_children(stage, child.run_id)
        await stage.until_open("w", run_id=grandchild.run_id)
        await stage.handle().cancel()
        for run_id in ("run", child.run_id, grandchild.run_id):
            assert (await stage.result(run_id)).status == "cancelled"
        await stage.until_quiet()
        with pytest.raises(UnknownRunError):
            await stage.resume("w", run_id="nobody")
        assert await stage.resume("w", run_id=grandchild.run_id) == "refused"


class DeadlineScenarios:
    """A run that takes longer than it may ends as failed."""

    @check("S1.34", "S1.35")
    @pytest.mark.parametrize("origin", ["submission", "blueprint", "both"])
    async def test_a_deadline_ends_a_run_as_failed(self, stage: Stage, origin: str) -> None:
        @stage.node("long")
        async def long(input: Any) -> None:
            await never()

        seconds = 4 * stage.lease_seconds
        blueprint = graph([node("a", "long")])
        if origin != "submission":
            factor = 1 if origin == "blueprint" else 50
            blueprint["metadata"] = {"timeout": seconds * 1000 * factor}
        how = {} if origin == "blueprint" else {"deadline_seconds": seconds}
        result = await stage.run(blueprint, **how)
        await is_over_in_time(stage, seconds)
        assert [e.type for e in result.errors] == ["RunDeadlineError"]
        await stage.until_quiet()
        assert await stage.record("a") is None

    @check("S1.35")
    @pytest.mark.parametrize("uses", ["wait", "sleep", "webhook"])
    async def test_a_deadline_counts_while_the_run_is_suspended(
        self, stage: Stage, uses: str
    ) -> None:
        params = {"duration": "30d"} if uses == "sleep" else {}
        seconds = 5 * stage.lease_seconds
        result = await stage.run(graph([node("a", uses, **params)]), deadline_seconds=seconds)
        await is_over_in_time(stage, seconds)
        assert [e.type for e in result.errors] == ["RunDeadlineError"]

    @check("S1.35", "S12.20")
    async def test_a_deadline_message_that_comes_early_is_not_the_last_word(
        self, stage: Stage
    ) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7
        seconds = 8 * stage.lease_seconds
        stage.add(graph([node("a", "wait")]))
        stage.worker()
        await stage.create("g", deadline_seconds=seconds)
        # As another machine's clock would send it, whose time is ahead of ours; and nothing else.
        await stage.send("a")
        await stage.send("")
        await stage.result()
        await is_over_in_time(stage, seconds)

    @check("S1.35")
    async def test_a_run_within_its_deadline_is_not_touched_by_it(self, stage: Stage) -> None:
        seconds = 2 * stage.lease_seconds
        result = await stage.run(graph([node("a")]), 1, deadline_seconds=seconds)
        assert result.status == "completed"
        await asyncio.sleep(2 * seconds)
        await stage.until_quiet()
        assert await stage.result() == result

    @check("S1.35", "S12.2")
    async def test_a_deadline_that_nobody_sent_is_kept_by_the_sweeper(self, stage: Stage) -> None:
        seconds = 3 * stage.lease_seconds
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.create("g", deadline_seconds=seconds)
        await stage.send("w")
        result = await stage.result()
        assert [e.type for e in result.errors] == ["RunDeadlineError"]
        await is_over_in_time(stage, seconds, late=3 * stage.sweep_seconds)

    @check("S1.30", "S1.35", "S9.7")
    async def test_the_deadline_of_a_parent_cancels_its_children(self, stage: Stage) -> None:
        stage.add(
            graph([node("w", "wait")], name="child"),
            graph([node("s", "subflow", blueprintId="child")]),
        )
        stage.worker()
        await stage.submit("g", deadline_seconds=5 * stage.lease_seconds)
        assert (await stage.result()).status == "failed"
        (child,) = await stage.children()
        assert (child.status, child.is_announced) == ("cancelled", True)


async def is_over_in_time(stage: Stage, seconds: float, *, late: float = 0.0) -> None:
    """See that the run failed so many seconds after it began: never earlier, and not much later."""
    header = await stage.header()
    assert header.status == "failed"
    assert header.ended_at is not None
    took = header.ended_at - header.created_at
    assert took >= seconds - 0.1, "its time was not over"
    assert took <= seconds + late + 2 * stage.harness.slack_seconds


async def until_children(stage: Stage, run_id: str) -> list[Any]:
    """Wait until a run has children."""

    async def holds() -> bool:
        return bool(await stage.children(run_id))

    await stage.until(holds)
    return await stage.children(run_id)
