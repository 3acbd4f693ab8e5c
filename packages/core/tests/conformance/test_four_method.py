"""The kit on the four_method adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import (
    CancelScenarios,
    CoordinationContract,
    DeadlineScenarios,
    DelayedStartScenarios,
    EndScenarios,
    ErrorTextScenarios,
    FailureScenarios,
    Harness,
    JoinScenarios,
    OutputScenarios,
    StartScenarios,
    StatusScenarios,
    SubmissionScenarios,
)
from packages.core.tests.conformance.harnesses import FourMethodHarness


@pytest.fixture
def harness() -> Harness:
    return FourMethodHarness()


class TestCoordination(CoordinationContract):
    pass


class TestDelayedStart(DelayedStartScenarios):
    pass


class TestJoins(JoinScenarios):
    pass


class TestStart(StartScenarios):
    pass


class TestStatus(StatusScenarios):
    pass


class TestSubmission(SubmissionScenarios):
    pass


class TestCancel(CancelScenarios):
    pass


class TestDeadline(DeadlineScenarios):
    pass


class TestEnd(EndScenarios):
    pass


class TestErrorText(ErrorTextScenarios):
    pass


class TestFailure(FailureScenarios):
    pass


class TestOutput(OutputScenarios):
    pass
