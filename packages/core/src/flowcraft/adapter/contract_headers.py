"""Headers of runs, and how they ended, as keys of a coordination store.

A header is written once. The end of its run and the mark that the end was announced are keys of
their own, so that each has one writer. Where a run of the same id was purged a short while ago,
the number of that purge stands before the header, and marks the place of the new run's keys.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from flowcraft.adapter.contract_cells import ContractCells, place_of
from flowcraft.engine.cells import RECORD
from flowcraft.engine.record import ErrorInfo
from flowcraft.ports.contract import CoordinationStore
from flowcraft.status import FinalStatus, RunHeader, decode_header, encode_header


class Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """A final status; that of a fatal failure carries the failed activation's record."""

    status: FinalStatus
    at: float
    error: ErrorInfo | None = None
    key: str = ""
    record: str = ""


class Placed(NamedTuple):
    """A header, and where the keys of its run stand."""

    place: str
    header: RunHeader


class ContractHeaders:
    """What runs say of themselves."""

    def __init__(self, coordination: CoordinationStore, cell: ContractCells, prefix: str) -> None:
        self._keys = coordination
        self._cell = cell
        self._prefix = prefix

    def _key(self, what: str, run_id: str) -> str:
        return f"{self._prefix}/{what}/{run_id}"

    async def next_place(self, run_id: str) -> str | None:
        """Where the keys of a new run are to stand; None if there is such a run."""
        if await self._keys.get(self._key("run", run_id)) is not None:
            return None
        return place_of(run_id, await self._keys.get(self._key("purged", run_id)) or "")

    async def get(self, run_id: str) -> RunHeader | None:
        """Read a header, once the record that its end carries is there."""
        found = await self.find(run_id)
        return found.header if found is not None else None

    async def find(self, run_id: str) -> Placed | None:
        """Read a header as `get` does, and where the keys of its run stand."""
        text = await self._keys.get(self._key("run", run_id))
        if text is None:
            return None
        mark, _, text = text.partition("{")
        place, header = place_of(run_id, mark), decode_header("{" + text)
        ended = await self._keys.get(self._key("end", place))
        if ended is None:
            return Placed(place, header)
        ending = msgspec.json.decode(ended, type=Ending)
        told = await self._keys.get(self._key("told", place))
        if ending.record and told is None:
            await self._cell.put(place, ending.key, RECORD, ending.record.encode())
        header = msgspec.structs.replace(
            header,
            status=ending.status,
            error=ending.error,
            ended_at=ending.at,
            is_announced=told is not None,
        )
        return Placed(place, header)

    async def put(self, place: str, header: RunHeader) -> None:
        """Write a header, if there is none of its run."""
        mark = place.removeprefix(header.run_id).removeprefix("//~")
        text = mark + encode_header(header).decode()
        await self._keys.set_if_not_exist(self._key("run", header.run_id), text, None)

    async def end(self, place: str, ending: Ending) -> bool:
        """Write how a run ended. Whether it had not."""
        text = msgspec.json.encode(ending).decode()
        return await self._keys.set_if_not_exist(self._key("end", place), text, None)

    async def announced(self, place: str) -> None:
        """Note that the end was announced."""
        await self._keys.set_if_not_exist(self._key("told", place), "1", None)

    async def delete(self, found: Placed, ttl_seconds: float) -> None:
        """Remove a header: there is no such run any more. How it ended expires.

        As long as any of its keys may live, a run of the same id gets another place.
        """
        run_id, place = found.header.run_id, found.place
        # Never may a run outlive the note that it ended, should this be cut short.
        await self._keys.extend_ttl(self._key("run", run_id), ttl_seconds / 2)
        await self.expire_end(place, ttl_seconds)
        purged = self._key("purged", run_id)
        while place_of(run_id, str(await self._keys.increment(purged, ttl_seconds))) == place:
            pass
        await self._keys.extend_ttl(purged, ttl_seconds)  # counting may not have prolonged it
        await self._keys.delete(self._key("run", run_id))

    async def expire_end(self, place: str, ttl_seconds: float) -> None:
        """Let expire how a run ended, which has no header any more or is about to have none."""
        for what in ("end", "told"):
            await self._keys.extend_ttl(self._key(what, place), ttl_seconds)
