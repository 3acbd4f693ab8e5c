"""A plugin of pytest: tests that killed mutants before come first, and the killer is noted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ["MUTATION_FOLDER"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put likely killers first, and leave the order of the others."""
    ranks = {name: rank for rank, name in enumerate((FOLDER / "likely").read_text().splitlines())}
    items.sort(key=lambda item: ranks.get(item.nodeid, len(ranks)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the first test that fails."""
    if report.failed:
        (FOLDER / "killer").write_text(report.nodeid)
