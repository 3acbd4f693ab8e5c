"""What every check of the kit stands on: the outside, which submits, resumes, looks, and harms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.blueprint import canonical_bytes
from flowcraft.client.handle import RunHandle
from flowcraft.engine.record import Record, decode_record
from flowcraft.execution.limits import deadline_at
from flowcraft.nodes import NodeRegistry
from flowcraft.ports.contract import JobPayload, encode_job
from flowcraft.ports.queue import DeadLetter
from flowcraft.ports.store import Load, Timer
from flowcraft.status import ResumeOutcome, RunHeader, RunResult
from flowcraft.testing.fleet import Fleet
from flowcraft.testing.graphs import BlueprintJson
from flowcraft.testing.in_process import Signal, start_in_process
from flowcraft.testing.loop import answer_due
from flowcraft.testing.wire import UNHEARD, Wire
from flowcraft.testing.worker import Worker
from flowcraft.values import decode

FAR_SECONDS = 1e9
"""Further ahead than any timer of a test, and the interval of what is not to happen."""
QUIET_LEASES = 5.0
"""So many leases without any work, and no message is left that somebody could take."""


class Stage(Fleet):
    """A backend with its workers, and the outside of it. See `Fleet` for its arguments."""

    async def create(
        self,
        blueprint_id: str,
        payload: Any = None,
        *,
        run_id: str = "run",
        deadline_seconds: float | None = None,
        delay_seconds: float = 0.0,
        blueprint_hash: str | None = None,
    ) -> str:
        """Create a run without starting it, as a client does that dies in between."""
        await self.store_blueprints(self.client)
        header = self.new_header(
            blueprint_id,
            run_id=run_id,
            deadline_seconds=deadline_seconds,
            delay_seconds=delay_seconds,
            blueprint_hash=blueprint_hash,
        )
        await self.client.runs.create(header, payload)
        return run_id

    async def store_blueprints(self, adapter: BaseDistributedAdapter) -> None:
        """Store every blueprint that was added."""
        for program in self._programs.values():
            content = canonical_bytes(program.blueprint)
            await adapter.ports.store.put_blueprint(program.hash, content)

    def new_header(
        self,
        blueprint_id: str,
        *,
        run_id: str = "run",
        deadline_seconds: float | None = None,
        delay_seconds: float = 0.0,
        blueprint_hash: str | None = None,
    ) -> RunHeader:
        """What a run that is submitted now says of itself."""
        program = self._programs[blueprint_id]
        now = self.now()
        return RunHeader(
            run_id=run_id,
            blueprint_id=blueprint_id,
            blueprint_hash=blueprint_hash or program.hash,
            blueprints={id_: found.hash for id_, found in self._programs.items()},
            created_at=now,
            starts_at=now + delay_seconds if delay_seconds else None,
            deadline_at=deadline_at(
                program.blueprint.metadata, now + delay_seconds, deadline_seconds
            ),
            format=self.client.options.runtime_options.format,
        )

    async def submit(self, blueprint_id: str, payload: Any = None, **how: Any) -> str:
        """Create a run and start it; arguments as for `create`."""
        await self.store_blueprints(self.client)
        header = self.new_header(blueprint_id, **how)
        await self.client.runs.begin(header, payload, self._programs[blueprint_id])
        return header.run_id

    def handle(self, run_id: str = "run") -> RunHandle:
        """A run as its users see it."""

        async def connect() -> BaseDistributedAdapter:
            return self.client

        return RunHandle(run_id, connect)

    async def result(self, run_id: str = "run", *, within: float | None = None) -> RunResult:
        """Wait for the end of a run."""

        async def is_announced() -> bool:
            return (await self.header(run_id)).is_announced

        await self.until(is_announced, within=within)
        assert self._is_heard, UNHEARD
        return await self.client.runs.result_of(run_id)

    async def run(self, blueprint: BlueprintJson, payload: Any = None, **how: Any) -> RunResult:
        """Run one blueprint, with one worker if there is none, from beginning to end."""
        self.add(blueprint)
        if not self.workers:
            self.worker()
        return await self.result(await self.submit(blueprint["id"], payload, **how))

    async def run_both(
        self,
        blueprint: BlueprintJson,
        payload: Any = None,
        *,
        signals: Sequence[Signal] = (),
        run_id: str = "run",
    ) -> RunResult:
        """Run one blueprint as `run` does, and in process besides: the results must be equal.

        For nodes that answer alike in whatever process and however often they are asked. What
        executes in process is not counted in `calls`.

        Args:
            blueprint: What to run.
            payload: Its payload.
            signals: Resumes for waits that are not reached yet.
            run_id: Of both runs.
        """
        self.add(blueprint)
        registry = NodeRegistry()
        nobody = Worker("in process", Wire())
        for uses, (make, options) in self._nodes.items():
            registry.register(make(nobody), uses=uses, options=options)
        local = start_in_process(
            self.program(blueprint["id"]),
            payload,
            run_id=run_id,
            registry=registry,
            expressions=self.expressions,
            programs=self._programs,
            signals=signals,
            largest_value_bytes=self.harness.largest_value_bytes,
        )
        await self.create(blueprint["id"], payload, run_id=run_id)
        for one in signals:
            outcome = await self.resume(
                one.node_id, one.output, action=one.action, scope=one.scope, run_id=run_id
            )
            assert outcome == "kept", f"{one} was {outcome}"
        await self.client.runs.start(run_id)
        if not self.workers:
            self.worker()
        result = await self.result(run_id)
        expected = await local.result()
        assert result == expected, "the adapter and the run in process do not mean the same"
        return result

    async def until(
        self, holds: Callable[[], Awaitable[bool]], *, within: float | None = None
    ) -> None:
        """Wait until something holds."""
        loop = asyncio.get_running_loop()
        within = self.harness.patience_seconds if within is None else within
        started = loop.time()
        step = 0.01
        while not await holds():
            waited = loop.time() - started
            assert waited <= within, "what was waited for did not come"
            assert waited <= self.lease_seconds or self._is_heard, UNHEARD
            await asyncio.sleep(step)
            step = min(step * 1.2, 5.0)

    @property
    def _is_heard(self) -> bool:
        """Whether a request of anybody passed the wire."""
        return any(made.wire.numbering.count for made in self._made)

    async def until_called(self, uses: str, times: int = 1) -> None:
        """Wait until a node was executed so often."""

        async def holds() -> bool:
            return self.calls[uses] >= times

        await self.until(holds)

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
        self,
        node_id: str | None = None,
        output: Any = None,
        *,
        action: str | None = None,
        scope: str = "",
        run_id: str = "run",
    ) -> ResumeOutcome:
        """Resume a wait."""
        return await self.client.resume_with_action(run_id, action, output, node_id, scope)

    async def header(self, run_id: str = "run") -> RunHeader:
        """What a run says of itself."""
        (header,) = await self.client.ports.store.headers([run_id])
        assert header is not None, f"no run {run_id!r}"
        return header

    async def is_there(self, run_id: str = "run") -> bool:
        """Whether there is such a run."""
        return await self.client.ports.store.headers([run_id]) != [None]

    async def until_over(self, run_id: str = "run") -> RunHeader:
        """Wait for the final status, announced or not."""

        async def holds() -> bool:
            return (await self.header(run_id)).is_over

        await self.until(holds)
        return await self.header(run_id)

    async def cells(self, key: str, run_id: str = "run") -> Mapping[str, bytes]:
        """What is noted of an activation."""
        loaded = await self.client.ports.load(Load(run_id, key))
        return loaded.cells

    async def record(self, key: str, run_id: str = "run") -> Record | None:
        """The record of an activation, if it has one."""
        data = (await self.cells(key, run_id)).get("record")
        return decode_record(data) if data is not None else None

    async def until_recorded(self, key: str, run_id: str = "run") -> Record:
        """Wait for a record."""
        found: Record | None = None

        async def holds() -> bool:
            nonlocal found
            found = await self.record(key, run_id)
            return found is not None

        await self.until(holds)
        assert found is not None
        return found

    async def until_output(self, key: str, run_id: str = "run") -> Any:
        """Wait for a record, and give its output."""
        return decode(bytes((await self.until_recorded(key, run_id)).output))

    async def children(self, run_id: str = "run") -> list[RunHeader]:
        """The children of a run, oldest first."""
        ids = await self.client.ports.store.children(run_id)
        found = [h for h in await self.client.ports.store.headers(ids) if h is not None]
        return sorted(found, key=lambda header: header.created_at)

    # -- the queue and the timers

    async def send(
        self, node_id: str, scope: str = "", *, run_id: str = "run", **more: Any
    ) -> None:
        """Put a job on the queue, as if it came once more."""
        await self.send_raw(encode_job(JobPayload(run_id, "g", node_id, scope, **more)))

    async def send_raw(self, body: bytes) -> None:
        """Put anything at all on the queue."""
        with answer_due():
            await self.harness.send_foreign(body)

    async def dead_letters(self) -> Sequence[DeadLetter]:
        """What nobody could handle, with the reasons."""
        letters = await self.client.ports.queue.dead_letters(1000)
        assert letters is not None, "the queue lists no dead letters"
        return letters

    async def lose_messages(self) -> None:
        """Take every message that can be taken, and do nothing for it."""
        thief = self.make_worker("thief")
        if thief.adapter.native_ports() is None:
            await self._steal_pushed(thief.adapter)
            return
        queue = thief.adapter.ports.queue
        while deliveries := await queue.receive(100, 0.0):
            await queue.ack(deliveries)

    async def _steal_pushed(self, adapter: BaseDistributedAdapter) -> None:
        stolen = 0

        async def steal(job: JobPayload) -> None:
            nonlocal stolen
            stolen += 1

        stealing = asyncio.ensure_future(adapter.process_jobs(steal))
        seen = -1
        while seen != stolen:
            seen = stolen
            await asyncio.sleep(self.harness.slack_seconds)
        stealing.cancel()
        await asyncio.wait([stealing])

    async def redeliver(self) -> None:
        """Let what the dead held be taken by others, as when their leases are over."""
        with answer_due():
            moved = await self.harness.redeliver()
        if not moved:
            await asyncio.sleep(self.lease_seconds)

    async def timers(self) -> Sequence[Timer]:
        """Every timer that is set."""
        return await self.client.ports.store.due_timers(self.now() + FAR_SECONDS, 100_000)

    async def waiting_jobs(self) -> int:
        """How many messages and timers there are, as far as anybody can tell."""
        with answer_due():
            messages = await self.harness.messages()
        return len(messages or ()) + len(await self.timers())

    async def traces(self, run_id: str = "run") -> list[str]:
        """What is still found of a run that was purged."""
        store = self.client.ports.store
        found = [f"its header {header}" for header in await store.headers([run_id]) if header]
        found += [f"its context {key!r}" for key in await store.context(run_id)]
        found += [f"its child {child!r}" for child in await store.children(run_id)]
        found += [f"its timer {timer.name!r}" for timer in await self.timers()
                  if timer.job.run_id == run_id]  # fmt: skip
        with answer_due():
            found += await self.harness.traces(run_id)
        return found

    async def until_done(self) -> None:
        """Wait until no message is seen and no worker is at one: the last call was made."""

        async def holds() -> bool:
            with answer_due():
                messages = await self.harness.messages()
            return not messages and all(worker.is_idle for worker in self.workers)

        await self.until(holds)

    async def until_quiet(self) -> None:
        """Wait until nobody has anything left to do."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        seen, since = self.handled, started
        await asyncio.sleep(self.harness.slack_seconds)
        while True:
            with answer_due():
                messages = await self.harness.messages()
            if messages is not None and not messages:
                return
            if self.handled != seen or not all(worker.is_idle for worker in self.workers):
                seen, since = self.handled, loop.time()
            elif messages is None and loop.time() - since > QUIET_LEASES * self.lease_seconds:
                return
            assert loop.time() - started <= self.harness.patience_seconds, "the messages do not end"
            await asyncio.sleep(self.harness.slack_seconds)
