"""Play a case by the reference interpreter alone: one of its allowed runs, chosen by dice.

It serves to test the oracle: whatever is played must pass the check, and what is changed in it
must not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tests.simulation.case import Case, Signal
from tests.simulation.check import Observed, ObservedRecord
from tests.simulation.interpreter import Walk
from tests.simulation.records import ChildEnd, Record


class Stuck(Exception):  # noqa: N818 - names a state of the run
    """Nothing is ready, and the run has not ended."""


class Game:
    """One run driven by dice (see `Choices`).

    Args:
        walk: The run at its start.
        dice: Decides the order and whatever order decides.
        to_the_last: Go on after the end until nothing is ready, as if nothing were cancelled.
    """

    def __init__(self, walk: Walk, *, dice: random.Random, to_the_last: bool = False) -> None:
        self.walk = walk
        self._dice = dice
        self._to_the_last = to_the_last
        self._early_used: set[str] = set()
        self.children: dict[tuple[str, int], Game] = {}

    def run(self) -> Game:
        """Take one ready activation after the other, until the run ends."""
        walk = self.walk
        while self._to_the_last or (walk.failure is None and walk.unresolved()):
            if not walk.ready:
                break
            ready = walk.ready.pop(self._dice.randrange(len(walk.ready)))
            record = walk.predict(ready, self)
            if record is None:
                raise Stuck(f"{ready.key} waits for a signal that nobody sends")
            walk.apply(record)
            walk.decide_joins(self)
        if walk.failure is None and walk.unresolved():
            raise Stuck(f"nothing is ready, and {walk.unresolved()} are not resolved")
        return self

    def wins(self, key: str, edge: int, among: int) -> bool:
        """Let the first taken arrival win; the order of activations is already by dice."""
        return True

    def signal(self, key: str, node: str, scope: str, offered: Sequence[Signal]) -> Signal | None:
        """Use the early signal if it is still there, else one of the others."""
        for signal in offered:
            if signal.early and node not in self._early_used:
                self._early_used.add(node)
                return signal
        late = [signal for signal in offered if not signal.early]
        return self._dice.choice(late) if late else None

    def child(self, key: str, attempt: int, walk: Walk) -> ChildEnd | None:
        """Play the child to its end."""
        game = Game(walk, dice=self._dice, to_the_last=self._to_the_last).run()
        self.children[key, attempt] = game
        return ChildEnd(completed=walk.failure is None, walk=walk)

    def observed(self) -> Observed:
        """Show the run as an engine would."""
        walk = self.walk
        failed = walk.failure is not None
        failures = [r for r in walk.records.values() if r.outcome == "failed"]
        return Observed(
            status="failed" if failed else "completed",
            output=None if failed else walk.output(),
            context={k: v[-1] for k, v in walk.readings.allowed_context().items()},
            errors=[error for r in failures if (error := self._error(r)) is not None],
            records={key: self._shown(record) for key, record in walk.records.items()},
            children={place: game.observed() for place, game in self.children.items()},
        )

    def races(self) -> list[str]:
        """Name the racing reads of the run and its children."""
        found = self.walk.readings.races()
        for game in self.children.values():
            found += game.races()
        return found

    def _shown(self, record: Record) -> ObservedRecord:
        return ObservedRecord(
            outcome=record.outcome,
            output=record.output,
            action=record.action,
            taken=dict(record.taken),
            skipped=set(record.skipped),
            attempt=record.attempt,
            winner=record.ready.winner,
            error=self._error(record),
        )

    def _error(self, record: Record) -> dict[str, Any] | None:
        if record.outcome not in ("failed", "caught"):
            return None
        child = self.children.get((record.ready.key, record.attempt))
        failure = child.walk.failure if child is not None else None
        inner = f": {failure.ready.node} failed" if failure is not None else ""
        return {
            "node": record.ready.node,
            "scope": record.ready.scope,
            "attempt": record.attempt,
            "type": record.error or "FlowcraftError",
            "message": f"{record.error}{inner}",
        }


def play(case: Case, *, dice: random.Random, to_the_last: bool = False) -> Game:
    """Play a case to its end."""
    walk = Walk(
        blueprint=case.blueprint,
        blueprints=case.blueprints,
        payload=case.payload,
        signals=case.signals,
    )
    return Game(walk, dice=dice, to_the_last=to_the_last).run()
