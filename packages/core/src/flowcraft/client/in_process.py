"""An application's blueprints in this process, without a backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from flowcraft.client.book import BlueprintBook
from flowcraft.clock import Clock
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeRegistry, thread_runner
from flowcraft.runtime import FlowRuntime


@asynccontextmanager
async def open_runtime(
    *,
    registry: NodeRegistry,
    book: BlueprintBook,
    expressions: Expressions,
    lifespan: Callable[[], AbstractAsyncContextManager[Any]],
    concurrency: int,
    cpu_processes: int | None,
    clock: Clock,
) -> AsyncIterator[FlowRuntime]:
    """Give a runtime with all that a worker has, as long as the block lasts.

    Raises:
        BlueprintError: A blueprint names what nobody registered.
        RegistrationError: The lifespan yields less than the nodes ask for.
    """
    book.check()
    async with lifespan() as dependencies:
        registry.check_dependencies(dependencies)
        executor = ThreadPoolExecutor(concurrency, "flowcraft-node")
        try:
            runtime = FlowRuntime(
                registry=registry,
                expressions=expressions,
                dependencies=dependencies,
                clock=clock,
                run_in_thread=thread_runner(executor),
                blueprints={blueprint_id: book.blueprint(blueprint_id) for blueprint_id in book},
                concurrency=concurrency,
                cpu_processes=cpu_processes,
            )
            try:
                yield runtime
            finally:
                runtime.close()
        finally:
            # A thread cannot be ended: what still runs in one is let go, and its result.
            executor.shutdown(wait=False, cancel_futures=True)
