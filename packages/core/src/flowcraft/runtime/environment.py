"""What all runs of one `FlowRuntime` share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from flowcraft.clock import Clock
from flowcraft.nodes import NodeRegistry, ProcessPool, RunInThread


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Implementations, time, and the limits of this process.

    Args:
        registry: Implementations by `uses` key.
        clock: Time and chance.
        dependencies: What the application's lifespan yields, for nodes that ask for it.
        run_in_thread: Runs a node that is not async; None means the loop's own threads.
        processes: Where nodes bound to the CPU execute.
        concurrency: Most node functions executing at once, or None.
        largest_value: Largest value in bytes, or None.
    """

    registry: NodeRegistry
    clock: Clock
    dependencies: Any = None
    run_in_thread: RunInThread | None = None
    processes: ProcessPool = field(default_factory=ProcessPool)
    concurrency: int | None = None
    largest_value: int | None = None
    # A semaphore belongs to the loop in which somebody first waited for it.
    _gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False
    )

    @asynccontextmanager
    async def room(self) -> AsyncIterator[None]:
        """Wait until one more node function may execute, and count this one meanwhile."""
        assert self.concurrency is not None
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates[loop] = asyncio.Semaphore(self.concurrency)
        async with gate:
            yield
