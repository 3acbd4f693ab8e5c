"""From a seed to a whole simulated run: the case, the backend's kind, the faults."""

from __future__ import annotations

import random

from tests.simulation.faults import FaultPlan
from tests.simulation.graphs import generate
from tests.simulation.setup import LEASE_SECONDS, Mode, Setup

MODES: tuple[Mode, ...] = ("fused", "fused", "split", "split", "split", "contract")


def draw(seed: int, *, is_traced: bool = False) -> Setup:
    """The simulated run of a seed: the same for the same seed."""
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
        is_purged=mode != "contract" and dice.random() < 0.15,
        is_traced=is_traced,
    )
    # Where a cancelled run may lack context writes, one that goes on from it may do so too.
    if dice.random() < 0.2 and not setup.is_purged and (mode != "contract" or plan == FaultPlan()):
        setup.is_retried = True
        setup.cancel_at = dice.choice((None, dice.random(), dice.random() * 10))
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
