"""`Flowcraft`: an application's blueprints, nodes and settings, and the door to its runs.

    app = Flowcraft(url="sqlite:///orders.db")
    app.add(order_flow)

    async with app:
        run = await app.submit("order", {"id": 7}, idempotency_key="order-7")
        result = await run.result(timeout=30)

The same object is what a worker is started with: `flowcraft worker orders:app`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any

from flowcraft.client.definition import Definition, Lifespan
from flowcraft.client.settings import DAY_SECONDS, WorkSettings, resolve_work
from flowcraft.clock import Clock, SystemClock
from flowcraft.errors import FlowcraftError, SettingsError
from flowcraft.expressions import Expressions

# What talks to a backend is imported when an application first does, so that `import flowcraft`
# stays cheap.
if TYPE_CHECKING:
    from flowcraft.adapter.base import BaseDistributedAdapter
    from flowcraft.adapter.options import RuntimeOptions
    from flowcraft.client.choice import Choice
    from flowcraft.client.connection import Connection
    from flowcraft.client.handle import RunHandle
    from flowcraft.client.sync import SyncFlowcraft
    from flowcraft.memory.adapter import MemoryBackend
    from flowcraft.runtime import FlowRuntime
    from flowcraft.status import RunPage, RunResult, Status
    from flowcraft.worker import Worker


class Flowcraft(Definition):
    """An application: what its workers and its clients have in common.

    Args:
        adapter: Name of the adapter; `sqlite` if neither this nor a URL is given. The command
            line and the environment (`FLOWCRAFT_ADAPTER`, `FLOWCRAFT_URL`) win over it.
        url: Where it connects; the scheme names the adapter too.
        lifespan: Opens what nodes share, once in each worker process; what it yields is where
            `Depends` looks.
        functions: Python callables that expressions may call by name.
        allow_comprehensions: Whether expressions may use `map`, `filter`, `all` and `exists`;
            for blueprints that are trusted.
        concurrency: Activations in progress at once in one worker, at least 1.
        cpu_processes: Most processes of nodes bound to the CPU in one worker, at least 1; one for
            each CPU if not given.
        sweep_interval_seconds: How often a worker looks for runs that nobody moves.
        max_deliveries: Counted deliveries of one attempt before its activation fails.
        missing_seconds: How long an activation waits for a worker that has its node.
        retention_seconds: How long a run is kept after its end; None keeps it for ever.
        blocked_loop_seconds: How long a worker keeps its messages while a node blocks its event
            loop.
        drain_seconds: How long a worker lets nodes finish after it was told to stop.
        clock: Time and chance.
        settings: Options of the adapter, such as `lease_seconds`.

    Connects when it is first used, and belongs to one event loop until it is closed.

    Attributes:
        registry: The nodes, by their `uses` key.

    Raises:
        SettingsError: A setting is of another type or out of its range.
    """

    def __init__(
        self,
        *,
        adapter: str | None = None,
        url: str | None = None,
        lifespan: Lifespan | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        allow_comprehensions: bool = False,
        concurrency: int = 50,
        cpu_processes: int | None = None,
        sweep_interval_seconds: float = 30.0,
        max_deliveries: int = 5,
        missing_seconds: float = DAY_SECONDS,
        retention_seconds: float | None = 7 * DAY_SECONDS,
        blocked_loop_seconds: float = 300.0,
        drain_seconds: float = 30.0,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(
            Expressions(functions=functions or {}, allow_comprehensions=allow_comprehensions),
            lifespan,
        )
        for name, text in (("adapter", adapter), ("url", url)):
            if not (text is None or isinstance(text, str)):
                raise SettingsError(f"{name}={text!r}: a text")
        self._adapter_name = adapter
        self._url = url
        self._settings = settings
        self._work = WorkSettings(
            concurrency=concurrency,
            cpu_processes=cpu_processes,
            sweep_interval_seconds=sweep_interval_seconds,
            max_deliveries=max_deliveries,
            missing_seconds=missing_seconds,
            retention_seconds=retention_seconds,
            blocked_loop_seconds=blocked_loop_seconds,
            drain_seconds=drain_seconds,
        )
        self._clock = clock or SystemClock()
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._memory: MemoryBackend | None = None

    # -- in this process

    def in_process(self) -> AbstractAsyncContextManager[FlowRuntime]:
        """Run its blueprints in this process, with no backend; nothing is kept.

            async with app.in_process() as runtime:
                result = await runtime.run(app.blueprint("order"), {"id": 7})

        Raises:
            BlueprintError: A blueprint names what nobody registered.
            RegistrationError: The lifespan yields less than the nodes ask for.
            SettingsError: A variable of the environment does not fit.
        """
        from flowcraft.client.in_process import open_runtime

        work, _ = self.work_settings()
        return open_runtime(
            registry=self.registry,
            book=self._book,
            expressions=self._expressions,
            lifespan=self._lifespan or nullcontext,
            concurrency=work.concurrency,
            cpu_processes=work.cpu_processes,
            clock=self._clock,
        )

    # -- runs

    async def submit(
        self,
        blueprint_id: str,
        payload: Any = None,
        *,
        run_id: str | None = None,
        idempotency_key: str | None = None,
        deadline_seconds: float | None = None,
        delay_seconds: float = 0.0,
    ) -> RunHandle:
        """Start a run.

        Args:
            blueprint_id: What it follows.
            payload: The input of its start nodes; the keys of a mapping are context keys too.
            run_id: Its id, 1 to 200 bytes without "/"; a fresh one if not given.
            idempotency_key: Submitting again with the same key gives the same run.
            deadline_seconds: When it fails if it has not ended, counted from its start; the
                blueprint's own if not given.
            delay_seconds: How long nothing of it starts.

        Raises:
            UnknownBlueprintError: Nobody added the blueprint.
            BlueprintError: It names nodes or subflows that nobody registered.
            ValueNotStorableError: The payload is not strict JSON.
            IdempotencyConflictError: The run exists, with another blueprint or payload.
            RunError: The id, the deadline or the delay does not fit.
        """
        connection = await self._connect()
        run_id = await connection.submitter.submit(
            blueprint_id,
            payload,
            run_id=run_id,
            idempotency_key=idempotency_key,
            deadline_seconds=deadline_seconds,
            delay_seconds=delay_seconds,
        )
        return self.run(run_id)

    def run(self, run_id: str) -> RunHandle:
        """The handle of a run that was submitted before, by whatever process."""
        from flowcraft.client.handle import RunHandle

        return RunHandle(run_id, self.adapter)

    async def runs(
        self,
        *,
        status: Status | None = None,
        blueprint_id: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> RunPage:
        """List runs, newest first; child runs too.

        Runs that come while one turns the pages are on none of the later ones, and move no
        other run from its page.

        Args:
            status: Only those of this status. A listing does not tell `waiting` from `running`.
            blueprint_id: Only those that follow this blueprint.
            limit: How many at most, 1 to 1000.
            after: The `next` of the page before.

        Raises:
            RunError: The status is `waiting`, the limit is out of range, or `after` is none.
        """
        from flowcraft.client.listing import list_runs

        return await list_runs(
            await self.adapter(),
            status=status,
            blueprint_id=blueprint_id,
            limit=limit,
            after=after,
        )

    async def as_completed(
        self, runs: Iterable[RunHandle | str], timeout: float | None = None
    ) -> AsyncGenerator[RunResult, None]:
        """Give the result of each of many runs once, in the order in which they end.

        All of them are waited for together, so that a thousand cost little more than one.

        Args:
            runs: Their handles or ids.
            timeout: Until when all of them must have ended, in seconds; None waits for ever.

        Raises:
            UnknownRunError: One of them was never submitted, or was purged.
            RunNotFinishedError: Some had not ended in time; the results of others were given.
        """
        from flowcraft.client.many_runs import ids_of, results_as_they_come

        adapter = await self.adapter()
        coming = results_as_they_come(adapter, ids_of(runs), timeout_seconds=timeout)
        async with aclosing(coming) as results:
            async for result in results:
                yield result

    async def results(
        self, runs: Iterable[RunHandle | str], timeout: float | None = None
    ) -> list[RunResult]:
        """Wait for many runs, and give their results in the order of the runs.

        Args and errors are those of `as_completed`.
        """
        from flowcraft.client.many_runs import ids_of

        run_ids = ids_of(runs)
        found = {result.run_id: result async for result in self.as_completed(run_ids, timeout)}
        return [found[run_id] for run_id in run_ids]

    # -- connecting

    async def connect(self, *, adapter: str | None = None, url: str | None = None) -> None:
        """Connect to the backend; the first use does so too. Errors come early this way.

        Args:
            adapter: As given on a command line, which wins over environment and application.
            url: Likewise.

        Raises:
            UnknownAdapterError: The adapter is not installed; says how to install it.
            SettingsError: An option does not exist or does not fit.
            BackendError: The backend cannot be used; says what to do.
        """
        await self._connect(adapter=adapter, url=url)

    async def adapter(self) -> BaseDistributedAdapter:
        """What the handles of its runs talk to, for what they do not offer."""
        return (await self._connect()).adapter

    async def aclose(self) -> None:
        """Let go of the backend; the application can connect again."""
        async with self._connecting:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.aclose()

    async def __aenter__(self) -> Flowcraft:
        await self.connect()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def _connect(self, *, adapter: str | None = None, url: str | None = None) -> Connection:
        async with self._connecting:
            if self._connection is None:
                from flowcraft.client.connection import Connection

                made = self._make_adapter(self._runtime_options(), adapter=adapter, url=url)
                self._connection = await Connection.open(made, self._book)
            elif adapter is not None or url is not None:
                raise SettingsError("it is connected already; aclose() it first")
            return self._connection

    def sync(self) -> SyncFlowcraft:
        """Open the door for scripts, whose methods block: `with app.sync() as door: ...`.

        Raises:
            FlowcraftError: An event loop runs in this thread, or the application is connected.
        """
        from flowcraft.client.sync import SyncFlowcraft

        if self._connection is not None:
            raise FlowcraftError("the application is connected in an event loop; aclose() it first")
        return SyncFlowcraft(self)

    # -- workers

    def worker(
        self,
        *,
        concurrency: int | None = None,
        name: str | None = None,
        adapter: str | None = None,
        url: str | None = None,
    ) -> Worker:
        """Make a worker of this application; `await worker.run()` until it is told to stop.

        Args:
            concurrency: Activations in progress at once; wins over environment and application.
            name: How it calls itself in logs and leases.
            adapter: As given on a command line, which wins over environment and application.
            url: Likewise.

        Raises:
            SettingsError: A number is out of its range.
        """
        from flowcraft.worker import Worker

        work, _ = self.work_settings(concurrency=concurrency)

        def make_adapter(options: RuntimeOptions) -> BaseDistributedAdapter:
            return self._make_adapter(options, adapter=adapter, url=url)

        return Worker(
            name=name or f"worker-{os.getpid()}",
            registry=self.registry,
            book=self._book,
            concurrency=work.concurrency,
            make_adapter=make_adapter,
            make_options=self._runtime_options,
            lifespan=self._lifespan,
            cpu_processes=work.cpu_processes,
            drain_seconds=work.drain_seconds,
        )

    def _runtime_options(self, **more: Any) -> RuntimeOptions:
        from flowcraft.adapter.options import RuntimeOptions

        work, _ = self.work_settings()
        options = {
            "registry": self.registry,
            "expressions": self._expressions,
            "clock": self._clock,
            "sweep_interval_seconds": work.sweep_interval_seconds,
            "max_deliveries": work.max_deliveries,
            "missing_seconds": work.missing_seconds,
            "retention_seconds": work.retention_seconds,
            "blocked_loop_seconds": work.blocked_loop_seconds,
            **more,
        }
        return RuntimeOptions(**options)

    def settings(self, *, adapter: str | None = None, url: str | None = None) -> Choice:
        """Say which adapter is used, how it connects and who said so; nothing is connected by it.

        Args:
            adapter: As given on a command line, which wins over environment and application.
            url: Likewise.

        Raises:
            UnknownAdapterError: The adapter is not installed; says how to install it.
            SettingsError: An option does not exist or does not fit.
        """
        from flowcraft.client.choice import AdapterChoice, resolve

        return resolve(
            AdapterChoice(adapter=self._adapter_name, url=self._url, options=self._settings),
            command_line=AdapterChoice(adapter=adapter, url=url),
        )

    def work_settings(
        self, *, concurrency: int | None = None
    ) -> tuple[WorkSettings, Mapping[str, str]]:
        """Say how its workers work, and who gave each option.

        Args:
            concurrency: As given on a command line, which wins over environment and application.

        Raises:
            SettingsError: A variable does not fit.
        """
        return resolve_work(self._work, command_line={"concurrency": concurrency})

    def _make_adapter(
        self, options: RuntimeOptions, *, adapter: str | None, url: str | None
    ) -> BaseDistributedAdapter:
        from flowcraft.client.connection import make_adapter
        from flowcraft.memory.adapter import MemoryBackend

        spec, settings, *_ = self.settings(adapter=adapter, url=url)
        if self._memory is None:
            self._memory = MemoryBackend()
        return make_adapter(spec, settings, options, self._memory)
