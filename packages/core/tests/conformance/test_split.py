"""The kit on the split adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import (
    ArrivalsContract,
    CapabilitiesContract,
    ContextContract,
    CoordinationContract,
    Harness,
    JobsContract,
    JoinScenarios,
    JournalContract,
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
from packages.core.tests.conformance.harnesses import SplitHarness


@pytest.fixture
def harness() -> Harness:
    return SplitHarness()


class TestCoordination(CoordinationContract):
    pass


class TestContext(ContextContract):
    pass


class TestJobs(JobsContract):
    pass


class TestQueue(QueueContract):
    pass


class TestArrivals(ArrivalsContract):
    pass


class TestRunRegistry(RunRegistryContract):
    pass


class TestRunStore(RunStoreContract):
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
