"""The kit on the split adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import (
    CoordinationContract,
    DelayedStartScenarios,
    Harness,
    JoinScenarios,
    StartScenarios,
    StatusScenarios,
    SubmissionScenarios,
)
from packages.core.tests.conformance.harnesses import SplitHarness


@pytest.fixture
def harness() -> Harness:
    return SplitHarness()


class TestCoordination(CoordinationContract):
    pass


class TestDelayedStart(DelayedStartScenarios):
    pass


class TestJoin(JoinScenarios):
    pass


class TestStart(StartScenarios):
    pass


class TestStatus(StatusScenarios):
    pass


class TestSubmission(SubmissionScenarios):
    pass
