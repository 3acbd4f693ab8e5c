"""Counts the deliveries of an activation that may have followed the death of a worker.

What is counted is that code began to execute. A worker that lives to hand its job back takes
its own count back, so that drains and an unreachable store are held against nobody.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flowcraft.engine.cells import HANDED_BACK, STARTED
from flowcraft.errors import BackendError, DeliveryLimitError
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, BeatenError, RunOverError

if TYPE_CHECKING:
    from flowcraft.adapter.parts import Parts

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
TRIES = 3


class Deliveries:
    """The counts of one worker's deliveries."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def enter(self, move: Move) -> None:
        """Begin with the code of an activation: alone, if a worker may have died of it twice.

        Whoever began leaves.

        Raises:
            AttemptError: It was delivered too often.
            BeatenError: Another worker recorded it.
            RunOverError: The run ended meanwhile.
        """
        if not move.is_counted:
            await self._parts.gate.enter(alone=False)
            return
        counted = _counted(move)
        await self._parts.gate.enter(alone=counted > 0)
        try:
            await self._count(move, counted)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Be done with the code of an activation."""
        self._parts.gate.leave()

    async def _count(self, move: Move, counted: int) -> None:
        if counted >= self._parts.options.max_deliveries:
            error = DeliveryLimitError(
                f"node {move.activation.node!r} was started {counted + 1} times, and no worker "
                "lived to record an outcome"
            )
            raise AttemptError(error, is_retryable=False)
        number = 1 + sum(name.startswith(_prefix(move)) for name in move.loaded.cells)
        move.counted = number  # first: it may be counted although no answer came
        await self._parts.note(move, f"{_prefix(move)}{number}", move.token.encode())

    async def take_back(self, move: Move) -> None:
        """Take the count of a job that is handed back; as well as the store can be reached."""
        if not move.counted:
            return
        name = f"{HANDED_BACK}{move.attempt}:{move.counted}"
        for _ in range(TRIES):
            try:
                await self._parts.note(move, name, b"1")
            except BackendError as error:
                logger.warning("a delivery stays counted", extra={"error": str(error)})
                await self._parts.clock.sleep(RETRY_SECONDS)
            except (BeatenError, RunOverError):
                return
            else:
                return


def _prefix(move: Move) -> str:
    return f"{STARTED}{move.attempt}:"


def _counted(move: Move) -> int:
    """How many deliveries of this attempt began to execute, and were not handed back."""
    back = f"{HANDED_BACK}{move.attempt}:"
    return sum(name.startswith(_prefix(move)) for name in move.loaded.cells) - sum(
        name.startswith(back) for name in move.loaded.cells
    )
