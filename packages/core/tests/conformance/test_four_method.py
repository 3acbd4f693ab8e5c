"""The kit on four methods and five operations, with nothing overridden."""

from __future__ import annotations

import pytest

from flowcraft.testing import Contracts, CrashAtEveryStep, Faults, Harness, Scenarios, WireBudgets
from packages.core.tests.conformance.harnesses import FourMethodHarness


@pytest.fixture
def harness() -> Harness:
    return FourMethodHarness()


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
