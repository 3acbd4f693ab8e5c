"""Runs one simulated world and says what is wrong with how it went."""

from __future__ import annotations

import traceback

from tests.simulation.check import check
from tests.simulation.loop import run_virtually
from tests.simulation.setup import Ended, Setup, Told
from tests.simulation.world import World


def simulate(setup: Setup) -> tuple[Ended | None, list[str]]:
    """Run one setup; what is wrong with how it went."""
    try:
        ended = run_virtually(World(setup).run())
    except Exception:  # noqa: BLE001 - a fault of ours is a finding like any other
        return None, [traceback.format_exc(limit=-8)]
    problems = list(ended.problems)
    for index, told in enumerate(ended.told):
        wrong = _poisoned(told) if told.is_poison else _differs(setup, ended, told)
        problems += wrong if index == 0 else [f"{told.run_id}: {one}" for one in wrong]
    return ended, problems


def _differs(setup: Setup, ended: Ended, told: Told) -> list[str]:
    """Where a run differs from all that the reference interpreter allows."""
    problems = check(told.case, told.observed, may_be_cancelled=told.may_be_cancelled)
    if _may_lose_writes(setup, ended, told):
        problems = [one for one in problems if "context" not in one]
    return problems


def _poisoned(told: Told) -> list[str]:
    """Whether a run did not fail for the node that kills its workers; of that alone."""
    kinds = [error["type"] for error in told.observed.errors]
    if told.observed.status == "failed" and kinds == ["DeliveryLimitError"]:
        return []
    return [f"it kills its workers, and is {told.observed.status} with {kinds}"]


def _may_lose_writes(setup: Setup, ended: Ended, told: Told) -> bool:
    """Whether a context write of a recorded activation may be missing at the end.

    Without one step over record and context, a worker may die between the two, and a run that
    somebody else ends just then is over before anyone finds the record and finishes it. The
    four-method adapter says so.
    """
    early_end = told.observed.status != "completed"
    may_die = ended.faults.drawn > 0 or setup.has_poison
    return (
        setup.mode == "contract" and may_die and (early_end or "any-join" in told.case.constructs)
    )
