"""A worker's loops: take messages, handle them, keep them, look after what nobody handles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from flowcraft.adapter.formats import HandBack
from flowcraft.adapter.handler import Handler, OnMove
from flowcraft.adapter.holding import Holding, Holdings, beat_for_ever
from flowcraft.adapter.parts import Parts
from flowcraft.adapter.sweeper import Sweeper
from flowcraft.adapter.watchdog import Connect, Watchdog
from flowcraft.clock import SystemClock
from flowcraft.errors import BackendError, NewerFormatError
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Delivery

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""How long to leave a backend alone that did not answer."""
WIND_UP_SECONDS = 3.0
"""How long node code may take to end when a drain cancels it."""


class WorkerLoops:
    """Everything a worker does while it runs."""

    def __init__(
        self,
        parts: Parts,
        sweeper: Sweeper,
        process_jobs: Callable[[Callable[[Delivery], Awaitable[None]]], Awaitable[None]] | None,
        on_job_start: Callable[[JobPayload], Awaitable[None]],
        connect: Connect = lambda: None,
    ) -> None:
        self._parts = parts
        self._sweeper = sweeper
        self._handler = Handler(parts)
        self._newer = HandBack(parts.clock)
        self._process_jobs = process_jobs
        self._on_job_start = on_job_start
        self.holdings = Holdings(parts)
        self._loops: list[asyncio.Task[None]] = []
        self._handling: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._connect = connect
        self._watchdog: Watchdog | None = None

    def start(self) -> None:
        """Start all loops."""
        for loop in (
            self._push if self._process_jobs is not None else self._pull,
            partial(beat_for_ever, self.holdings, self._parts),
            self._sweeper.sweep_for_ever,
            self._sweeper.promote_for_ever,
        ):
            self._loops.append(asyncio.get_running_loop().create_task(self._for_ever(loop)))
        # No thread keeps pace with a clock that somebody else moves on.
        if isinstance(self._parts.clock, SystemClock):
            self._watchdog = Watchdog(self._parts, self.holdings, self._connect)

    async def _for_ever(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a loop again after a fault of ours, for a worker without it only looks alive."""
        while True:
            try:
                await loop()
            except Exception:
                logger.exception("a loop of the worker failed and begins again")
            await self._parts.clock.sleep(RETRY_SECONDS)

    async def stop(self, grace_seconds: float) -> None:
        """Take no more; let what runs finish; hand back what does not finish in time."""
        self._is_stopping = True
        if self._loops:
            self._loops[0].cancel()
        if self._handling:
            await asyncio.wait(self._handling, timeout=grace_seconds)
        tasks = {*self._handling, *self._loops}
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=WIND_UP_SECONDS)
            for task in stuck:
                await self._abandon(task)
        self._loops.clear()
        if self._watchdog is not None:
            self._watchdog.stop()

    async def _abandon(self, task: asyncio.Task[None]) -> None:
        """Hand back the message of a node that goes on although it was cancelled."""
        for holding in [holding for holding in self.holdings if holding.task is task]:
            self._tell_left(holding)
            await self._give_back(holding, 0.0)
            self.holdings.drop(holding)

    def _tell_left(self, holding: Holding) -> None:
        logger.error("a node does not end when it is cancelled, and is left", extra=holding.facts())

    async def _pull(self) -> None:
        """Take messages while there is room."""
        parts = self._parts
        concurrency = parts.options.concurrency
        while True:
            await self.holdings.until_fewer_than(concurrency)
            try:
                deliveries = await parts.ports.queue.receive(
                    concurrency - len(self.holdings), parts.options.poll_seconds
                )
            except BackendError as error:
                logger.warning("receive failed", extra={"error": str(error)})
                await parts.clock.sleep(RETRY_SECONDS)
                continue
            for delivery in deliveries:
                task = asyncio.get_running_loop().create_task(
                    self._handle(self.holdings.add(delivery))
                )
                self._handling.add(task)
                task.add_done_callback(self._handling.discard)

    async def _push(self) -> None:
        """Let the adapter hand over messages: returning acknowledges, raising redelivers."""
        assert self._process_jobs is not None
        while True:
            try:
                await self._process_jobs(self.handle)
            except BackendError as error:
                logger.warning("taking jobs failed", extra={"error": str(error)})
            await self._parts.clock.sleep(RETRY_SECONDS)

    async def handle(self, delivery: Delivery) -> None:
        """Handle one message whose acknowledgement is the return of this call.

        Cancelled, it ends soon, also when node code does not: the adapter that called it keeps the
        message from others for as long as it waits.

        Raises:
            RedeliverError: The message must come back.
            NewerFormatError: It must, and is left to a newer worker.
        """
        holding = self.holdings.add(delivery)
        handling = asyncio.get_running_loop().create_task(
            self._handler.handle(delivery, self._moves(holding))
        )
        try:
            answer = await asyncio.shield(handling)
        except NewerFormatError as error:
            self._newer.tell(error)
            raise
        except asyncio.CancelledError:
            handling.cancel()
            if (await asyncio.wait({handling}, timeout=WIND_UP_SECONDS))[1]:
                self._tell_left(holding)
            raise
        finally:
            self.holdings.drop(holding)
        if answer == "keep":
            raise RedeliverError("another delivery of this message is being handled")

    async def handle_alone(self, delivery: Delivery) -> None:
        """Handle one message as `handle` does, with a heartbeat of its own."""
        beating = asyncio.get_running_loop().create_task(beat_for_ever(self.holdings, self._parts))
        try:
            await self.handle(delivery)
        finally:
            beating.cancel()

    def _moves(self, holding: Holding) -> OnMove:
        """What notes which activation is under way under a message."""
        clock = self._parts.clock
        return lambda key, attempt: holding.moves(key, attempt, clock.monotonic())

    async def _handle(self, holding: Holding) -> None:
        try:
            if holding.job is not None:
                await self._on_job_start(holding.job)
            answer = await self._handler.handle(holding.delivery, self._moves(holding))
            if answer == "ack" or (answer == "acked" and holding.timer is not None):
                await self.holdings.answer(holding)
        except NewerFormatError as error:
            delay = self._newer.delay_seconds(holding.delivery.body, error)
            await self._give_back(holding, delay)
        except BackendError as error:
            logger.warning("handed back", extra={"error": str(error)})
            await self._give_back(holding, RETRY_SECONDS)
        except asyncio.CancelledError:
            if self._is_stopping:
                await self._give_back(holding, 0.0)
            raise
        except Exception:
            # A fault of ours: the message comes back after its lease, and is counted then.
            logger.exception("a message could not be handled")
        finally:
            self.holdings.drop(holding)

    async def _give_back(self, holding: Holding, delay_seconds: float) -> None:
        if holding.timer is not None:
            return
        try:
            await self._parts.ports.queue.release([holding.delivery], delay_seconds)
        except BackendError as error:
            logger.warning("release failed", extra={"error": str(error)})


class RedeliverError(BackendError):
    """Raised towards a queue to have a message delivered again."""

    retryable = True
