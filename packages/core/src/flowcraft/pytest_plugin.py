"""What the kit adds to pytest: options, readable assertions, and what was tried in figures.

It is found by its entry point wherever flowcraft is installed, and imports nothing of it.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

PACKAGE = "flowcraft.testing"
POINTS = "flowcraft-points"
"""The property in which a test of the kit says how many points it tried, of how many, and wrong."""

DEFAULT_SEED = 1
"""Of `--crash-seed`."""

CHECK = "flowcraft-check"
"""The property that marks a test which stands on a harness, with the name of its module."""


def crash_point(text: str) -> str:
    """Read the place of a fault, as the kit prints it.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not re.fullmatch(r"[0-9]+(:before|:after)?", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no place of a fault. Write it as the kit prints it, such as 37:after"
        )
    return text


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the kit."""
    group = parser.getgroup("flowcraft", "the conformance kit of Flowcraft")
    group.addoption(
        "--all-crash-points",
        action="store_true",
        help="stop the worker before and after every call on the wire, not at a sample of them",
    )
    group.addoption(
        "--crash-point",
        type=crash_point,
        metavar="NUMBER:SIDE",
        help="try this point of a test alone, such as 37:after or 37:before, or 5 of a test that"
        " has no calls to name; prints every call, with -s",
    )
    group.addoption(
        "--crash-seed",
        type=int,
        default=DEFAULT_SEED,
        metavar="NUMBER",
        help="which sample of the crash points is taken, and which orders of messages",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest explain the assertions of the kit."""
    import pytest

    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    pytest.register_assert_rewrite(PACKAGE)


def pytest_runtest_setup(item: Any) -> None:
    """Mark the checks of the kit, which all stand on a harness."""
    if "harness" in getattr(item, "fixturenames", ()):
        item.user_properties.append((CHECK, item.path.stem))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many checks there were, and at how many calls something was made to go wrong."""
    _sum_up_checks(terminalreporter)
    _sum_up_points(terminalreporter)


def _sum_up_checks(terminalreporter: Any) -> None:
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            said = dict(getattr(report, "user_properties", ()))
            if CHECK in said and getattr(report, "when", "") == "call" and not report.skipped:
                counts[said[CHECK]] += 1
                seconds[said[CHECK]] += report.duration
    if counts:
        terminalreporter.section("Flowcraft: checks of the kit")
    for module, count in sorted(counts.items()):
        terminalreporter.line(f"{module}: {count} checks in {seconds[module]:.0f} s")


def _sum_up_points(terminalreporter: Any) -> None:
    totals: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    cases: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, said in getattr(report, "user_properties", ()):
                if name == POINTS and getattr(report, "when", "") == "call":
                    what, adapter, case, tried, points, wrong = said
                    totals[what, adapter] += Counter(tried=tried, points=points, wrong=wrong)
                    cases[what, adapter].append(f"{case} {tried}/{points}")
    if totals:
        terminalreporter.section("Flowcraft: calls at which something went wrong")
    for (what, adapter), counts in totals.items():
        figures = f"{counts['tried']} of {counts['points']}, wrong {counts['wrong']}"
        terminalreporter.line(f"{what}, {adapter}: {figures}: {', '.join(cases[what, adapter])}")
