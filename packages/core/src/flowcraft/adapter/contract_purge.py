"""Lets the keys of a purged run expire, in a coordination store that cannot list them.

The blueprint and the records say which keys there can be, as they say what follows: the walk goes
from the starts of the run along all that its records lead to, and gives every key that it finds
a time to live. The values stay until then, so that a duplicate that wakes late writes nothing
anew; and an activation without a record gets one that expires, so that nobody records it now.

What remains: the value that a worker writes which stood still, from before the end of the run
until after the purge, between its look at the run and its write of something that nobody else
wrote; and a signal sent early to a scope that its run did not reach.
"""

from __future__ import annotations

import logging
from typing import Final

from flowcraft.adapter.contract_cells import ContractCells
from flowcraft.adapter.programs import Programs
from flowcraft.engine.activation import (
    END,
    EXPECTED,
    RUN,
    WAITS,
    is_lanes_key,
    item_index,
    item_scope,
    parse_activation,
    signal_key,
)
from flowcraft.engine.cells import INPUT, RECORD
from flowcraft.engine.consequences import Arrival, consequences, lanes_arrival
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record, decode_record, encode_record
from flowcraft.errors import BlueprintError, UnknownBlueprintError
from flowcraft.ports.contract import CoordinationStore

logger = logging.getLogger(__name__)

REMAINING_SECONDS: Final = 3600.0
"""How long the keys of a purged run live on: for workers that wake late."""


class ContractPurge:
    """Gives the keys of a run a time to live.

    Args:
        keys: The coordination store.
        cells: The run's cells in it.
        programs: Blueprints made ready.
        reads: The newest format of records that may be read.
    """

    def __init__(
        self, keys: CoordinationStore, cells: ContractCells, programs: Programs, *, reads: int
    ) -> None:
        self._keys = keys
        self._cells = cells
        self._programs = programs
        self._reads = reads

    async def expire(self, place: str, blueprint_hash: str, prefix: str) -> None:
        """Give every key of a run a time to live; again it is prolonged.

        Args:
            place: What the keys of the run begin with, after what they are.
            blueprint_hash: Which blueprint the run follows.
            prefix: What the keys of sets begin with.

        Raises:
            ExpressionError: A function that the blueprint calls is not here.
            NewerFormatError: A record has a newer format.
        """
        try:
            program = await self._programs.get(blueprint_hash)
        except (UnknownBlueprintError, BlueprintError) as error:
            facts = {"run": place, "error": str(error)}
            logger.warning("a purged run leaves its keys behind", extra=facts)
            return
        # From the end, so that where this stops, all that is left can be found again.
        for key, members in reversed((await self._walk(place, program)).items()):
            await self._cells.expire(place, key, members, REMAINING_SECONDS)
            index = 1
            while await self._keys.extend_ttl(f"{prefix}{key}:{index}", REMAINING_SECONDS):
                index += 1

    async def _walk(self, place: str, program: Program) -> dict[str, set[str]]:
        """Every key under which something can be noted, and what can have arrived there."""
        found: dict[str, set[str]] = {key: set() for key in (RUN, WAITS, EXPECTED, END)}
        for node_id in ("", *program.nodes):
            found[signal_key(node_id)] = set()
        pending = list(program.plan.starts)
        seen = set(pending)
        while pending:
            key = pending.pop()
            found.setdefault(key, set())
            for arrival in await self._arrivals(place, program, key, found):
                found.setdefault(arrival.target, set()).add(arrival.member)
                # A key that begins with "/" is no activation.
                if arrival.target not in seen and not arrival.target.startswith("/"):
                    seen.add(arrival.target)
                    pending.append(arrival.target)
        return found

    async def _arrivals(
        self, place: str, program: Program, key: str, found: dict[str, set[str]]
    ) -> list[Arrival]:
        """What follows from an activation, or from a set of lanes, whether it is complete or not.

        Beside that it notes in `found` what lies elsewhere because of the activation.
        """
        if is_lanes_key(key):
            return [lanes_arrival(program, key)]
        activation = parse_activation(key)
        node, scope = activation
        if program.plan.nodes[node].kind == "scatter" and item_index(scope) is None:
            # Its items are written down before it is recorded, the first one first.
            index = 0
            while await self._cells.peek(place, item := node + item_scope(scope, index), INPUT):
                found.setdefault(item, set())
                index += 1
        data = await self._cells.peek(place, key, RECORD)
        if data is None:
            none = encode_record(Record(outcome="skipped"))
            await self._cells.put(place, key, RECORD, none, ttl_seconds=REMAINING_SECONDS)
            return []
        follows = consequences(program, activation, decode_record(data, reads=self._reads))
        for cell in follows.cells:
            found.setdefault(cell.key, set())
        return follows.arrivals
