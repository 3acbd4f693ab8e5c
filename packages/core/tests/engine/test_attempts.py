"""Whether and when a failed attempt is followed by another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcraft.blueprint.model import NodeConfig
from flowcraft.engine.attempts import delay_seconds, may_retry
from flowcraft.testing import covers
from packages.core.tests.engine.made import few


@covers("S7.3")
@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (10, 256.0), (11, 300.0), (90, 300.0)]
)
def test_the_delay_doubles_up_to_five_minutes(attempt: int, seconds: float) -> None:
    assert delay_seconds(NodeConfig(retry_delay_ms=500), attempt, chance=0.0) == seconds


@covers("S7.3")
def test_the_delay_is_a_second_unless_given() -> None:
    assert delay_seconds(NodeConfig(), 1, chance=0.0) == 1.0


@covers("S7.3")
def test_a_tiny_delay_doubles_as_often_as_it_takes_to_reach_five_minutes() -> None:
    config = NodeConfig(retry_delay_ms=2.0**-30 * 1000)
    assert delay_seconds(config, 31, chance=0.0) == 1.0
    assert delay_seconds(config, 39, chance=0.0) == 256.0
    assert delay_seconds(config, 40, chance=0.0) == 300.0


@covers("S7.3")
def test_no_number_of_attempts_is_too_large_for_the_delay() -> None:
    assert delay_seconds(NodeConfig(), 100_000, chance=0.0) == 300.0
    assert delay_seconds(NodeConfig(retry_delay_ms=0), 100_000, chance=0.0) == 0.0


@covers("S7.3")
@few
@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_chance_takes_away_at_most_half(attempt: int, chance: float) -> None:
    full = delay_seconds(NodeConfig(), attempt, chance=0.0)
    assert full / 2 <= delay_seconds(NodeConfig(), attempt, chance=chance) <= full
    assert delay_seconds(NodeConfig(), attempt, chance=0.5) == full * 0.75


@covers("S7.1", "S7.5", "S7.6", "S7.8")
@pytest.mark.parametrize(
    ("attempts", "failed", "retryable", "expected"),
    [
        (1, 1, True, False),
        (2, 1, True, True),
        (2, 1, False, False),
        (2, 2, True, False),
        (3, 2, True, True),
        (3, 4, True, False),
    ],
)
def test_another_attempt_needs_one_left_and_an_error_worth_it(
    attempts: int, failed: int, retryable: bool, expected: bool
) -> None:
    assert may_retry(NodeConfig(attempts=attempts), failed, retryable=retryable) is expected


@covers("S7.1")
def test_a_node_has_one_attempt_unless_given() -> None:
    assert not may_retry(NodeConfig(), 1, retryable=True)
