"""The kit on the memory adapter."""

from __future__ import annotations

import pytest

from flowcraft.testing import (
    AmbiguousAnswers,
    AnyOrder,
    ClockSkew,
    CoordinationContract,
    CrashAtEveryStep,
    EveryMessageTwice,
    Harness,
    JoinScenarios,
    LateWorkers,
    LostMessages,
    RepeatedCalls,
    WireBudgets,
)
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


class TestDoubles(EveryMessageTwice):
    pass


class TestOrders(AnyOrder):
    pass


class TestLosses(LostMessages):
    pass


class TestErrors(AmbiguousAnswers):
    pass


class TestRepetitions(RepeatedCalls):
    pass


class TestPauses(LateWorkers):
    pass


class TestSkew(ClockSkew):
    pass


class TestBudgets(WireBudgets):
    pass
