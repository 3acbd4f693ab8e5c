"""Stops who talks to the backend before and after every call that a run makes.

    class TestCrashes(CrashAtEveryStep): ...

Each case of `flowcraft.testing.cases` is played once without a fault; its calls on the wire are
numbered. Then it is played once for each call and each side of it, with the death of who makes
it there: a worker, or who submits, resumes, cancels or purges. Another one takes over, and what
came of it must be the same: results, records, children, context, and nothing left behind. No
sweeper helps, but where the case says that it must.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowcraft.testing.cases import CASES
from flowcraft.testing.checks import check
from flowcraft.testing.play import Fault, Play, Played
from flowcraft.testing.points import Point, Trial
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call, never
from flowcraft.testing.worker import Worker

AFTER_ITS_LEASE = ("fan", "batch_beyond_the_chunk", "subflows", "sleep")
"""Cases that are played with real leases, too."""
OF_THEIR_OWN = ("branches", "fan")
"""Cases in which each node has a message of its own, too."""


class Death(Fault):
    """Who makes a call is never heard of again.

    Args:
        point: Which call.
        waits: Whether the lease of what a worker held has to end by itself.
    """

    def __init__(self, point: Point, *, waits: bool = False) -> None:
        self._point = point
        self.waits_for_leases = waits

    async def at_call(self, play: Play, who: Worker, call: Call, *, is_after: bool) -> None:
        if (call.number, is_after) == self._point:
            who.abandon()
            play.replace(who)
            await never()

    def wrong(self, play: Play, played: Played, calm: Played) -> Iterator[str]:
        longest = calm.seconds + play.stage.recovery_seconds
        if played.seconds > longest:
            yield f"it took {played.seconds:g} s, and {longest:g} s are the most"


class CrashAtEveryStep:
    """Whoever dies wherever, nothing is lost and nothing happens twice."""

    @check("G1", "G2", "G3", "G4", "G5", "G6", "G9")
    @pytest.mark.parametrize("case", CASES)
    async def test_a_death_at_any_call_changes_no_outcome(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        await Trial(stage, request, case, what="deaths").at_each_call(Death)

    @check("S12.13", "G1", "G6")
    @pytest.mark.parametrize("case", OF_THEIR_OWN)
    async def test_a_death_at_any_call_changes_no_outcome_where_each_node_has_a_message(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        """No worker goes on from node to node: what follows is on the queue, or is lost."""
        stage.settings["continue_nodes"] = 0
        await Trial(stage, request, case, what="deaths with a message each").at_each_call(Death)

    @check("S12.1", "S12.2")
    @pytest.mark.parametrize("case", AFTER_ITS_LEASE)
    async def test_what_the_dead_held_is_taken_over_when_its_lease_ends(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        trial = Trial(stage, request, case, what="deaths with leases")
        await trial.at_each_call(lambda point: Death(point, waits=True), is_sample=True)
