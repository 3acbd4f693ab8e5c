"""Lets a dangerous job run alone, so that its death costs no innocent neighbour a delivery."""

from __future__ import annotations

import asyncio


class SoloGate:
    """Many may be inside at once, or one alone."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._waiting_alone = 0
        self._changed: list[asyncio.Future[None]] = []

    async def enter(self, *, alone: bool) -> None:
        """Go inside, with others or alone; whoever is inside leaves."""
        if alone:
            self._waiting_alone += 1
            try:
                while self._alone or self._inside:
                    await self._change()
            finally:
                self._waiting_alone -= 1
            self._alone = True
        else:
            while self._alone or self._waiting_alone:
                await self._change()
        self._inside += 1

    def leave(self) -> None:
        """Let in those who wait."""
        self._inside -= 1
        self._alone = False
        if self._changed:
            waiting, self._changed = self._changed, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def _change(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._changed.append(future)
        await future
