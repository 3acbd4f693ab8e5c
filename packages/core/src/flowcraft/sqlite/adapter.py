"""The SQLite adapter: queue and state in one file of this machine.

    queue         a table; leases by token; first visible, first taken; any delay
    state         tables clustered by run; a whole transition is one step, and all steps that
                  wait together are one transaction
    coordination  a table
    waking        a datagram to each process that has the file open; behind it a slow poll
    events        half a second late at most, less while a run is busy
    URL           sqlite:///relative.db    sqlite:////absolute/path.db?lease_seconds=10
    options       path                      flowcraft.db
                  lease_seconds             30
                  synchronous               normal   (normal, full)
                  busy_timeout_seconds      5
                  largest_value_bytes       100,000,000
                  allow_network_filesystem  false
    limits        SQLite stores values of 1,000,000,000 bytes; one process writes at a time
    durability    a process may die at any point. When the machine loses power the file stays
                  consistent; `normal` may take back the last commits, `full` does not
    files         beside FILE: FILE-wal and FILE-shm (SQLite's), FILE-wake (a folder of sockets)
    not supported several machines; files on network filesystems; Windows

The event loop never waits for the file: a thread of its own does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self, TypeVar

from flowcraft.adapter.event_bus import EventBus
from flowcraft.adapter.finding import Finding
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapter.watchdog import HeartbeatPorts
from flowcraft.clock import Clock
from flowcraft.local.adapter import LocalAdapter
from flowcraft.local.database import LocalDatabase
from flowcraft.local.queue import LocalQueue
from flowcraft.local.store import LocalStore
from flowcraft.local.waker import Waker
from flowcraft.sqlite.diagnosis import examine
from flowcraft.sqlite.settings import SqliteSettings
from flowcraft.sqlite.waker import SqliteWaker
from flowcraft.sqlite.writer import Writer

T = TypeVar("T")


class SqliteBackend:
    """One file, to be shared by the adapters of one event loop; opened when it is used.

    Args:
        settings: Which file, and how it is used.
        clock: Names the socket of this process.
    """

    def __init__(self, settings: SqliteSettings, clock: Clock) -> None:
        self.settings = settings
        self.path = os.path.realpath(settings.path)
        self.waker = SqliteWaker(self.path, clock, lambda: self._is_busy)
        self._writer: Writer | None = None
        self._is_open = False
        self._opening = asyncio.Lock()

    @property
    def _is_busy(self) -> bool:
        return self._writer is not None and self._writer.is_busy

    @property
    def transactions(self) -> int:
        """How many transactions this process has committed since the file was opened."""
        return self._writer.transactions if self._writer is not None else 0

    async def open(self) -> None:
        """Open the file, and make its tables if it has none. Not needed, but errors come early.

        Raises:
            SettingsError: It is on a network filesystem.
            SchemaVersionError: A newer Flowcraft wrote it.
            BackendUnavailableError: It is locked.
            BackendError: It cannot be used; says what to do.
        """
        async with self._opening:
            if self._is_open:
                return
            if self._writer is None:
                self._writer = Writer(
                    self.path, self.settings, self.waker.tell_others, self._answered
                )
            await self._writer.transact(lambda db: None)
            self.waker.open()
            self._is_open = True

    async def transact(
        self, step: Callable[[LocalDatabase], T], /, *, only_reads: bool = False
    ) -> T:
        """Run a step as one atomic part of a transaction; returns when it is committed.

        Args:
            step: What to do with the tables.
            only_reads: Whether it writes nothing; then it waits for no writer.

        Raises:
            BackendUnavailableError: The file is locked; the step had no effect.
            BackendError: The file cannot be used; says what to do.
        """
        if not self._is_open:
            await self.open()
        assert self._writer is not None
        return await self._writer.transact(step, only_reads=only_reads)

    def _answered(self, has_news: bool) -> None:
        """Wake those who wait, after those who were answered had their turn.

        One of these may be told that there is nothing, by a step that came before the news.
        """
        if has_news or self.waker.has_heard:
            self.waker.has_heard = False
            asyncio.get_running_loop().call_soon(self.waker.wake)

    async def aclose(self) -> None:
        """Finish what was begun, and close the file. It can be opened again."""
        async with self._opening:
            writer, self._writer, self._is_open = self._writer, None, False
            if writer is not None:
                await writer.aclose()
            self.waker.close()


class SqliteAdapter(LocalAdapter):
    """Runs graphs on one machine, in as many processes as one likes.

    Args:
        runtime_options: What its worker runs with.
        settings: Which file, and how it is used; `flowcraft.db` here by default.
        backend: An open file, to be shared with other adapters of this event loop; `settings`
            are then those of the backend.
        event_bus: Called with every event of this worker.
    """

    def __init__(
        self,
        runtime_options: RuntimeOptions,
        settings: SqliteSettings | None = None,
        *,
        backend: SqliteBackend | None = None,
        event_bus: EventBus | None = None,
    ) -> None:
        self._owns_backend = backend is None
        self.backend = backend or SqliteBackend(settings or SqliteSettings(), runtime_options.clock)
        super().__init__(
            runtime_options,
            self.backend.transact,
            self.backend.waker,
            lease_seconds=self.backend.settings.lease_seconds,
            largest_value=self.backend.settings.largest_value_bytes,
            event_bus=event_bus,
        )

    @asynccontextmanager
    async def heartbeat_ports(self) -> AsyncIterator[HeartbeatPorts]:
        """A connection of their own: the answers of the adapter's would go to the blocked loop."""
        settings = self.backend.settings
        clock = self.options.runtime_options.clock
        writer = Writer(self.backend.path, settings, lambda: None, lambda has_news: None)
        lease = settings.lease_seconds
        try:
            yield HeartbeatPorts(
                LocalStore(writer.transact, clock, first_sweep_seconds=lease),
                LocalQueue(writer.transact, clock, Waker(), lease_seconds=lease),
            )
        finally:
            await writer.aclose()

    @classmethod
    async def connect(
        cls, runtime_options: RuntimeOptions, settings: SqliteSettings | None = None
    ) -> Self:
        """Make the adapter and open its file at once, so that errors come early.

        Raises:
            SettingsError: The file is on a network filesystem.
            SchemaVersionError: A newer Flowcraft wrote it.
            BackendUnavailableError: It is locked.
            BackendError: It cannot be used; says what to do.
        """
        adapter = cls(runtime_options, settings)
        try:
            await adapter.backend.open()
        except BaseException:
            await adapter.aclose()
            raise
        return adapter

    async def diagnose(self) -> Sequence[Finding]:
        settings, clock = self.backend.settings, self.options.runtime_options.clock
        return await asyncio.to_thread(examine, self.backend.path, settings, clock.now())

    async def aclose(self) -> None:
        """Close the file, unless it is shared. A worker is stopped first, with `stop`."""
        if self._owns_backend:
            await self.backend.aclose()
