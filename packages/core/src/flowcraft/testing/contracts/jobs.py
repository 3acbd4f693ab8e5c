"""`enqueue_job` and `process_jobs`: what every adapter has, whatever else it has.

Returning acknowledges, raising redelivers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from flowcraft.adapter.base import BaseDistributedAdapter, JobHandler
from flowcraft.ports.contract import JobPayload
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import HOSTILE_TEXTS, job, processes
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import never


class Handlers:
    """Processes that take jobs, and what each was handed.

    Attributes:
        seen: Every job that was handed over, in that order.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.seen: list[JobPayload] = []

    def process(
        self, adapter: BaseDistributedAdapter, answer: JobHandler | None = None
    ) -> asyncio.Task[None]:
        """Let a process take jobs; `answer` is awaited for each, and may raise."""

        async def handle(taken: JobPayload) -> None:
            self.seen.append(taken)
            if answer is not None:
                await answer(taken)

        return asyncio.ensure_future(adapter.process_jobs(handle))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what was handed over is enough."""

        async def is_enough() -> bool:
            return holds()

        stage = self._stage
        await stage.until(is_enough, within=3 * stage.lease_seconds + 3 * self._slack)

    @property
    def _slack(self) -> float:
        return self._stage.harness.slack_seconds

    async def nothing_more(self) -> None:
        """See to it that nothing is handed over any more."""
        seen = [*self.seen]
        await asyncio.sleep(self._stage.lease_seconds + self._slack)
        assert self.seen == seen, "a job that was acknowledged came back"


class JobsContract:
    """The two methods by which every adapter sends and takes jobs."""

    @check("G6", "S12.13")
    async def test_a_job_reaches_a_handler_whole_and_its_return_acknowledges(
        self, stage: Stage
    ) -> None:
        """Its ids are what they were, and its sender may be gone."""
        sender = stage.make_worker("sender")
        jobs = [
            JobPayload(f"run {text}"[:60], f"g.{text}", text, "/3/#7", "h" * 64, "timer")
            for text in HOSTILE_TEXTS[::3]
        ]
        for one in jobs:
            await sender.adapter.enqueue_job(one)
        sender.abandon()
        handlers = Handlers(stage)
        handlers.process(stage.client)
        await handlers.until(lambda: {*handlers.seen} >= {*jobs})
        await handlers.nothing_more()
        assert {*handlers.seen} == {*jobs}

    @check("S12.15", "G6")
    async def test_a_handler_that_raises_gets_the_job_again(self, stage: Stage) -> None:
        handlers = Handlers(stage)
        raised = 0

        async def answer(taken: JobPayload) -> None:
            nonlocal raised
            if taken.node_id == "bad" and raised < 2:
                raised += 1
                raise RuntimeError("not now")

        await stage.client.enqueue_job(job("bad"))
        await stage.client.enqueue_job(job("good"))
        handlers.process(stage.client, answer)
        await handlers.until(lambda: Counter(handlers.seen)[job("bad")] >= 3)
        await handlers.nothing_more()
        assert job("good") in handlers.seen

    @check("S12.1", "G6")
    async def test_the_job_of_a_process_that_died_goes_to_another_one(self, stage: Stage) -> None:
        dying = stage.make_worker("dying")
        handlers = Handlers(stage)

        async def die(taken: JobPayload) -> None:
            del taken
            dying.wire.is_cut = True
            await never()

        await stage.client.enqueue_job(job())
        handlers.process(dying.adapter, die)
        await handlers.until(lambda: len(handlers.seen) == 1)
        handlers.process(stage.client)
        await handlers.until(lambda: len(handlers.seen) == 2)
        await handlers.nothing_more()

    @check("S12.14", "G6")
    async def test_a_job_is_not_lost_when_its_handler_is_cancelled(self, stage: Stage) -> None:
        """As a worker that stops cancels it: that is no return."""
        first, second = processes(stage, 2)
        handlers = Handlers(stage)

        async def hang(taken: JobPayload) -> None:
            del taken
            await asyncio.sleep(stage.lease_seconds * 100)

        await stage.client.enqueue_job(job())
        processing = handlers.process(first, hang)
        await handlers.until(lambda: len(handlers.seen) == 1)
        processing.cancel()
        handlers.process(second)
        await handlers.until(lambda: len(handlers.seen) == 2)
        await handlers.nothing_more()

    @check("S12.32")
    async def test_each_job_is_handled_by_one_of_several_processes(self, stage: Stage) -> None:
        handlers = Handlers(stage)
        jobs = {job(f"n{index}") for index in range(24)}
        for one in jobs:
            await stage.client.enqueue_job(one)
        for adapter in processes(stage, 3):
            handlers.process(adapter)
        await handlers.until(lambda: {*handlers.seen} >= jobs)
        await handlers.nothing_more()
        assert Counter(handlers.seen) == Counter(jobs)

    @check("S12.19", "G8")
    async def test_a_foreign_message_does_not_keep_the_jobs_behind_it(self, stage: Stage) -> None:
        await stage.send_raw(b"{")
        await stage.client.enqueue_job(job())
        handlers = Handlers(stage)
        handlers.process(stage.client)
        await handlers.until(lambda: handlers.seen == [job()])
