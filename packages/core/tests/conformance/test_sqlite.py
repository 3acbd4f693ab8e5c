"""The kit on the sqlite adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowcraft.testing import (
    BatchScenarios,
    ContextContract,
    CoordinationContract,
    EdgeScenarios,
    ExpressionScenarios,
    FallbackScenarios,
    Harness,
    InputScenarios,
    JobsContract,
    JoinScenarios,
    LoopScenarios,
    QueueContract,
    RetriedSubflowScenarios,
    RetriedWaitScenarios,
    RetryScenarios,
    ScopedWaitScenarios,
    SleepScenarios,
    SubflowScenarios,
    WaitScenarios,
    WebhookScenarios,
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


class TestBatches(BatchScenarios):
    pass


class TestSubflows(SubflowScenarios):
    pass


class TestWaits(WaitScenarios):
    pass


class TestScopedWaits(ScopedWaitScenarios):
    pass


class TestWebhooks(WebhookScenarios):
    pass


class TestSleeps(SleepScenarios):
    pass


class TestRetries(RetryScenarios):
    pass


class TestRetriedWaits(RetriedWaitScenarios):
    pass


class TestRetriedSubflows(RetriedSubflowScenarios):
    pass
