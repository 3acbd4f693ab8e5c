"""The files adapter: queue and state in a folder of plain files.

    queue          a file for each message; leases by token; first visible, first taken; any delay
    state          a folder for each run, a file for each activation and context key; every call of
                   the core is one atomic step
    coordination   a file for each key
    waking         nobody is woken: idle workers look every second
    URL            files:///relative    files:////absolute/path?lease_seconds=10
    options        path                 flowcraft-files
                   lease_seconds        30
                   lock_seconds         5
                   largest_value_bytes  100,000,000
    limits         one step at a time, of all processes together
    durability     a process may die at any point. When the machine loses power the last steps
                   may be lost or torn: nothing here waits for the disk
    not supported  several machines; network filesystems, for their locks; Windows

Never delete the folder while a process uses it. A process that is stopped (SIGSTOP) in the middle
of a step keeps all others from the folder until it goes on or is killed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowcraft.adapter.base import BaseDistributedAdapter, JobHandler, NativePorts
from flowcraft.adapter.options import AdapterOptions, RuntimeOptions
from flowcraft.adapter.watchdog import HeartbeatPorts
from flowcraft.errors import MalformedMessageError
from flowcraft.ports.contract import AsyncContext, JobPayload, decode_job
from flowcraft.ports.queue import Outgoing
from flowcraft.status import RunResult
from flowcraft_files.coordination import FileCoordinationStore
from flowcraft_files.folder import Call, Folder
from flowcraft_files.queue import FileQueue
from flowcraft_files.runs import FileRunStore, RunContext
from flowcraft_files.settings import FilesSettings


class FilesAdapter(BaseDistributedAdapter):
    """Runs graphs on one machine, over a folder.

    Args:
        runtime_options: What its worker runs with.
        settings: Which folder, and how it is used.
        call: What every request to the folder passes on its way out, for tests.
    """

    def __init__(
        self,
        runtime_options: RuntimeOptions,
        settings: FilesSettings | None = None,
        *,
        call: Call | None = None,
    ) -> None:
        settings = settings or FilesSettings()
        clock = runtime_options.clock
        lease_seconds = settings.lease_seconds
        self._folder = Folder(settings.path, lock_seconds=settings.lock_seconds, call=call)
        self._queue = FileQueue(self._folder, clock, lease_seconds=lease_seconds)
        self._store = FileRunStore(self._folder, clock, first_sweep_seconds=lease_seconds)
        self._largest_value = settings.largest_value_bytes
        coordination = FileCoordinationStore(self._folder, clock)
        super().__init__(
            AdapterOptions(runtime_options=runtime_options, coordination_store=coordination)
        )

    def native_ports(self) -> NativePorts:
        return NativePorts(self._store, self._queue, largest_value=self._largest_value)

    @asynccontextmanager
    async def heartbeat_ports(self) -> AsyncIterator[HeartbeatPorts]:
        """The same ports: nothing in them belongs to one event loop."""
        yield HeartbeatPorts(self._store, self._queue)

    def create_context(self, run_id: str) -> AsyncContext:
        return RunContext(self._folder, run_id)

    async def enqueue_job(self, job: JobPayload) -> None:
        await self._queue.send([Outgoing(job)])

    async def process_jobs(self, handler: JobHandler) -> None:
        while True:
            for delivery in await self._queue.receive(1, self.options.runtime_options.poll_seconds):
                try:
                    await handler(decode_job(delivery.body))
                except MalformedMessageError as error:
                    await self._queue.bury([delivery], str(error))
                except Exception:  # noqa: BLE001 - by the contract, raising redelivers
                    await self._queue.release([delivery], 0.0)
                else:
                    await self._queue.ack([delivery])

    async def publish_final_result(self, run_id: str, result: RunResult) -> None:
        """There is nobody to tell: whoever waits for a run looks at its header."""

    async def aclose(self) -> None:
        await self._folder.aclose()
