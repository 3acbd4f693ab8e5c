"""A simulated world: workers, a backend, an outside that resumes waits, and faults between them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flowcraft import values
from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.blueprint import canonical_bytes, content_hash, load_blueprint
from flowcraft.client.events import run_events
from flowcraft.clock import Clock
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record, decode_record
from flowcraft.errors import NonRetryableError
from flowcraft.expressions import Expressions
from flowcraft.local.waker import Waker
from flowcraft.nodes import Context, NodeRegistry, RunInfo
from flowcraft.status import RunHeader
from tests.four_method.adapter import FourMethodAdapter, ToyServer
from tests.simulation.behaviour import SimulatedError, decide
from tests.simulation.case import Case
from tests.simulation.check import Observed
from tests.simulation.faults import FaultPlan, Faults, Gate
from tests.simulation.observe import observe
from tests.simulation.retried import not_taken_over, together, unused
from tests.simulation.signals import Outside, descendants
from tests.simulation.sim_store import SimAdapter, SimTables

Mode = Literal["fused", "split", "contract"]
RUN_ID = "run"
RETRY_ID = "again"
LEASE_SECONDS = 10.0
SWEEP_SECONDS = 20.0
NEVER_SECONDS = 1e9
ORPHAN_SECONDS = 2_000.0
"""A hundred sweeps: how long a child may be there whose parent ended or is gone."""
EPOCH = 1_700_000_000.0


class SimClock(Clock):
    """Virtual time, seeded chance."""

    def __init__(self, rng: random.Random, name: str) -> None:
        self._rng = rng
        self._name = name
        self._ids = 0

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return self._rng.random()

    def fresh_id(self) -> str:
        self._ids += 1
        return f"{self._name}.{self._ids}"


@dataclass(kw_only=True)
class Setup:
    """How a case is run.

    Args:
        has_sweeper: Whether workers look for stalled runs. With all rules of the protocol kept,
            and no message lost, nobody needs them to.
        most_messages: How many messages the run may send in all.
        is_calm: Nobody dies, stands still or fails to answer: no message may come back.
        early_at: When the early signals are sent; 0 is before the run starts.
        is_retried: When the run has ended, it is retried, under the same faults; both together
            are what is observed.
    """

    case: Case
    seed: int
    mode: Mode
    plan: FaultPlan
    workers: int = 3
    has_delays: bool = True
    has_sweeper: bool = True
    most_messages: int | None = None
    is_calm: bool = False
    early_at: float = 0.0
    max_deliveries: int = 60
    longest_unacknowledged_seconds: float = float("inf")
    longest_seconds: float = 100_000.0
    cancel_at: float | None = None
    is_purged: bool = False
    is_retried: bool = False
    is_traced: bool = False


@dataclass(kw_only=True)
class Ended:
    """What a simulated run came to."""

    observed: Observed | None
    problems: list[str]
    faults: Faults
    executions: Counter[str] = field(default_factory=Counter)
    redeliveries: int = 0
    seconds: float = 0.0


class World:
    """One case, run once."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.rng = random.Random(setup.seed)
        self.faults = Faults(random.Random(setup.seed + 1), setup.plan, LEASE_SECONDS)
        self.faults.trace = [] if setup.is_traced else None
        self.tables = SimTables(random.Random(setup.seed + 2))
        self.server = ToyServer()
        self.waker = Waker()
        self.expressions = Expressions()
        self.executions: Counter[str] = Counter()
        self._workers = 0
        self._programs = {
            id_: Program(load_blueprint(json, expressions=self.expressions), self.expressions)
            for id_, json in {
                setup.case.blueprint["id"]: setup.case.blueprint, **setup.case.blueprints
            }.items()
        }  # fmt: skip

    def _registry(self, gate: Gate) -> NodeRegistry:
        registry = NodeRegistry()
        for uses in ("sim.node", "sim.worker"):
            registry.register(self._node_function(gate), uses=uses)
        return registry

    def _node_function(self, gate: Gate) -> Any:
        async def simulated(input: Any, ctx: Context, run: RunInfo, params: dict[str, Any]) -> Any:
            self.executions[f"{run.run_id} {run.node_id}{run.scope} {run.attempt}"] += 1
            decision = decide(
                params, node_id=run.node_id, scope=run.scope, attempt=run.attempt, input=input
            )
            if params.get("kills"):
                await gate.die()
            await asyncio.sleep(decision.seconds if decision.kind != "hang" else 1e7)
            if decision.kind == "raise":
                raise (SimulatedError if decision.retryable else NonRetryableError)("simulated")
            for key, value in decision.writes.items():
                await ctx.set(key, value)
            from flowcraft.nodes import NodeResult

            return NodeResult(output=decision.output, action=decision.action)

        return simulated

    # -- adapters

    def adapter(self, name: str, gate: Gate) -> BaseDistributedAdapter:
        setup = self.setup
        options = RuntimeOptions(
            registry=self._registry(gate),
            expressions=self.expressions,
            clock=SimClock(random.Random(f"{setup.seed} {name}"), name),
            worker_name=name,
            sweep_interval_seconds=SWEEP_SECONDS if setup.has_sweeper else NEVER_SECONDS,
            # Without delays of the queue's own, every retry and sleep is a timer to promote.
            poll_seconds=60.0 if setup.has_delays and setup.mode != "contract" else 10.0,
            concurrency=8,
            max_deliveries=setup.max_deliveries,
            continue_nodes=self.rng.choice((1, 3, 64)),
        )
        if setup.mode == "contract":
            return FourMethodAdapter(
                options, self.server, call=gate.call, lease_seconds=LEASE_SECONDS,
                dice=random.Random(f"{setup.seed} {name} dice"),
            )  # fmt: skip
        return SimAdapter(
            options, self.tables, self.waker, gate, self.faults,
            is_fused=setup.mode == "fused", lease_seconds=LEASE_SECONDS,
            has_delays=setup.has_delays,
            longest_unacknowledged_seconds=setup.longest_unacknowledged_seconds,
        )  # fmt: skip

    def start_worker(self) -> None:
        self._workers += 1
        loop = asyncio.get_running_loop()

        def replace() -> None:
            loop.call_later(0.1 + self.rng.random() * 5, self.start_worker)

        name = f"w{self._workers}"
        self.adapter(name, Gate(name, self.faults, replace)).start()

    # -- the outside

    async def run(self) -> Ended:
        """Submit, answer waits, wait for the end, and look whether the end holds."""
        gate = Gate("client", self.faults, lambda: None)
        gate.has_faults = False
        client = self.adapter("client", gate)
        for _ in range(self.setup.workers):
            self.start_worker()
        wrong = await self._until_over(client, await self._submit(client), RUN_ID)
        if wrong:
            return self._ended(None, wrong)
        observed = await self._observe(client, RUN_ID)
        while not await self._is_over(client, RUN_ID):  # a child was made late, and seen running
            await asyncio.sleep(10)
            observed = await self._observe(client, RUN_ID)
        untold = await self._untold(client, observed)
        retried: Observed | None = None
        if self.setup.is_retried:
            outside = await self._retry(client, observed)
            wrong = await self._until_over(client, outside, RETRY_ID)
            if wrong:
                return self._ended(None, wrong)
            retried = await self._observe(client, RETRY_ID)
        if self.setup.is_purged:
            await client.runs.purge(RUN_ID)
        while self._is_busy():
            if asyncio.get_running_loop().time() > 3 * self.setup.longest_seconds:
                return self._ended(observed, ["the run ended, and its messages did not"])
            await asyncio.sleep(10)
        loop = asyncio.get_running_loop()
        patience = loop.time() + ORPHAN_SECONDS
        while await self._has_orphans(client):
            if loop.time() > patience:
                break
            await asyncio.sleep(10)
        problems = [*untold, *await self._look_again(client, observed)]
        if retried is not None:
            problems += await self._look_again(client, retried)
            observed = await self._observe(client, RUN_ID)  # with children made too late
            problems += not_taken_over(self.setup.case, observed, retried, self.executions)
            observed = together(observed, retried)
        return self._ended(observed, problems)

    async def _until_over(
        self, client: BaseDistributedAdapter, outside: Outside, run_id: str
    ) -> list[str]:
        """Answer waits until a run is over; why that does not come."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while not await self._is_over(client, run_id):
            if loop.time() - started > self.setup.longest_seconds:
                return [f"{run_id} did not end"]
            if self._is_flooded():
                return [f"{run_id} sent {self.tables.sent} messages"]
            cancel_at = self.setup.cancel_at
            if run_id == RUN_ID and cancel_at is not None and loop.time() >= cancel_at:
                await client.runs.cancel(run_id)
            await outside.answer()
            often = self.setup.case.signals or cancel_at is not None
            await asyncio.sleep((0.5 if often else 2.0) if loop.time() - started < 20 else 10)
        return []

    async def _is_over(self, client: BaseDistributedAdapter, root: str) -> bool:
        """Whether a run and all below it ended and were announced."""
        for run_id in [root, *await descendants(client, root)]:
            (header,) = await client.ports.store.headers([run_id])
            if header is None or (header.is_over and header.is_announced):
                continue
            if not self.setup.has_sweeper and await self._is_orphan(client, header):
                await client.runs.cancel(run_id)
            return False
        return True

    async def _has_orphans(self, client: BaseDistributedAdapter) -> bool:
        """Whether a worker that woke up late made a child that nobody has removed yet."""
        if not self.setup.is_purged:
            roots = [RUN_ID, RETRY_ID] if self.setup.is_retried else [RUN_ID]
            return not all([await self._is_over(client, root) for root in roots])
        if not self.setup.has_sweeper:
            for run_id in list(self.tables.runs):
                await client.runs.cancel(run_id)
        return bool(self.tables.runs)

    async def _is_orphan(self, client: BaseDistributedAdapter, header: RunHeader) -> bool:
        """Whether the run's parent ended without it; only a sweeper looks for those."""
        if header.parent is None:
            return False
        (above,) = await client.ports.store.headers([header.parent.run_id])
        return above is None or (above.is_over and above.is_announced)

    async def _look_again(self, client: BaseDistributedAdapter, first: Observed) -> list[str]:
        """What changed after the end, when every message is gone."""
        problems = list(self.tables.violations)
        if self.setup.is_calm and self.tables.redeliveries:
            problems.append("a message came back, and nobody had died")
        if self.setup.is_purged:
            problems += [f"{run_id} came back after the purge" for run_id in self.tables.runs]
        elif _with_some_life(await self._observe(client, first.run_id)) != _with_some_life(first):
            problems.append("what is known of the run, or its context, changed after its end")
        return problems

    async def _untold(self, client: BaseDistributedAdapter, observed: Observed) -> list[str]:
        """Whether the events of the run are not exactly its records, and its end at the end."""
        events = [event async for event in run_events(client, RUN_ID, after=None)]
        told = Counter(e.node + e.scope for e in events if e.kind in _OF_RECORDS)
        if told != Counter(observed.records.keys()) or events[-1].status != observed.status:
            return [f"the events of the run are {[(e.kind, e.node + e.scope) for e in events]}"]
        return []

    def _ended(self, observed: Observed | None, problems: list[str]) -> Ended:
        return Ended(
            observed=observed, problems=problems, faults=self.faults, executions=self.executions,
            redeliveries=self.tables.redeliveries, seconds=asyncio.get_running_loop().time(),
        )  # fmt: skip

    def _is_flooded(self) -> bool:
        most = self.setup.most_messages
        return most is not None and self.tables.sent > most

    def _is_busy(self) -> bool:
        """Whether a message is left, or a worker that stood still may just have gone on."""
        is_late = asyncio.get_running_loop().time() < self.faults.awake_at + LEASE_SECONDS
        return is_late or bool(self.tables.jobs or self.server.messages)

    async def _submit(self, client: BaseDistributedAdapter) -> Outside:
        case = self.setup.case
        hashes = {id_: program.hash for id_, program in self._programs.items()}
        for program in self._programs.values():
            assert program.hash == content_hash(program.blueprint)
            await client.ports.store.put_blueprint(program.hash, canonical_bytes(program.blueprint))
        root = case.blueprint["id"]
        header = RunHeader(
            run_id=RUN_ID, blueprint_id=root, blueprint_hash=hashes[root], blueprints=hashes,
            created_at=EPOCH,
        )  # fmt: skip
        await client.runs.create(header, case.payload)
        outside = Outside(client, RUN_ID, case)
        if self.setup.early_at:
            asyncio.get_running_loop().call_later(self.setup.early_at, self._send_early, outside)
        else:
            await outside.send_early()
        await client.runs.start(RUN_ID)
        return outside

    async def _retry(self, client: BaseDistributedAdapter, first: Observed) -> Outside:
        """Retry the run; what it was sent early and did not use is sent again."""
        case = self.setup.case
        await client.runs.retry(RUN_ID, RETRY_ID)
        early = unused(case, first)
        rest = [signal for signal in case.signals if not signal.early or signal in early]
        outside = Outside(client, RETRY_ID, replace(case, signals=rest))
        await outside.send_early()
        return outside

    def _send_early(self, outside: Outside) -> None:
        self._sending = asyncio.get_running_loop().create_task(outside.send_early())

    # -- what came of it

    async def _observe(self, client: BaseDistributedAdapter, run_id: str) -> Observed:
        return await observe(client, run_id, self._records)

    def _records(self, run_id: str) -> dict[str, Record]:
        if self.setup.mode != "contract":
            cells = self.tables.runs[run_id].cells
            return {
                key: decode_record(named["record"])
                for key, named in cells.items()
                if "record" in named
            }
        prefix, suffix = f"flowcraft/cell/{run_id}/", "//record"
        found = {}
        for key, text in self.server.keys.items():
            if key.startswith(prefix) and key.endswith(suffix):
                body = text[1:].encode()
                if text[0] == "+":
                    body = values.decode(body)["value"].encode()
                found[key[len(prefix) : -len(suffix)]] = decode_record(body)
        return found


_OF_RECORDS = ("finished", "skipped", "failed")


def _with_some_life(observed: Observed) -> Observed:
    """Leave out children made too late to be started: cancelled, and without a record."""
    alive = {
        place: _with_some_life(child)
        for place, child in observed.children.items()
        if child.status != "cancelled" or child.records
    }
    return replace(observed, children=alive)
