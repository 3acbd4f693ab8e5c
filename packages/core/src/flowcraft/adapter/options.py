"""What the protocol needs to know, whatever the backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flowcraft.adapter.event_bus import EventBus
from flowcraft.clock import Clock, SystemClock
from flowcraft.expressions import Expressions
from flowcraft.format import FORMAT
from flowcraft.nodes import NodeRegistry, ProcessPool, RunInThread
from flowcraft.ports.contract import CoordinationStore

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """What a worker runs with.

    Args:
        registry: Implementations by `uses` key.
        expressions: Compiles the conditions and transforms of blueprints.
        dependencies: What the application's lifespan yields, for nodes that ask for it.
        run_in_thread: Runs a synchronous node; by default in the loop's own threads.
        processes: Where nodes bound to the CPU execute; ended by whoever made it.
        concurrency: Activations in progress at once in this process.
        sweep_interval_seconds: How often stalled runs are looked for.
        max_deliveries: Counted deliveries of one attempt before the activation fails.
        continue_nodes: Activations run under one message before the next gets its own.
        continue_seconds: Time spent under one message before the next gets its own.
        missing_seconds: How long an activation waits for a worker that has its node.
        retention_seconds: How long a run is kept after its end; None keeps it for ever.
        blocked_loop_seconds: How long a blocked event loop keeps its leases.
        poll_seconds: How often an idle worker asks a queue that cannot wake it.
        prefix: Begins all keys, so that several applications can share one server.
        format: What this worker writes, and the newest that it reads; see `flowcraft.format`.
    """

    registry: NodeRegistry
    expressions: Expressions = field(default_factory=Expressions)
    dependencies: Any = None
    run_in_thread: RunInThread | None = None
    processes: ProcessPool = field(default_factory=ProcessPool)
    clock: Clock = field(default_factory=SystemClock)
    worker_name: str = "worker"
    concurrency: int = 50
    sweep_interval_seconds: float = 30.0
    max_deliveries: int = 5
    continue_nodes: int = 64
    continue_seconds: float = 10.0
    missing_seconds: float = DAY_SECONDS
    retention_seconds: float | None = None
    blocked_loop_seconds: float = 300.0
    poll_seconds: float = 1.0
    prefix: str = "flowcraft"
    format: int = FORMAT


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """What a distributed adapter is made of.

    Args:
        runtime_options: What its worker runs with.
        coordination_store: Locks and sets shared by all workers.
        event_bus: Called with every event of this worker as it happens; what it raises is logged.
    """

    runtime_options: RuntimeOptions
    coordination_store: CoordinationStore
    event_bus: EventBus | None = None
