"""The workers of a simulated world: they come, die and are replaced, each with its own clock."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextvars import ContextVar
from typing import Any, NamedTuple

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapter.outcome import decode_failed
from flowcraft.adapter.programs import Programs
from flowcraft.engine.cells import FAILED
from flowcraft.engine.program import Program
from flowcraft.errors import NonRetryableError
from flowcraft.expressions import Expressions
from flowcraft.format import FORMAT
from flowcraft.local.waker import Waker
from flowcraft.nodes import Context, NodeRegistry, NodeResult, RunInfo
from tests.simulation.backend import Backend
from tests.simulation.behaviour import SimulatedError, decide
from tests.simulation.faults import Faults, Gate, Opening
from tests.simulation.loop import VirtualLoop
from tests.simulation.setup import LEASE_SECONDS, NEVER_SECONDS, SWEEP_SECONDS, Setup
from tests.simulation.sim_clock import SimClock
from tests.simulation.sim_contract import SimContractAdapter
from tests.simulation.sim_store import SimAdapter

POLL_SECONDS = 20.0
"""How often timers are looked at where there is no other delay."""
OLD_AT_FIRST = 0.7
"""Share of the first workers of a world that are old, where there is an upgrade."""
LATEST_UPGRADE_SECONDS = 60.0


class Machine(NamedTuple):
    """What a worker runs on."""

    gate: Gate
    clock: SimClock


_MACHINE: ContextVar[Machine] = ContextVar("simulated_machine")
"""The machine on which a simulated node executes."""


class SharedPrograms(Programs):
    """Programs that one worker of a world compiles for all; each still fetches the blueprint."""

    def __init__(self, adapter: BaseDistributedAdapter, compiled: dict[bytes, Program]) -> None:
        super().__init__(adapter.ports.store, adapter.options.runtime_options.expressions)
        self._compiled = compiled

    def _compile(self, stored: bytes) -> Program:
        if stored not in self._compiled:
            self._compiled[stored] = super()._compile(stored)
        return self._compiled[stored]


class Fleet:
    """Makes the workers of a world, and its clients.

    Attributes:
        executions: How often node code ran, by run, activation and attempt, with blanks between.
        starts: Before when nothing of a run may execute, by run id.
        early: What executed before its time.
        compiled: The programs of all blueprints, by what is stored of them.
        drains: How many workers were drained, and not killed.
    """

    def __init__(
        self,
        setup: Setup,
        rng: random.Random,
        faults: Faults,
        backend: Backend,
        loop: VirtualLoop,
    ) -> None:
        self.executions: Counter[str] = Counter()
        self.starts: dict[str, float] = {}
        self.early: list[str] = []
        self.expressions = Expressions()
        self.compiled: dict[bytes, Program] = {}
        self.drains = 0
        self._setup = setup
        self._rng = rng
        self._faults = faults
        self._backend = backend
        self._loop = loop
        self._waker = Waker()
        self._workers = 0
        self._upgrades: list[asyncio.Task[None]] = []
        self._registry = NodeRegistry()
        for uses in ("sim.node", "sim.worker"):
            self._registry.register(self._simulated, uses=uses)

    async def _simulated(
        self, input: Any, ctx: Context, run: RunInfo, params: dict[str, Any]
    ) -> Any:
        machine = _MACHINE.get()
        self.executions[f"{run.run_id} {run.node_id}{run.scope} {run.attempt}"] += 1
        self._look_at_the_time(run, machine.clock.now())
        decision = decide(
            params, node_id=run.node_id, scope=run.scope, attempt=run.attempt, input=input
        )
        if params.get("kills"):
            await self._loop.after(decision.seconds)
            await machine.gate.die()
        await self._loop.after(decision.seconds if decision.kind != "hang" else 1e7)
        if decision.kind == "raise":
            raise (SimulatedError if decision.retryable else NonRetryableError)("simulated")
        for key, value in decision.writes.items():
            await ctx.set(key, value)
        return NodeResult(output=decision.output, action=decision.action)

    def _look_at_the_time(self, run: RunInfo, now: float) -> None:
        """Note what executes early by the clock of the very worker that executes it."""
        starts = self.starts.get(run.run_id)
        if starts is not None and now < starts:
            self.early.append(f"{run.run_id}: {run.node_id} executed before the run may start")
        if run.attempt > 1:
            key, name = f"{run.node_id}{run.scope}", f"{FAILED}{run.attempt - 1}"
            noted = self._backend.cell(run.run_id, key, name)
            if noted is not None and now < decode_failed(noted).not_before:
                self.early.append(f"{run.run_id}: attempt {run.attempt} of {key} came early")

    def adapter(
        self, name: str, gate: Opening, clock: SimClock, *, is_old: bool = False
    ) -> BaseDistributedAdapter:
        """An adapter of the backend, whose every call passes the gate."""
        adapter = self._adapter(name, gate, clock, FORMAT if is_old else self.newest_format)
        adapter.parts.programs = SharedPrograms(adapter, self.compiled)
        # Two of them may be off by that much, in either direction.
        adapter.ports.queue.clock_skew_seconds = 2 * self._setup.skew_seconds
        return adapter

    @property
    def newest_format(self) -> int:
        """What the newest workers of this world write."""
        return FORMAT + self._setup.is_upgraded

    def _adapter(
        self, name: str, gate: Opening, clock: SimClock, format_: int
    ) -> BaseDistributedAdapter:
        setup = self._setup
        options = RuntimeOptions(
            registry=self._registry,
            expressions=self.expressions,
            clock=clock,
            worker_name=name,
            sweep_interval_seconds=SWEEP_SECONDS if setup.has_sweeper else NEVER_SECONDS,
            # Without delays of the queue's own, every retry and sleep is a timer to promote.
            poll_seconds=60.0 if setup.has_delays and setup.mode != "contract" else POLL_SECONDS,
            concurrency=setup.concurrency,
            max_deliveries=setup.max_deliveries,
            continue_nodes=self._rng.choice((1, 3, 64)),
            format=format_,
        )
        if setup.mode == "contract":
            return SimContractAdapter(
                options, self._backend.server, gate, self._faults, self._backend.clock,
                self._backend.bodies, lease_seconds=LEASE_SECONDS,
                dice=random.Random(f"{setup.seed} {name} dice"),
            )  # fmt: skip
        return SimAdapter(
            options, self._backend.tables, self._waker, gate, self._faults, self._backend.clock,
            is_fused=setup.mode == "fused", lease_seconds=LEASE_SECONDS,
            has_delays=setup.has_delays,
            longest_unacknowledged_seconds=setup.longest_unacknowledged_seconds,
        )  # fmt: skip

    def clock(self, name: str) -> SimClock:
        """The clock of one machine."""
        most = self._setup.skew_seconds
        ahead = self._rng.uniform(-most, most) if most else 0.0
        return SimClock(random.Random(f"{self._setup.seed} {name}"), name, self._loop, ahead)

    def start_first(self) -> None:
        """Start one of the workers that are there at the beginning."""
        self.start_worker(is_old=self._setup.is_upgraded and self._rng.random() < OLD_AT_FIRST)

    def start_worker(self, *, is_old: bool = False) -> None:
        """Start a worker; whoever dies is replaced a little later, by a newer one."""
        self._workers += 1

        def replace() -> None:
            self._loop.call_later(0.1 + self._rng.random() * 5, self.start_worker)

        name = f"w{self._workers}"
        gate, clock = Gate(name, self._faults, replace, self._loop), self.clock(name)
        adapter = self.adapter(name, gate, clock, is_old=is_old)
        token = _MACHINE.set(Machine(gate, clock))
        adapter.start()
        _MACHINE.reset(token)
        if is_old:
            self._upgrades.append(self._loop.create_task(self._upgrade(adapter, gate)))

    async def _upgrade(self, adapter: BaseDistributedAdapter, gate: Gate) -> None:
        """Drain an old worker some day, and start a newer one in its place."""
        await self._loop.after(self._rng.random() * LATEST_UPGRADE_SECONDS)
        if gate.is_dead:
            return
        self.drains += 1
        await adapter.stop(grace_seconds=self._rng.random() * 20)
        self.start_worker()

    def delay_until(self, run_id: str, at: float) -> None:
        """Note before when nothing of a run may execute."""
        self.starts[run_id] = at
