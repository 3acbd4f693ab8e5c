"""Runs of random programs by the engine's rules alone, in any order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from flowcraft.engine.program import Program
from flowcraft.testing import covers
from packages.core.tests.engine.graphs import KINDS, programs
from packages.core.tests.engine.made import many
from packages.core.tests.engine.player import Play

seeds = st.integers(0, 2**16)


def play(program: Program, seed: int, order: int) -> Play:
    return Play(program, seed=seed, order=random.Random(order))


@many
@given(programs(), seeds, seeds)
def test_a_run_ends_once_whatever_comes_first_and_however_often(
    program: Program, seed: int, order: int
) -> None:
    """S1.24, S1.25, S12.1 and S12.10; that nothing is recorded twice, S12.4, the play asserts."""
    assert play(program, seed, order).ended == 1


@covers("S5.5", "S5.7", "S12.8")
@many
@given(programs(), seeds, seeds)
def test_every_activation_starts_once_and_only_if_it_is_not_skipped(
    program: Program, seed: int, order: int
) -> None:
    played = play(program, seed, order)
    started = {key for key, record in played.records.items() if record.outcome != "skipped"}
    assert dict(played.started) == dict.fromkeys(started, 1)


@covers("S5.6", "S7.19")
@many
@given(programs(), seeds, seeds)
def test_every_node_outside_of_loops_has_a_record_when_nothing_is_left_to_do(
    program: Program, seed: int, order: int
) -> None:
    """No skip is lost, and only a fallback may have been in vain without one."""
    records = {key.partition("/")[0] for key in play(program, seed, order).records}
    for id_, node in program.plan.nodes.items():
        may_be_missing = bool(node.loops) or (node.is_fallback and not node.outs)
        assert may_be_missing or id_ in records


@many
@given(programs(kinds=tuple(kind for kind in KINDS if kind != "any")), seeds, seeds, seeds)
def test_without_an_any_join_every_order_gives_the_same_records_and_values(
    program: Program, seed: int, one: int, other: int
) -> None:
    """S12.16; S12.17 says why an `any` join is left out."""
    first, second = play(program, seed, one), play(program, seed, other)
    assert first.records == second.records
    assert first.values == second.values
