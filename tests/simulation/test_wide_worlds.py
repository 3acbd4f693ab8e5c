"""What is special about some worlds: each finds out who does not reckon with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from flowcraft.adapter.formats import Formats
from flowcraft.adapter.solo import SoloGate
from flowcraft.adapter.suspensions import Suspensions
from flowcraft.adapter.sweeper import Sweeper
from flowcraft.engine.cells import DUE
from flowcraft.execution.move import Move
from flowcraft.execution.performing import Performed
from tests.simulation.broken_rules import Patch, commits_after_the_end, replaced
from tests.simulation.draw import draw
from tests.simulation.failure import smallest
from tests.simulation.faults import FAULTS
from tests.simulation.judge import simulate
from tests.simulation.reached import ENOUGH_GRAPHS, Reached
from tests.simulation.rule_cases import rule_1
from tests.simulation.setup import FEATURES, Setup

FIRST = 300_000


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def worlds(feature: str, count: int) -> list[Setup]:
    """Draw some worlds that have this about them."""
    assert feature in FEATURES
    drawn = (draw(seed) for seed in range(FIRST, FIRST + 100_000))
    return list(islice((setup for setup in drawn if feature in setup.features()), count))


def found_in(setups: list[Setup], what: str) -> bool:
    """Whether one of the worlds goes wrong for this reason."""
    return any(what in problem for setup in setups for problem in simulate(setup)[1])


@pytest.mark.parametrize("feature", FEATURES)
def test_worlds_that_are_special_end_as_they_may(feature: str) -> None:
    wrong = {
        setup.seed: problems for setup in worlds(feature, 6) if (problems := simulate(setup)[1])
    }
    assert wrong == {}


def sleeps_trust_their_jobs() -> Patch:
    """End a sleep when a job comes for it, whatever the time is."""
    sleep = Suspensions._sleep

    async def at_once(self: Suspensions, move: Move) -> Performed | None:
        if DUE in move.loaded.cells:
            return Performed(await self._parts.reader.input_of(move))
        return await sleep(self, move)

    return replaced(Suspensions, _sleep=at_once)


def dangerous_jobs_run_beside_others() -> Patch:
    """Let what may have killed a worker execute beside innocents."""
    enter = SoloGate.enter

    async def beside(self: SoloGate, *, alone: bool) -> None:
        del alone
        await enter(self, alone=False)

    return replaced(SoloGate, enter=beside)


def sweeps_do_not_ask_the_queue() -> Patch:
    """Send the jobs of a stalled run at every sweep, and come back to it soon."""
    look_at = Sweeper._look_at

    async def eagerly(self: Sweeper, found: Any, *, is_backlog: bool) -> None:
        del is_backlog
        await look_at(self, found._replace(sweeps=0), is_backlog=False)

    return replaced(Sweeper, _look_at=eagerly)


def old_workers_take_all() -> Patch:
    """Let a worker touch whatever a newer one wrote."""
    return replaced(Formats, check=lambda self, header: None, check_job=lambda self, job: None)


@pytest.mark.parametrize(
    ("broken", "feature", "count", "what"),
    [
        (sleeps_trust_their_jobs, "clock skew", 40, "early"),
        (dangerous_jobs_run_beside_others, "poison beside innocents", 20, "beside0: "),
        (sweeps_do_not_ask_the_queue, "hour of backlog, workers busy", 6, "messages wait"),
        (old_workers_take_all, "rolling upgrade", 20, "by an older worker"),
    ],
)
def test_a_world_finds_out_who_does_not_reckon_with_it(
    broken: Any, feature: str, count: int, what: str
) -> None:
    setups = worlds(feature, count)
    for setup in setups:
        setup.longest_seconds = 20_000.0
    with broken():
        assert found_in(setups, what)


def test_a_failing_world_is_made_smaller() -> None:
    """Of a fan of nodes and a failure, only what is recorded too late is left."""
    with commits_after_the_end():
        setup = next(one for one in rule_1() if simulate(one)[1])
        setup.skew_seconds, setup.begins = 60.0, True
        assert simulate(setup)[1]
        least = smallest(setup)
        assert simulate(least)[1]
    assert len(least.case.blueprint["nodes"]) < len(setup.case.blueprint["nodes"])
    assert least.features() == []


def test_what_was_never_drawn_is_named() -> None:
    one = Reached()
    setup = draw(FIRST)
    one.note(setup, *simulate(setup))
    never = one.never()
    assert {f"fault: {kind}" for kind in FAULTS if not one.kinds()[kind]} <= set(never)
    assert "world: clock skew" in never or setup.skew_seconds
    said = f"not drawn {never[0]} yet; from 2,000 graphs on that is a failure"
    assert said in [*one.lines()]
    one.graphs = ENOUGH_GRAPHS
    assert f"NEVER DRAWN {never[0]}" in [*one.lines()]
