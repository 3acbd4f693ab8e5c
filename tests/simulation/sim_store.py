"""The memory backend behind a gate: each element of a call is an external call of its own."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flowcraft.adapter.base import NativePorts
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.clock import Clock
from flowcraft.engine.cells import CHILD, DUE, FAILED, OPEN, RECORD, STARTED
from flowcraft.format import format_of
from flowcraft.local import steps
from flowcraft.local.adapter import LocalAdapter
from flowcraft.local.database import JobRow, LocalDatabase
from flowcraft.local.queue import LocalQueue
from flowcraft.local.store import LocalStore
from flowcraft.local.waker import Waker
from flowcraft.memory.tables import MemoryTables
from flowcraft.ports.contract import encode_job
from flowcraft.ports.queue import Delivery, Outgoing
from flowcraft.ports.store import Arrived, Commit, CommitResult, End, Load, Loaded, Propagation
from flowcraft.ports.transition import Transition, TransitionResult
from flowcraft.status import RunHeader
from tests.simulation.faults import Faults, Gate, Opening

MARKS = (OPEN, DUE, FAILED, CHILD, STARTED)
"""What is noted of an activation only as long as it has no record."""


class SimTables(MemoryTables):
    """The memory tables, delivering in any order, and watching what must never happen."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.violations: list[str] = []
        self.redeliveries = 0
        self.opened = 0
        self.watches_formats = False
        self.bodies: list[bytes] = []

    @property
    def sent(self) -> int:
        """How many messages were sent."""
        return len(self.bodies)

    def insert_job(self, body: bytes, visible_at: float) -> None:
        self.bodies.append(body)
        super().insert_job(body, visible_at)

    def take_jobs(self, now: float, limit: int, lease_until: float) -> Sequence[JobRow]:
        if len(self.jobs) > 1:
            jobs = list(self.jobs.items())
            self._rng.shuffle(jobs)
            self.jobs = dict(jobs)
        rows = super().take_jobs(now, limit, lease_until)
        self.redeliveries += sum(row.is_redelivered for row in rows)
        return rows

    def insert_cell(self, run_id: str, key: str, name: str, value: bytes) -> bool:
        if name == RECORD and self.watches_formats:
            self._watch_format(run_id, key, value)
        if name == RECORD and self.runs[run_id].header.is_over:
            self.violations.append(f"{run_id}: {key} was recorded after the end")
        if name == RECORD and self._is_left_behind(run_id):
            self.violations.append(f"{run_id}: {key} was recorded under a parent that ended")
        if name != RECORD and self._is_late(run_id, key, name):
            self.violations.append(f"{run_id}: {key} got {name!r} after its record")
        self.opened += name == OPEN
        return super().insert_cell(run_id, key, name, value)

    def _watch_format(self, run_id: str, key: str, value: bytes) -> None:
        """See that no older worker records what belongs to a run that a newer one made."""
        if format_of(value) < self.runs[run_id].header.format:
            self.violations.append(f"{run_id}: {key} was recorded by an older worker")

    def _is_left_behind(self, run_id: str) -> bool:
        """Whether the parent is gone, or ended and has told its children so."""
        parent = self.runs[run_id].header.parent
        if parent is None:
            return False
        above = self.runs.get(parent.run_id)
        return above is None or above.header.is_announced

    def _is_late(self, run_id: str, key: str, name: str) -> bool:
        """Whether a mark is made for an activation that is recorded, and was not there before."""
        if not name.startswith(MARKS):
            return False
        cells = self.runs[run_id].cells.get(key, {})
        return RECORD in cells and name not in cells

    def update_run(self, header: RunHeader) -> None:
        standing = self.runs[header.run_id].header
        if standing.is_over and (standing.status, standing.error) != (header.status, header.error):
            self.violations.append(f"{header.run_id}: ended twice")
        super().update_run(header)


class SimStore(LocalStore):
    """Each element, and each arrival of a propagation, is a step of its own."""

    def __init__(self, tables: LocalDatabase, gate: Opening, clock: Clock, waker: Waker,
                 *, first_sweep_seconds: float, announces: bool) -> None:  # fmt: skip
        def transact(
            step: Callable[[LocalDatabase], Any], /, *, only_reads: bool = False
        ) -> Awaitable[Any]:
            del only_reads
            name = step.__qualname__.split(".<locals>")[0].rpartition(".")[2]
            return self._step(name, step)

        super().__init__(
            transact, clock, first_sweep_seconds=first_sweep_seconds, announces=announces
        )
        self._tables = tables
        self._gate = gate
        self._waker = waker

    def _step(self, name: str, step: Callable[[LocalDatabase], Any]) -> Awaitable[Any]:
        def apply() -> Any:
            result = step(self._tables)
            if self._tables.has_news:
                self._tables.has_news = False
                self._waker.wake()
            return result

        return self._gate.call(name, apply)

    async def load(self, loads: Sequence[Load]) -> Sequence[Loaded]:
        return [await self._step("load", lambda db, one=one: steps.load(db, one)) for one in loads]

    async def commit(self, commits: Sequence[Commit]) -> Sequence[CommitResult]:
        at = self._clock.now()
        return [
            await self._step(
                f"commit {one.guard.name.split(':')[0]}",
                lambda db, one=one: steps.commit(db, one, at, announces=self._announces),
            )
            for one in commits
        ]

    async def propagate(
        self, propagations: Sequence[Propagation]
    ) -> Sequence[tuple[Arrived, ...] | None]:
        return [await self._propagate(one) for one in propagations]

    async def _propagate(self, wanted: Propagation) -> tuple[Arrived, ...] | None:
        answers: list[Arrived] = []
        parts = [Propagation(wanted.run_id, (cell,), ()) for cell in wanted.cells]
        parts += [Propagation(wanted.run_id, (), (arrival,)) for arrival in wanted.arrivals]
        for part in parts:
            answer = await self._step("propagate", lambda db, part=part: steps.propagate(db, part))
            if answer is None:
                return None
            answers += answer
        return tuple(answers)

    async def finish(self, ends: Sequence[End]) -> Sequence[RunHeader | None]:
        return [
            await self._step(
                "finish", lambda db, one=one: steps.finish(db, one, announces=self._announces)
            )
            for one in ends
        ]

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        at = self._clock.now()  # what a server does in one step, it does by its own time
        return [
            await self._step(
                "transition",
                lambda db, one=one: steps.transition(
                    db, one._replace(at=at), announces=self._announces
                ),
            )
            for one in transitions
        ]


class SimQueue(LocalQueue):
    """Sends twice, late or not at all, where the faults say so."""

    def __init__(self, store: SimStore, faults: Faults, gate: Opening, clock: Clock, waker: Waker,
                 *, lease_seconds: float) -> None:  # fmt: skip
        super().__init__(store._transact, clock, waker, lease_seconds=lease_seconds)
        self._store = store
        self._faults = faults
        self._is_faulty = isinstance(gate, Gate) and gate.has_faults
        self._taken_at: dict[Any, float] = {}

    async def extend(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Refuse what is held for longer than the broker allows."""
        now = self._clock.now()
        kept = []
        for delivery in deliveries:
            since = self._taken_at.setdefault(delivery.handle, now)
            is_late = now - since > self.longest_unacknowledged_seconds
            kept.append(not is_late and all(await super().extend([delivery])))
        return kept

    async def send(self, jobs: Sequence[Outgoing]) -> None:
        for outgoing in jobs:
            await self._store._step("send", lambda db, one=outgoing: self._put(db, one))

    def _put(self, db: LocalDatabase, outgoing: Outgoing) -> None:
        body, at = encode_job(outgoing.job), self._clock.now() + outgoing.delay_seconds
        copies = self._faults.copies(self._clock.monotonic()) if self._is_faulty else [0.0]
        for late in copies:
            db.insert_job(body, at + late)


class SimAdapter(LocalAdapter):
    """The memory adapter behind a gate; fused, or split as over a queue and a store apart.

    Leases, delays and what the store does by itself go by the server's clock; what the core
    hands over goes by that of the worker.
    """

    def __init__(
        self,
        runtime_options: RuntimeOptions,
        tables: SimTables,
        waker: Waker,
        gate: Opening,
        faults: Faults,
        server_clock: Clock,
        *,
        is_fused: bool,
        lease_seconds: float,
        has_delays: bool,
        longest_unacknowledged_seconds: float = float("inf"),
    ) -> None:
        store = SimStore(
            tables, gate, server_clock, waker,
            first_sweep_seconds=lease_seconds, announces=is_fused,
        )  # fmt: skip
        queue = SimQueue(store, faults, gate, server_clock, waker, lease_seconds=lease_seconds)
        if not has_delays:
            queue.longest_delay_seconds = 0.0
        queue.longest_unacknowledged_seconds = longest_unacknowledged_seconds
        self._sim_native = NativePorts(store, queue, store if is_fused else None)
        super().__init__(
            runtime_options, store._transact, waker, lease_seconds=lease_seconds, largest_value=None
        )

    def native_ports(self) -> NativePorts:
        return self._sim_native
