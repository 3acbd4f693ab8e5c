"""Workers over one backend in virtual time, and the outside that submits, resumes and looks."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.contract_register import SYSTEM_RUN
from flowcraft.adapter.event_bus import EventBus
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.blueprint import canonical_bytes, load_blueprint
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record, decode_record
from flowcraft.execution.limits import deadline_at
from flowcraft.expressions import Expressions
from flowcraft.memory.adapter import MemoryAdapter, MemoryBackend
from flowcraft.nodes import NodeOptions, NodeRegistry
from flowcraft.ports.contract import JobPayload, encode_job
from flowcraft.ports.store import Load
from flowcraft.status import ResumeOutcome, RunHeader, RunResult
from packages.core.tests.adapter.workers import (
    EPOCH,
    OwnBackend,
    SplitMemoryAdapter,
    VirtualClock,
    Worker,
)
from tests.four_method.adapter import FourMethodAdapter, Message, ToyServer
from tests.simulation.case import BlueprintJson
from tests.simulation.loop import run_virtually

__all__ = [
    "EPOCH",
    "KINDS",
    "LEASE_SECONDS",
    "SWEEP_SECONDS",
    "Kind",
    "Stage",
    "Worker",
    "virtually",
]

Kind = Literal["fused", "split", "four_method"]
KINDS: tuple[Kind, ...] = ("fused", "split", "four_method")

LEASE_SECONDS = 10.0
SWEEP_SECONDS = 20.0
LONG_SECONDS = 100_000.0
"""Bound of every wait, in virtual seconds: reached only when something is broken."""


Make = Callable[[Worker], Callable[..., Any]]


class Stage:
    """A backend with its workers, blueprints and nodes."""

    def __init__(self, kind: Kind, **settings: Any) -> None:
        self.kind = kind
        self.settings = settings
        self.backend = MemoryBackend()
        self.server = ToyServer()
        self.largest_value: int | None = None
        self.lease_seconds = LEASE_SECONDS
        self.event_bus: EventBus | None = None
        # How late a message may be taken: nothing wakes the worker of the four methods.
        self.slack_seconds = 20.0 if kind == "four_method" else 5.0
        self.workers: list[Worker] = []
        self.calls: Counter[str] = Counter()
        self.expressions = Expressions()
        self._nodes: dict[str, tuple[Make, NodeOptions]] = {}
        self._programs: dict[str, Program] = {}
        self._client: BaseDistributedAdapter | None = None
        self.node("echo")(_echo)
        self.node("value")(_value)

    # -- what there is to run

    def node(self, uses: str, **options: Any) -> Callable[[Any], Any]:
        """Register a node function with every worker that starts from now on."""

        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            self.node_of_worker(uses, **options)(lambda worker: function)
            return function

        return keep

    def node_of_worker(self, uses: str, **options: Any) -> Callable[[Make], Make]:
        """Register a node whose function is made for each worker, so that it can kill it."""

        def keep(make: Make) -> Make:
            self._nodes[uses] = make, NodeOptions(**options)
            return make

        return keep

    def add(self, *blueprints: BlueprintJson) -> None:
        """Load blueprints, so that they can be submitted."""
        for source in blueprints:
            loaded = load_blueprint(source, expressions=self.expressions)
            self._programs[source["id"]] = Program(loaded, self.expressions)

    def program(self, blueprint_id: str) -> Program:
        """A blueprint that was added, made ready to run."""
        return self._programs[blueprint_id]

    # -- workers

    def make_worker(
        self, name: str, *, without: frozenset[str] = frozenset(), **settings: Any
    ) -> Worker:
        """Make a worker that is not started; the nodes named in `without` are not here."""
        registry = NodeRegistry()
        options = RuntimeOptions(
            registry=registry,
            expressions=self.expressions,
            clock=VirtualClock(name),
            worker_name=name,
            **{
                "sweep_interval_seconds": SWEEP_SECONDS,
                "poll_seconds": 2.0,
                **self.settings,
                **settings,
            },
        )
        worker = Worker(name)
        worker.adapter = self.make(options, worker)
        for uses, (make, node_options) in self._nodes.items():
            if uses not in without:
                function = self._counted(uses, make(worker))
                registry.register(function, uses=uses, options=node_options)
        return worker

    def make(self, options: RuntimeOptions, worker: Worker) -> BaseDistributedAdapter:
        """Make the adapter itself."""
        if self.kind == "four_method":
            return FourMethodAdapter(
                options, self.server, call=worker.call, lease_seconds=self.lease_seconds,
                event_bus=self.event_bus,
            )  # fmt: skip
        cls = MemoryAdapter if self.kind == "fused" else SplitMemoryAdapter
        return cls(
            options,
            backend=OwnBackend(self.backend, worker),
            lease_seconds=self.lease_seconds,
            largest_value=self.largest_value,
            event_bus=self.event_bus,
        )

    def _counted(self, uses: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[uses] += 1
            result = function(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        return call

    def worker(self, *, without: frozenset[str] = frozenset(), **settings: Any) -> Worker:
        """Start a worker."""
        name = f"w{len(self.workers) + 1}"
        worker = self.make_worker(name, without=without, **settings)
        worker.adapter.start()
        self.workers.append(worker)
        return worker

    async def keep_alive(self, count: int = 1, *, after_seconds: float = 1.0) -> None:
        """Start workers, and another one for each that dies."""
        while True:
            alive = sum(not worker.is_dead for worker in self.workers)
            for _ in range(count - alive):
                self.worker()
            await asyncio.sleep(after_seconds)

    # -- the outside

    @property
    def client(self) -> BaseDistributedAdapter:
        """An adapter that takes no jobs."""
        if self._client is None:
            self._client = self.make_worker("client").adapter
        return self._client

    async def create(
        self, blueprint_id: str, payload: Any = None, *, run_id: str = "run",
        deadline_seconds: float | None = None, delay_seconds: float = 0.0,
    ) -> str:  # fmt: skip
        """Create a run without starting it."""
        client = self.client
        for program in self._programs.values():
            content = canonical_bytes(program.blueprint)
            await client.ports.store.put_blueprint(program.hash, content)
        program = self._programs[blueprint_id]
        now = client.parts.clock.now()
        header = RunHeader(
            run_id=run_id,
            blueprint_id=blueprint_id,
            blueprint_hash=program.hash,
            blueprints={id_: found.hash for id_, found in self._programs.items()},
            created_at=now,
            starts_at=now + delay_seconds if delay_seconds else None,
            deadline_at=deadline_at(
                program.blueprint.metadata, now + delay_seconds, deadline_seconds
            ),
            format=client.options.runtime_options.format,
        )
        await client.runs.create(header, payload)
        return run_id

    async def submit(self, blueprint_id: str, payload: Any = None, **how: Any) -> str:
        """Create a run and start it."""
        run_id = await self.create(blueprint_id, payload, **how)
        await self.client.runs.start(run_id)
        return run_id

    async def result(self, run_id: str = "run", *, within: float = LONG_SECONDS) -> RunResult:
        """Wait for the end of a run."""
        await self.until(lambda: self._is_announced(run_id), within=within)
        return await self.client.runs.result_of(run_id)

    async def _is_announced(self, run_id: str) -> bool:
        header = await self.header(run_id)
        return header.is_announced

    async def run(self, blueprint: BlueprintJson, payload: Any = None, **how: Any) -> RunResult:
        """Run one blueprint with one worker, from beginning to end."""
        self.add(blueprint)
        if not self.workers:
            self.worker()
        return await self.result(await self.submit(blueprint["id"], payload, **how))

    async def until(
        self, holds: Callable[[], Awaitable[bool]], *, within: float = LONG_SECONDS
    ) -> None:
        """Wait in virtual time until something holds."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        step = 0.01
        while not await holds():
            assert loop.time() - started <= within, "what was waited for did not come"
            await asyncio.sleep(step)
            step = min(step * 1.2, 5.0)

    async def until_open(self, *keys: str, run_id: str = "run") -> None:
        """Wait until exactly these waits are open."""

        async def holds() -> bool:
            return await self.open_waits(run_id) == sorted(keys)

        await self.until(holds)

    async def open_waits(self, run_id: str = "run") -> list[str]:
        """Keys of the waits that are open now."""
        view = await self.client.parts.view(run_id)
        assert view is not None
        return sorted(a.key for a in await self.client._resumer.open_waits(view))

    async def resume(
        self, node_id: str | None = None, output: Any = None, *, action: str | None = None,
        scope: str = "", run_id: str = "run",
    ) -> ResumeOutcome:  # fmt: skip
        """Resume a wait."""
        return await self.client.resume_with_action(run_id, action, output, node_id, scope)

    async def header(self, run_id: str = "run") -> RunHeader:
        """What a run says of itself."""
        (header,) = await self.client.ports.store.headers([run_id])
        assert header is not None, f"no run {run_id!r}"
        return header

    async def until_over(self, run_id: str = "run") -> RunHeader:
        """Wait for the final status, announced or not."""

        async def holds() -> bool:
            return (await self.header(run_id)).is_over

        await self.until(holds)
        return await self.header(run_id)

    async def cells(self, key: str, run_id: str = "run") -> dict[str, bytes]:
        """What is noted of an activation."""
        loaded = await self.client.ports.load(Load(run_id, key))
        return dict(loaded.cells)

    async def record(self, key: str, run_id: str = "run") -> Record | None:
        """The record of an activation, if it has one."""
        data = (await self.cells(key, run_id)).get("record")
        return decode_record(data) if data is not None else None

    async def until_recorded(self, key: str, run_id: str = "run") -> Record:
        """Wait for a record."""

        async def holds() -> bool:
            return await self.record(key, run_id) is not None

        await self.until(holds)
        found = await self.record(key, run_id)
        assert found is not None
        return found

    async def children(self, run_id: str = "run") -> list[RunHeader]:
        """The children of a run, oldest first."""
        ids = await self.client.ports.store.children(run_id)
        found = [h for h in await self.client.ports.store.headers(ids) if h is not None]
        return sorted(found, key=lambda header: header.created_at)

    # -- the queue

    def send_raw(self, body: bytes) -> None:
        """Put anything on the queue."""
        if self.kind == "four_method":
            self.server.messages.append(Message(body))
        else:
            self.backend.tables.insert_job(body, 0.0)
            self.backend.waker.wake()

    def send(self, node_id: str, scope: str = "", *, run_id: str = "run", **more: Any) -> None:
        """Put a job on the queue."""
        self.send_raw(encode_job(JobPayload(run_id, "g", node_id, scope, **more)))

    def messages(self) -> list[bytes]:
        """Every message of the queue, whether it can be taken or not."""
        if self.kind == "four_method":
            return [message.body for message in self.server.messages]
        return [job.body for job in self.backend.tables.jobs.values()]

    def dead_letters(self) -> list[tuple[bytes, str]]:
        """What nobody could handle, with the reasons."""
        if self.kind != "four_method":
            letters = self.backend.tables.dead_letters(1000)
            return [(letter.body, letter.reason) for letter in letters]
        system = self.server.contexts.get(SYSTEM_RUN, {})
        notes = [json.loads(text) for key, text in system.items() if key.startswith("dead:")]
        return [(note["body"].encode(), note["reason"]) for note in notes]

    def lose_blueprints(self, only: str | None = None) -> None:
        """Delete what the store holds of blueprints."""
        for id_, program in self._programs.items():
            if only in (None, id_):
                self.server.keys.pop(f"flowcraft/blueprint/{program.hash}", None)
                self.backend.tables._blueprints.pop(program.hash, None)

    def lose_messages(self) -> int:
        """Delete every message; how many there were."""
        count = len(self.messages())
        self.server.messages.clear()
        self.backend.tables.jobs.clear()
        return count

    def timers(self) -> list[str]:
        """Names of the timers that are set."""
        if self.kind == "four_method":
            system = self.server.contexts.get(SYSTEM_RUN, {})
            return [key.removeprefix("timer:") for key in system if key.startswith("timer:")]
        return list(self.backend.tables._timers)

    def lose_timers(self) -> None:
        """Delete every timer."""
        for name in self.timers():
            if self.kind == "four_method":
                del self.server.contexts[SYSTEM_RUN][f"timer:{name}"]
            else:
                del self.backend.tables._timers[name]

    async def until_quiet(self) -> None:
        """Wait until no message is left."""

        async def holds() -> bool:
            return not self.messages()

        await self.until(holds)


async def _echo(input: Any) -> Any:
    return input


async def _value(params: dict[str, Any]) -> Any:
    return params.get("value")


def virtually(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        run_virtually(main())

    return run
