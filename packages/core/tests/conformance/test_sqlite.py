"""The kit on the sqlite adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowcraft.testing import (
    AttemptScenarios,
    CancelScenarios,
    ContextContract,
    CoordinationContract,
    DeadlineScenarios,
    DelayedStartScenarios,
    DeliveryScenarios,
    DeployScenarios,
    EdgeScenarios,
    EndScenarios,
    ErrorTextScenarios,
    EventScenarios,
    ExpressionScenarios,
    FailureScenarios,
    FallbackScenarios,
    Harness,
    InputScenarios,
    JobsContract,
    JoinScenarios,
    ListingScenarios,
    LoopScenarios,
    MessageScenarios,
    MissingScenarios,
    OutputScenarios,
    QueueContract,
    StartScenarios,
    StatusScenarios,
    SubmissionScenarios,
)
from packages.core.tests.conformance.harnesses import SqliteHarness


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return SqliteHarness(tmp_path)


class TestCoordination(CoordinationContract):
    pass


class TestContext(ContextContract):
    pass


class TestJobs(JobsContract):
    pass


class TestQueue(QueueContract):
    pass


class TestJoins(JoinScenarios):
    pass


class TestInputs(InputScenarios):
    pass


class TestEdges(EdgeScenarios):
    pass


class TestExpressions(ExpressionScenarios):
    pass


class TestLoops(LoopScenarios):
    pass


class TestFallbacks(FallbackScenarios):
    pass


class TestCancel(CancelScenarios):
    pass


class TestDeadline(DeadlineScenarios):
    pass


class TestDelayedStart(DelayedStartScenarios):
    pass


class TestEnd(EndScenarios):
    pass


class TestErrorText(ErrorTextScenarios):
    pass


class TestFailure(FailureScenarios):
    pass


class TestOutput(OutputScenarios):
    pass


class TestStart(StartScenarios):
    pass


class TestStatus(StatusScenarios):
    pass


class TestSubmission(SubmissionScenarios):
    pass


class TestAttempt(AttemptScenarios):
    pass


class TestDelivery(DeliveryScenarios):
    pass


class TestDeploy(DeployScenarios):
    pass


class TestMissing(MissingScenarios):
    pass


class TestEvent(EventScenarios):
    pass


class TestListing(ListingScenarios):
    pass


class TestMessage(MessageScenarios):
    pass
