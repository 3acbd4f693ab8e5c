"""The kit on the memory adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import (
    AttemptScenarios,
    CancelScenarios,
    ContextContract,
    ContextWriteScenarios,
    CoordinationContract,
    DeadlineScenarios,
    DelayedStartScenarios,
    DeliveryScenarios,
    DeployScenarios,
    DrainScenarios,
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
    LargeValueScenarios,
    LateWorkerScenarios,
    ListingScenarios,
    LoopScenarios,
    ManyRunsScenarios,
    MessageScenarios,
    MissingScenarios,
    OutageScenarios,
    OutputScenarios,
    PurgeScenarios,
    QueueContract,
    ReconcileScenarios,
    RetentionScenarios,
    StartScenarios,
    StatusScenarios,
    SubmissionScenarios,
    SweepScenarios,
    ValueScenarios,
)
from packages.core.tests.conformance.harnesses import MemoryHarness


@pytest.fixture
def harness() -> Harness:
    return MemoryHarness()


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


class TestLargeValue(LargeValueScenarios):
    pass


class TestPurge(PurgeScenarios):
    pass


class TestRetention(RetentionScenarios):
    pass


class TestValue(ValueScenarios):
    pass


class TestContextWrite(ContextWriteScenarios):
    pass


class TestDrain(DrainScenarios):
    pass


class TestLateWorker(LateWorkerScenarios):
    pass


class TestManyRuns(ManyRunsScenarios):
    pass


class TestOutage(OutageScenarios):
    pass


class TestReconcile(ReconcileScenarios):
    pass


class TestSweep(SweepScenarios):
    pass
