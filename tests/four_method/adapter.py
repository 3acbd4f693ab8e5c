"""The smallest adapter: four methods, five store operations, over a toy server.

It keeps no promise beyond those of the contract, so the core's defaults have to do the rest.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flowcraft.adapter.base import BaseDistributedAdapter, JobHandler
from flowcraft.adapter.event_bus import EventBus
from flowcraft.adapter.options import AdapterOptions, RuntimeOptions
from flowcraft.clock import Clock
from flowcraft.errors import BackendUnavailableError
from flowcraft.ports.contract import (
    AsyncContext,
    ContextOperation,
    CoordinationStore,
    JobPayload,
    decode_job,
    encode_job,
)
from flowcraft.status import RunResult

T = TypeVar("T")

SHORTEST_IDLE_SECONDS = 0.5
LONGEST_IDLE_SECONDS = 15.0

Call = Callable[[str, Callable[[], Any]], Awaitable[Any]]


@dataclass
class Message:
    body: bytes
    visible_at: float = 0.0


@dataclass
class ToyServer:
    """What all adapters of one application share."""

    keys: dict[str, str] = field(default_factory=dict)
    expiries: dict[str, float] = field(default_factory=dict)
    contexts: dict[str, dict[str, str]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    published: dict[str, list[RunResult]] = field(default_factory=dict)


class ToyCoordinationStore(CoordinationStore):
    def __init__(self, server: ToyServer, clock: Clock, call: Call) -> None:
        self._server = server
        self._clock = clock
        self._call = call

    def _live(self, key: str) -> str | None:
        if self._server.expiries.get(key, float("inf")) <= self._clock.now():
            self._server.keys.pop(key, None)
            self._server.expiries.pop(key, None)
        return self._server.keys.get(key)

    def _put(self, key: str, value: str, ttl_seconds: float | None) -> None:
        self._server.keys[key] = value
        self._server.expiries.pop(key, None)
        if ttl_seconds is not None:
            self._server.expiries[key] = self._clock.now() + ttl_seconds

    async def increment(self, key: str, ttl_seconds: float | None) -> int:
        def step() -> int:
            number = int(self._live(key) or 0) + 1
            self._put(key, str(number), ttl_seconds)
            return number

        return await self._call("increment", step)

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: float | None) -> bool:
        def step() -> bool:
            if self._live(key) is not None:
                return False
            self._put(key, value, ttl_seconds)
            return True

        return await self._call("set_if_not_exist", step)

    async def extend_ttl(self, key: str, ttl_seconds: float | None) -> bool:
        def step() -> bool:
            value = self._live(key)
            if value is not None:
                self._put(key, value, ttl_seconds)
            return value is not None

        return await self._call("extend_ttl", step)

    async def delete(self, key: str) -> bool:
        def step() -> bool:
            was_there = self._live(key) is not None
            self._server.keys.pop(key, None)
            return was_there

        return await self._call("delete", step)

    async def get(self, key: str) -> str | None:
        return await self._call("get", lambda: self._live(key))


class ToyContext(AsyncContext):
    def __init__(self, server: ToyServer, run_id: str, call: Call) -> None:
        self._items = server.contexts.setdefault(run_id, {})
        self._call = call

    async def get(self, key: str) -> Any:
        text = await self._call("context.get", lambda: self._items.get(key))
        return None if text is None else json.loads(text)

    async def has(self, key: str) -> bool:
        return await self._call("context.has", lambda: key in self._items)

    async def set(self, key: str, value: Any) -> None:
        await self.patch([ContextOperation("set", key, value)])

    async def delete(self, key: str) -> bool:
        return await self._call("context.delete", lambda: self._items.pop(key, None) is not None)

    async def to_dict(self) -> dict[str, Any]:
        items = await self._call("context.to_dict", lambda: dict(self._items))
        return {key: json.loads(text) for key, text in items.items()}

    async def patch(self, operations: Sequence[ContextOperation]) -> None:
        # All of it is written out before any of it is stored.
        texts = [json.dumps(operation.value) for operation in operations]

        def step() -> None:
            for operation, text in zip(operations, texts, strict=True):
                if operation.kind == "delete":
                    self._items.pop(operation.key, None)
                else:
                    self._items[operation.key] = text

        await self._call("context.patch", step)


async def call_directly(name: str, apply: Callable[[], T]) -> T:
    """An external call of which nothing is known but that it takes a turn."""
    del name
    await asyncio.sleep(0)
    return apply()


class FourMethodAdapter(BaseDistributedAdapter):
    """Four methods; everything else is inherited."""

    def __init__(
        self,
        runtime_options: RuntimeOptions,
        server: ToyServer,
        *,
        call: Call = call_directly,
        lease_seconds: float = 30.0,
        dice: random.Random | None = None,
        server_clock: Clock | None = None,
        event_bus: EventBus | None = None,
    ) -> None:
        self.server = server
        self.call = call
        self._lease_seconds = lease_seconds
        self._dice = dice or random.Random(0)
        # Leases and expiries go by the server's time, whatever the workers' clocks say.
        self._server_clock = server_clock or runtime_options.clock
        coordination = ToyCoordinationStore(server, self._server_clock, call)
        super().__init__(
            AdapterOptions(
                runtime_options=runtime_options,
                coordination_store=coordination,
                event_bus=event_bus,
            )
        )

    def create_context(self, run_id: str) -> AsyncContext:
        return ToyContext(self.server, run_id, self.call)

    async def enqueue_job(self, job: JobPayload) -> None:
        body = encode_job(job)
        await self.call("enqueue_job", lambda: self.server.messages.append(Message(body)))

    async def publish_final_result(self, run_id: str, result: RunResult) -> None:
        await self.call(
            "publish", lambda: self.server.published.setdefault(run_id, []).append(result)
        )

    async def process_jobs(self, handler: JobHandler) -> None:
        clock = self.options.runtime_options.clock
        idle_seconds = SHORTEST_IDLE_SECONDS
        handling: set[asyncio.Task[None]] = set()
        try:
            while True:
                message = None
                with suppress(BackendUnavailableError):  # what is handled goes on meanwhile
                    message = await self.call("take", self._take)
                if message is None:
                    idle_seconds = min(idle_seconds * 1.5, LONGEST_IDLE_SECONDS)
                    await clock.sleep(idle_seconds)
                    continue
                idle_seconds = SHORTEST_IDLE_SECONDS
                task = asyncio.create_task(self._handle(handler, message))
                handling.add(task)
                task.add_done_callback(handling.discard)
        finally:
            for task in handling:
                task.cancel()

    def _take(self) -> Message | None:
        now = self._server_clock.now()
        visible = [message for message in self.server.messages if message.visible_at <= now]
        if not visible:
            return None
        message = self._dice.choice(visible)
        message.visible_at = now + self._lease_seconds
        return message

    async def _handle(self, handler: JobHandler, message: Message) -> None:
        beating = asyncio.create_task(self._beat(message))
        try:
            await handler(decode_job(message.body))
        except Exception:  # noqa: BLE001 - by the contract, raising redelivers
            return  # it becomes visible again when its lease is over
        finally:
            beating.cancel()
        await self.call("ack", lambda: self._remove(message))

    async def _beat(self, message: Message) -> None:
        clock = self.options.runtime_options.clock
        while True:
            await clock.sleep(self._lease_seconds / 3)
            await self.call("extend", lambda: self._extend(message))

    def _extend(self, message: Message) -> None:
        message.visible_at = self._server_clock.now() + self._lease_seconds

    def _remove(self, message: Message) -> None:
        if message in self.server.messages:
            self.server.messages.remove(message)
