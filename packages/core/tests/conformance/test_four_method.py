"""The kit on the four_method adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import (
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
)
from packages.core.tests.conformance.harnesses import FourMethodHarness


@pytest.fixture
def harness() -> Harness:
    return FourMethodHarness()


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
