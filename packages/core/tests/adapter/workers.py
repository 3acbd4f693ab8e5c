"""Workers over a shared backend in virtual time, which can be held up, abandoned and killed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from flowcraft.adapter.base import BaseDistributedAdapter, NativePorts
from flowcraft.clock import Clock
from flowcraft.local.database import LocalDatabase
from flowcraft.memory.adapter import MemoryAdapter, MemoryBackend
from flowcraft.status import RunResult
from tests.four_method.adapter import call_directly

T = TypeVar("T")
Before = Callable[[str], Awaitable[None]]

EPOCH = 1_700_000_000.0


class VirtualClock(Clock):
    """The time of the running loop; chance is seeded."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._dice = random.Random(name)
        self._ids = 0

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return self._dice.random()

    def fresh_id(self) -> str:
        self._ids += 1
        return f"{self._name}.{self._ids}"


class SplitMemoryAdapter(MemoryAdapter):
    """The memory adapter as if its queue and its store were two servers."""

    def native_ports(self) -> NativePorts:
        return super().native_ports()._replace(fused=None)

    async def publish_final_result(self, run_id: str, result: RunResult) -> None:
        """Publish for itself, so that an end is announced in a step of its own."""
        await super().publish_final_result(run_id, result)


class Worker:
    """One worker, which can be stopped or abandoned."""

    adapter: BaseDistributedAdapter

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.before: Before | None = None
        """Called before each external call; may raise in its stead."""

    async def pass_out(self, call: str) -> None:
        """Pass the door to the outside; a dead worker never comes through."""
        if self.is_dead:
            await asyncio.get_running_loop().create_future()
        if self.before is not None:
            await self.before(call)

    async def call(self, name: str, apply: Callable[[], Any]) -> Any:
        """Make an external call of the four-method adapter."""
        await self.pass_out(name)
        return await call_directly(name, apply)

    async def stop(self, grace_seconds: float = 30.0) -> None:
        """Let it drain."""
        await self.adapter.stop(grace_seconds=grace_seconds)

    def abandon(self) -> None:
        """Let it vanish where it stands: nothing it does reaches the backend any more."""
        self.is_dead = True
        loops = self.adapter._loops
        assert loops is not None
        for task in (*loops._loops, *loops._handling):
            task.cancel()

    async def die(self) -> None:
        """What a node does that takes its worker with it."""
        self.abandon()
        await asyncio.get_running_loop().create_future()


class OwnBackend(MemoryBackend):
    """The shared tables as one worker reaches them, until it is dead."""

    def __init__(self, shared: MemoryBackend, worker: Worker) -> None:
        super().__init__()
        self.tables = shared.tables
        self.waker = shared.waker
        self._worker = worker

    async def transact(
        self, step: Callable[[LocalDatabase], T], /, *, only_reads: bool = False
    ) -> T:
        await self._worker.pass_out(step.__qualname__)
        return await super().transact(step)
