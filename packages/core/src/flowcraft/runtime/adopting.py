"""Takes records of the run before over into a run that retries it, one by one when reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from flowcraft.clock import Clock
from flowcraft.execution.adoption import Adopted, adopt, is_listed_as_wait
from flowcraft.execution.move import Move
from flowcraft.runtime.signals import Signals
from flowcraft.runtime.state import RunState

if TYPE_CHECKING:
    from flowcraft.runtime.driver import Driver


class Past(NamedTuple):
    """What an ended run leaves to the one that retries it.

    Attributes:
        children: Its child runs, by activation key and attempt.
        earlier: What was left to itself, if it was a retry too.
    """

    run_id: str
    state: RunState
    children: Mapping[tuple[str, int], Driver]
    earlier: Past | None


class Adopter:
    """Finds what one run takes over.

    Attributes:
        past: What there is to take over.
    """

    def __init__(self, past: Past, state: RunState, signals: Signals, clock: Clock) -> None:
        self.past = past
        self._state = state
        self._signals = signals
        self._clock = clock

    async def adopt(self, move: Move) -> Adopted | None:
        """What to take over for an activation; None if it has to be performed."""
        past = self._before(move)
        old = past.state.records.get(move.key) if past is not None else None
        if past is None or old is None:
            return None
        adopted = adopt(move, old, past.state.context, at=self._clock.now())
        if adopted is None:
            return None
        if old.winner is not None:
            # What it followed from is on its way. A record never stands without that.
            while not self._state.has_arrived(move.key, str(old.winner)):
                await self._clock.sleep(0)
        if move.kind == "scatter":
            self._state.batches[move.key] = past.state.batches[move.key]
        elif is_listed_as_wait(move):
            self._signals.open(move.activation)
        return adopted

    def child(self, move: Move) -> Past | None:
        """The last child that was there for an activation; a first attempt goes on from it."""
        past = self._before(move)
        if past is None or move.attempt > 1:
            return None
        attempts = _attempts(past, move.key)
        return past.children[move.key, max(attempts)].past if attempts else None

    def _before(self, move: Move) -> Past | None:
        """The nearest run before that came to the activation."""
        past: Past | None = self.past
        while past is not None:
            if move.key in past.state.records or _attempts(past, move.key):
                return past
            past = past.earlier
        return None


def _attempts(past: Past, key: str) -> list[int]:
    return [attempt for place, attempt in past.children if place == key]
