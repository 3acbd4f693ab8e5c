"""What is printed of a seed that went wrong: how to see it again, and the least that does so."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.simulation.case import Case
from tests.simulation.draw import draw
from tests.simulation.judge import simulate
from tests.simulation.setup import Setup
from tests.simulation.shrink import minimise

SHRINK_SECONDS = 20.0
"""How long one failing seed is made smaller."""
PLAIN: tuple[dict[str, Any], ...] = (
    {"companions": ()}, {"backlog": None}, {"is_upgraded": False}, {"skew_seconds": 0.0},
    {"is_purged": False}, {"is_retried": False}, {"cancel_at": None}, {"starts_in": 0.0},
    {"begins": False}, {"has_delays": True}, {"longest_unacknowledged_seconds": float("inf")},
    {"workers": 1},
)  # fmt: skip
"""What may be taken away from a world, one after the other."""


def described(seed: int, problems: list[str]) -> Iterator[str]:
    """Describe a seed that went wrong, with its replay and the smallest graph that fails."""
    setup = draw(seed)
    ended, _ = simulate(setup)
    faults = dict(ended.faults.counts) if ended is not None else "the world broke"
    yield f"WRONG seed {seed}, {setup.mode}: {problems[0]}"
    yield f"  replay: ./dev simulate -- --replay {seed}"
    yield f"  world: {', '.join(setup.features()) or 'nothing special'}; {setup.workers} workers"
    yield f"  faults drawn: {faults}"
    smaller = smallest(setup)
    yield f"  the least that still fails: {', '.join(smaller.features()) or 'nothing special'};"
    for blueprint in (smaller.case.blueprint, *smaller.case.blueprints.values()):
        yield f"    {json.dumps(blueprint)}"
    for signal in smaller.case.signals:
        yield f"    {signal}"


def smallest(setup: Setup, *, seconds: float = SHRINK_SECONDS) -> Setup:
    """Take away from a failing world what it does not need to fail, and shrink its graph.

    Args:
        setup: It fails.
        seconds: When this is over, what is smallest by then is it.
    """
    until = time.monotonic() + seconds
    for change in PLAIN:
        plainer = replace(setup, **change)
        if plainer != setup and _fails(plainer, until):
            setup = plainer
    fails: Callable[[Case], bool] = lambda case: _fails(replace(setup, case=case), until)  # noqa: E731
    return replace(setup, case=minimise(setup.case, fails))


def _fails(setup: Setup, until: float) -> bool:
    """Whether a world goes wrong; no, if there is no time to find out."""
    if time.monotonic() > until:
        return False
    ended, problems = simulate(replace(setup, is_traced=False))
    return ended is not None and bool(problems)
