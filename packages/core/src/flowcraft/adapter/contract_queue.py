"""The queue port of an adapter that has only `enqueue_job` and `process_jobs`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Delivery, JobQueue, Outgoing


class ContractQueue(JobQueue):
    """Sends through `enqueue_job`; a message is answered by the return of its handler.

    It has no delays (timers stand in), and no extensions: how long a job may run is up to the
    adapter's own `process_jobs`.
    """

    def __init__(
        self,
        enqueue: Callable[[JobPayload], Awaitable[None]],
        keep_dead_letter: Callable[[bytes, str], Awaitable[None]],
        *,
        lease_seconds: float = 30.0,
    ) -> None:
        self._enqueue = enqueue
        self._keep_dead_letter = keep_dead_letter
        self.lease_seconds = lease_seconds

    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        return []

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        return None

    async def extend(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        return [True] * len(deliveries)

    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float) -> None:
        return None

    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        for delivery in deliveries:
            await self._keep_dead_letter(delivery.body, reason)

    async def send(self, jobs: Sequence[Outgoing]) -> None:
        for outgoing in jobs:
            await self._enqueue(outgoing.job)
