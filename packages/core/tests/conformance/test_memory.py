"""The kit on the memory adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import Contracts, CrashAtEveryStep, Harness, Scenarios
from flowcraft.testing import (
    ArrivalsContract,
    CapabilitiesContract,
    ContextContract,
    CoordinationContract,
    EdgeScenarios,
    ExpressionScenarios,
    FallbackScenarios,
    Harness,
    InputScenarios,
    JobsContract,
    JoinScenarios,
    JournalContract,
    LoopScenarios,
    ProcessesContract,
    QueueContract,
    ResultsContract,
    RunRegistryContract,
    RunStoreContract,
    SettingsContract,
    SweepingContract,
    TimersContract,
    TransitionContract,
)
from packages.core.tests.conformance.harnesses import MemoryHarness


@pytest.fixture
def harness() -> Harness:
    return MemoryHarness()


class TestContracts(Contracts):
    pass


class TestScenarios(Scenarios):
    pass


class TestCrashes(CrashAtEveryStep):


class TestJobs(JobsContract):
    pass


class TestQueue(QueueContract):
    pass


class TestRunStore(RunStoreContract):
    pass


class TestArrivals(ArrivalsContract):
    pass


class TestRunRegistry(RunRegistryContract):
    pass


class TestSweeping(SweepingContract):
    pass


class TestTimers(TimersContract):
    pass


class TestJournal(JournalContract):
    pass


class TestTransition(TransitionContract):
    pass


class TestResults(ResultsContract):
    pass


class TestCapabilities(CapabilitiesContract):
    pass


class TestSettings(SettingsContract):
    pass


class TestProcesses(ProcessesContract):
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
