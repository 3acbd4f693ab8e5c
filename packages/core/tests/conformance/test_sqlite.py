"""The kit on the sqlite adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowcraft.testing import CoordinationContract, CrashAtEveryStep, Harness, JoinScenarios
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
