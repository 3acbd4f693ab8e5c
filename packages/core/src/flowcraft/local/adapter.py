"""What the embedded adapters share: the four methods over the native ports."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from flowcraft import values
from flowcraft.adapter.base import BaseDistributedAdapter, JobHandler, NativePorts
from flowcraft.adapter.event_bus import EventBus
from flowcraft.adapter.options import AdapterOptions, RuntimeOptions
from flowcraft.errors import MalformedMessageError
from flowcraft.local.coordination import LocalCoordinationStore
from flowcraft.local.database import LocalDatabase, Transactor
from flowcraft.local.queue import LocalQueue
from flowcraft.local.store import LocalStore
from flowcraft.local.waker import Waker
from flowcraft.ports.contract import AsyncContext, ContextOperation, JobPayload, decode_job
from flowcraft.ports.queue import Outgoing
from flowcraft.status import RunResult


class LocalAdapter(BaseDistributedAdapter):
    """An adapter whose queue and store are one embedded database.

    Args:
        runtime_options: What its worker runs with.
        transact: Runs a function over the database as one atomic step.
        waker: Wakes those who wait for jobs or for the end of a run.
        lease_seconds: How long a message is held without a heartbeat.
        largest_value: Largest value in bytes, or None.
        event_bus: Called with every event of this worker.
    """

    def __init__(
        self,
        runtime_options: RuntimeOptions,
        transact: Transactor,
        waker: Waker,
        *,
        lease_seconds: float,
        largest_value: int | None,
        event_bus: EventBus | None = None,
    ) -> None:
        clock = runtime_options.clock
        publishes = type(self).publish_final_result is not LocalAdapter.publish_final_result
        store = LocalStore(
            transact, clock, first_sweep_seconds=lease_seconds, announces=not publishes
        )
        queue = LocalQueue(transact, clock, waker, lease_seconds=lease_seconds)
        self._native = NativePorts(store, queue, store, largest_value)
        self._transact = transact
        self.waker = waker
        coordination = LocalCoordinationStore(transact, clock)
        super().__init__(
            AdapterOptions(
                runtime_options=runtime_options,
                coordination_store=coordination,
                event_bus=event_bus,
            )
        )

    def native_ports(self) -> NativePorts:
        return self._native

    def create_context(self, run_id: str) -> AsyncContext:
        return LocalContext(self._transact, run_id)

    async def enqueue_job(self, job: JobPayload) -> None:
        await self._native.queue.send([Outgoing(job)])

    async def process_jobs(self, handler: JobHandler) -> None:
        queue = self._native.queue
        while True:
            deliveries = await queue.receive(1, self.options.runtime_options.poll_seconds)
            for delivery in deliveries:
                try:
                    job = decode_job(delivery.body)
                except MalformedMessageError as error:
                    await queue.bury([delivery], str(error))
                    continue
                try:
                    await handler(job)
                except asyncio.CancelledError:
                    raise
                except Exception:  # noqa: BLE001 - by the contract, raising redelivers
                    await queue.release([delivery], 0.0)
                else:
                    await queue.ack([delivery])

    async def publish_final_result(self, run_id: str, result: RunResult) -> None:
        self.waker.wake()


class LocalContext(AsyncContext):
    """A run's context in an embedded database."""

    def __init__(self, transact: Transactor, run_id: str) -> None:
        self._transact = transact
        self._run_id = run_id

    async def get(self, key: str) -> Any:
        found = await self._transact(lambda db: db.get_context(self._run_id, [key]))
        return values.decode(found[key]) if key in found else None

    async def has(self, key: str) -> bool:
        return key in await self._transact(lambda db: db.get_context(self._run_id, [key]))

    async def set(self, key: str, value: Any) -> None:
        await self.patch([ContextOperation("set", key, value)])

    async def delete(self, key: str) -> bool:
        def step(db: LocalDatabase) -> bool:
            was_there = key in db.get_context(self._run_id, [key])
            db.write_context(self._run_id, key, None)
            return was_there

        return await self._transact(step)

    async def to_dict(self) -> dict[str, Any]:
        found = await self._transact(lambda db: db.get_whole_context(self._run_id))
        return {key: values.decode(value) for key, value in found.items()}

    async def patch(self, operations: Sequence[ContextOperation]) -> None:
        encoded = [
            (op.key, None if op.kind == "delete" else values.encode(op.value, what=op.key))
            for op in operations
        ]

        def step(db: LocalDatabase) -> None:
            if db.get_run(self._run_id) is not None:
                for key, value in encoded:
                    db.write_context(self._run_id, key, value)

        await self._transact(step)
