"""The kit on the sqlite adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowcraft.testing import Contracts, CrashAtEveryStep, Faults, Harness, Scenarios, WireBudgets
from packages.core.tests.conformance.harnesses import SqliteHarness


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return SqliteHarness(tmp_path)


class TestContracts(Contracts):
    pass


class TestScenarios(Scenarios):
    pass


class TestCrashes(CrashAtEveryStep):
    pass


class TestFaults(Faults):
    pass


class TestBudgets(WireBudgets):
    pass
