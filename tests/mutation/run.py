"""Changes the code, a little and wrongly, and asks whether the tests notice.

./dev mutate                                      the engine, every mutant (mutmut)
./dev mutate -- --protocol --count 50             random mutants of the protocol's code
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests import command_line
from tests.mutation import engine, protocol


def main() -> int:
    """Do what the command line says; 1 if a mutant survived."""
    parser = argparse.ArgumentParser(prog="./dev mutate --")
    parser.add_argument(
        "--processes", type=command_line.count, default=2, help="mutants tried at once (engine)"
    )
    random_ones = parser.add_argument_group("random mutants")
    random_ones.add_argument("--protocol", action="store_true", help="these, and not the engine")
    random_ones.add_argument("--count", type=command_line.count, default=50, help="how many")
    random_ones.add_argument("--seed", type=int, default=1, help="which ones")
    random_ones.add_argument(
        "--files", nargs="+", default=protocol.FILES, help="patterns below the package flowcraft"
    )
    random_ones.add_argument(
        "--tests", nargs="+", default=protocol.TESTS, help="what pytest runs against each"
    )
    random_ones.add_argument(
        "--limit",
        type=float,
        help="seconds of the processor after which tests that go on have noticed a mutant",
    )
    asked = parser.parse_args()
    # To be told to end is to end what was started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not asked.protocol:
        return 0 if engine.mutate_engine(processes=asked.processes) else 1
    none_survived = protocol.mutate_protocol(
        files=asked.files,
        tests=asked.tests,
        count=asked.count,
        seed=asked.seed,
        limit_seconds=asked.limit,
    )
    return 0 if none_survived else 1


if __name__ == "__main__":
    sys.exit(main())
