"""Dead letters in a system context, for a queue that has no place for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from flowcraft.adapter.contract_register import SYSTEM_RUN
from flowcraft.clock import Clock
from flowcraft.ports.contract import AsyncContext
from flowcraft.ports.queue import DeadLetter

PREFIX = "dead:"


class DeadLetters:
    """Messages that nobody could handle, by the hash of their content.

    Args:
        create_context: Gives the context in which they are kept.
        clock: Says when one was given up.
    """

    def __init__(self, create_context: Callable[[str], AsyncContext], clock: Clock) -> None:
        self._create_context = create_context
        self._clock = clock

    @property
    def _system(self) -> AsyncContext:
        return self._create_context(SYSTEM_RUN)

    async def keep(self, body: bytes, reason: str) -> None:
        """Keep a message; the same one is kept once."""
        note = {"body": body.decode(errors="replace"), "reason": reason, "at": self._clock.now()}
        await self._system.set(f"{PREFIX}{hashlib.sha256(body).hexdigest()}", note)

    async def first(self, limit: int) -> Sequence[DeadLetter]:
        """List them, the oldest first, by a scan of the context."""
        found = [
            _letter(key.removeprefix(PREFIX), note)
            for key, note in (await self._system.to_dict()).items()
            if key.startswith(PREFIX)
        ]
        return sorted(found, key=lambda letter: (letter.at, letter.id))[:limit]

    async def get(self, id_: str) -> DeadLetter | None:
        """Read one of them."""
        note = await self._system.get(PREFIX + id_)
        return _letter(id_, note) if note is not None else None

    async def drop(self, id_: str) -> bool:
        """Remove one of them. Whether it was there."""
        return await self._system.delete(PREFIX + id_)


def _letter(id_: str, note: Any) -> DeadLetter:
    return DeadLetter(id_, note["body"].encode(), note["reason"], note["at"])
