"""The run's context as one attempt of a node sees it."""

from __future__ import annotations

from typing import Any

from flowcraft import values
from flowcraft.execution.limits import check_key
from flowcraft.nodes import Context
from flowcraft.runtime.reading import Reader
from flowcraft.runtime.state import RunState


class LocalContext(Context):
    """Live, below the attempt's own writes.

    Args:
        node_id: The node, for errors.
        writes: Where the attempt's writes are kept until it is recorded.
        state: The run.
        reader: Reads what lies in the run.
        largest_value: Largest value in bytes, or None.
    """

    __slots__ = ("_largest_value", "_node_id", "_reader", "_state", "_writes")

    def __init__(
        self,
        node_id: str,
        writes: dict[str, bytes | None],
        state: RunState,
        reader: Reader,
        largest_value: int | None,
    ) -> None:
        self._node_id = node_id
        self._writes = writes
        self._state = state
        self._reader = reader
        self._largest_value = largest_value

    def _read(self, key: str) -> bytes | None:
        check_key(key)
        return self._writes[key] if key in self._writes else self._state.context.get(key)

    async def get(self, key: str, default: Any = None) -> Any:
        stored = self._read(key)
        return default if stored is None else values.decode(self._reader.plain(stored))

    async def has(self, key: str) -> bool:
        return self._read(key) is not None

    async def set(self, key: str, value: Any) -> None:
        check_key(key)
        what = f"context key {key!r} set by node {self._node_id!r}"
        self._writes[key] = values.encode_declared(
            value, what=what, limit_bytes=self._largest_value
        )

    async def delete(self, key: str) -> None:
        check_key(key)
        self._writes[key] = None
