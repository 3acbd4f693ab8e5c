"""Runs random graphs in the simulated world and compares each with the reference interpreter.

./dev simulate -- --graphs 2000 --seed 1
./dev simulate -- --replay 4711          one seed again, with every call
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests import command_line
from tests.simulation.draw import draw
from tests.simulation.failure import described
from tests.simulation.judge import simulate
from tests.simulation.reached import ENOUGH_GRAPHS, Reached

SHARE = 25
"""Seeds that a process takes at a time."""
DESCRIBED = 3
"""Seeds that went wrong and are described in full."""


def simulate_share(seeds: list[int]) -> Reached:
    """Simulate some seeds."""
    logging.disable(logging.CRITICAL)
    gc.disable()  # a share is small; its rubbish goes at the end
    gc.freeze()  # and what is there before is none
    reached = Reached()
    for seed in seeds:
        setup = draw(seed)
        reached.note(setup, *simulate(setup))
    gc.collect()
    return reached


def shares(first: int, count: int) -> Iterator[list[int]]:
    """Cut the seeds into shares."""
    for start in range(first, first + count, SHARE):
        yield list(range(start, min(start + SHARE, first + count)))


def replay(seed: int) -> int:
    """Run one seed again and print every external call."""
    setup = draw(seed, is_traced=True)
    ended, problems = simulate(setup)
    print(setup.case.blueprint, *setup.case.blueprints.values(), sep="\n")
    if ended is not None:
        print(*(ended.faults.trace or ()), sep="\n")
    if not problems:
        print(f"seed {seed}, {setup.mode}: nothing is wrong")
        return 0
    print(*problems, sep="\n")
    print(*described(seed, problems), sep="\n")
    return 1


def report(reached: Reached, seconds: float) -> int:
    """Print what was reached and what went wrong; 1 if anything did."""
    print(*reached.lines(), sep="\n")
    wrong = sorted(reached.wrong)
    for seed, problems in wrong[:DESCRIBED]:
        print(*described(seed, problems), sep="\n", flush=True)
    if others := [str(seed) for seed, _ in wrong[DESCRIBED:]]:
        print(f"WRONG as well: {', '.join(others[:50])}")
    rate = reached.graphs / seconds
    print(
        f"{reached.graphs} simulated graphs in {reached.runs} runs, {len(wrong)} wrong,"
        f" {seconds:.0f} s, {rate:.0f}/s"
    )
    is_thin = reached.graphs >= ENOUGH_GRAPHS and bool(reached.never())
    return int(bool(wrong) or is_thin)


def main() -> int:
    """Simulate as the command line asks."""
    parser = command_line.parser("simulate", __doc__)
    parser.add_argument(
        "--graphs", type=command_line.count, default=ENOUGH_GRAPHS, help="how many (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first graph (%(default)s)")
    parser.add_argument(
        "--replay", type=int, metavar="SEED", help="this seed alone, with every call"
    )
    parser.add_argument(
        "--processes",
        type=command_line.count,
        default=os.cpu_count() or 1,
        help="that simulate at once (one a processor)",
    )
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.replay is not None:
        return replay(options.replay)
    started = time.perf_counter()
    reached = Reached()
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for part in pool.map(simulate_share, shares(options.seed, options.graphs)):
            reached.add(part)
    return report(reached, time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
