"""A plugin of pytest for tests of mutants; what it reads and writes is in `MUTATION_FOLDER`.

Of the tests collected, those named in `wanted` are run, if there is such a file, and those named
in `likely` come first. The first that fails is noted in `killer`. If `MUTATION_MEASURED` names the
folder of a package, it is noted in `reached` which test executes which of its lines, and in
`seconds` how much of the processor all of them took. Who takes more than `MUTATION_SECONDS` of it
is ended: on a busy machine that says more than a clock.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

FOLDER = Path(os.environ["MUTATION_FOLDER"])
MEASURED = os.environ.get("MUTATION_MEASURED")
LIMIT = int(os.environ.get("MUTATION_SECONDS", resource.RLIM_INFINITY))

resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what does not reach the mutant, and put likely killers first."""
    wanted = FOLDER / "wanted"
    if wanted.exists():
        names = set(wanted.read_text().splitlines())
        items[:] = [item for item in items if item.nodeid in names]
    ranks = {name: rank for rank, name in enumerate((FOLDER / "likely").read_text().splitlines())}
    items.sort(key=lambda item: ranks.get(item.nodeid, len(ranks)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the first test that fails."""
    if report.failed:
        (FOLDER / "killer").write_text(report.nodeid)


if MEASURED is not None:
    measured = coverage.Coverage(
        config_file=False, data_file=str(FOLDER / "reached"), source=[MEASURED]
    )
    measured.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
        """Note lines under the name of the test."""
        measured.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            measured.switch_context("")

    def pytest_unconfigure() -> None:
        """Write down what was noted."""
        measured.stop()
        measured.save()
        (FOLDER / "seconds").write_text(str(time.process_time()))
