"""Why a run is where it is: worked out from its records, as a worker would go on from them.

Nothing is guessed, and nothing is kept for it: every activation that a record leads to is
looked at, and what has no record says itself what it waits for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.client.standing import (
    ACTIVE,
    SUSPENDED,
    Standing,
    load_of,
    recorded,
    unrecorded,
)
from flowcraft.client.waiting import no_run
from flowcraft.engine.activation import is_lanes_key, parse_activation
from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import Arrival, consequences, lanes_arrival
from flowcraft.engine.record import ErrorInfo
from flowcraft.errors import UnknownRunError
from flowcraft.execution.move import RunView
from flowcraft.ports.store import Load
from flowcraft.status import Status

PAGE = 200
"""How many activations are read at once."""
SHOWN = 10_000
"""How many activations an explanation looks at."""


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A run, and where each of its activations stands.

    Args:
        status: With `waiting` told from `running`.
        created_at: Seconds since the epoch, as all times here.
        starts_at: Before when nothing of it starts, if it was submitted with a delay.
        retry_of: The run that it retries.
        error: Why it failed.
        activations: Those that began, or that something leads to; of an ended run those that
            have a record.
        is_complete: Whether that is all of them; else the run is larger than what was read.
    """

    run_id: str
    blueprint_id: str
    status: Status
    created_at: float
    starts_at: float | None = None
    ended_at: float | None = None
    deadline_at: float | None = None
    parent: str = ""
    retry_of: str = ""
    error: ErrorInfo | None = None
    activations: tuple[Standing, ...] = ()
    is_complete: bool = True


async def explain(
    adapter: BaseDistributedAdapter, run_id: str, *, limit: int = SHOWN
) -> Explanation:
    """Work out where a run stands.

    Args:
        adapter: Where the run is.
        run_id: The run.
        limit: How many activations to look at, about.

    Raises:
        UnknownRunError: No such run, or it was purged.
    """
    run = await _view(adapter, run_id)
    found: list[Standing] = []
    is_complete = True
    async with aclosing(_standings(adapter, run)) as pages:
        async for page in pages:
            if len(found) >= limit:
                is_complete = False
                break
            found += page
    header = run.header
    return Explanation(
        run_id=run_id,
        blueprint_id=header.blueprint_id,
        status=await status_of(adapter, run_id),
        created_at=header.created_at,
        starts_at=header.starts_at,
        ended_at=header.ended_at,
        deadline_at=header.deadline_at,
        parent=header.parent.run_id if header.parent is not None else "",
        retry_of=header.retry_of or "",
        error=header.error,
        activations=tuple(found),
        is_complete=is_complete,
    )


async def status_of(adapter: BaseDistributedAdapter, run_id: str) -> Status:
    """The status of a run, with `waiting` told from `running`.

    Reads the run up to the first thing that is ready or executing; of a waiting run all of it.

    Raises:
        UnknownRunError: No such run, or it was purged.
    """
    run = await _view(adapter, run_id)
    if run.header.is_over:
        return run.header.status
    if _is_early(adapter, run):
        return "waiting"
    is_suspended = False
    children: list[str] = []
    async with aclosing(_standings(adapter, run)) as pages:
        async for page in pages:
            if any(standing.state in ACTIVE for standing in page):
                return "running"
            is_suspended = is_suspended or any(one.state in SUSPENDED for one in page)
            children += [one.child for one in page if one.state == "in_subflow"]
    for child in children:
        try:
            status = await status_of(adapter, child)
        except UnknownRunError:
            return "running"  # it is about to be created
        if status != "waiting":
            return "running"
        is_suspended = True
    return "waiting" if is_suspended else "running"


async def _view(adapter: BaseDistributedAdapter, run_id: str) -> RunView:
    run = await adapter.parts.view(run_id)
    if run is None:
        raise UnknownRunError(no_run(run_id))
    return run


async def _standings(
    adapter: BaseDistributedAdapter, run: RunView
) -> AsyncGenerator[list[Standing], None]:
    """Follow the records of a run from its starts, a page of activations at a time."""
    store, header = adapter.ports.store, run.header
    if _is_early(adapter, run):
        return
    pending: list[tuple[str, Arrival | None]] = [(start, None) for start in run.program.plan.starts]
    seen = {key for key, _ in pending}
    while pending:
        page, pending = pending[:PAGE], pending[PAGE:]
        loads = [_load(run, key) for key, _ in page]
        now = adapter.options.runtime_options.clock.now()
        found: list[Standing] = []
        follow: list[Arrival] = []
        for (key, arrival), loaded in zip(page, await store.load(loads), strict=True):
            if is_lanes_key(key):
                if arrival is not None and len(loaded.arrived) >= arrival.need:
                    follow.append(lanes_arrival(run.program, key))
                continue
            activation = parse_activation(key)
            data = loaded.cells.get(RECORD)
            if data is not None:
                record = adapter.ports.formats.decode(data)
                found.append(recorded(activation, record))
                follow += consequences(run.program, activation, record).arrivals
            elif not header.is_over:
                found.append(unrecorded(run, activation, arrival, loaded, now=now))
        for arrival in follow:
            # A key that begins with "/" is no activation.
            if arrival.target not in seen and not arrival.target.startswith("/"):
                seen.add(arrival.target)
                pending.append((arrival.target, arrival))
        if found:
            yield found


def _is_early(adapter: BaseDistributedAdapter, run: RunView) -> bool:
    """Whether it is not yet time for the run to start."""
    return run.header.starts_in(adapter.options.runtime_options.clock.now()) > 0


def _load(run: RunView, key: str) -> Load:
    return Load(run.run_id, key) if is_lanes_key(key) else load_of(run, parse_activation(key))
