"""Compare an observed run with what the reference interpreter allows.

The observed records decide what order decides (which edge won, which signal woke a wait, how a
child ended), as far as that choice was an allowed one; all else is predicted and must agree.
A record is only allowed once all that it follows from is recorded, so causality is checked too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.simulation.behaviour import canonical
from tests.simulation.case import Case, Signal
from tests.simulation.interpreter import Walk
from tests.simulation.records import ChildEnd, Outcome, Ready, Record

_VALUELESS = ("scatter",)  # kinds whose record may say anything as its output


@dataclass(slots=True, kw_only=True)
class ObservedRecord:
    """One record as the engine stored it; edges are named by their index in the blueprint."""

    outcome: Outcome
    output: Any = None
    action: str | None = None
    taken: dict[int, Any] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)
    attempt: int = 1
    winner: int | None = None
    error: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Observed:
    """One ended run. `records` by activation key, `children` by that key and the attempt.

    A run that retries another one names it in `retry_of`. Where both are looked at together,
    `reached` are the records of the retry itself, which alone say how far it had come at its end.
    """

    status: Literal["completed", "failed", "cancelled"]
    output: Any = None
    context: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, ObservedRecord] = field(default_factory=dict)
    children: dict[tuple[str, int], Observed] = field(default_factory=dict)
    run_id: str = ""
    retry_of: str | None = None
    reached: frozenset[str] | None = None


def check(case: Case, observed: Observed, *, may_be_cancelled: bool = False) -> list[str]:
    """List everything in an observed run that its blueprint does not allow.

    Args:
        case: What was run.
        observed: How it ended.
        may_be_cancelled: Somebody asked for its cancellation.
    """
    walk = Walk(
        blueprint=case.blueprint,
        blueprints=case.blueprints,
        payload=case.payload,
        signals=case.signals,
    )
    comparison = _Comparison(walk, observed, name="")
    problems = comparison.run()
    if observed.status == "cancelled" and not may_be_cancelled:
        problems.append("the run was cancelled, and nobody asked for it")
    return problems


class _Comparison:
    """One run against its walk; the choices are those that the run shows (see `Choices`)."""

    def __init__(self, walk: Walk, observed: Observed, *, name: str) -> None:
        self.walk = walk
        self.observed = observed
        self.name = name
        self.problems: list[str] = []
        self._children: set[tuple[str, int]] = set()
        self._early: dict[str, list[str]] = {}
        self._child_errors: dict[str, str] = {}

    def run(self) -> list[str]:
        self._follow()
        self._undecided_joins()
        for key in self.observed.records.keys() - self.walk.records.keys():
            self._say(key, "has a record that nothing recorded leads to")
        for key, attempt in self.observed.children.keys() - self._children:
            self._say(key, f"has a child of attempt {attempt} that it could not have started")
        self._compare_end()
        self._compare_context()
        self._compare_errors()
        return self.problems

    # --- choices ------------------------------------------------------------------------------

    def wins(self, key: str, edge: int, among: int) -> bool:
        record = self.observed.records.get(key)
        if record is None:
            return False
        return record.winner == edge or (record.winner is None and among == 1)

    def signal(self, key: str, node: str, scope: str, offered: Sequence[Signal]) -> Signal | None:
        record = self.observed.records.get(key)
        if record is None:
            return None
        fits = [s for s in offered if same(s.output, record.output) and s.action == record.action]
        if not fits:
            self._say(key, f"was woken with {record.output!r}, which nobody sent")
            return next(iter(offered), None)
        if all(s.early for s in fits):
            used = self._early.setdefault(node, [])
            used.append(key)
            if len(used) > 1:
                self._say(key, f"was woken by the early signal that woke {used[0]}")
        return fits[0]

    def child(self, key: str, attempt: int, walk: Walk) -> ChildEnd | None:
        observed = self.observed.children.get((key, attempt))
        if observed is None:
            return None
        self._children.add((key, attempt))
        inner = _Comparison(walk, observed, name=f"{self.name}{key}@{attempt}:")
        self.problems += inner.run()
        if walk.failure is not None:
            self._child_errors[key] = walk.failure.ready.node
        # A child of a run that has ended is cancelled with it, and says nothing of its attempt.
        if observed.status == "cancelled" and (key, attempt + 1) not in self.observed.children:
            return (
                None if key not in self.observed.records else ChildEnd(completed=False, walk=walk)
            )
        completed = observed.status == "completed" and not walk.unresolved()
        return ChildEnd(completed=completed, walk=walk)

    # --- records ------------------------------------------------------------------------------

    def _follow(self) -> None:
        self.walk.decide_joins(self)
        while self.walk.ready:
            ready = self.walk.ready.pop()
            observed = self.observed.records.get(ready.key)
            record = self._predict(ready, observed)
            if record is not None and observed is not None:
                self._compare(record, observed)
                self.walk.apply(record)
                self.walk.decide_joins(self)

    def _predict(self, ready: Ready, observed: ObservedRecord | None) -> Record | None:
        has_children = any(key == ready.key for key, _ in self.observed.children)
        if observed is None and not has_children:
            return None
        record = self.walk.predict(ready, self)
        if record is None and observed is not None:
            self._say(ready.key, "has a record, and what must have decided it is not there")
        return record

    def _undecided_joins(self) -> None:
        # Without a record nothing tells the winner; what started under it must fit one of them.
        for key, ready in self.walk.pending_any.items():
            tries: list[list[str]] = []
            kept = self.problems
            if any(child == key for child, _ in self.observed.children):
                for edge, (taken, value, before) in self.walk.arrived[key].items():
                    if taken:
                        self.problems = []
                        won = replace(ready, before=before, values={edge: value}, winner=edge)
                        self._predict(won, None)
                        tries.append(self.problems)
            self.problems = kept + min(tries, key=len, default=[])

    def _compare(self, record: Record, observed: ObservedRecord) -> None:
        key = record.ready.key
        self._expect(key, "outcome", record.outcome, observed.outcome)
        kind = self.walk.facts.kinds[record.ready.node]
        is_valueless = kind in _VALUELESS and record.ready.item is None
        if record.outcome == "completed" == observed.outcome:
            if not is_valueless:
                self._expect(key, "output", record.output, observed.output)
                self._expect(key, "attempt", record.attempt, observed.attempt)
            if record.ready.item is None and not is_valueless:
                self._expect(key, "action", record.action, observed.action)
        elif record.outcome == observed.outcome != "skipped":
            self._compare_error(record, observed)
        self._expect(
            key,
            "taken edges",
            {str(edge): value for edge, value in record.taken.items()},
            {str(edge): value for edge, value in observed.taken.items()},
        )
        self._expect(key, "skipped edges", sorted(record.skipped), sorted(observed.skipped))
        if record.ready.winner is None and observed.winner is not None:
            self._say(key, f"names a winner, {observed.winner}, where none was to win")

    def _compare_error(self, record: Record, observed: ObservedRecord) -> None:
        ready = record.ready
        error = observed.error
        if error is None:
            self._say(ready.key, f"has outcome {record.outcome} and no error")
            return
        self._expect(ready.key, "error's node", ready.node, error.get("node"))
        self._expect(ready.key, "error's scope", ready.scope, error.get("scope"))
        if record.error is not None:
            self._expect(ready.key, "attempt", record.attempt, observed.attempt)
            self._expect(ready.key, "error's attempt", record.attempt, error.get("attempt"))
            self._expect(ready.key, "error's type", record.error, error.get("type"))
        inner = self._child_errors.get(ready.key)
        if record.error == "ChildRunError" and inner and inner not in str(error.get("message")):
            self._say(ready.key, f"failed by its child's node {inner}, and does not name it")

    # --- the end ------------------------------------------------------------------------------

    def _compare_end(self) -> None:
        unresolved = [key for key in self.walk.unresolved() if self._has_begun(key)]
        failure = self.walk.failure
        if self.observed.status == "failed":
            if failure is None:
                self._say("run", "failed, and no record of a failure is there")
            elif len(fatal := [r.ready.key for r in self.walk.records.values() if r.fatal]) > 1:
                self._say("run", f"failed more than once: {sorted(fatal)}")
            return
        if failure is not None:
            self._say("run", f"is {self.observed.status}, and {failure.ready.key} failed")
        if self.observed.status == "completed":
            if unresolved:
                self._say("run", f"completed without {sorted(unresolved)}")
            else:
                self._expect("run", "output", self.walk.output(), self.observed.output)

    def _has_begun(self, sink: str) -> bool:
        """Whether the end had to wait for a sink: that of an iteration had to have begun.

        The evaluation that begins an iteration may be recorded while the run ends without it.
        """
        name, slash, rest = sink.partition("/")
        scope, reached = slash + rest, self.observed.reached
        return not scope or any(
            (reached is None or record.ready.key in reached)
            and record.ready.node in self.walk.facts.beside(name)
            and (record.ready.scope == scope or record.ready.scope.startswith(scope + "/"))
            for record in self.walk.records.values()
        )

    def _compare_context(self) -> None:
        allowed = self.walk.readings.allowed_context()
        seen = {k: v for k, v in self.observed.context.items() if k != "_catch_error"}
        self._expect("run", "context keys", sorted(allowed), sorted(seen))
        for key in allowed.keys() & seen.keys():
            if not any(same(value, seen[key]) for value in allowed[key]):
                self._say("run", f"context {key!r} is {seen[key]!r}, allowed {allowed[key]!r}")

    def _compare_errors(self) -> None:
        named = [(e.get("node"), e.get("scope"), e.get("attempt")) for e in self.observed.errors]
        failed = {
            (r.ready.node, r.ready.scope, r.attempt): r
            for r in self.walk.records.values()
            if r.outcome in ("failed", "caught")
        }
        for place, record in failed.items():
            if record.outcome == "failed" and named.count(place) != 1:
                times = f"{named.count(place)} times"
                self._say(record.ready.key, f"failed and is {times} in the run's errors")
        for other in named:
            if other not in failed:
                self._say("run", f"has an error of {other}, which did not fail")

    def _expect(self, key: str, what: str, expected: Any, seen: Any) -> None:
        if not same(expected, seen):
            self._say(key, f"{what}: expected {expected!r}, observed {seen!r}")

    def _say(self, key: str, problem: str) -> None:
        self.problems.append(f"{self.name}{key}: {problem}")


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are the same, `1` and `true` apart."""
    return canonical(one) == canonical(other)
