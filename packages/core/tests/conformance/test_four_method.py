"""The kit on the four_method adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import CoordinationContract, CrashAtEveryStep, Harness, JoinScenarios
from packages.core.tests.conformance.harnesses import FourMethodHarness


@pytest.fixture
def harness() -> Harness:
    return FourMethodHarness()


class TestCoordination(CoordinationContract):
    pass


class TestJoins(JoinScenarios):
    pass


class TestCrashes(CrashAtEveryStep):
    pass
