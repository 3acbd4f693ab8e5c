"""Keeps a worker's leases while a node blocks its event loop, and says which node that is.

The heartbeat is a task of the loop. A node that computes or waits without `await` stops it with
everything else, and after a lease others would take the worker's messages. So a thread asks the
loop now and then to answer. Where it does not, the thread beats in its place, over a connection
of its own, until the loop answers again or `blocked_loop_seconds` are over. Then it lets go:
whatever blocks the loop for so long may never end.

Code that keeps Python's interpreter lock, in a library written in C, stops this thread as well.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from typing import NamedTuple

from flowcraft.adapter.holding import Holdings
from flowcraft.adapter.parts import Parts
from flowcraft.errors import BackendError
from flowcraft.ports.queue import JobQueue
from flowcraft.ports.store import RunStore

logger = logging.getLogger(__name__)

LONGEST_TICK_SECONDS = 1.0
"""How often the loop is asked to answer; oftener if the lease is short."""
REPORT_SECONDS = 1.0
"""How long the loop is blocked until the log says so."""
FRAMES = 5


class HeartbeatPorts(NamedTuple):
    """A run store and a queue that another thread's event loop may use."""

    store: RunStore
    queue: JobQueue


Connect = Callable[[], AbstractAsyncContextManager[HeartbeatPorts] | None]


class Watchdog:
    """The thread of one worker that watches its event loop, the running one.

    Args:
        parts: The worker's parts.
        holdings: The messages that it holds.
        connect: Opens a connection for one heartbeat; called in the thread's own loop.
    """

    def __init__(self, parts: Parts, holdings: Holdings, connect: Connect) -> None:
        self._parts = parts
        self._holdings = holdings
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        lease = parts.ports.queue.lease_seconds
        self._beat_seconds = lease / 3
        self._tick_seconds = min(LONGEST_TICK_SECONDS, lease / 6)
        self._has_answered = True
        self._blocked_seconds = 0.0
        self._is_reported = False
        self._has_given_up = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flowcraft-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for a heartbeat that is under way."""
        self._stopped.set()
        self._thread.join()

    def _answer(self) -> None:
        self._has_answered = True

    # -- in the thread

    def _watch(self) -> None:
        while not self._stopped.wait(self._tick_seconds):
            if self._loop.is_closed():
                return  # and nobody is left whose messages these were
            if not self._has_answered:
                # Counted and not measured: a process that was stopped was not blocked.
                self._blocked_seconds += self._tick_seconds
                self._stand_in()
                continue
            if self._is_reported:
                seconds = round(self._blocked_seconds, 1)
                logger.info("the event loop runs again", extra={"blocked_seconds": seconds})
            self._blocked_seconds = 0.0
            self._is_reported = self._has_given_up = self._has_answered = False
            with suppress(RuntimeError):  # it was closed just now
                self._loop.call_soon_threadsafe(self._answer)

    def _stand_in(self) -> None:
        """Do for a blocked loop what cannot wait."""
        if self._blocked_seconds >= REPORT_SECONDS and not self._is_reported:
            self._is_reported = True
            logger.warning(
                "the event loop is blocked; what computes or waits without await belongs into a "
                "function that is not async",
                extra=self._culprit(),
            )
        if self._blocked_seconds > self._parts.options.blocked_loop_seconds:
            if not self._has_given_up:
                self._has_given_up = True
                logger.error(
                    "the event loop is blocked for too long: the worker's messages are given up",
                    extra=self._culprit(),
                )
            return
        if self._parts.clock.monotonic() - self._holdings.kept_at >= self._beat_seconds:
            try:
                asyncio.run(self._beat())
            except BackendError as error:
                logger.warning("heartbeat failed", extra={"error": str(error)})
            except Exception:
                logger.exception("the heartbeat of a blocked loop failed")

    async def _beat(self) -> None:
        connection = self._connect()
        if connection is None:
            return
        async with connection as ports:
            await self._holdings.keep(ports.store, ports.queue)

    def _culprit(self) -> dict[str, object]:
        """Which node the loop is at, since when, and where in its code."""
        since = datetime.fromtimestamp(self._parts.clock.now() - self._blocked_seconds, UTC)
        what: dict[str, object] = {
            "worker": self._parts.name,
            "blocked_seconds": round(self._blocked_seconds, 1),
            "since": since.isoformat(timespec="seconds"),
            "held": len(self._holdings),
        }
        holding = self._holdings.of(asyncio.current_task(self._loop))
        if holding is not None:
            what |= holding.facts()
        frame = sys._current_frames().get(self._watched)
        if frame is not None:
            stack = traceback.extract_stack(frame)[-FRAMES:]
            what["stack"] = " < ".join(
                f"{one.filename}:{one.lineno} {one.name}" for one in reversed(stack)
            )
        return what
