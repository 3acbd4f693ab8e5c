"""`Worker`: one process that moves runs, from its lifespan to its drain."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.node_tasks import contain_node_tasks
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.client.book import BlueprintBook
from flowcraft.client.connection import open_adapter
from flowcraft.nodes import NodeRegistry, ProcessPool, thread_runner
from flowcraft.worker.logged import logged_registry
from flowcraft.worker.signals import stopped_by_signals

logger = logging.getLogger("flowcraft.worker")


class Worker:
    """Takes jobs until it is told to stop, then drains.

    Args:
        name: How it calls itself in logs and leases.
        registry: The nodes that it can execute.
        book: The blueprints of its application, checked before it takes a job.
        concurrency: Activations in progress at once.
        make_adapter: Makes its adapter.
        make_options: Makes what the adapter runs with.
        lifespan: Opens what its nodes share, or None.
        cpu_processes: Most processes of its nodes bound to the CPU; None for one each CPU.
        drain_seconds: How long it lets nodes finish after it was told to stop.

    Attributes:
        started: Is set when it takes jobs.
    """

    def __init__(
        self,
        *,
        name: str,
        registry: NodeRegistry,
        book: BlueprintBook,
        concurrency: int,
        make_adapter: Callable[[RuntimeOptions], BaseDistributedAdapter],
        make_options: Callable[..., RuntimeOptions],
        lifespan: Callable[[], AbstractAsyncContextManager[Any]] | None,
        cpu_processes: int | None,
        drain_seconds: float,
    ) -> None:
        self.name = name
        self._registry = registry
        self._book = book
        self._concurrency = concurrency
        self._make_adapter = make_adapter
        self._make_options = make_options
        self._lifespan = lifespan
        self._cpu_processes = cpu_processes
        self._drain_seconds = drain_seconds
        self._told_to_stop = asyncio.Event()
        self.started = asyncio.Event()

    async def run(self) -> None:
        """Work until SIGTERM, SIGINT or `stop`; then finish or hand back what is held.

        A signal is for all workers of this process, also those that still open their lifespan.
        A second one ends the process at once; what it held is then taken over by others.

        Raises:
            BlueprintError: A blueprint names what nobody registered.
            RegistrationError: The lifespan yields less than the nodes ask for.
        """
        self._book.check()
        with stopped_by_signals(self.stop):
            await self._live()

    def stop(self) -> None:
        """Tell the worker to drain; `run` returns when it has."""
        self._told_to_stop.set()

    async def _live(self) -> None:
        async with self._dependencies() as dependencies:
            self._registry.check_dependencies(dependencies)
            executor = ThreadPoolExecutor(self._concurrency, "flowcraft-node")
            processes = ProcessPool(self._cpu_processes)
            adapter = self._make_adapter(
                self._make_options(
                    registry=logged_registry(self._registry),
                    dependencies=dependencies,
                    run_in_thread=thread_runner(executor),
                    processes=processes,
                    worker_name=self.name,
                    concurrency=self._concurrency,
                )
            )
            try:
                await self._work(adapter)
            finally:
                await adapter.aclose()
                processes.close()
                # A thread cannot be ended: what still runs in one is let go, and its result.
                executor.shutdown(wait=False, cancel_futures=True)

    async def _work(self, adapter: BaseDistributedAdapter) -> None:
        await open_adapter(adapter)
        uncontain = contain_node_tasks(asyncio.get_running_loop())
        adapter.start()
        self.started.set()
        logger.info(
            "worker started",
            extra={"worker": self.name, "pid": os.getpid(), "concurrency": self._concurrency},
        )
        try:
            await self._told_to_stop.wait()
            logger.info("worker drains", extra={"worker": self.name})
        finally:
            await adapter.stop(grace_seconds=self._drain_seconds)
            uncontain()
        logger.info("worker stopped", extra={"worker": self.name})

    @asynccontextmanager
    async def _dependencies(self) -> AsyncIterator[Any]:
        if self._lifespan is None:
            yield None
            return
        async with self._lifespan() as dependencies:
            yield dependencies
