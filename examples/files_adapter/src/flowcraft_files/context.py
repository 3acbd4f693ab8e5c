"""The context of a run: one file a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flowcraft import values
from flowcraft.ports.contract import AsyncContext, ContextOperation
from flowcraft_files.folder import Files, Folder, Place


class Item(msgspec.Struct):
    """A key, since the name of a file may not say it, and its value as JSON."""

    key: str
    value: bytes


class FileContext(AsyncContext):
    """What nodes of one run tell each other."""

    def __init__(self, folder: Folder, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id

    async def get(self, key: str) -> Any:
        found = await self._read(key)
        return None if found is None else values.decode(found)

    async def has(self, key: str) -> bool:
        return await self._read(key) is not None

    async def set(self, key: str, value: Any) -> None:
        await self.patch([ContextOperation("set", key, value)])

    async def delete(self, key: str) -> bool:
        def step(files: Files) -> bool:
            was_there = read_item(files, self._run_id, key) is not None
            self._write(files, {key: None})
            return was_there

        return await self._folder.step("context.delete", step)

    async def to_dict(self) -> dict[str, Any]:
        found = await self._folder.step(
            "context.to_dict", lambda files: read_items(files, self._run_id)
        )
        return {key: values.decode(value) for key, value in found.items()}

    async def patch(self, operations: Sequence[ContextOperation]) -> None:
        patch = {
            key: values.encode(value, what=key) if kind == "set" else None
            for kind, key, value in operations
        }
        await self._folder.step("context.patch", lambda files: self._write(files, patch))

    async def _read(self, key: str) -> bytes | None:
        return await self._folder.step(
            "context.get", lambda files: read_item(files, self._run_id, key)
        )

    def _write(self, files: Files, patch: Mapping[str, bytes | None]) -> None:
        write_items(files, self._run_id, patch)


def read_item(files: Files, run_id: str, key: str) -> bytes | None:
    """The value of a key, as JSON."""
    item = files.get(_place(run_id, key), Item)
    return None if item is None else item.value


def read_items(files: Files, run_id: str) -> dict[str, bytes]:
    """All keys and their values, as JSON."""
    return {item.key: item.value for item in files.get_all(_place(run_id), Item)}


def write_items(files: Files, run_id: str, patch: Mapping[str, bytes | None]) -> None:
    """Set keys, and delete those whose value is None."""
    for key, value in patch.items():
        if value is None:
            files.delete(_place(run_id, key))
        else:
            files.put(_place(run_id, key), Item(key, value))


def _place(run_id: str, *key: str) -> Place:
    return ("runs", run_id, "context", *key)
