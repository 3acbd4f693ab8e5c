"""What a simulation reached, so that its silence means something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.coverage import Coverage
from tests.simulation.draw import MODES
from tests.simulation.faults import FAULTS, IDLE_CALLS
from tests.simulation.setup import FEATURES, Ended, Setup

BY_CALL: Final = ("crash_before", "crash_after", "error_before", "error_after", "pause")
"""Faults that may happen at every call."""
ENOUGH_GRAPHS = 2000
"""From so many graphs on, whatever kind was never drawn is a failure of the simulation."""
LISTED = 12


@dataclass
class Reached:
    """What a share of the seeds came to.

    Attributes:
        wrong: The seeds that went wrong, and what was wrong.
        faults: How often each kind of fault was drawn, at each call that has such.
        features: How often there was something special about a world.
    """

    graphs: int = 0
    runs: int = 0
    wrong: list[tuple[int, list[str]]] = field(default_factory=list)
    modes: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)

    def note(self, setup: Setup, ended: Ended | None, problems: list[str]) -> None:
        """Count one world."""
        self.graphs += 1
        self.modes[setup.mode] += 1
        self.features.update(setup.features())
        self.coverage.add(setup.case)
        if problems:
            self.wrong.append((setup.seed, problems))
        if ended is None:
            return
        self.runs += len(ended.told)
        self.faults.update(ended.faults.counts)
        self.calls.update(ended.faults.by_call)
        self.statuses.update(told.observed.status for told in ended.told)
        self.totals["redeliveries"] += ended.redeliveries
        self.totals["messages"] += ended.messages
        self.totals["drains"] += ended.drains
        self.totals["attempts executed again"] += sum(n - 1 for n in ended.executions.values())

    def add(self, other: Reached) -> None:
        """Take in another share."""
        self.graphs += other.graphs
        self.runs += other.runs
        self.wrong += other.wrong
        for name in ("modes", "features", "statuses", "faults", "calls", "totals"):
            getattr(self, name).update(getattr(other, name))
        self.coverage.cases += other.coverage.cases
        self.coverage.singles.update(other.coverage.singles)
        self.coverage.pairs.update(other.coverage.pairs)

    def kinds(self) -> Counter[str]:
        """How often each kind of fault was drawn, wherever."""
        kinds: Counter[str] = Counter()
        for what, count in self.faults.items():
            kinds[what if what in FAULTS else what.partition(" ")[0]] += count
        return kinds

    def never(self) -> list[str]:
        """Name the kinds of faults, backends and features that never were."""
        kinds = self.kinds()
        missing = [f"fault: {kind}" for kind in FAULTS if not kinds[kind]]
        missing += [f"backend: {mode}" for mode in dict.fromkeys(MODES) if not self.modes[mode]]
        missing += [f"world: {name}" for name in FEATURES if not self.features[name]]
        return missing

    def unmet(self) -> list[str]:
        """Name the faults that never met a call which was made, and pairs that never occurred."""
        at_calls = [
            f"{kind} {call}"
            for call in sorted(self.calls.keys() - IDLE_CALLS)
            for kind in BY_CALL
            if not self.faults[f"{kind} {call}"]
        ]
        return at_calls + self.coverage.missing()

    def lines(self) -> Iterator[str]:
        """Tell all of it."""
        yield f"{'calls to the backend':28} {'made':>9} " + " ".join(f"{k:>12}" for k in BY_CALL)
        for call in sorted(self.calls):
            counts = " ".join(f"{self.faults[f'{kind} {call}']:12}" for kind in BY_CALL)
            yield f"  {call:26} {self.calls[call]:9} {counts}"
        kinds = self.kinds()
        yield "faults: " + ", ".join(f"{kind} {kinds[kind]}" for kind in FAULTS)
        yield "backends: " + ", ".join(f"{name} {n}" for name, n in self.modes.most_common())
        yield "worlds: " + ", ".join(f"{name} {self.features[name]}" for name in FEATURES)
        yield "ends: " + ", ".join(f"{name} {n}" for name, n in self.statuses.most_common())
        yield "counted: " + ", ".join(f"{name} {n}" for name, n in self.totals.items())
        yield self.coverage.line()
        if unmet := self.unmet():
            rest = f" and {len(unmet) - LISTED} more" if len(unmet) > LISTED else ""
            yield f"not met ({len(unmet)}): {', '.join(unmet[:LISTED])}{rest}"
        is_enough = self.graphs >= ENOUGH_GRAPHS
        few = f" yet; from {ENOUGH_GRAPHS:,} graphs on that is a failure"
        for name in self.never():
            yield f"NEVER DRAWN {name}" if is_enough else f"not drawn {name}{few}"
