"""Headers of runs, and how they ended, as keys of a coordination store.

A header is written once. The end of its run and the mark that the end was announced are keys of
their own, so that each has one writer.
"""

from __future__ import annotations

import msgspec

from flowcraft.adapter.contract_cells import ContractCells
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


class ContractHeaders:
    """What runs say of themselves."""

    def __init__(self, coordination: CoordinationStore, cell: ContractCells, prefix: str) -> None:
        self._keys = coordination
        self._cell = cell
        self._prefix = prefix

    def _key(self, what: str, run_id: str) -> str:
        return f"{self._prefix}/{what}/{run_id}"

    async def exists(self, run_id: str) -> bool:
        """Whether there is such a run."""
        return await self._keys.get(self._key("run", run_id)) is not None

    async def get(self, run_id: str) -> RunHeader | None:
        """Read a header, once the record that its end carries is there."""
        text = await self._keys.get(self._key("run", run_id))
        if text is None:
            return None
        header = decode_header(text)
        ended = await self._keys.get(self._key("end", run_id))
        if ended is None:
            return header
        ending = msgspec.json.decode(ended, type=Ending)
        told = await self._keys.get(self._key("told", run_id))
        if ending.record and told is None:
            await self._cell.put(run_id, ending.key, RECORD, ending.record.encode())
        return msgspec.structs.replace(
            header,
            status=ending.status,
            error=ending.error,
            ended_at=ending.at,
            is_announced=told is not None,
        )

    async def put(self, header: RunHeader) -> None:
        """Write a header, if there is none of its run."""
        text = encode_header(header).decode()
        await self._keys.set_if_not_exist(self._key("run", header.run_id), text, None)

    async def end(self, run_id: str, ending: Ending) -> bool:
        """Write how a run ended. Whether it had not."""
        text = msgspec.json.encode(ending).decode()
        return await self._keys.set_if_not_exist(self._key("end", run_id), text, None)

    async def announced(self, run_id: str) -> None:
        """Note that the end was announced."""
        await self._keys.set_if_not_exist(self._key("told", run_id), "1", None)

    async def delete(self, run_id: str) -> None:
        """Remove a header: there is no such run any more."""
        await self._keys.delete(self._key("run", run_id))
