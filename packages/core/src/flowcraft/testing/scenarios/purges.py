"""Runs that are purged: S1.60, S9.10, S12.11, S12.22, S12.43 of docs/semantics.md."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from flowcraft.errors import UnknownRunError
from flowcraft.nodes import Context
from flowcraft.ports.store import End
from flowcraft.status import ParentReference
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import batch, graph, node
from flowcraft.testing.scenarios.cancelling import until_children
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call


class PurgeScenarios:
    """A purged run leaves nothing, and nothing of it comes back."""

    @check("S12.11", "S12.23")
    async def test_a_purged_run_leaves_nothing_and_takes_no_other_with_it(
        self, stage: Stage
    ) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context) -> Any:
            await ctx.set("key", "value")
            return input

        pause = round(1000 * stage.lease_seconds)
        nodes = [node("a", "write"), node("s", "sleep", duration=pause), node("z")]
        stage.add(graph(nodes, ("a", "s"), ("s", "z")))
        stage.worker()
        for run_id in ("gone", "kept", "other"):
            deadline = 6 * stage.lease_seconds
            await stage.submit("g", {"n": 1}, run_id=run_id, deadline_seconds=deadline)
        kept = [await stage.result(run_id) for run_id in ("kept", "other")]
        await stage.result("gone")
        assert await stage.client.runs.purge("gone")
        # What is still under way goes when its time comes.
        await asyncio.sleep(6 * stage.lease_seconds)
        await stage.until_quiet()
        assert await stage.traces("gone") == []
        assert [await stage.result(run_id) for run_id in ("kept", "other")] == kept
        with pytest.raises(UnknownRunError, match="'gone'"):
            await stage.handle("gone").result()

    @check("S12.11")
    @pytest.mark.parametrize("what", ["batch", "tree", "wait"])
    async def test_purging_leaves_nothing_of_any_construct(self, stage: Stage, what: str) -> None:
        stage.add(graph([node("e")], name="child"))
        if what == "batch":
            await stage.run(batch(7))
        elif what == "tree":
            await stage.run(graph([node("s", "subflow", blueprintId="child")]))
        else:
            stage.add(graph([node("w", "wait"), node("x", "wait")], ("w", "x")))
            stage.worker()
            await stage.submit("g")
            await stage.resume("w", 1)
            await stage.resume("x", 1)
            await stage.result()
        await stage.until_quiet()
        assert await stage.client.runs.purge("run")
        assert await stage.traces() == []

    @check("S12.43", "S9.10", "S12.11")
    async def test_a_tree_whose_end_nobody_announced_is_purged_with_what_still_runs(
        self, stage: Stage
    ) -> None:
        """From above: a child that is gone while its parent runs would be made again."""
        stage.add(
            graph([node("w", "wait")], name="grandchild"),
            graph([node("s", "subflow", blueprintId="grandchild")], name="child"),
            graph([node("s", "subflow", blueprintId="child")]),
        )
        worker, purger, go_on = stage.worker(), stage.make_worker("purger"), asyncio.Event()
        await stage.submit("g")
        (child,) = await until_children(stage, "run")
        (grandchild,) = await until_children(stage, child.run_id)
        await stage.until_open("w", run_id=grandchild.run_id)
        await stage.client.ports.store.finish([End("run", "cancelled", None, stage.now())])

        async def wait_until_one_is_gone(call: Call) -> None:
            del call
            await go_on.wait()

        async def let_the_worker_be_first(call: Call) -> None:
            del call
            if not await stage.is_there(grandchild.run_id):
                go_on.set()
                await asyncio.sleep(stage.harness.slack_seconds)

        worker.wire.before = wait_until_one_is_gone
        purger.wire.before = let_the_worker_be_first
        assert await purger.adapter.runs.purge("run")
        await stage.until_quiet()
        for gone in ("run", child.run_id, grandchild.run_id):
            assert not await stage.is_there(gone)

    @check("S12.43", "S12.22")
    async def test_a_run_that_has_not_ended_is_not_purged(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        assert await stage.client.runs.purge("run") is False
        assert await stage.client.runs.purge("nobody") is False
        assert await stage.resume("w", 1) == "woke"
        assert (await stage.result()).output == 1

    @check("S12.11", "S1.41")
    async def test_a_purged_run_does_not_come_back(self, stage: Stage) -> None:
        @stage.node("long")
        async def long(input: Any, ctx: Context) -> None:
            await ctx.set("key", 1)
            await asyncio.sleep(100 * stage.lease_seconds)

        stage.add(graph([node("a", "long"), node("b")], ("a", "b")))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        await stage.until_called("long")
        await stage.handle().cancel()
        assert await stage.client.runs.purge("run")
        for node_id in ("a", "b", ""):
            await stage.send(node_id)
            await stage.send(node_id, origin="sweep")
        await stage.until_quiet()
        assert not await stage.is_there()
        assert await stage.client.ports.store.context("run") == {}
        assert stage.calls["echo"] == 0

    @check("S12.11", "G2")
    async def test_a_worker_that_is_late_writes_nothing_into_a_purged_run(
        self, stage: Stage
    ) -> None:
        late = asyncio.Event()

        @stage.node("late")
        async def wait(input: Any, ctx: Context) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await late.wait()
            await late.wait()
            await ctx.set("key", 1)

        stage.add(graph([node("a", "late"), node("b")], ("a", "b")))
        stage.worker()
        await stage.submit("g")
        await stage.until_called("late")
        await stage.handle().cancel()
        assert await stage.client.runs.purge("run")
        late.set()
        await stage.until_quiet()
        assert not await stage.is_there()
        assert await stage.client.ports.store.context("run") == {}
        assert stage.calls["echo"] == 0

    @check("S1.62", "S1.60", "S12.20")
    @pytest.mark.parametrize("what", ["sleep", "wait", "retry", "missing"])
    async def test_what_was_to_come_later_in_a_purged_run_is_nothing(
        self, stage: Stage, what: str
    ) -> None:
        later = 5 * stage.lease_seconds
        milliseconds = round(1000 * later)
        late = {
            "sleep": node("n", "sleep", duration=milliseconds),
            "wait": node("n", "wait", config={"timeout": milliseconds}),
            "retry": node("n", "fails", config={"maxRetries": 2, "retryDelay": milliseconds}),
            "missing": node("n", "nowhere"),
        }
        stage.add(graph([node("a"), late[what]], ("a", "n")))
        stage.worker()
        await stage.submit("g", deadline_seconds=2 * later)
        await stage.until_recorded("a")
        await asyncio.sleep(stage.lease_seconds / 2)
        await stage.handle().cancel()
        assert await stage.client.runs.purge("run")
        await asyncio.sleep(3 * later)
        await stage.until_quiet()
        assert await stage.timers() == []
        if stage.can.keeps_dead_letters:
            assert await stage.dead_letters() == []

    @check("S1.22", "S12.11")
    @pytest.mark.parametrize("payload", [{"n": 1}, "no mapping"], ids=["mapping", "text"])
    async def test_the_result_of_a_run_purged_while_it_is_read_is_no_empty_one(
        self, stage: Stage, payload: Any
    ) -> None:
        await stage.run(graph([node("a")]), payload)
        header = await stage.header()
        await stage.client.runs.purge("run")
        with pytest.raises(UnknownRunError, match="'run'"):
            await stage.client.runs.result_of("run", header)

    @check("S9.10", "S12.11")
    async def test_a_child_whose_parent_is_gone_is_cancelled_and_goes(self, stage: Stage) -> None:
        """As a late worker leaves it, which was about to start it when the parent was purged."""
        stage.add(graph([node("w", "wait")]))
        parent = ParentReference("gone", "s", 1)
        header = msgspec.structs.replace(stage.new_header("g", run_id="child"), parent=parent)
        store = stage.client.ports.store
        await stage.create("g", run_id="gone")
        await stage.client.runs.create(header, None)
        await store.finish([End("gone", "cancelled", at=stage.now())])
        await store.purge(["gone"])
        await stage.submit("g", run_id="other")
        for _ in range(3):
            stage.worker()

        async def is_gone() -> bool:
            return not await stage.is_there("child")

        await stage.until(is_gone, within=10 * stage.sweep_seconds)
        assert await stage.handle("other").status() != "cancelled"


class RetentionScenarios:
    """Runs that ended long ago are purged by the sweeper, and only those."""

    @check("S12.43", "S12.11")
    async def test_a_run_is_kept_for_so_long_after_its_end_and_no_longer(
        self, stage: Stage
    ) -> None:
        kept = retention(stage)

        @stage.node("slow")
        async def slow(input: Any) -> Any:
            await asyncio.sleep(kept / 2)
            return input

        await stage.run(graph([node("a", "slow")]))
        ended_at = (await stage.header()).ended_at or 0.0
        # Older than it is kept, counted from its beginning.
        await asyncio.sleep(ended_at + 0.9 * kept - stage.now())
        assert await stage.is_there()
        await asyncio.sleep(0.1 * kept + 2 * stage.sweep_seconds)
        assert not await stage.is_there()
        await stage.until_quiet()
        assert await stage.traces() == []

    @check("S12.43", "S9.10", "S12.11")
    async def test_a_tree_goes_whole_and_late_messages_bring_nothing_back(
        self, stage: Stage
    ) -> None:
        kept = retention(stage)
        inner = graph([node("e")], name="inner")
        middle = graph([node("s", "subflow", blueprintId="inner")], name="middle")
        stage.add(inner, middle)
        await stage.run(graph([node("s", "subflow", blueprintId="middle")]))
        (child,) = await stage.children()
        (grandchild,) = await stage.children(child.run_id)
        tree = ["run", child.run_id, grandchild.run_id]
        await asyncio.sleep(0.9 * kept)
        assert [await stage.is_there(run_id) for run_id in tree] == [True] * 3
        await asyncio.sleep(0.1 * kept + 2 * stage.sweep_seconds)
        assert [await stage.is_there(run_id) for run_id in tree] == [False] * 3
        for run_id in tree:
            for origin in ("edge", "sweep", "timer"):
                for node_id in ("s", "e", ""):
                    await stage.send(node_id, run_id=run_id, origin=origin)
        await stage.until_quiet()
        assert [await stage.is_there(run_id) for run_id in tree] == [False] * 3

    @check("S12.43", "S9.10")
    async def test_a_child_is_kept_as_long_as_its_root(self, stage: Stage) -> None:
        kept = retention(stage)
        stage.add(graph([node("e")], name="child"))
        nodes = [node("s", "subflow", blueprintId="child"), node("w", "wait")]
        stage.add(graph(nodes, ("s", "w")))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await asyncio.sleep(2 * kept)
        (below,) = await stage.children()
        assert below.is_announced
        await stage.resume("w", 1)
        assert (await stage.result()).output == 1

    @check("S12.43")
    async def test_an_end_that_was_not_announced_does_not_expire(self, stage: Stage) -> None:
        kept = retention(stage)
        stage.add(graph([node("w", "wait")]))
        await stage.create("g")
        store = stage.client.ports.store
        await store.finish([End("run", "cancelled", None, stage.now())])
        if (await stage.header()).is_announced:
            return  # its end and the news of it are one step
        await asyncio.sleep(2 * kept)
        assert await store.expired(stage.now(), 9) == []
        assert await stage.is_there()
        stage.worker()  # which announces it, and may purge it from then on

        async def is_gone() -> bool:
            return not await stage.is_there()

        await stage.until(is_gone, within=10 * kept)

    @check("S12.43")
    async def test_without_a_retention_runs_are_kept(self, stage: Stage) -> None:
        stage.settings["retention_seconds"] = None
        result = await stage.run(graph([node("a")]), 1)
        await asyncio.sleep(10 * stage.sweep_seconds)
        assert await stage.result() == result

    @check("S12.22", "S12.43", "G9")
    async def test_nothing_of_a_run_that_waits_for_a_year_expires(self, stage: Stage) -> None:
        stage.needs_virtual_time()
        stage.settings["retention_seconds"] = 2 * stage.sweep_seconds
        nodes = [node("a"), node("w", "wait"), node("b")]
        stage.add(graph(nodes, ("a", "w"), ("w", "b")))
        worker = stage.worker()
        await stage.submit("g", {"k": 1})
        await stage.until_open("w")
        await worker.stop()
        await asyncio.sleep(366 * 86_400.0)
        stage.worker()
        await asyncio.sleep(3 * stage.sweep_seconds)
        assert await stage.resume("w", 2) == "woke"
        result = await stage.result()
        assert (result.output, result.context) == (2, {"k": 1})

    @check("S1.60", "S12.20")
    async def test_a_deadline_beyond_the_retention_makes_no_dead_letter(self, stage: Stage) -> None:
        kept = retention(stage)
        stage.add(graph([node("a")]))
        stage.worker()
        await stage.result(await stage.submit("g", deadline_seconds=3 * kept))
        await asyncio.sleep(1.5 * kept)
        assert not await stage.is_there()
        await asyncio.sleep(2 * kept)
        await stage.until_quiet()
        assert await stage.timers() == []
        if stage.can.keeps_dead_letters:
            assert await stage.dead_letters() == []


def retention(stage: Stage) -> float:
    """Have runs kept for a while after their end; for how long."""
    kept = 5 * stage.sweep_seconds
    stage.settings["retention_seconds"] = kept
    return kept
