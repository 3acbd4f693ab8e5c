"""Cells of a four-method adapter, each with the context patch that was written with it.

There is no one step over a coordination store and a context. So a cell carries its patch, and
whoever reads the cell sees to it that the patch was written before he goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from flowcraft import values
from flowcraft.engine.cells import CHILD, FAILED, HANDED_BACK, SINGLE_CELLS, STARTED
from flowcraft.ports.contract import AsyncContext, ContextOperation, CoordinationStore

_REFERENCE = "__flowcraft_reference__"
_LIKE_A_REFERENCE = b'{"__flowcraft_reference__"'


class _Envelope(msgspec.Struct, frozen=True):
    """A cell that carries the context patch written with it."""

    value: str
    sets: dict[str, Raw]
    deletes: list[str]


class ContractCells:
    """Cells as keys of a coordination store."""

    def __init__(
        self,
        coordination: CoordinationStore,
        create_context: Callable[[str], AsyncContext],
        prefix: str,
    ) -> None:
        self._keys = coordination
        self._create_context = create_context
        self._prefix = prefix

    async def put(
        self,
        run_id: str,
        key: str,
        name: str,
        value: bytes,
        patch: Mapping[str, bytes | None] = MappingProxyType({}),
    ) -> bool:
        """Write a cell, and what it carries, if it is absent. Whether it was."""
        text = "=" + value.decode()
        if patch:
            envelope = _Envelope(
                value.decode(),
                {k: Raw(storable(v)) for k, v in patch.items() if v is not None},
                [k for k, v in patch.items() if v is None],
            )
            text = "+" + msgspec.json.encode(envelope).decode()
        return await self._keys.set_if_not_exist(self._key(run_id, key, name), text, None)

    async def get(self, run_id: str, key: str, name: str) -> bytes | None:
        """Read a cell, once the patch that it carries is in the context."""
        text = await self._keys.get(self._key(run_id, key, name))
        if text is None:
            return None
        if text[0] == "=":
            return text[1:].encode()
        envelope = msgspec.json.decode(text[1:], type=_Envelope)
        await self._finish_patch(run_id, key, name, envelope)
        return envelope.value.encode()

    async def of(self, run_id: str, key: str) -> dict[str, bytes]:
        """Read all cells of an activation, by name; its attempts are counted up."""
        cells: dict[str, bytes] = {}

        async def read(name: str) -> bool:
            value = await self.get(run_id, key, name)
            if value is not None:
                cells[name] = value
            return value is not None

        if key.startswith("/"):
            return cells
        for name in SINGLE_CELLS:
            await read(name)
        attempt = 1
        while True:
            await read(f"{CHILD}{attempt}")
            delivery = 1
            while await read(f"{STARTED}{attempt}:{delivery}"):
                await read(f"{HANDED_BACK}{attempt}:{delivery}")
                delivery += 1
            if not await read(f"{FAILED}{attempt}"):
                return cells
            attempt += 1

    async def _finish_patch(self, run_id: str, key: str, name: str, envelope: _Envelope) -> None:
        """Write the patch of a cell to the context, unless that was done."""
        mark = self._key(run_id, key, name + ".patched")
        if await self._keys.get(mark) is not None:
            return
        operations = [
            ContextOperation("set", k, values.decode(bytes(v))) for k, v in envelope.sets.items()
        ]
        operations += [ContextOperation("delete", k) for k in envelope.deletes]
        await self._create_context(run_id).patch(operations)
        await self._keys.set_if_not_exist(mark, "1", None)

    def _key(self, run_id: str, key: str, name: str) -> str:
        return f"{self._prefix}/cell/{run_id}/{key}//{name}"


def storable(value: bytes) -> bytes:
    """A reference is no JSON: inside a context it is wrapped, as is what looks like one."""
    if value[:1] != b"@" and not value.startswith(_LIKE_A_REFERENCE):
        return value
    return msgspec.json.encode({_REFERENCE: value.decode()})


def stored(value: Any) -> bytes:
    """A context value as the core knows it."""
    if isinstance(value, dict) and len(value) == 1 and _REFERENCE in value:
        return str(value[_REFERENCE]).encode()
    return msgspec.json.encode(value)
