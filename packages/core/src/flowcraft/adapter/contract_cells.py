"""Cells of a four-method adapter, each with the context patch that was written with it.

There is no one step over a coordination store and a context. So a cell carries its patch, and
whoever reads the cell sees to it that the patch was written before he goes on.

The cells of a run stand in its place: its id, and a mark behind it where the keys of a run of the
same id that was purged have not expired yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from flowcraft import values
from flowcraft.engine.cells import CHILD, FAILED, HANDED_BACK, SINGLE_CELLS, STARTED
from flowcraft.ports.contract import AsyncContext, ContextOperation, CoordinationStore

Read = Callable[[str, str, str], Awaitable[bytes | None]]
"""Reads a cell of a place, a key and a name."""

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
        place: str,
        key: str,
        name: str,
        value: bytes,
        patch: Mapping[str, bytes | None] = MappingProxyType({}),
        ttl_seconds: float | None = None,
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
        return await self._keys.set_if_not_exist(self._key(place, key, name), text, ttl_seconds)

    async def get(self, place: str, key: str, name: str) -> bytes | None:
        """Read a cell, once the patch that it carries is in the context."""
        text = await self._keys.get(self._key(place, key, name))
        if text is None:
            return None
        if text[0] == "=":
            return text[1:].encode()
        envelope = _envelope(text)
        await self._finish_patch(place, key, name, envelope)
        return envelope.value.encode()

    async def peek(self, place: str, key: str, name: str) -> bytes | None:
        """Read a cell, whatever became of the patch that it carries."""
        text = await self._keys.get(self._key(place, key, name))
        if text is None:
            return None
        return (text[1:] if text[0] == "=" else _envelope(text).value).encode()

    async def of(self, place: str, key: str, reads: Read) -> dict[str, bytes]:
        """Read all cells of an activation, by name, with `get` or with `peek`."""
        cells: dict[str, bytes] = {}

        async def read(name: str) -> bool:
            value = await reads(place, key, name)
            if value is not None:
                cells[name] = value
            return value is not None

        if not key.startswith("/"):
            await _each(read)
        return cells

    async def expire(
        self, place: str, key: str, members: Iterable[str], ttl_seconds: float
    ) -> None:
        """Give all cells of an activation, and what arrived at it, a time to live."""

        async def expire(name: str) -> bool:
            for written in (name, _mark(name)):
                cell = self._key(place, key, written)
                if not await self._keys.extend_ttl(cell, ttl_seconds):
                    return written != name
            return True

        await _each(expire)
        for member in members:
            await expire(slot(member))

    async def _finish_patch(self, place: str, key: str, name: str, envelope: _Envelope) -> None:
        """Write the patch of a cell to the context, unless that was done."""
        mark = self._key(place, key, _mark(name))
        if await self._keys.get(mark) is not None:
            return
        operations = [
            ContextOperation("set", k, values.decode(bytes(v))) for k, v in envelope.sets.items()
        ]
        operations += [ContextOperation("delete", k) for k in envelope.deletes]
        await self._create_context(run_of(place)).patch(operations)
        await self._keys.set_if_not_exist(mark, "1", None)

    def _key(self, place: str, key: str, name: str) -> str:
        return f"{self._prefix}/cell/{place}/{key}//{name}"


async def _each(do: Callable[[str], Awaitable[bool]]) -> None:
    """Do something with each cell that an activation can have; true says that it has it."""
    for name in SINGLE_CELLS:
        await do(name)
    attempt = 1
    while True:
        await do(f"{CHILD}{attempt}")
        delivery = 1
        while await do(f"{STARTED}{attempt}:{delivery}"):
            await do(f"{HANDED_BACK}{attempt}:{delivery}")
            delivery += 1
        if not await do(f"{FAILED}{attempt}"):
            return
        attempt += 1


def _envelope(text: str) -> _Envelope:
    return msgspec.json.decode(text[1:], type=_Envelope)


def _mark(name: str) -> str:
    """The cell that says that the patch of another one is in the context."""
    return name + ".patched"


def slot(member: str) -> str:
    """The cell with the value that a member carries."""
    return f"slot:{member}"


def place_of(run_id: str, mark: str) -> str:
    """Where the keys of a run stand; an id holds no slash, and no key begins with `/~`."""
    return f"{run_id}//~{mark}" if mark else run_id


def run_of(place: str) -> str:
    """The run that stands there."""
    return place.partition("/")[0]


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
