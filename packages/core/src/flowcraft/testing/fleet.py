"""Workers over one backend, with the blueprints and nodes that they know.

It knows an adapter by its public methods and its ports, and a backend by its `Harness`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapters import AdapterSpec
from flowcraft.blueprint import load_blueprint
from flowcraft.capabilities import Capabilities
from flowcraft.engine.program import Program
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeOptions, NodeRegistry
from flowcraft.testing.clock import LoopClock
from flowcraft.testing.graphs import BlueprintJson
from flowcraft.testing.harness import Harness
from flowcraft.testing.loop import VirtualLoop, answer_due
from flowcraft.testing.wire import Numbering, Wire
from flowcraft.testing.worker import Worker

SWEEP_LEASES = 2.0
"""How often workers look for what was lost, in lengths of a lease."""
POLL_SECONDS = 2.0

Make = Callable[[Worker], Callable[..., Any]]


class Fleet:
    """A backend with its workers, blueprints and nodes, and a client that takes no jobs.

    Every worker knows the nodes `echo` (gives its input), `value` (gives its param `value`),
    `count` (gives its input with `n` one higher) and `fails` (raises).

    Args:
        harness: The backend.
        settings: Fields of `RuntimeOptions` for every worker.

    Attributes:
        calls: How often each node was executed, by its `uses`.
        handled: How many messages workers took.
    """

    def __init__(self, harness: Harness, **settings: Any) -> None:
        if not isinstance(getattr(harness, "spec", None), AdapterSpec):
            raise TypeError(
                f"{type(harness).__name__}.spec is not set. Give the harness what the adapter"
                " declares of itself: spec = SPEC"
            )
        self.harness = harness
        self.settings = settings
        self.numbering = Numbering()
        self.workers: list[Worker] = []
        self.calls: Counter[str] = Counter()
        self.handled = 0
        self.expressions = Expressions()
        self._made: list[Worker] = []
        self._made_so_far = 0
        self._nodes: dict[str, tuple[Make, NodeOptions]] = {}
        self._programs: dict[str, Program] = {}
        self._client: Worker | None = None
        for uses, function in _NODES.items():
            self.node(uses)(function)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for worker in self._made:
            worker.abandon()
        await asyncio.sleep(0)
        with answer_due():
            for worker in self._made:
                await worker.adapter.aclose()
            await self.harness.aclose()

    @property
    def lease_seconds(self) -> float:
        """How long a message is held."""
        return self.harness.lease_seconds

    @property
    def can(self) -> Capabilities:
        """What the adapter declares that it can do."""
        return self.harness.spec.capabilities

    @property
    def sweep_seconds(self) -> float:
        """How often workers look for what was lost, unless they are told otherwise."""
        return SWEEP_LEASES * self.harness.lease_seconds

    @property
    def recovery_seconds(self) -> float:
        """By how much a death or a lost message may delay a run: the lease and a sweep."""
        return self.lease_seconds + self.sweep_seconds + 2 * self.harness.slack_seconds

    def now(self) -> float:
        """The time by a right clock, in seconds since the epoch."""
        return self.client.parts.clock.now()

    @property
    def is_virtual(self) -> bool:
        """Whether time passes at once."""
        return isinstance(asyncio.get_running_loop(), VirtualLoop)

    def needs_virtual_time(self) -> None:
        """Skip a check that would take hours where time is real."""
        if not self.is_virtual:
            pytest.skip("it takes hours, and this backend's time is real")

    # -- what there is to run

    def node(self, uses: str, **options: Any) -> Callable[[Any], Any]:
        """Register a node function with every worker that starts from now on."""

        def keep(function: Callable[..., Any]) -> Callable[..., Any]:
            self.node_of_worker(uses, **options)(lambda worker: function)
            return function

        return keep

    def node_of_worker(self, uses: str, **options: Any) -> Callable[[Make], Make]:
        """Register a node whose function is made for each worker, so that it can kill it."""

        def keep(make: Make) -> Make:
            self._nodes[uses] = make, NodeOptions(**options)
            return make

        return keep

    def add(self, *blueprints: BlueprintJson) -> None:
        """Load blueprints, so that they can be submitted."""
        for source in blueprints:
            loaded = load_blueprint(source, expressions=self.expressions)
            self._programs[source["id"]] = Program(loaded, self.expressions)

    def programs(self) -> Sequence[Program]:
        """All blueprints that were added."""
        return list(self._programs.values())

    def program(self, blueprint_id: str) -> Program:
        """A blueprint that was added, made ready to run."""
        return self._programs[blueprint_id]

    # -- workers

    def make_worker(
        self,
        name: str,
        *,
        without: frozenset[str] = frozenset(),
        skew_seconds: float = 0.0,
        **settings: Any,
    ) -> Worker:
        """Make a worker that is not started.

        Args:
            name: Its name.
            without: Nodes that it lacks.
            skew_seconds: By how much its clock is ahead.
            settings: Fields of its `RuntimeOptions`.
        """
        registry = NodeRegistry()
        self._made_so_far += 1  # one that takes the place of another has ids of its own
        options = RuntimeOptions(
            registry=registry,
            expressions=self.expressions,
            clock=LoopClock(f"{name}.{self._made_so_far}", skew_seconds=skew_seconds),
            worker_name=name,
            **{
                "sweep_interval_seconds": self.sweep_seconds,
                "poll_seconds": POLL_SECONDS,
                **self.settings,
                **settings,
            },
        )
        worker = Worker(name, Wire(self.numbering))
        adapter = self.harness.adapter(options, worker.wire)
        if not isinstance(adapter, BaseDistributedAdapter):
            raise TypeError(
                f"{type(self.harness).__name__}.adapter gave {adapter!r}, and not an adapter"
            )
        worker.adapter = adapter
        self._note_jobs(worker.adapter)
        self._made.append(worker)
        for uses, (make, node_options) in self._nodes.items():
            if uses not in without:
                function = self._counted(uses, make(worker))
                registry.register(function, uses=uses, options=node_options)
        return worker

    def _note_jobs(self, adapter: BaseDistributedAdapter) -> None:
        hook = adapter.on_job_start

        async def note(run_id: str, blueprint_id: str, node_id: str) -> None:
            self.handled += 1
            await hook(run_id, blueprint_id, node_id)

        adapter.on_job_start = note  # type: ignore[method-assign]

    def _counted(self, uses: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            def call_in_thread(*args: Any, **kwargs: Any) -> Any:
                self.calls[uses] += 1
                return function(*args, **kwargs)

            return call_in_thread

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[uses] += 1
            return await function(*args, **kwargs)

        return call

    def worker(self, **settings: Any) -> Worker:
        """Start a worker; arguments as for `make_worker`."""
        worker = self.make_worker(f"w{len(self.workers) + 1}", **settings)
        worker.adapter.start()
        self.workers.append(worker)
        return worker

    async def dismiss(self, worker: Worker) -> None:
        """Let a worker vanish, and forget it."""
        worker.abandon()
        await asyncio.sleep(0)
        with answer_due():
            await worker.adapter.aclose()
        self._made.remove(worker)
        if worker in self.workers:
            self.workers.remove(worker)

    async def keep_alive(self, count: int = 1, *, after_seconds: float = 1.0) -> None:
        """Start workers, and another one for each that dies, for ever."""
        while True:
            alive = sum(not worker.is_dead for worker in self.workers)
            for _ in range(count - alive):
                self.worker()
            await asyncio.sleep(after_seconds)

    @property
    def client(self) -> BaseDistributedAdapter:
        """An adapter that takes no jobs."""
        if self._client is None:
            self._client = self.change_client()
        return self._client.adapter

    def change_client(self, **settings: Any) -> Worker:
        """Let the outside be another process from now on; arguments as for `make_worker`."""
        self._client = self.make_worker("client", **settings)
        self._client.wire.numbering = Numbering()  # its calls are no worker's
        return self._client


async def _echo(input: Any) -> Any:
    return input


async def _value(params: dict[str, Any]) -> Any:
    return params.get("value")


async def _count(input: dict[str, Any]) -> Any:
    return {**input, "n": input["n"] + 1}


async def _fails(input: Any) -> Any:
    raise RuntimeError(f"it was to fail with {input!r}")


_NODES: dict[str, Callable[..., Any]] = {
    "echo": _echo,
    "value": _value,
    "count": _count,
    "fails": _fails,
}
