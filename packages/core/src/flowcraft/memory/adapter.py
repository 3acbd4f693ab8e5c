"""The memory adapter: queue and state in dictionaries of this process.

queue          a dictionary of messages with leases; any delay
state          dictionaries; a transition is one step, because nothing awaits inside it
waking         at once
events         half a second late at most, less while a run is busy
not supported  other processes, durability
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from flowcraft.adapter.event_bus import EventBus
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapter.watchdog import HeartbeatPorts
from flowcraft.local.adapter import LocalAdapter
from flowcraft.local.database import LocalDatabase
from flowcraft.local.waker import Waker
from flowcraft.memory.tables import MemoryTables

T = TypeVar("T")


class MemoryBackend:
    """Tables and a waker, to be shared by the adapters of one process."""

    def __init__(self) -> None:
        self.tables = MemoryTables()
        self.waker = Waker()
        self._lock = threading.Lock()  # a heartbeat may come from another thread

    async def transact(
        self, step: Callable[[LocalDatabase], T], /, *, only_reads: bool = False
    ) -> T:
        """Run a step; nothing else runs meanwhile."""
        del only_reads
        with self._lock:
            result = step(self.tables)
            has_news, self.tables.has_news = self.tables.has_news, False
        if has_news:
            self.waker.wake()
        return result


class MemoryAdapter(LocalAdapter):
    """Runs graphs in this process, through the whole protocol.

    Args:
        runtime_options: What its worker runs with.
        backend: Shared with the other adapters of this process; a fresh one by default.
        lease_seconds: How long a message is held without a heartbeat.
        largest_value: Largest value in bytes, to try out another backend's limit.
        event_bus: Called with every event of this worker.
    """

    def __init__(
        self,
        runtime_options: RuntimeOptions,
        *,
        backend: MemoryBackend | None = None,
        lease_seconds: float = 30.0,
        largest_value: int | None = None,
        event_bus: EventBus | None = None,
    ) -> None:
        self.backend = backend or MemoryBackend()
        super().__init__(
            runtime_options,
            self.backend.transact,
            self.backend.waker,
            lease_seconds=lease_seconds,
            largest_value=largest_value,
            event_bus=event_bus,
        )

    @asynccontextmanager
    async def heartbeat_ports(self) -> AsyncIterator[HeartbeatPorts]:
        native = self.native_ports()
        yield HeartbeatPorts(native.store, native.queue)
