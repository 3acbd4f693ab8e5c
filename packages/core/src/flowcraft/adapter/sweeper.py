"""Finds runs that nobody moves, timers whose time has come, and runs that were kept long enough.

A run that is only waiting in the queue looks stalled too: the sweeper leaves runs alone while
messages wait, comes back to each run less and less often, and sends jobs that a record or a
late duplicate makes harmless.
"""

from __future__ import annotations

import logging

import msgspec

from flowcraft.adapter.formats import HandBack
from flowcraft.adapter.parts import Parts
from flowcraft.errors import BackendError, NewerFormatError
from flowcraft.execution.move import RunView
from flowcraft.ports.contract import CoordinationStore
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import Stalled
from flowcraft.ports.transition import job_for

logger = logging.getLogger(__name__)

RUNS_PER_SWEEP = 100
PURGED_PER_SWEEP = 1000
"""Runs purged in one sweep: 33 a second, with the usual interval."""
TIMERS_PER_ROUND = 500
PATIENT_SWEEPS = 3
"""How often a run is left alone because messages wait in the queue."""
SWEEPS_A_ROUND = 8
"""After that its jobs are sent once, and it is left alone again: they wait in the queue too."""
LONGEST_BACK_OFF_SECONDS = 3600.0
SHORTEST_SHARE = 0.75
"""Workers sweep apart from each other: after this share of the interval at the earliest."""
LED_SHARE = 0.7
"""For so much of an interval nobody else sweeps; he who did may again when his turn comes."""


class Sweeper:
    """Repairs what a fault left behind."""

    def __init__(self, parts: Parts, coordination: CoordinationStore) -> None:
        self._parts = parts
        self._coordination = coordination
        self._interval = parts.options.sweep_interval_seconds
        self._newer = HandBack(parts.clock)

    async def _leads(self, what: str, seconds: float) -> bool:
        """Whether this worker is the one that does it this time."""
        key = f"{self._parts.options.prefix}:lease:{what}"
        return await self._coordination.set_if_not_exist(
            key, self._parts.options.worker_name, seconds
        )

    async def sweep(self) -> int:
        """Look at stalled runs, if nobody else just did; how many."""
        if not await self._leads("sweep", self._interval * LED_SHARE):
            return 0
        parts = self._parts
        now = parts.clock.now()
        await self._purge_expired(now)
        stalled = await parts.ports.store.stalled(now, RUNS_PER_SWEEP)
        if not stalled:
            return 0
        depth = await parts.ports.queue.depth()
        for found in stalled:
            try:
                await self._look_at(found, is_backlog=bool(depth))
            except NewerFormatError as error:
                self._newer.tell(error)
            except BackendError:
                raise
            except Exception:
                # One run that cannot be read must not keep the others from being looked after.
                logger.exception("a run could not be swept", extra={"run_id": found.run_id})
        return len(stalled)

    async def _purge_expired(self, now: float) -> None:
        """Purge runs that were kept for long enough, with all below them."""
        retention = self._parts.options.retention_seconds
        if retention is None:
            return
        store = self._parts.ports.store
        for run_id in await store.expired(now - retention, PURGED_PER_SWEEP):
            try:
                await self._parts.runs.purge(run_id)
            except NewerFormatError as error:
                self._newer.tell(error)
            except BackendError:
                raise
            except Exception:
                logger.exception("a run could not be purged", extra={"run_id": run_id})

    async def _look_at(self, found: Stalled, *, is_backlog: bool) -> None:
        parts = self._parts
        back_off = min(self._interval * 2.0 ** min(found.sweeps, 12), LONGEST_BACK_OFF_SECONDS)
        try:
            (header,) = await parts.ports.headers([found.run_id])
        except NewerFormatError:
            # Soon again, for whoever sweeps then; meanwhile it keeps no older run from its turn.
            soon = parts.clock.now() + self._interval
            await parts.ports.store.swept({found.run_id: soon})
            raise
        until = parts.clock.now() + back_off
        if header is not None and header.deadline_at is not None:
            until = min(until, max(header.deadline_at, parts.clock.now()))
        early = header.starts_in(parts.clock.now()) if header is not None else 0.0
        if early > 0:
            until = parts.clock.now() + early + self._interval
        await parts.ports.store.swept({found.run_id: until})
        if header is None:
            return
        if header.is_over:
            await parts.runs.announce(found.run_id)
            return
        if early > 0:
            return
        run = parts.run_of(header, await parts.programs.get(header.blueprint_hash))
        if await self._is_orphan(run) or await parts.runs.end_if_late(run.header):
            await parts.runs.announce(found.run_id)
        elif not is_backlog or found.sweeps % SWEEPS_A_ROUND == PATIENT_SWEEPS:
            await self.reconcile(run)

    async def _is_orphan(self, run: RunView) -> bool:
        """Whether the run's parent has ended, or is gone; then it is cancelled."""
        parent = run.header.parent
        if parent is None:
            return False
        (above,) = await self._parts.ports.headers([parent.run_id])
        if above is not None and not above.is_over:
            return False
        await self._parts.runs.cancel(run.run_id)
        return True

    async def reconcile(self, run: RunView) -> None:
        """Follow all records of a run again; send what is ready, write an end that is due."""
        parts = self._parts
        followed, ready = await parts.walker.reconcile(run, token=parts.token())
        if followed.is_over:
            await parts.runs.announce(run.run_id)
            return
        now = parts.clock.now()
        leases = await parts.ports.store.leases(run.run_id, ready)
        template = msgspec.structs.replace(run.job, origin="sweep")
        await parts.ports.send_all(
            [
                Outgoing(job_for(template, key))
                for key in ready
                if key not in leases or leases[key].until <= now
            ]
        )

    async def promote_timers(self) -> int:
        """Send the jobs whose time has come, if nobody else just did; how many."""
        parts = self._parts
        if not await self._leads("timers", parts.options.poll_seconds * 0.9):
            return 0
        found = await parts.ports.store.due_timers(parts.clock.now(), TIMERS_PER_ROUND)
        # What a newer worker set is sent by one: this one may not know all that its job says.
        due = [timer for timer in found if timer.job.format <= parts.options.format]
        if due:
            await parts.ports.queue.send([Outgoing(timer.job) for timer in due])
            await parts.ports.store.clear_timers(due)
        return len(due)

    async def sweep_for_ever(self) -> None:
        """Sweep at every interval or a little before, apart from other workers."""
        while True:
            apart = SHORTEST_SHARE + self._parts.clock.chance() * (1 - SHORTEST_SHARE)
            await self._parts.clock.sleep(self._interval * apart)
            try:
                await self.sweep()
            except BackendError as error:
                logger.warning("sweep failed", extra={"error": str(error)})

    async def promote_for_ever(self) -> None:
        """Promote timers every `poll_seconds`."""
        while True:
            await self._parts.clock.sleep(self._parts.options.poll_seconds)
            try:
                await self.promote_timers()
            except BackendError as error:
                logger.warning("promotion of timers failed", extra={"error": str(error)})
