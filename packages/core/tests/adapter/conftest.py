"""A stage for each kind of backend."""

from __future__ import annotations

import pytest

from packages.core.tests.adapter.stage import KINDS, Stage


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest) -> Stage:
    """Queue and store as one, apart, and built from the four methods."""
    return Stage(request.param)


@pytest.fixture(params=KINDS[:2])
def memory(request: pytest.FixtureRequest) -> Stage:
    """Queue and store as one, and apart: for what the smallest contract cannot hold."""
    return Stage(request.param)
