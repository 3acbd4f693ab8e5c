"""The coordination store: one file a key."""

from __future__ import annotations

import msgspec

from flowcraft.clock import Clock
from flowcraft.ports.contract import CoordinationStore
from flowcraft_files.folder import Files, Folder


class Entry(msgspec.Struct):
    """A value, and when it expires, in seconds since the epoch."""

    value: str
    expires_at: float | None


class FileCoordinationStore(CoordinationStore):
    """Keys that expire by the adapter's clock."""

    def __init__(self, folder: Folder, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    async def increment(self, key: str, ttl_seconds: float | None) -> int:
        now = self._clock.now()

        def step(files: Files) -> int:
            number = int(_live(files, key, now) or "0") + 1
            _put(files, key, str(number), now, ttl_seconds)
            return number

        return await self._folder.step("increment", step)

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: float | None) -> bool:
        now = self._clock.now()

        def step(files: Files) -> bool:
            is_absent = _live(files, key, now) is None
            if is_absent:
                _put(files, key, value, now, ttl_seconds)
            return is_absent

        return await self._folder.step("set_if_not_exist", step)

    async def extend_ttl(self, key: str, ttl_seconds: float | None) -> bool:
        now = self._clock.now()

        def step(files: Files) -> bool:
            value = _live(files, key, now)
            if value is not None:
                _put(files, key, value, now, ttl_seconds)
            return value is not None

        return await self._folder.step("extend_ttl", step)

    async def delete(self, key: str) -> bool:
        now = self._clock.now()

        def step(files: Files) -> bool:
            was_there = _live(files, key, now) is not None
            files.delete(("keys", key))
            return was_there

        return await self._folder.step("delete", step)

    async def get(self, key: str) -> str | None:
        now = self._clock.now()
        return await self._folder.step("get", lambda files: _live(files, key, now))


def _live(files: Files, key: str, now: float) -> str | None:
    """The value of a key that has not expired."""
    entry = files.get(("keys", key), Entry)
    if entry is None or (entry.expires_at is not None and entry.expires_at <= now):
        return None
    return entry.value


def _put(files: Files, key: str, value: str, now: float, ttl_seconds: float | None) -> None:
    expires_at = None if ttl_seconds is None else now + ttl_seconds
    files.put(("keys", key), Entry(value, expires_at))
