"""The kit on the memory adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import CoordinationContract, CrashAtEveryStep, Harness, JoinScenarios
from packages.core.tests.conformance.harnesses import MemoryHarness


@pytest.fixture
def harness() -> Harness:
    return MemoryHarness()


class TestCoordination(CoordinationContract):
    pass


class TestJoins(JoinScenarios):
    pass


class TestCrashes(CrashAtEveryStep):
    pass
