"""A simulated world: workers, a backend, runs with an outside that resumes them, and faults."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from flowcraft.format import FORMAT
from flowcraft.ports.contract import decode_job
from tests.simulation.backend import Backend
from tests.simulation.check import Observed
from tests.simulation.faults import Faults, Gate, Window
from tests.simulation.fleet import Fleet
from tests.simulation.loop import VirtualLoop
from tests.simulation.retried import not_taken_over, together
from tests.simulation.setup import (
    HOUR_SECONDS,
    LEASE_SECONDS,
    RETRY_ID,
    RUN_ID,
    Companion,
    Ended,
    Setup,
    Told,
)
from tests.simulation.sim_clock import SimClock
from tests.simulation.story import Story

ORPHAN_SECONDS = 2_000.0
"""A hundred sweeps: how long a child may be there whose parent ended or is gone."""
LATE_DUPLICATES = 30
"""How many of the messages that were ever sent come again after a purge."""


class World:
    """A case, and what else there is beside it, run once."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.rng = random.Random(setup.seed)
        self.faults = Faults(random.Random(setup.seed + 1), setup.plan, LEASE_SECONDS)
        self.faults.trace = [] if setup.is_traced else None
        self.stories: list[Story] = []

    async def run(self) -> Ended:
        """Submit, answer waits, wait for the ends, and look whether they hold."""
        setup = self.setup
        self._loop = loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._backend = Backend(setup.mode, setup.seed, loop)
        self._backend.tables.watches_formats = setup.is_upgraded
        self._fleet = Fleet(setup, self.rng, self.faults, self._backend, loop)
        gate = Gate("client", self.faults, lambda: None, loop)
        gate.has_faults = False
        self._client = self._fleet.adapter("client", gate, self._fleet.clock("client"))
        right = SimClock(random.Random(0), "watcher", loop)
        self._watcher = self._fleet.adapter("watcher", Window(), right)
        away = HOUR_SECONDS if setup.backlog == "away" else 0.0
        for _ in range(setup.workers):
            if away:
                loop.call_later(away, self._fleet.start_first)
            else:
                self._fleet.start_first()
        runs = [(Companion(case=setup.case, at=setup.at), RUN_ID)]
        runs += [(one, f"beside{index}") for index, one in enumerate(setup.companions)]
        stories: dict[str, Story] = {}
        for one, run_id in sorted(runs, key=lambda run: run[0].at):
            await asyncio.sleep(max(0.0, one.at - loop.time()))
            stories[run_id] = await self._submit(one, run_id)
        self.stories = [stories[run_id] for _, run_id in runs]
        return await self._go_through(self.stories)

    async def _go_through(self, stories: list[Story]) -> Ended:
        setup, main = self.setup, self.stories[0]
        if wrong := await self._until_over(stories):
            return self._ended([], wrong)
        observed = [await story.observe() for story in stories]
        while not await self._are_over(stories):  # a child was made late, and seen running
            await asyncio.sleep(10)
            observed = [await story.observe() for story in stories]
        problems = [
            problem
            for story, one in zip(stories, observed, strict=True)
            for problem in [*await story.untold(one), *self._backend.woken_early(story.run_id)]
        ]
        again: Story | None = None
        if setup.is_retried:
            again = await main.retry(RETRY_ID, observed[0])
            if wrong := await self._until_over([again]):
                return self._ended([], wrong)
            retried = await again.observe()
        if setup.is_purged:
            for story in stories:
                await self._client.runs.purge(story.run_id)
            self._send_late_duplicates()
        self._all = [*stories, *([again] if again is not None else ())]
        if not await self._until_quiet():
            return self._ended(observed, ["the runs ended, and their messages did not"])
        problems += self._violations()
        if not setup.is_purged:
            for story, one in zip(stories, observed, strict=True):
                problems += await story.changed(one)
        if again is not None:
            problems += await again.changed(retried)
            old = await main.observe()  # with children made too late
            problems += not_taken_over(setup.case, old, retried, self._fleet.executions)
            observed[0] = together(old, retried)
        return self._ended(observed, problems)

    async def _submit(self, one: Companion, run_id: str) -> Story:
        setup = self.setup
        story = Story(one.case, run_id, self._client, self._watcher, self._backend)
        is_main = run_id == RUN_ID
        starts_in = setup.starts_in if is_main else 0.0
        if starts_in:
            now = self._client.parts.clock.now()
            self._fleet.delay_until(run_id, now + starts_in)
        await story.submit(
            self._fleet.compiled,
            begins=setup.begins, starts_in=starts_in, early_at=setup.early_at if is_main else 0.0,
            format_=self.rng.choice((FORMAT, self._fleet.newest_format)),
        )  # fmt: skip
        return story

    # -- until it is over

    async def _until_over(self, stories: list[Story]) -> list[str]:
        """Answer waits until the runs are over; why that does not come."""
        loop, setup = self._loop, self.setup
        started = loop.time()
        while True:
            # All of them each time: a late worker may make a child of one that was over.
            left = [one for one in stories if not await one.is_over(has_sweeper=setup.has_sweeper)]
            if not left:
                return []
            if loop.time() - started > setup.longest_seconds:
                return [f"{story.run_id} did not end" for story in left]
            if wrong := self._too_many_messages():
                return wrong
            for story in left:
                await self._tend(story)
            often = any(story.is_talked_to for story in left) or setup.cancel_at is not None
            await asyncio.sleep((0.5 if often else 2.0) if loop.time() - started < 20 else 10)

    async def _are_over(self, stories: list[Story]) -> bool:
        has_sweeper = self.setup.has_sweeper
        return all([await story.is_over(has_sweeper=has_sweeper) for story in stories])

    async def _tend(self, story: Story) -> None:
        """Cancel a run when its time has come, and answer its waits."""
        cancel_at = self.setup.cancel_at
        now = self._loop.time()
        if story.run_id == RUN_ID and cancel_at is not None and now >= self.setup.at + cancel_at:
            await story.cancel()
        await story.answer()

    def _too_many_messages(self) -> list[str]:
        """What is wrong with how many messages there were, and are."""
        setup, sent = self.setup, len(self._backend.bodies)
        if setup.most_messages is not None and sent > setup.most_messages:
            return [f"{sent} messages were sent"]
        if setup.most_waiting is None:
            return []
        jobs = [decode_job(body) for body in self._backend.waiting()]
        waiting = Counter((job.run_id, job.activation) for job in jobs)
        return [
            f"{run_id}: {count} messages wait for {activation}"
            for (run_id, activation), count in waiting.items()
            if count > setup.most_waiting
        ]

    async def _until_quiet(self) -> bool:
        """Wait until no message and no unwanted child is left; whether that came."""
        loop = self._loop
        while self._is_busy():
            if loop.time() > 3 * self.setup.longest_seconds:
                return False
            await asyncio.sleep(10)
        patience = loop.time() + ORPHAN_SECONDS
        while await self._has_orphans():
            if loop.time() > patience:
                break
            await asyncio.sleep(10)
        return True

    def _is_busy(self) -> bool:
        """Whether a message is left, or a worker that stood still may just have gone on."""
        is_late = self._loop.time() < self.faults.awake_at + LEASE_SECONDS
        return is_late or self._backend.has_messages()

    async def _has_orphans(self) -> bool:
        """Whether a worker that woke up late made a child that nobody has removed yet."""
        if not self.setup.is_purged:
            has_sweeper = self.setup.has_sweeper
            return not all([await one.is_over(has_sweeper=has_sweeper) for one in self._all])
        if not self.setup.has_sweeper:
            for run_id in self._backend.runs_left():
                await self._client.runs.cancel(run_id)
        return bool(self._backend.runs_left())

    def _send_late_duplicates(self) -> None:
        """Have some of the messages that were ever sent come again, some time later."""
        sent = self._backend.bodies
        now = self._backend.clock.now()
        for body in self.rng.sample(sent, min(LATE_DUPLICATES, len(sent))):
            self._backend.send(body, now + self.rng.random() * 2 * LEASE_SECONDS)

    # -- what came of it

    def _violations(self) -> list[str]:
        """What the backend saw that must never be."""
        problems = [*self._backend.tables.violations, *self._fleet.early]
        if self.setup.is_calm and self._backend.tables.redeliveries:
            problems.append("a message came back, and nobody had died")
        if self.setup.is_purged:
            problems += [f"{run} came back after the purge" for run in self._backend.runs_left()]
        return problems

    def _ended(self, observed: list[Observed], problems: list[str]) -> Ended:
        setup = self.setup
        kinds = [False, *(one.is_poison for one in setup.companions)]
        is_cancelled = setup.cancel_at is not None and not setup.is_retried
        told = [
            Told(
                run_id=story.run_id, case=story.case, observed=one, is_poison=is_poison,
                may_be_cancelled=is_cancelled and story.run_id == RUN_ID,
            )
            for story, one, is_poison in zip(self.stories, observed, kinds, strict=False)
        ]  # fmt: skip
        return Ended(
            told=told, problems=problems, faults=self.faults, executions=self._fleet.executions,
            redeliveries=self._backend.tables.redeliveries, messages=len(self._backend.bodies),
            drains=self._fleet.drains, seconds=self._loop.time(),
        )  # fmt: skip
