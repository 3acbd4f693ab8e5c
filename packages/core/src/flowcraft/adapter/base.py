"""The distributed adapter: four methods to write, the whole protocol inherited.

    class MyAdapter(BaseDistributedAdapter):
        def create_context(self, run_id): ...          # the run's context, one item a key
        async def process_jobs(self, handler): ...     # call handler(job); return = acknowledge
        async def enqueue_job(self, job): ...          # put a job on the queue
        async def publish_final_result(self, run_id, result): ...   # tell whoever waits

and a `CoordinationStore` with five operations. Faster adapters override `native_ports` with a
run store and a queue of their own, and may fuse a whole transition into one step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple
from urllib.parse import quote

from flowcraft.adapter.contract_queue import ContractQueue
from flowcraft.adapter.contract_store import WINDOWS, ContractStore
from flowcraft.adapter.dead_letters import DeadLetters
from flowcraft.adapter.finding import Finding
from flowcraft.adapter.formats import Formats
from flowcraft.adapter.options import AdapterOptions
from flowcraft.adapter.parts import Parts, RetryOptions
from flowcraft.adapter.ports import Fused, Ports
from flowcraft.adapter.runs import Runs
from flowcraft.adapter.signals import Resumer
from flowcraft.adapter.sweeper import Sweeper
from flowcraft.adapter.watchdog import HeartbeatPorts
from flowcraft.adapter.worker import WorkerLoops
from flowcraft.blueprint.model import Node
from flowcraft.errors import UnknownRunError
from flowcraft.ports.contract import AsyncContext, JobPayload, encode_job
from flowcraft.ports.queue import Delivery, JobQueue
from flowcraft.ports.store import RunStore
from flowcraft.status import ResumeOutcome, RunResult

JobHandler = Callable[[JobPayload], Awaitable[None]]


class NativePorts(NamedTuple):
    """A backend's own run store and queue, and its fused transition if it has one.

    Attributes:
        largest_value: The largest value in bytes with the settings in use; None for no limit.
    """

    store: RunStore
    queue: JobQueue
    fused: Fused | None = None
    largest_value: int | None = None


class BaseDistributedAdapter(ABC):
    """Runs graphs over a queue and a store. See the module's text."""

    def __init__(self, options: AdapterOptions) -> None:
        self.options = options
        native = self.native_ports()
        if native is None:
            store = ContractStore(options.coordination_store, self.create_context, options)
            letters = DeadLetters(self.create_context, options.runtime_options.clock)
            native = NativePorts(store, ContractQueue(self.enqueue_job, letters))
            self._is_push = True
        else:
            self._is_push = False
        formats = Formats(options.runtime_options.format)
        self.ports = Ports(native.store, native.queue, native.fused, formats)
        self.parts = Parts(
            options.runtime_options,
            self.ports,
            largest_value=native.largest_value,
            event_bus=options.event_bus,
        )
        self.parts.runs = self.runs = Runs(self.parts, self.publish_final_result)
        self.parts.retries_in_process = self.should_retry_in_process
        self.parts.retry_options = self.get_queue_retry_options
        self._sweeper = Sweeper(self.parts, options.coordination_store)
        self._resumer = Resumer(self.parts)
        self._loops: WorkerLoops | None = None

    # -- to be written by an adapter

    @abstractmethod
    def create_context(self, run_id: str) -> AsyncContext:
        """The context of a run; cheap, no I/O."""

    @abstractmethod
    async def process_jobs(self, handler: JobHandler) -> None:
        """Deliver jobs to `handler` until cancelled: returning acknowledges, raising redelivers."""

    @abstractmethod
    async def enqueue_job(self, job: JobPayload) -> None:
        """Put a job on the queue; durable when this returns."""

    @abstractmethod
    async def publish_final_result(self, run_id: str, result: RunResult) -> None:
        """Tell whoever waits that a run ended. May be called more than once, with one result."""

    # -- overrides that make an adapter faster

    def native_ports(self) -> NativePorts | None:
        """The backend's own ports; None builds them from the four methods."""
        return None

    def heartbeat_ports(self) -> AbstractAsyncContextManager[HeartbeatPorts] | None:
        """A store and a queue for heartbeats from another thread, while a node blocks the loop.

        The thread enters the context in an event loop of its own, once for each heartbeat. What
        it gives connects by itself, and shares with the adapter only what threads may share.
        The queue is asked to `extend` deliveries of this adapter, the store to `touch` runs.

        Returns:
            None, unless an adapter says more: a loop blocked for longer than a lease loses it.
        """
        return None

    # -- hooks

    def should_retry_in_process(self, node: Node) -> bool:
        """Whether a failed attempt is repeated by the same worker, under the same message."""
        del node
        return False

    def get_queue_retry_options(self, node: Node) -> RetryOptions:
        """How the queue delays the next attempt of a node that failed: as the node says.

        Override it where a backend delays less finely, or must be spared. Attempts are counted in
        the store, whose number of them is the node's own.
        """
        return {"delay_ms": node.config.retry_delay_ms}

    async def on_job_start(self, run_id: str, blueprint_id: str, node_id: str) -> None:
        """Called before a job is handled; does nothing by itself."""
        del run_id, blueprint_id, node_id

    async def open(self) -> None:
        """Connect now rather than at the first use, so that what is wrong shows early.

        Raises:
            BackendError: The backend cannot be used; says what to do.
        """
        await self.ports.queue.depth()

    async def set_up(self) -> None:
        """Make what the backend needs, such as tables and queues; again changes nothing.

        Raises:
            BackendError: It cannot be made; says what to do.
        """
        await self.open()

    async def diagnose(self) -> Sequence[Finding]:
        """Look at what only this adapter knows of its backend, for `flowcraft doctor`.

        Call it on an adapter that is open. What it finds has no passwords in it.

        Raises:
            BackendError: The backend cannot be used; says what to do.
        """
        return [Finding("note", "late workers", WINDOWS)] if self._is_push else []

    async def aclose(self) -> None:
        """Let go of the backend, after `stop`."""
        return None

    # -- a worker

    def start(self) -> None:
        """Start taking jobs, in tasks of the running loop."""
        push = self._process if self._is_push else None
        self._loops = WorkerLoops(
            self.parts, self._sweeper, push, self._job_starts, self.heartbeat_ports
        )
        self._loops.start()

    async def _job_starts(self, job: JobPayload) -> None:
        self.ports.formats.check_job(job)
        await self.on_job_start(job.run_id, job.blueprint_id, job.node_id)

    async def _process(self, handle: Callable[[Delivery], Awaitable[None]]) -> None:
        async def handler(job: JobPayload) -> None:
            await self._job_starts(job)
            await handle(self._delivery(job))

        await self.process_jobs(handler)

    async def stop(self, *, grace_seconds: float = 30.0) -> None:
        """Drain: take no more, let what runs finish, hand back the rest."""
        if self._loops is not None:
            await self._loops.stop(grace_seconds)
            self._loops = None

    async def handle_job(self, job: JobPayload) -> None:
        """Handle one job that something else received; raises when it must come back."""
        loops = WorkerLoops(self.parts, self._sweeper, None, self._job_starts)
        await loops.handle_alone(self._delivery(job))

    def _delivery(self, job: JobPayload) -> Delivery:
        """A job that somebody else received, and will answer."""
        return Delivery(encode_job(job), () if self._is_push else None, True)

    async def reconcile(self, run_id: str) -> None:
        """Repair a run from its records.

        Raises:
            UnknownRunError: It is gone.
        """
        run = await self.parts.view(run_id)
        if run is None:
            raise UnknownRunError(f"no run {run_id!r}")
        if run.header.is_over:
            await self.runs.announce(run_id)
        else:
            await self._sweeper.reconcile(run)

    async def resume_with_action(
        self,
        run_id: str,
        action: str | None = None,
        output: Any = None,
        node_id: str | None = None,
        scope: str = "",
    ) -> ResumeOutcome:
        """Wake a wait, or keep the signal for one that is not open yet.

        Args:
            run_id: The run.
            action: Chooses the edges; None takes the default ones.
            output: The wait's output.
            node_id: The wait; a path `SUBFLOW/WAIT` names one inside a child. Without it, the
                single open wait, or the first to open.
            scope: Which iteration or item of it, as in `/3` or `/#7`.

        Raises:
            UnknownRunError: No such run.
            AmbiguousResumeError: Several waits are open and none was named.
        """
        if node_id is not None:
            run_id, node_id = await self.runs.inside(run_id, node_id)
        run = await self.parts.view(run_id)
        if run is None:
            raise UnknownRunError(f"no run {run_id!r}")
        return await self._resumer.resume(run, action, output, node_id, scope)

    async def register_webhook_endpoint(self, run_id: str, node_id: str) -> dict[str, str]:
        """The path under which an HTTP server of yours passes calls to `resume_with_action`."""
        path = f"/webhooks/{quote(run_id, safe='')}/{quote(node_id, safe='')}"
        return {"url": path, "event": f"webhook:{node_id}"}
