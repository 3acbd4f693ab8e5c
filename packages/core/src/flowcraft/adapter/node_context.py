"""The run's context as one attempt of a node sees it."""

from __future__ import annotations

from typing import Any

from flowcraft import values
from flowcraft.adapter.parts import Parts
from flowcraft.execution.limits import check_key
from flowcraft.execution.move import Move
from flowcraft.nodes import Context
from flowcraft.ports.store import Load


class StoreContext(Context):
    """Live, below the attempt's own writes."""

    def __init__(self, move: Move, parts: Parts) -> None:
        self._move = move
        self._parts = parts

    async def _read(self, key: str) -> bytes | None:
        check_key(key)
        if key in self._move.writes:
            return self._move.writes[key]
        load = Load(self._move.run.run_id, "", context=(key,))
        loaded = await self._parts.ports.load(load)
        return loaded.context.get(key)

    async def get(self, key: str, default: Any = None) -> Any:
        stored = await self._read(key)
        if stored is None:
            return default
        return values.decode(await self._parts.reader.plain(self._move.run.run_id, stored))

    async def has(self, key: str) -> bool:
        return await self._read(key) is not None

    async def set(self, key: str, value: Any) -> None:
        check_key(key)
        what = f"context key {key!r} set by node {self._move.activation.node!r}"
        self._move.writes[key] = values.encode_declared(
            value, what=what, limit_bytes=self._parts.largest_value
        )

    async def delete(self, key: str) -> None:
        check_key(key)
        self._move.writes[key] = None
