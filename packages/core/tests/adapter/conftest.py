"""The backends on which the core's own tests of adapters run."""

from __future__ import annotations

import pytest

from flowcraft.testing import Harness
from packages.core.tests.conformance.harnesses import (
    FourMethodHarness,
    MemoryHarness,
    SplitHarness,
)


@pytest.fixture(params=[MemoryHarness, SplitHarness, FourMethodHarness])
def harness(request: pytest.FixtureRequest) -> Harness:
    """Queue and store as one, apart, and built from the four methods."""
    made: Harness = request.param()
    return made
