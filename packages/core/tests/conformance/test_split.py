"""The kit on the split adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import CoordinationContract, CrashAtEveryStep, Harness, JoinScenarios
from packages.core.tests.conformance.harnesses import SplitHarness


@pytest.fixture
def harness() -> Harness:
    return SplitHarness()


class TestCoordination(CoordinationContract):
    pass


class TestJoins(JoinScenarios):
    pass


class TestCrashes(CrashAtEveryStep):
    pass
