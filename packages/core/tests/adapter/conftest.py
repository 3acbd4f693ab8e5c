"""A stage for each kind of backend."""

from __future__ import annotations

import pytest

from flowcraft.testing import Harness
from packages.core.tests.adapter.stage import KINDS, Stage
from packages.core.tests.conformance.harnesses import (
    FourMethodHarness,
    MemoryHarness,
    SplitHarness,
)


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest) -> Stage:
    """Queue and store as one, apart, and built from the four methods."""
    return Stage(request.param)


@pytest.fixture(params=KINDS[:2])
def memory(request: pytest.FixtureRequest) -> Stage:
    """Queue and store as one, and apart: for what the smallest contract cannot hold."""
    return Stage(request.param)


@pytest.fixture(params=[MemoryHarness, SplitHarness, FourMethodHarness])
def harness(request: pytest.FixtureRequest) -> Harness:
    """The same three, for tests that stand on the kit's stage."""
    made: Harness = request.param()
    return made
