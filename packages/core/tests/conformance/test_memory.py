"""The kit on the memory adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import Contracts, CrashAtEveryStep, Faults, Harness, Scenarios, WireBudgets
from packages.core.tests.conformance.harnesses import MemoryHarness


@pytest.fixture
def harness() -> Harness:
    return MemoryHarness()


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
