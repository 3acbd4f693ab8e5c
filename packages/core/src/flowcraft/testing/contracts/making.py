"""What the checks of the ports are made of: processes, runs, commits, deaths."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import Cell
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.store import Commit, Load, Loaded, NewRun, RunStore
from flowcraft.status import ParentReference, RunHeader
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call, Hook, Wire

Act = Callable[[BaseDistributedAdapter, str], Awaitable[object]]
"""Something that a process does, with a name of its own for what it does it to."""

HOSTILE_TEXTS = (
    "plain",
    "with space",
    " led and followed by space ",
    "a.b.c",
    "a/b/../c",
    "quote'\"`;--",
    "'; DROP TABLE runs; --",
    "{braces}[0]*?",
    "$set",
    "per%cent_under %s%n",
    "back\\slash",
    "comma,colon:semi;",
    "a:1",
    "a+",
    "<tag>&amp;",
    "null",
    "__proto__",
    "\u00fcn\u00efc\u00f8d\u00e9 \U0001f600",
    "line\nbreak\ttab",
)
"""Texts that a query, a pattern, a path, a document or a shell could stumble over."""

NEAR_TWINS = (
    "Key", "key", "KEY", "key ", " key", "k\u00e9y", "ke\u0301y", "key\u200b",
    "key\u00df", "keyss", "k.e.y", "k_e_y", "k%y", "1", "01", "1.0", "true", "True",
)  # fmt: skip
"""Texts that a backend could take for one another: by case, accents, blanks, patterns, numbers."""

MANY = 120
"""More than one request of a backend writes or reads: twenty-five, or a hundred."""

MOST_REQUESTS = 200
"""More than anything that is done here should take."""


def processes(stage: Stage, count: int) -> list[BaseDistributedAdapter]:
    """Adapters over the same backend, as so many processes have them.

    Before each request the others have a turn: a backend in memory answers without one.
    """
    workers = [stage.make_worker(f"p{index}") for index in range(count)]
    for worker in workers:
        worker.wire.before = _let_others
    return [worker.adapter for worker in workers]


async def _let_others(call: Call) -> None:
    del call
    await asyncio.sleep(0)


def is_native(stage: Stage) -> bool:
    """Whether the adapter has ports of its own, rather than four methods."""
    return stage.client.native_ports() is not None


def needs(condition: object, why_not: str) -> None:
    """Skip a check of what the adapter does not have."""
    if not condition:
        pytest.skip(why_not)


def new_run(
    stage: Stage,
    run_id: str = "run",
    *,
    payload: bytes = b"null",
    context: Mapping[str, bytes] | None = None,
    parent: str | None = None,
    created_at: float | None = None,
    blueprint_id: str = "g",
    **more: Any,
) -> NewRun:
    """A run to be created; `more` are fields of its header."""
    header = RunHeader(
        run_id=run_id,
        blueprint_id=blueprint_id,
        blueprint_hash="hash",
        created_at=now(stage) if created_at is None else created_at,
        parent=ParentReference(parent, "n", 1) if parent is not None else None,
        **more,
    )
    return NewRun(header=header, payload=payload, context=context or {})


async def create(stage: Stage, run_id: str = "run", **how: Any) -> RunStore:
    """Create a run, and its parent if there is none; arguments as for `new_run`. Its store."""
    store = stage.client.ports.store
    if how.get("parent") is not None:
        await store.create([new_run(stage, how["parent"])])
    await store.create([new_run(stage, run_id, **how)])
    return store


async def load(stage: Stage, key: str = "n", run_id: str = "run", **more: Any) -> Loaded:
    """What another process finds of an activation, with all of the context."""
    (loaded,) = await stage.client.ports.store.load(
        [Load(run_id, key, **{"context": None, **more})]
    )
    return loaded


def record(
    key: str = "n", value: bytes = b'{"outcome":"completed"}', run_id: str = "run", **more: Any
) -> Commit:
    """The commit of a record; `more` are its other fields."""
    return Commit(run_id, Cell(key, RECORD, value), **more)


def job(node: str = "n", scope: str = "", *, run_id: str = "run") -> JobPayload:
    """A job for an activation."""
    return JobPayload(run_id, "g", node, scope)


def now(stage: Stage) -> float:
    """The time, in seconds since the epoch."""
    return stage.client.parts.clock.now()


async def each_death(stage: Stage, act: Act, look: Callable[[str], Awaitable[None]]) -> None:
    """Let a process die at each request of an act: before it was sent, and after its effect.

    Args:
        stage: The backend.
        act: Done by a new process each time, up to its death; the last one of all lives.
        look: Called after each death with the name that its act was given, to look what is left
            or to do the same once more.
    """
    for when in ("before", "after"):
        for number in itertools.count(1):
            name = f"{when}-{number}"
            assert number <= MOST_REQUESTS, "it makes ever more requests"
            died = await _dies(stage, act, name, when, number)
            await look(name)
            if not died:
                assert number > 1, "it makes no request that goes through the wire"
                break


async def _dies(stage: Stage, act: Act, name: str, when: str, number: int) -> bool:
    """Whether the process died before its act was done."""
    worker = stage.make_worker(name)
    died = asyncio.Event()
    seen = 0

    async def die(call: Call) -> None:
        del call
        nonlocal seen
        seen += 1
        if seen == number:
            worker.wire.is_cut = True
            died.set()

    if when == "before":
        worker.wire.before = die
    else:
        worker.wire.after = die
    acting = asyncio.ensure_future(_do(act, worker.adapter, name))
    await _first_of(acting, died)
    if not died.is_set():
        await acting
        return False
    acting.cancel()
    return True


async def each_pause(
    stage: Stage,
    act: Act,
    meanwhile: Callable[[str], Awaitable[None]],
    *,
    is_its_last: bool = False,
) -> AsyncIterator[str]:
    """Let a process pause before each request of an act, and wake up when others were done.

    Args:
        stage: The backend.
        act: Done by a new process each time.
        meanwhile: Done by others while it pauses, and at last when the act is over, to what has
            the name that the act was given.
        is_its_last: Whether the process dies when that request had its effect.

    Yields:
        That name, when both are done.
    """
    for number in itertools.count(1):
        name = f"paused-{number}" if not is_its_last else f"paused-and-died-{number}"
        assert number <= MOST_REQUESTS, "it makes ever more requests"
        worker = stage.make_worker(name)
        paused, woken = asyncio.Event(), asyncio.Event()
        worker.wire.before = _nth(number, paused, woken)
        acting = asyncio.ensure_future(_do(act, worker.adapter, name))
        await _first_of(acting, paused)
        await meanwhile(name)
        died = asyncio.Event()
        if is_its_last and paused.is_set():
            worker.wire.after = _cut(worker.wire, died)
        woken.set()
        await _first_of(acting, died)
        if died.is_set():
            acting.cancel()
        else:
            await acting
        yield name
        if not paused.is_set():
            assert number > 1, "it makes no request that goes through the wire"
            return


def _nth(number: int, reached: asyncio.Event, go_on: asyncio.Event) -> Hook:
    """A hook that stops at the call of that number until it is told to go on."""
    seen = 0

    async def stop(call: Call) -> None:
        del call
        nonlocal seen
        seen += 1
        if seen == number:
            reached.set()
            await go_on.wait()

    return stop


def _cut(wire: Wire, reached: asyncio.Event) -> Hook:
    """A hook that lets nothing through any more."""

    async def cut(call: Call) -> None:
        del call
        wire.is_cut = True
        reached.set()

    return cut


async def _do(act: Act, adapter: BaseDistributedAdapter, name: str) -> None:
    await act(adapter, name)


async def _first_of(acting: asyncio.Future[None], reached: asyncio.Event) -> None:
    """Wait until an act is done, or has reached something."""
    reaching = asyncio.ensure_future(reached.wait())
    both: list[asyncio.Future[Any]] = [acting, reaching]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    reaching.cancel()
