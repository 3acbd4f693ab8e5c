"""The built-in adapters under the kit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from flowcraft.adapter.base import BaseDistributedAdapter, NativePorts
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapters import AdapterSettings, AdapterSpec
from flowcraft.capabilities import Capabilities
from flowcraft.local.database import LocalDatabase
from flowcraft.memory.adapter import MemoryAdapter, MemoryBackend
from flowcraft.memory.spec import SPEC as MEMORY
from flowcraft.sqlite import SqliteAdapter, SqliteBackend, SqliteSettings
from flowcraft.sqlite.spec import SPEC as SQLITE
from flowcraft.status import RunResult
from flowcraft.testing import Budget, Harness, Wire
from tests.four_method.adapter import FourMethodAdapter, Message, ToyServer

T = TypeVar("T")


class WiredMemory(MemoryBackend):
    """The shared tables as one worker reaches them."""

    def __init__(self, shared: MemoryBackend, wire: Wire) -> None:
        super().__init__()
        self.tables = shared.tables
        self.waker = shared.waker
        self._wire = wire

    async def transact(
        self, step: Callable[[LocalDatabase], T], /, *, only_reads: bool = False
    ) -> T:
        transact = super().transact
        return await self._wire.call(name_of(step), lambda: transact(step))


class MemoryHarness(Harness):
    """Queue and store in dictionaries, a transition in one step."""

    budget: ClassVar[Budget] = Budget(
        chain_node=1.0, branch=0.5, join=7.0, item=0.5, idle_minute=140.0
    )
    spec: ClassVar[AdapterSpec] = MEMORY

    def __init__(self) -> None:
        self.backend = MemoryBackend()

    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        return MemoryAdapter(
            options,
            backend=WiredMemory(self.backend, wire),
            lease_seconds=self.lease_seconds,
            largest_value=self.largest_value_bytes,
        )

    def url(self) -> str:
        return "memory://"

    async def send_foreign(self, body: bytes) -> None:
        self.backend.tables.insert_job(body, 0.0)
        self.backend.waker.wake()

    async def messages(self) -> Sequence[bytes]:
        return [job.body for job in self.backend.tables.jobs.values()]

    async def traces(self, run_id: str) -> Sequence[str]:
        tables = self.backend.tables
        found = [f"run {key}" for key in tables.runs if run_id in key]
        found += [f"children of {key}" for key in tables._children if run_id in key]
        found += [f"timer {name}" for name in tables._timers if run_id in name]
        found += [f"key {key}" for key in tables._keys if f"/{run_id}/" in key]
        jobs = tables.jobs.values()
        return found + [f"job {job.body!r}" for job in jobs if run_id.encode() in job.body]

    async def redeliver(self) -> bool:
        for job in self.backend.tables.jobs.values():
            if job.is_leased:
                job.visible_at = 0.0
        self.backend.waker.wake()
        return True


class SplitAdapter(MemoryAdapter):
    """The memory adapter as if its queue and its store were two servers."""

    def native_ports(self) -> NativePorts:
        return super().native_ports()._replace(fused=None)

    async def publish_final_result(self, run_id: str, result: RunResult) -> None:
        """Publish for itself, so that an end is announced in a step of its own."""
        await super().publish_final_result(run_id, result)


class SplitHarness(MemoryHarness):
    """Queue and store apart: the core composes a transition from their calls."""

    budget: ClassVar[Budget] = MemoryHarness.budget._replace(join=12.0)

    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        return SplitAdapter(
            options,
            backend=WiredMemory(self.backend, wire),
            lease_seconds=self.lease_seconds,
            largest_value=self.largest_value_bytes,
        )


NAMING_RUNS = (
    ("runs", "run_id"),
    ("runs", "parent"),
    ("timers", "name"),
    ("timers", "job"),
    ("jobs", "body"),
    ("coordination", "key"),
)
"""Columns of a SQLite file in which the id of a run may stand."""


class WiredSqlite(SqliteBackend):
    """The file as one worker reaches it: a call is a transaction of one step."""

    def __init__(self, settings: SqliteSettings, options: RuntimeOptions, wire: Wire) -> None:
        super().__init__(settings, options.clock)
        self._wire = wire

    async def transact(
        self, step: Callable[[LocalDatabase], T], /, *, only_reads: bool = False
    ) -> T:
        transact = super().transact
        return await self._wire.call(name_of(step), lambda: transact(step, only_reads=only_reads))


class OwningSqlite(SqliteAdapter):
    """An adapter that closes the backend it was given."""

    async def aclose(self) -> None:
        await self.backend.aclose()


class SqliteHarness(Harness):
    """A real file; each adapter has a connection and a thread of its own."""

    # What becomes ready while the thread writes goes with the next call: how much is by chance.
    budget: ClassVar[Budget] = MemoryHarness.budget._replace(branch=2.0, join=9.0, item=2.0)
    spec: ClassVar[AdapterSpec] = SQLITE

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "flow.db")
        self._stranger: SqliteBackend | None = None

    def settings(self) -> SqliteSettings:
        options: dict[str, Any] = {"path": self.path, "lease_seconds": self.lease_seconds}
        if self.largest_value_bytes is not None:
            options["largest_value_bytes"] = self.largest_value_bytes
        return SqliteSettings(**options)

    def elsewhere(self) -> AdapterSettings:
        return self.settings()

    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        return OwningSqlite(options, backend=WiredSqlite(self.settings(), options, wire))

    def _backend(self) -> SqliteBackend:
        if self._stranger is None:
            from flowcraft.testing.clock import LoopClock

            self._stranger = SqliteBackend(self.settings(), LoopClock("stranger"))
        return self._stranger

    async def send_foreign(self, body: bytes) -> None:
        await self._backend().transact(lambda db: db.insert_job(body, 0.0))

    async def messages(self) -> Sequence[bytes]:
        def step(db: Any) -> list[bytes]:
            return [row[0] for row in db._execute("SELECT body FROM jobs")]

        return await self._backend().transact(step)

    async def traces(self, run_id: str) -> Sequence[str]:
        def step(db: Any) -> list[str]:
            found = [
                f"{table}.{column} {row[0]!r}"
                for table, column in NAMING_RUNS
                for row in db._execute(
                    f"SELECT {column} FROM {table} WHERE instr({column}, ?)",
                    (run_id.encode() if column in ("body", "job") else run_id,),
                )
            ]
            for table in ("cells", "members", "sets", "context"):
                query = f"SELECT count(*) FROM {table} WHERE run NOT IN (SELECT number FROM runs)"
                ((count,),) = db._execute(query)
                found += [f"{count} rows of no run in {table}"] if count else []
            return found

        return await self._backend().transact(step)

    async def redeliver(self) -> bool:
        def step(db: Any) -> None:
            db._execute("UPDATE jobs SET visible_at = 0 WHERE is_leased & 1")

        await self._backend().transact(step)
        return True

    async def aclose(self) -> None:
        if self._stranger is not None:
            await self._stranger.aclose()


class FourMethodHarness(Harness):
    """Four methods and five operations; all else is inherited."""

    # Each of its calls is one operation, and there are many of them.
    budget: ClassVar[Budget] = Budget(
        chain_node=38.0, branch=56.0, join=118.0, item=56.0, idle_minute=80.0, member_there=1.0
    )
    spec: ClassVar[AdapterSpec] = AdapterSpec(
        name="four_method",
        summary="The smallest adapter",
        adapter="tests.four_method.adapter:FourMethodAdapter",
        settings="flowcraft.adapters:AdapterSettings",
        capabilities=Capabilities(is_durable=False, is_shared=False),
    )

    is_fast = False
    slack_seconds = 20.0  # nothing wakes its workers

    def __init__(self) -> None:
        self.server = ToyServer()

    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        async def call(name: str, apply: Callable[[], Any]) -> Any:
            async def request() -> Any:
                return apply()

            return await wire.call(name, request)

        return FourMethodAdapter(options, self.server, call=call, lease_seconds=self.lease_seconds)

    async def send_foreign(self, body: bytes) -> None:
        self.server.messages.append(Message(body))

    async def messages(self) -> Sequence[bytes]:
        return [message.body for message in self.server.messages]

    async def traces(self, run_id: str) -> Sequence[str]:
        """But for what expires by itself."""
        server = self.server
        found = [
            f"key {key}" for key in server.keys if run_id in key and key not in server.expiries
        ]
        return found + [f"context {key}" for key in server.contexts.get(run_id, ())]

    async def redeliver(self) -> bool:
        for message in self.server.messages:
            message.visible_at = 0.0
        return True


def name_of(step: Callable[..., Any]) -> str:
    """What a step is called: the class and the method that it was written in."""
    return step.__qualname__.split(".<locals>")[0]
