"""The coordination store over an embedded database."""

from __future__ import annotations

from flowcraft.clock import Clock
from flowcraft.local.database import LocalDatabase, Transactor
from flowcraft.ports.contract import CoordinationStore


class LocalCoordinationStore(CoordinationStore):
    """Keys in one table; an expired one is absent."""

    def __init__(self, transact: Transactor, clock: Clock) -> None:
        self._transact = transact
        self._clock = clock

    def _expiry(self, ttl_seconds: float | None) -> float | None:
        return None if ttl_seconds is None else self._clock.now() + ttl_seconds

    async def increment(self, key: str, ttl_seconds: float | None) -> int:
        now, expires_at = self._clock.now(), self._expiry(ttl_seconds)

        def step(db: LocalDatabase) -> int:
            number = int(_live(db, key, now) or "0") + 1
            db.put_key(key, str(number), expires_at)
            return number

        return await self._transact(step)

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: float | None) -> bool:
        now, expires_at = self._clock.now(), self._expiry(ttl_seconds)

        def step(db: LocalDatabase) -> bool:
            if _live(db, key, now) is not None:
                return False
            db.put_key(key, value, expires_at)
            return True

        return await self._transact(step)

    async def extend_ttl(self, key: str, ttl_seconds: float | None) -> bool:
        now, expires_at = self._clock.now(), self._expiry(ttl_seconds)

        def step(db: LocalDatabase) -> bool:
            value = _live(db, key, now)
            if value is None:
                return False
            db.put_key(key, value, expires_at)
            return True

        return await self._transact(step)

    async def delete(self, key: str) -> bool:
        now = self._clock.now()

        def step(db: LocalDatabase) -> bool:
            was_there = _live(db, key, now) is not None
            db.delete_key(key)
            return was_there

        return await self._transact(step)

    async def get(self, key: str) -> str | None:
        now = self._clock.now()
        return await self._transact(lambda db: _live(db, key, now))


def _live(db: LocalDatabase, key: str, now: float) -> str | None:
    found = db.get_key(key)
    if found is None:
        return None
    value, expires_at = found
    return value if expires_at is None or now < expires_at else None
