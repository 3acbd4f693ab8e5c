"""Runs random graphs in the simulated world and compares each with the reference interpreter.

python -m tests.simulation.run --graphs 2000 --seed 1
python -m tests.simulation.run --replay 4711          one seed again, with every call
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context

from tests.simulation.case import Case
from tests.simulation.coverage import Coverage
from tests.simulation.draw import draw
from tests.simulation.judge import simulate
from tests.simulation.setup import Setup
from tests.simulation.shrink import minimise


@dataclass
class Tally:
    """What a share of the seeds came to."""

    runs: int = 0
    wrong: list[tuple[int, list[str]]] = field(default_factory=list)
    modes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    redeliveries: int = 0
    repeated: int = 0
    coverage: Coverage = field(default_factory=Coverage)

    def add(self, other: Tally) -> None:
        """Take in another share."""
        self.runs += other.runs
        self.wrong += other.wrong
        for name in ("modes", "statuses", "faults", "calls"):
            getattr(self, name).update(getattr(other, name))
        self.redeliveries += other.redeliveries
        self.repeated += other.repeated
        self.coverage.cases += other.coverage.cases
        self.coverage.singles.update(other.coverage.singles)
        self.coverage.pairs.update(other.coverage.pairs)


def simulate_share(seeds: list[int]) -> Tally:
    """Simulate some seeds."""
    logging.disable(logging.CRITICAL)
    gc.disable()  # a share is small; its rubbish goes at the end
    gc.freeze()  # and what is there before is none
    tally = Tally()
    for seed in seeds:
        setup = draw(seed)
        ended, problems = simulate(setup)
        tally.runs += 1
        tally.modes[setup.mode] += 1
        tally.coverage.add(setup.case)
        if problems:
            tally.wrong.append((seed, problems))
        if ended is not None:
            tally.faults.update(ended.faults.counts)
            tally.calls.update(ended.faults.by_call)
            tally.redeliveries += ended.redeliveries
            tally.repeated += sum(count - 1 for count in ended.executions.values())
            if ended.observed is not None:
                tally.statuses[ended.observed.status] += 1
    gc.collect()
    return tally


def shares(first: int, count: int, size: int) -> Iterator[list[int]]:
    """Cut the seeds into shares."""
    for start in range(first, first + count, size):
        yield list(range(start, min(start + size, first + count)))


def replay(seed: int) -> int:
    """Run one seed again and print every external call."""
    logging.disable(logging.CRITICAL)
    setup = draw(seed, is_traced=True)
    ended, problems = simulate(setup)
    print(setup.case.blueprint, *setup.case.blueprints.values(), sep="\n")
    if ended is not None:
        print(*(ended.faults.trace or ()), sep="\n")
        print("faults:", dict(ended.faults.counts))
    print(f"seed {seed}, {setup.mode}:", *(problems or ["nothing is wrong"]), sep="\n  ")
    if problems:
        print("smallest graph that still fails:", smallest(setup).blueprint)
    return int(bool(problems))


def smallest(setup: Setup) -> Case:
    """Shrink the graph of a failing setup."""

    def still_fails(case: Case) -> bool:
        ended, problems = simulate(replace(setup, case=case, is_traced=False))
        return ended is not None and bool(problems)

    return minimise(setup.case, still_fails)


def report(tally: Tally, seconds: float) -> None:
    """Print what was reached, so that silence means something."""
    for seed, problems in sorted(tally.wrong)[:20]:
        print(f"WRONG seed {seed}: {problems[0]}")
        print(f"  replay: python -m tests.simulation.run --replay {seed}")
    crashes = {k: n for k, n in tally.faults.items() if k.startswith("crash")}
    print("crash points hit, with calls made:")
    for call in sorted(tally.calls):
        before, after = (
            crashes.get(f"crash_before {call}", 0),
            crashes.get(f"crash_after {call}", 0),
        )
        print(f"  {call:28} {tally.calls[call]:9} calls, {before:6} before, {after:6} after")
    kinds: Counter[str] = Counter()
    for what, count in tally.faults.items():
        kinds[what.split(" ")[0] if "_" in what or "pause" in what else what] += count
    print("faults:", ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    print("modes:", dict(tally.modes), "ends:", dict(tally.statuses))
    print(f"redeliveries {tally.redeliveries}, attempts executed again {tally.repeated}")
    print(tally.coverage.line())
    missing = tally.coverage.missing()
    if missing:
        print(f"not met: {len(missing)}, such as {', '.join(missing[:5])}")
    rate = tally.runs / seconds
    print(f"{tally.runs} simulated runs, {len(tally.wrong)} wrong, {seconds:.0f} s, {rate:.0f}/s")


def main() -> int:
    """Simulate as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=int)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.replay is not None:
        return replay(options.replay)
    started = time.perf_counter()
    tally = Tally()
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for part in pool.map(simulate_share, shares(options.seed, options.graphs, 25)):
            tally.add(part)
    report(tally, time.perf_counter() - started)
    return int(bool(tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
