"""The queue port of an adapter that has only `enqueue_job` and `process_jobs`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from flowcraft.adapter.dead_letters import DeadLetters
from flowcraft.errors import BackendError, MalformedMessageError
from flowcraft.ports.contract import JobPayload, decode_job
from flowcraft.ports.queue import DeadLetter, Delivery, JobQueue, Outgoing


class ContractQueue(JobQueue):
    """Sends through `enqueue_job`; a message is answered by the return of its handler.

    It has no delays (timers stand in), and no extensions: how long a job may run is up to the
    adapter's own `process_jobs`. Dead letters are kept beside the runs.
    """

    def __init__(
        self,
        enqueue: Callable[[JobPayload], Awaitable[None]],
        letters: DeadLetters,
        *,
        lease_seconds: float = 30.0,
    ) -> None:
        self._enqueue = enqueue
        self._letters = letters
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
            await self._letters.keep(delivery.body, reason)

    async def send(self, jobs: Sequence[Outgoing]) -> None:
        for outgoing in jobs:
            await self._enqueue(outgoing.job)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return await self._letters.first(limit)

    async def requeue(self, ids: Sequence[str]) -> Sequence[bool]:
        return [await self._requeue(id_) for id_ in ids]

    async def _requeue(self, id_: str) -> bool:
        letter = await self._letters.get(id_)
        if letter is None:
            return False
        try:
            job = decode_job(letter.body)
        except MalformedMessageError as error:
            raise BackendError(
                f"dead letter {id_} is no job, and this queue takes nothing else. Drop it"
            ) from error
        await self._enqueue(job)  # first: a crash in between sends it twice, and loses nothing
        await self._letters.drop(id_)
        return True

    async def drop(self, ids: Sequence[str]) -> Sequence[bool]:
        return [await self._letters.drop(id_) for id_ in ids]
