"""What goes wrong between a worker and its backend, drawn from a seed.

Every external call of a worker passes its gate. There it may wait, find the backend out of
reach before or after the effect, be paused past its lease, or be the worker's last.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from flowcraft.errors import BackendUnavailableError
from tests.simulation.loop import VirtualLoop

T = TypeVar("T")


IDLE_CALLS = frozenset({"_take", "take", "due_timers", "stalled", "context.to_dict"})
"""What idle workers do all the time: faults there are worth less."""


FAULTS = (
    "crash_before", "crash_after", "pause", "error_before", "error_after", "again",
    "lost message", "duplicated message",
)  # fmt: skip
"""All that is drawn, by the names under which it is counted."""
SLOW_ANSWERS = 0.5
"""Share of the answers that take time; the others are there at once."""


@dataclass(kw_only=True)
class FaultPlan:
    """How much goes wrong, and until when (virtual seconds); later all is well.

    Args:
        crash: Chance that a call is the worker's last, before or after its effect.
        pause: Chance that the worker stands still past its lease.
        error: Chance that a call fails, before or after its effect.
        duplicate: Chance that a sent message is there twice.
        lose: Chance that a sent message is lost.
        crash_at: Crash at exactly this call of the run, counted over all workers; with
            `crash_after` after its effect instead of before.
        pause_at: Stand still before exactly this call.
        pause_seconds: How long that is; past the lease by default.
        failing: So many calls, from the first on, fail before their effect.
        at_call: Count only the calls of this name for these.
        again: Chance that the answer of a commit is lost, and the driver commits once more.
    """

    crash: float = 0.0
    pause: float = 0.0
    error: float = 0.0
    duplicate: float = 0.0
    lose: float = 0.0
    until: float = 300.0
    most: int = 12
    crash_at: int | None = None
    crash_after: bool = False
    pause_at: int | None = None
    pause_seconds: float | None = None
    failing: int = 0
    at_call: str | None = None
    again: float = 0.0


@dataclass
class Faults:
    """Draws faults and counts what was drawn.

    Attributes:
        awake_at: When the last worker that stood still goes on.
        drawn: How many faults there were.
    """

    rng: random.Random
    plan: FaultPlan
    lease_seconds: float
    calls: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    by_call: Counter[str] = field(default_factory=Counter)
    trace: list[str] | None = None
    awake_at: float = 0.0
    drawn: int = 0

    def draw(self, call: str, now: float) -> str | None:
        """What happens to this call."""
        self.calls += 1
        self.by_call[call] += 1
        plan = self.plan
        if plan.crash_at is not None or plan.pause_at is not None or plan.failing:
            return self._at_its_place(call)
        if now > plan.until or self.drawn >= plan.most:
            return None
        if plan.again and call.startswith(("commit", "transition")):
            is_again = self.rng.random() < plan.again
            return self.count(f"again {call}", "again") if is_again else None
        dice = self.rng.random() * (20 if call in IDLE_CALLS else 1)
        for kind, chance in (("crash", plan.crash), ("pause", plan.pause), ("error", plan.error)):
            if dice < chance:
                if kind != "pause":
                    kind += self.rng.choice(("_before", "_after"))
                return self.count(f"{kind} {call}", kind)
            dice -= chance
        return None

    def _at_its_place(self, call: str) -> str | None:
        """Draw nothing: the plan names the call."""
        plan, number = self.plan, self.calls
        if plan.at_call is not None:
            number = self.by_call[call] if call == plan.at_call else 0
        if 1 <= number <= plan.failing:
            return self.count(f"error_before {call}", "error_before")
        if number == plan.pause_at:
            return self.count(f"pause {call}", "pause")
        if number != plan.crash_at:
            return None
        kind = "crash_after" if plan.crash_after else "crash_before"
        return self.count(f"{kind} {call}", kind)

    def count(self, what: str, kind: str) -> str:
        self.counts[what] += 1
        self.drawn += 1
        return kind

    def copies(self, now: float) -> list[float]:
        """How much later than sent each copy of a message comes: lost, once or twice."""
        if self._happens("lost message", self.plan.lose, now):
            return []
        if self._happens("duplicated message", self.plan.duplicate, now):
            return [0.0, self.rng.random() * 2 * self.lease_seconds]
        return [0.0]

    def _happens(self, what: str, chance: float, now: float) -> bool:
        if not chance or now > self.plan.until or self.drawn >= self.plan.most:
            return False
        if self.rng.random() >= chance:
            return False
        self.count(what, what)
        return True


class Opening(Protocol):
    """What a call to the backend passes."""

    async def call(self, name: str, apply: Callable[[], T]) -> T:
        """Make one external call."""


class Window:
    """Looks at the backend from outside of the world: at once, and nothing goes wrong."""

    async def call(self, name: str, apply: Callable[[], T]) -> T:
        """Make one external call."""
        del name
        return apply()


class Gate:
    """The door of one worker to the outside; once dead, no call ever returns."""

    def __init__(
        self, name: str, faults: Faults, on_death: Callable[[], None], loop: VirtualLoop
    ) -> None:
        self.name = name
        self.is_dead = False
        self.has_faults = True
        self._faults = faults
        self._on_death = on_death
        self._loop = loop
        self._paused_until = 0.0

    async def call(self, name: str, apply: Callable[[], T]) -> T:
        """Make one external call; each way of it takes some time."""
        loop, faults, rng = self._loop, self._faults, self._faults.rng
        await loop.after(0.001 + rng.random() * 0.02)
        if self.is_dead or self._paused_until > loop.now:
            await self._stand_still()
        kind = faults.draw(name, loop.now) if self.has_faults else None
        if kind == "crash_before":
            await self.die()
        if kind == "pause":
            length = faults.plan.pause_seconds
            if length is None:
                length = faults.lease_seconds * (1.2 + 2 * rng.random())
            self._paused_until = loop.now + length
            faults.awake_at = max(faults.awake_at, self._paused_until)
            await self._stand_still()
        if kind == "error_before":
            raise BackendUnavailableError(f"{name}: out of reach")
        result = apply()
        if kind == "again":
            result = apply()
        if faults.trace is not None:
            faults.trace.append(f"{loop.now:9.3f} {self.name} {name} -> {result!r}"[:400])
        if kind == "crash_after":
            await self.die()
        if kind == "error_after":
            raise BackendUnavailableError(f"{name}: the answer was lost")
        if name not in IDLE_CALLS and rng.random() < SLOW_ANSWERS:
            await loop.after(0.001 + rng.random() * 0.02)
            if self.is_dead or self._paused_until > loop.now:
                await self._stand_still()
        return result

    async def _stand_still(self) -> None:
        """Wait until the pause is over, which may be made longer; stay away when dead."""
        while self._paused_until > self._loop.now:
            await self._loop.after(self._paused_until - self._loop.now)
        if self.is_dead:
            await self._loop.create_future()

    async def die(self) -> None:
        """Be dead from now on: whoever calls this is never heard of again."""
        self.is_dead = True
        self._on_death()
        await self._loop.create_future()
