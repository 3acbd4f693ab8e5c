"""What the pieces of a worker share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

import msgspec

from flowcraft.adapter.event_bus import EventBus, Telling
from flowcraft.adapter.formats import hand_back_seconds
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapter.outcome import Outcomes
from flowcraft.adapter.ports import Ports
from flowcraft.adapter.programs import Programs
from flowcraft.adapter.reader import Reader
from flowcraft.adapter.solo import SoloGate
from flowcraft.adapter.walk import Walker
from flowcraft.blueprint.model import Node
from flowcraft.clock import Clock
from flowcraft.engine.cells import MISSING, RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.program import Program
from flowcraft.execution.move import Move, RunView
from flowcraft.execution.performing import BeatenError, RunOverError
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import Commit, Propagation, Timer
from flowcraft.ports.transition import job_for
from flowcraft.status import RunHeader

if TYPE_CHECKING:
    from flowcraft.adapter.runs import Runs

ValueLimit = int | None

APART_SECONDS = 0.1
"""How far apart two timers of one activation that are due at one time may be set."""


class RetryOptions(TypedDict):
    """How a failed attempt of a node is followed by the next: the delay after the first one."""

    delay_ms: float


class Parts:
    """The collaborators of one worker, made once."""

    runs: Runs
    retries_in_process: Callable[[Node], bool]
    retry_options: Callable[[Node], RetryOptions]

    def __init__(
        self,
        options: RuntimeOptions,
        ports: Ports,
        *,
        largest_value: ValueLimit,
        event_bus: EventBus | None,
    ) -> None:
        self.options = options
        self.ports = ports
        self.clock: Clock = options.clock
        self.largest_value = largest_value
        self.reader = Reader(ports)
        self.telling = Telling(event_bus, self.clock)
        self.walker = Walker(ports, self.telling, self.clock.now)
        self.outcomes = Outcomes(ports, self.reader, self.clock, largest_value)
        self.programs = Programs(ports.store, options.expressions)
        self.gate = SoloGate()
        self.running = Running()
        self.name = f"{options.worker_name}.{self.clock.fresh_id()}"
        self._tokens = 0

    def token(self) -> str:
        """A name for one delivery, unlike any other's."""
        self._tokens += 1
        return f"{self.name}.{self._tokens}"

    async def view(self, run_id: str) -> RunView | None:
        """A run with its program; None if it is gone."""
        (header,) = await self.ports.headers([run_id])
        if header is None:
            return None
        return self.run_of(header, await self.programs.get(header.blueprint_hash))

    def run_of(self, header: RunHeader, program: Program) -> RunView:
        """A run as this worker holds it."""
        return RunView.of(header, program, writes=self.options.format)

    async def write_down(self, move: Move) -> None:
        """Store the value that the worker has in its hand, so that another one can go on."""
        if move.value_in_hand is None:
            return
        arrival = Arrival(move.key, move.member_in_hand, True, 1, value=move.value_in_hand)
        await self.ports.propagate(Propagation(move.run.run_id, (), (arrival,)))

    async def note(self, move: Move, name: str, value: bytes) -> bytes:
        """Write a cell of an activation that has no record; the value that then stands.

        Raises:
            BeatenError: It has a record.
            RunOverError: The run has ended, or is gone.
        """
        result = await self.ports.commit(
            Commit(move.run.run_id, Cell(move.key, name, value), absent=(move.key, RECORD))
        )
        if result.is_won:
            return value
        if result.barred is not None:
            raise BeatenError(result.barred)
        if result.existing is None:
            raise RunOverError
        return result.existing

    async def patience(self, run_id: str, key: str, since: bytes | None) -> float | None:
        """How long to wait for a worker that has what the activation needs.

        Args:
            run_id: The run.
            key: The activation.
            since: Since when it is missed, if that was noted already.

        Returns:
            Seconds until the next look; None when `missing_seconds` are over.
        """
        now = self.clock.now()
        if since is None:
            guard = Cell(key, MISSING, repr(now).encode())
            result = await self.ports.commit(Commit(run_id, guard))
            since = result.existing or guard.value
        waited = now - float(since)
        if waited >= self.options.missing_seconds:
            return None
        return hand_back_seconds(waited, chance=self.clock.chance())

    async def send_later(self, move: Move, delay_seconds: float) -> None:
        """See to it that the activation gets a job, not before the delay is over.

        What the sweeper sent is not the first to ask for that: it keeps one timer, a lease
        behind the others, however often the sweeper comes by.
        """
        await self.write_down(move)
        job = job_for(move.run.job, move.key)
        if move.origin != "sweep":
            await self.wake_later(job, delay_seconds)
            return
        swept = msgspec.structs.replace(job, origin="sweep")
        await self._set_timer(swept, delay_seconds + self.ports.queue.lease_seconds)

    async def wake_later(self, job: JobPayload, delay_seconds: float) -> None:
        """Send a job after a delay: by the queue where it has one long enough, or by a timer."""
        if delay_seconds <= self.ports.queue.longest_delay_seconds:
            if job.origin == "edge":
                job = msgspec.structs.replace(job, origin="later")
            await self.ports.send(Outgoing(job, delay_seconds))
            return
        await self._set_timer(timer_job(job), delay_seconds)

    async def _set_timer(self, job: JobPayload, delay_seconds: float) -> None:
        """Set the timer of an activation, a little apart from any that was set for it before.

        A promoter whose clock is ahead sends the job before its time, and clears the timer only
        then. Meanwhile the job may be here, and wait until the same time as before.
        """
        due_at = self.clock.now() + delay_seconds + self.clock.chance() * APART_SECONDS
        await self.ports.store.set_timers([Timer(timer_name(job), due_at, job)])


def timer_job(job: JobPayload) -> JobPayload:
    """The same job as a timer sends it: its deliveries are counted."""
    return msgspec.structs.replace(job, origin="timer")


def timer_name(job: JobPayload) -> str:
    """A name that no other activation's timer has: an id holds no slash."""
    return f"{job.origin}/{job.run_id}/{job.activation}"


class Running:
    """The executions of node code under way, by run, so that they can be cancelled."""

    def __init__(self) -> None:
        self._tasks: dict[str, dict[asyncio.Task[object], None]] = {}
        self._cancelled: set[asyncio.Task[object]] = set()

    def enter(self, run_id: str) -> Callable[[], bool]:
        """Note that the current task executes code of a run.

        Returns:
            Call it when the code is done; True if it was cancelled because the run is over.
        """
        task = asyncio.current_task()
        assert task is not None
        tasks = self._tasks.setdefault(run_id, {})
        tasks[task] = None

        def leave() -> bool:
            tasks.pop(task, None)
            if not tasks:
                self._tasks.pop(run_id, None)
            if task in self._cancelled:
                self._cancelled.discard(task)
                task.uncancel()
                return True
            return False

        return leave

    def run_ids(self) -> list[str]:
        """Runs whose code is being executed."""
        return list(self._tasks)

    def cancel(self, run_id: str) -> None:
        """Cancel the code of a run that is over."""
        for task in self._tasks.get(run_id, ()):
            if task not in self._cancelled:
                self._cancelled.add(task)
                task.cancel()
