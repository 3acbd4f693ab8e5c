"""The result of a run: the same for whoever asks, whenever he asks, whoever died."""

from __future__ import annotations

import asyncio
import itertools

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.client.handle import RunHandle
from flowcraft.status import RunResult
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import processes
from flowcraft.testing.graphs import chain, graph, node
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call


def handle(adapter: BaseDistributedAdapter, run_id: str = "run") -> RunHandle:
    """A run as one process sees it."""

    async def connect() -> BaseDistributedAdapter:
        return adapter

    return RunHandle(run_id, connect)


def waiters(stage: Stage, *adapters: BaseDistributedAdapter) -> list[asyncio.Future[RunResult]]:
    """One wait for the result in each process."""
    patience = stage.harness.patience_seconds
    return [asyncio.ensure_future(handle(adapter).result(patience)) for adapter in adapters]


class ResultsContract:
    """What those outside learn of the end of a run."""

    @check("S1.18", "S1.22", "G4")
    async def test_everybody_who_waits_gets_the_same_result(self, stage: Stage) -> None:
        """Those whose process began before the run, several in one, and those who come late."""
        early = processes(stage, 2)
        stage.add(chain(2))
        await stage.create("g", {"k": 1})
        waiting = waiters(stage, *early, early[0], early[0])
        await asyncio.sleep(stage.harness.slack_seconds)
        stage.worker()
        await stage.client.runs.start("run")
        results = await asyncio.gather(*waiting)
        await asyncio.sleep(stage.lease_seconds)
        results += await asyncio.gather(*waiters(stage, *early, *processes(stage, 2)))
        wanted = RunResult(run_id="run", status="completed", output={"k": 1}, context={"k": 1})
        assert results == [wanted] * 8

    @check("S1.18", "S1.32", "G4")
    async def test_a_run_that_failed_or_was_cancelled_has_a_result_too(self, stage: Stage) -> None:
        stage.add(graph([node("n", "fails")]))
        for run_id in ("failed", "cancelled"):
            await stage.create("g", 7, run_id=run_id)
        waiting = [
            asyncio.ensure_future(handle(adapter, run_id).result(stage.harness.patience_seconds))
            for adapter in processes(stage, 2)
            for run_id in ("failed", "cancelled")
        ]
        await stage.client.runs.cancel("cancelled")
        stage.worker()
        await stage.client.runs.start("failed")
        results = await asyncio.gather(*waiting)
        assert results[:2] == results[2:]
        assert [result.status for result in results[:2]] == ["failed", "cancelled"]
        assert [error.node for error in results[0].errors] == ["n"]
        assert results[1].errors == []

    @check("S12.1", "S12.10", "G1", "G4")
    async def test_a_result_comes_though_the_worker_died_between_the_end_and_its_news(
        self, stage: Stage
    ) -> None:
        """At each request that it makes from the end of the run until that is announced."""
        stage.add(chain(2))
        for number in itertools.count(1):
            run_id = f"run-{number}"
            await stage.create("g", number, run_id=run_id)
            waiting = handle(processes(stage, 1)[0], run_id).result(stage.harness.patience_seconds)
            result = asyncio.ensure_future(waiting)
            died = await self._dies_after_the_end(stage, run_id, number)
            second = stage.worker()
            assert (await result).output == number
            announced = await stage.result(run_id)  # it waits until there is nobody left to tell
            assert announced == await result
            await stage.until_quiet()
            second.abandon()
            if not died:
                break

    async def _dies_after_the_end(self, stage: Stage, run_id: str, number: int) -> bool:
        """Let a worker run a run, and die at its request of that number from the end on."""
        worker = stage.worker()
        done = asyncio.Event()
        seen = 0

        async def die(call: Call) -> None:
            del call
            nonlocal seen
            if done.is_set():
                return
            header = await stage.header(run_id)
            seen += header.is_over
            if seen == number:
                worker.abandon()
            if header.is_announced or worker.is_dead:
                done.set()

        worker.wire.after = die
        await stage.client.runs.start(run_id)
        await asyncio.wait_for(done.wait(), stage.harness.patience_seconds)
        died = worker.is_dead
        worker.abandon()
        return died

    @check("S1.22")
    async def test_a_result_may_be_published_again_by_anybody(self, stage: Stage) -> None:
        """By processes that did not end it, at once, before and after others asked for it."""
        await stage.run(chain(1), 7)
        result = await stage.client.runs.result_of("run")
        adapters = processes(stage, 3)
        await asyncio.gather(
            *(adapter.publish_final_result("run", result) for adapter in (*adapters, *adapters))
        )
        assert await asyncio.gather(*waiters(stage, *adapters)) == [result] * 3
        await stage.client.runs.announce("run")
        assert await stage.client.runs.result_of("run") == result
        assert (await stage.header()).is_announced

    @check("S1.17", "S12.10", "G4")
    async def test_a_result_never_changes(self, stage: Stage) -> None:
        """Whatever is asked of the run when it is over, and however its messages come back."""
        result = await stage.run(chain(2), 7)
        assert await stage.client.runs.cancel("run") == "completed"
        for name in ("n0", "n1"):
            await stage.send(name)
        await stage.client.reconcile("run")
        await stage.until_quiet()
        (adapter,) = processes(stage, 1)
        assert await handle(adapter).result(stage.harness.patience_seconds) == result
        assert stage.calls["echo"] == 2
