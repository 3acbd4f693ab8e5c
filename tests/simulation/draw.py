"""From a seed to a whole simulated world: the case, the backend's kind, the faults, the rest."""

from __future__ import annotations

import random

from tests.simulation import beside
from tests.simulation.faults import FaultPlan
from tests.simulation.graphs import generate
from tests.simulation.setup import LEASE_SECONDS, Mode, Setup

MODES: tuple[Mode, ...] = ("fused", "fused", "split", "split", "split", "contract")
SKEW_SECONDS = 60.0
MOST_WAITING = 5
"""Messages for one activation at a time, in an hour of backlog: its own, one that a sweeper added,
and a few by which a parent, a child or a timer wakes it. Sweeps without a bound would add eight."""
MORE_BY_SKEW = 2
"""More of them where clocks are apart: what one worker did just now looks stalled to another."""
MOST_WAITING_UNSEEN = 10
"""The same where the queue cannot say how many wait: a sweeper comes in twice the time each time,
which is eight times in an hour."""


def draw(seed: int, *, is_traced: bool = False) -> Setup:
    """The simulated world of a seed: the same for the same seed."""
    dice = random.Random(f"setup {seed}")
    mode = dice.choice(MODES)
    plan = _plan(dice, mode)
    setup = Setup(
        case=generate(seed),
        seed=seed,
        mode=mode,
        plan=plan,
        workers=dice.choice((1, 2, 3, 3)),
        has_delays=dice.random() < 0.6,
        longest_unacknowledged_seconds=(
            2 * LEASE_SECONDS if dice.random() < 0.15 else float("inf")
        ),
        cancel_at=dice.random() * 5 if dice.random() < 0.06 else None,
        is_purged=dice.random() < 0.15,
        is_traced=is_traced,
    )
    # Where a cancelled run may lack context writes, one that goes on from it may do so too.
    if dice.random() < 0.2 and not setup.is_purged and (mode != "contract" or plan == FaultPlan()):
        setup.is_retried = True
        setup.cancel_at = dice.choice((None, dice.random(), dice.random() * 10))
    _widen(setup, dice)
    return setup


def _plan(dice: random.Random, mode: Mode) -> FaultPlan:
    # A pause past the lease can make an adapter without an atomic commit overwrite what came
    # after it: it says so, and is exempt.
    pauses = mode != "contract"
    kind = dice.random()
    if kind < 0.08:
        return FaultPlan()
    if kind < 0.3:
        return FaultPlan(crash=0.03, most=20)
    if kind < 0.4:
        return FaultPlan(duplicate=0.3, most=60)
    if kind < 0.5 and pauses:
        return FaultPlan(pause=0.03)
    if kind < 0.6:
        return FaultPlan(error=0.06, most=30)
    if kind < 0.7:
        return FaultPlan(lose=0.1, crash=0.005)
    return FaultPlan(
        crash=0.01,
        pause=0.006 if pauses else 0.0,
        error=0.015,
        duplicate=0.05,
        lose=0.01 if dice.random() < 0.3 else 0.0,
        most=25,
    )


def _widen(setup: Setup, dice: random.Random) -> None:
    """Draw what is special about the world, beside its faults."""
    setup.begins = dice.random() < 0.3
    if dice.random() < 0.25:
        setup.skew_seconds = SKEW_SECONDS
    if dice.random() < 0.06:
        setup.starts_in = dice.choice((2.0, 90.0))
    if dice.random() < 0.06 and setup.mode != "contract":
        setup.plan = FaultPlan(again=0.3, most=20)
    if dice.random() < 0.08:
        setup.companions = (beside.other(setup.seed, dice),)
    special = dice.random()
    if special < 0.03:
        _draw_poison(setup, dice)
    elif special < 0.042:
        _draw_backlog(setup, dice)
    elif special < 0.09:
        setup.is_upgraded = True


def _draw_poison(setup: Setup, dice: random.Random) -> None:
    """Add a killer of workers, which alone may kill: other deaths would count for it too."""
    setup.plan = FaultPlan(error=0.01, duplicate=0.05, most=10)
    setup.max_deliveries = 5
    setup.workers = min(setup.workers, 2)
    innocent = beside.long_work(dice.randint(1, 4), seconds=dice.choice((6.0, 30.0)))
    setup.companions = (*setup.companions, innocent, beside.poison(dice))


def _draw_backlog(setup: Setup, dice: random.Random) -> None:
    """Let messages wait for an hour, and count them."""
    setup.plan = FaultPlan()
    setup.starts_in, setup.cancel_at = 0.0, None
    setup.most_waiting = MOST_WAITING_UNSEEN if setup.mode == "contract" else MOST_WAITING
    if setup.skew_seconds:
        setup.most_waiting += MORE_BY_SKEW
    if dice.random() < 0.3:
        setup.backlog = "away"
    else:
        setup.backlog = "busy"
        setup.workers = min(setup.workers, 2)
        setup.concurrency = dice.choice((1, 2))
        setup.at = 5.0
        busy = beside.long_work(setup.workers * setup.concurrency)
        setup.companions = (*setup.companions, busy)
