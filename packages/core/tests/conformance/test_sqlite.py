"""The kit on the sqlite adapter."""

from __future__ import annotations

from pathlib import Path

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
from packages.core.tests.conformance.harnesses import SqliteHarness


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return SqliteHarness(tmp_path)


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
