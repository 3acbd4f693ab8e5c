"""Count which constructs, and which pairs of them, a set of cases holds.

python -m tests.simulation.coverage [cases] [first seed]
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from tests.simulation.case import Case
from tests.simulation.graphs import generate

CONSTRUCTS: Final = frozenset(
    {
        *("action", "all-join", "any-join", "batch", "batch-beyond-chunk", "batch-of-none"),
        *("batch-of-one", "body-sink", "condition", "contended-key", "context-write", "delayed"),
        *("double-edge", "early-end", "early-signal", "failing-child", "failure", "fallback"),
        *("fallback-with-edges", "fatal-failure", "inputs", "loop", "nested-loop"),
        *("on-item-error-continue", "on-item-error-fail", "retries", "shared-fallback", "skip"),
        *("sleep", "subflow", "subflow-in-loop", "subflow-in-subflow", "timeout", "transform"),
        *("two-signals", "wait", "webhook"),
    }
)
"""What every simulation must have met, each with each other."""


@dataclass(slots=True)
class Coverage:
    """How often each construct and each unordered pair occurred."""

    cases: int = 0
    singles: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, case: Case) -> None:
        """Count one case."""
        self.cases += 1
        known = sorted(case.constructs & CONSTRUCTS)
        self.singles.update(known)
        self.pairs.update(combinations(known, 2))

    def missing(self) -> list[str]:
        """Name the constructs and pairs that did not occur."""
        alone = [name for name in sorted(CONSTRUCTS) if not self.singles[name]]
        pairs = combinations(sorted(CONSTRUCTS), 2)
        return alone + [f"{one} with {two}" for one, two in pairs if not self.pairs[one, two]]

    def rarest(self) -> tuple[str, int]:
        """Give the pair that occurred least often, and how often."""
        pairs = combinations(sorted(CONSTRUCTS), 2)
        one, two = min(pairs, key=lambda pair: self.pairs[pair])
        return f"{one} with {two}", self.pairs[one, two]

    def line(self) -> str:
        """Sum up in one line of figures."""
        total = len(CONSTRUCTS) * (len(CONSTRUCTS) - 1) // 2
        seen = sum(1 for count in self.pairs.values() if count)
        pair, least = self.rarest()
        single = min(sorted(CONSTRUCTS), key=lambda name: self.singles[name])
        return (
            f"{self.cases} cases, {len(CONSTRUCTS)} constructs (least: {single} "
            f"{self.singles[single]} times), {seen} of {total} pairs (least: {pair} {least} times)"
        )


def count(cases: Iterable[Case]) -> Coverage:
    """Count a set of cases."""
    coverage = Coverage()
    for case in cases:
        coverage.add(case)
    return coverage


def main(arguments: list[str]) -> int:
    """Print the coverage of a range of seeds; 1 if something never occurs."""
    cases, first = [*map(int, arguments), *[2000, 0][len(arguments) :]][:2]
    coverage = count(generate(seed) for seed in range(first, first + cases))
    for missing in coverage.missing():
        print(f"missing: {missing}")
    print(coverage.line())
    return 1 if coverage.missing() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
