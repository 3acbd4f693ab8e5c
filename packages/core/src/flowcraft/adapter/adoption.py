"""Takes records of the run before over into a run that retries it, one by one when reached.

Of runs that retry nothing, nothing here is called.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from flowcraft.adapter.parts import Parts
from flowcraft.engine.activation import RUN, WAITS, item_scope
from flowcraft.engine.cells import CHILD, INPUT, PAYLOAD, RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.record import Record
from flowcraft.execution.adoption import adopt, first_context, is_listed_as_wait, keys_along
from flowcraft.execution.move import Move
from flowcraft.execution.performing import HandBackError, RunOverError
from flowcraft.ports.store import Commit, Load, Loaded, NewRun, Propagation
from flowcraft.status import RunHeader

PAGE = 500
"""How many items of a batch are copied at once."""
WINNER_SECONDS = 1.0
"""How long an `any` join waits before it looks again for the edge that started it."""


async def going_on(parts: Parts, header: RunHeader, before: str) -> NewRun | None:
    """Describe a run that goes on from one that ended; None if that one is gone.

    Args:
        parts: Of this worker or client.
        header: The new run's.
        before: The run that ended.
    """
    # All of it in one read: the run may be purged at any moment.
    loaded = await parts.ports.load(Load(before, "", peeks=((RUN, PAYLOAD),), context=None))
    payload = loaded.peeked.get((RUN, PAYLOAD))
    if loaded.header is None or payload is None:
        return None
    return NewRun(
        header=msgspec.structs.replace(header, retry_of=before),
        payload=payload,
        context=first_context(loaded.context),
    )


class Before(NamedTuple):
    """What a run noted of an activation before the present run came to it."""

    run_id: str
    loaded: Loaded


class Adopter:
    """Finds what to take over, and writes what has to be there with it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def before(self, move: Move) -> Before | None:
        """What was noted of the activation by the nearest run before that came to it.

        None too if that run, or one between, was purged.
        """
        run_id = move.run.header.retry_of
        while run_id is not None:
            load = Load(run_id, move.key, context=keys_along(move))
            loaded = await self._parts.ports.load(load)
            if loaded.header is None:
                return None
            if any(name == RECORD or name.startswith(CHILD) for name in loaded.cells):
                return Before(run_id, loaded)
            run_id = loaded.header.retry_of
        return None

    async def adopt(self, move: Move) -> tuple[Record, Commit] | None:
        """The record to take over, with its commit; None if the activation is to be performed.

        Raises:
            HandBackError: The edge that started it, an `any` join, has not arrived here yet.
            RunOverError: The run ended meanwhile.
        """
        before = await self.before(move)
        data = before.loaded.cells.get(RECORD) if before is not None else None
        if before is None or data is None:
            return None
        now = self._parts.clock.now()
        adopted = adopt(move, self._parts.ports.formats.decode(data), before.loaded.context, at=now)
        if adopted is None:
            return None
        record, writes = adopted
        if record.winner is not None and str(record.winner) not in move.loaded.arrived:
            # What it followed from is on its way. A record never stands without that, so that
            # no reader sees the one without the other, and the old run may be purged.
            raise HandBackError(WINNER_SECONDS)
        if move.kind == "scatter":
            if INPUT in before.loaded.cells:  # for whoever performs it, should the old run go
                await self._parts.note(move, INPUT, before.loaded.cells[INPUT])
            if not await self._copy_items(before.run_id, move, record.items or 0):
                return None
        elif is_listed_as_wait(move):
            await self._propagate(move, arrivals=(Arrival(WAITS, move.key, True, 0),))
        guard = Cell(move.key, RECORD, self._parts.ports.formats.encode(record))
        return record, Commit(move.run.run_id, guard, context=writes)

    async def _copy_items(self, run_id: str, move: Move, count: int) -> bool:
        """Copy the items that the old batch had, for its names may stand for others now.

        Returns:
            False if they are gone: the old run was purged just now.
        """
        node, scope = move.activation
        for first in range(0, count, PAGE):
            page = range(first, min(first + PAGE, count))
            keys = [node + item_scope(scope, index) for index in page]
            load = Load(run_id, "", peeks=tuple((key, INPUT) for key in keys))
            found = (await self._parts.ports.load(load)).peeked
            if len(found) < len(keys):
                return False
            cells = tuple(Cell(key, INPUT, found[key, INPUT]) for key in keys)
            await self._propagate(move, cells=cells)
        return True

    async def _propagate(
        self, move: Move, *, cells: tuple[Cell, ...] = (), arrivals: tuple[Arrival, ...] = ()
    ) -> None:
        written = await self._parts.ports.propagate(Propagation(move.run.run_id, cells, arrivals))
        if written is None:
            raise RunOverError
