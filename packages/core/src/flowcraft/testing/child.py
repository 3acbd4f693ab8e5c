"""Another process on the same backend: `child.py ORDER`, steered through its pipes.

It says `ready` when it has connected, begins when it hears a line, says what came of it in lines
of JSON, and ends when it hears another line or its input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapters import AdapterSpec
from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.nodes import NodeRegistry
from flowcraft.ports.contract import ContextOperation, JobPayload
from flowcraft.ports.store import Commit, Propagation


def say(value: object) -> None:
    """Say one line."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def heard() -> None:
    """Wait for a line, or for the end of the input."""
    await asyncio.to_thread(sys.stdin.readline)


async def increment(adapter: BaseDistributedAdapter, key: str, count: int) -> None:
    """Count, and say every number that came of it."""
    keys = adapter.options.coordination_store
    say([await keys.increment(key, None) for _ in range(count)])


async def claim(adapter: BaseDistributedAdapter, count: int, name: str) -> None:
    """Try to win every key, and say which were won."""
    keys = adapter.options.coordination_store
    say([await keys.set_if_not_exist(f"lock {n}", name, None) for n in range(count)])


async def write(adapter: BaseDistributedAdapter, run_id: str, names: list[str]) -> None:
    """Write every context key, one by one and in patches."""
    context = adapter.create_context(run_id)
    for name in names:
        await context.set(name, name)
        operations = [ContextOperation("set", f"{name}.{n}", n) for n in range(2)]
        await context.patch([*operations, ContextOperation("delete", f"old {name}")])
    say(len(names))


async def record(adapter: BaseDistributedAdapter, run_id: str, count: int, name: str) -> None:
    """Try to record every activation, and say which were won."""
    won = []
    for n in range(count):
        guard = Cell(f"n{n}", RECORD, json.dumps(name).encode())
        commit = Commit(run_id, guard, context={f"k{n}": guard.value})
        (result,) = await adapter.ports.store.commit([commit])
        won.append(result.is_won)
    say(won)


async def arrive(adapter: BaseDistributedAdapter, run_id: str, count: int, name: str) -> None:
    """Arrive at every join, and say how many had come by then."""
    seen = []
    for n in range(count):
        arrival = Arrival(f"j{n}", name, taken=True, need=count, value=b"1")
        (answers,) = await adapter.ports.store.propagate([Propagation(run_id, (), (arrival,))])
        assert answers is not None
        seen.append(answers[0].members)
    say(seen)


async def take(adapter: BaseDistributedAdapter, *, holds: bool) -> None:
    """Take jobs, say each node, and acknowledge them or hold them for ever."""

    async def handle(job: JobPayload) -> None:
        say(job.node_id)
        if holds:
            await asyncio.Event().wait()

    taking = asyncio.ensure_future(adapter.process_jobs(handle))
    await heard()
    taking.cancel()
    await asyncio.wait([taking])


COMMANDS: dict[str, Callable[..., Awaitable[None]]] = {
    command.__name__: command for command in (increment, claim, write, record, arrive, take)
}


async def main(order: dict[str, Any]) -> None:
    """Connect, and do what was ordered."""
    spec = AdapterSpec(
        name="child", summary="", adapter=order["adapter"], settings=order["settings"]
    )
    settings = spec.settings_class().from_options(**order["options"])
    adapter = spec.create(RuntimeOptions(registry=NodeRegistry()), settings)
    try:
        await adapter.open()
        say("ready")
        await heard()
        await COMMANDS[order["command"]](adapter, **order["arguments"])
    finally:
        await adapter.aclose()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
