"""The kit on the memory adapter, as if its queue and its store were two servers."""

from __future__ import annotations

import pytest

from flowcraft.testing import Contracts, CrashAtEveryStep, Faults, Harness, Scenarios, WireBudgets
from packages.core.tests.conformance.harnesses import SplitHarness


@pytest.fixture
def harness() -> Harness:
    return SplitHarness()


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
