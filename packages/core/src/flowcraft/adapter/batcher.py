"""Forms batches of port calls: what became ready during a call goes with the next.

A lone caller waits for nobody; a busy worker pays one call for many transitions. No adapter
writes batching.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from flowcraft.errors import BackendError

A = TypeVar("A")
R = TypeVar("R")

LARGEST_BATCH = 200


class Batcher(Generic[A, R]):
    """Turns calls with one element into calls with a sequence.

    Args:
        call: Takes a sequence, answers one result for each element.
        largest: Most elements of one call.
    """

    def __init__(
        self, call: Callable[[Sequence[A]], Awaitable[Sequence[R]]], *, largest: int = LARGEST_BATCH
    ) -> None:
        self._call = call
        self._largest = largest
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def __call__(self, element: A) -> R:
        """Send one element with the next call. Raises what a call raised that it was part of."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((element, future))
        if self._flushing is None:
            self._flushing = loop.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._largest]
                del self._waiting[: self._largest]
                try:
                    await self._send(batch)
                except BaseException:
                    for _, future in batch:
                        future.cancel()
                    raise
        finally:
            self._flushing = None

    async def _send(self, batch: Sequence[tuple[A, asyncio.Future[R]]]) -> None:
        """Call with all elements of a batch; if one of them cannot be taken, with each alone.

        What cannot be read or stored is the fault of one run, and must not be taken for that of
        the others. Repeating what was done is safe, as every port's calls are.
        """
        try:
            results = await self._call([element for element, _ in batch])
        except BackendError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            if len(batch) == 1:
                _fail(batch, error)
                return
            for one in batch:
                await self._send([one])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(batch: Sequence[tuple[A, asyncio.Future[R]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
