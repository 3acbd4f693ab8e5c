"""Another process on the same file: `child.py COMMAND FILE`, steered through its pipes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable

from flowcraft.adapter.options import RuntimeOptions
from flowcraft.client.events import run_events
from flowcraft.clock import SystemClock
from flowcraft.errors import FlowcraftError
from flowcraft.local.coordination import LocalCoordinationStore
from flowcraft.local.database import LocalDatabase
from flowcraft.local.queue import LocalQueue
from flowcraft.nodes import NodeRegistry
from flowcraft.ports.contract import decode_job
from flowcraft.sqlite import SqliteAdapter, SqliteBackend, SqliteSettings


def say(word: str) -> None:
    print(word, flush=True)


async def heard() -> None:
    """Wait for a line, or for the end of the input."""
    await asyncio.to_thread(sys.stdin.readline)


def queue_of(backend: SqliteBackend) -> LocalQueue:
    return LocalQueue(backend.transact, SystemClock(), backend.waker, lease_seconds=600.0)


async def receive(backend: SqliteBackend) -> None:
    """Wait for a message far longer than any test lasts."""
    wait = backend.waker.wait

    async def waiting(seconds: float) -> None:
        asyncio.get_running_loop().call_soon(say, "waiting")
        await wait(seconds)

    backend.waker.wait = waiting  # type: ignore[method-assign]
    (delivery,) = await queue_of(backend).receive(1, 3600.0)
    say(decode_job(delivery.body).node_id)


async def drain(backend: SqliteBackend) -> None:
    """Take all messages there are, a few at a time."""
    queue = queue_of(backend)
    await backend.open()
    say("open")
    await heard()
    taken: list[str] = []
    while deliveries := await queue.receive(3, 0.0):
        taken += [decode_job(delivery.body).node_id for delivery in deliveries]
    say(json.dumps(taken))


async def claim(backend: SqliteBackend) -> None:
    """Try to win every key."""
    keys = LocalCoordinationStore(backend.transact, SystemClock())
    await backend.open()
    say("open")
    await heard()
    won = [await keys.set_if_not_exist(f"k{i}", "mine", 600.0) for i in range(100)]
    say(json.dumps(won))


async def hang(backend: SqliteBackend) -> None:
    """Commit one step, and stop for ever in the middle of the next."""
    await backend.transact(lambda db: db.put_key("first", "kept", None))

    def step(db: LocalDatabase) -> None:
        for i in range(20_000):
            db.put_key(f"half {i}", "x" * 500, None)
        say("inside")
        threading.Event().wait()

    await backend.transact(step)


async def write(backend: SqliteBackend) -> None:
    """Write once, and say what came of it; as another user, if one is named."""
    if len(sys.argv) > 3:
        os.setuid(int(sys.argv[3]))
    try:
        await backend.transact(lambda db: db.put_key("k", "v", None))
    except FlowcraftError as error:
        say(json.dumps([type(error).__name__, str(error), repr(error.__cause__)]))
    else:
        say(json.dumps(None))


async def listen(backend: SqliteBackend) -> None:
    """Have the file open until the input ends."""
    await backend.open()
    say("open")
    await heard()


async def events(backend: SqliteBackend) -> None:
    """Say each event of run `r`, from the beginning or after a cursor."""
    adapter = SqliteAdapter(RuntimeOptions(registry=NodeRegistry()), backend=backend)
    after = sys.argv[3] if len(sys.argv) > 3 else None
    async for event in run_events(adapter, "r", after=after):
        say(json.dumps([event.kind, event.node, event.cursor]))


COMMANDS: dict[str, Callable[[SqliteBackend], Awaitable[None]]] = {
    command.__name__: command for command in (receive, drain, claim, hang, write, listen, events)
}


async def main(command: str, path: str) -> None:
    backend = SqliteBackend(SqliteSettings(path=path), SystemClock())
    try:
        await COMMANDS[command](backend)
    finally:
        await backend.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
