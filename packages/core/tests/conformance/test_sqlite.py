"""The kit on the sqlite adapter."""

from __future__ import annotations

from pathlib import Path

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
from packages.core.tests.conformance.harnesses import SqliteHarness


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return SqliteHarness(tmp_path)


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
