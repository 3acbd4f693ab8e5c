"""Workers that wake up after their lease, and workers whose clocks are wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from flowcraft.testing.cases import CASES
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.play import Fault, Play
from flowcraft.testing.points import Point, Trial
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call
from flowcraft.testing.worker import Worker

PAUSE_LEASES = 1.5
"""How long a worker stands still at most."""
WAKES = 5
CALLS_OF_OTHERS = 3
SKEW_SECONDS = 60.0
REAL_SKEW_LEASES = 2.0
"""Where time is real, so that nobody waits for minutes."""


class Pause(Fault):
    """A worker stands still past its lease, and goes on as if nothing were.

    It wakes up when the one that took over has made some calls, which number depends on the
    point; or, for one point in `WAKES`, when that one is long done.

    Args:
        point: At which call; after it, its answer is old when it is seen.
    """

    sweeps = True

    def __init__(self, point: Point) -> None:
        self._point = point
        self._sleeper: Worker | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self._calls_left = point.number % WAKES * CALLS_OF_OTHERS

    async def at_call(self, play: Play, who: Worker, call: Call, *, is_after: bool) -> None:
        if who is self._sleeper:
            await self._awake.wait()
        elif self._sleeper is not None:
            self._calls_left -= not is_after and not play.is_outside(who)
            if self._calls_left == 0:
                self._awake.set()
        elif (call.number, is_after) == self._point:
            self._sleeper = who
            self._awake.clear()
            if not play.is_outside(who):
                play.help()
            longest = PAUSE_LEASES * play.stage.lease_seconds
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), longest)
            self._awake.set()

    async def until_over(self) -> None:
        await self._awake.wait()


class Skew(Fault):
    """One worker's clock is ahead, and the other's behind."""

    workers = 2

    def __init__(self, stage: Stage) -> None:
        self.seconds = SKEW_SECONDS
        if not stage.is_virtual:
            self.seconds = REAL_SKEW_LEASES * stage.lease_seconds

    def settings(self, number: int) -> Mapping[str, Any]:
        return {"skew_seconds": self.seconds if number % 2 else -self.seconds}


class LateWorkers:
    """A worker that was given up and comes back changes nothing any more."""

    @check("S12.5", "S12.11", "G2", "G3", "G4")
    @pytest.mark.parametrize("case", CASES)
    async def test_a_worker_that_wakes_after_its_lease_changes_no_outcome(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        await Trial(stage, request, case, what="pauses").at_each_call(Pause, is_sample=True)


class ClockSkew:
    """Workers may disagree about the time by a minute each."""

    @check("S12.81", "G1", "G2", "G3", "G4")
    @pytest.mark.parametrize("case", CASES)
    async def test_wrong_clocks_change_no_outcome(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        await Trial(stage, request, case, what="skews").once(Skew(stage))

    @check("S10.2", "S10.3")
    async def test_a_sleep_is_never_shorter_than_clocks_differ(self, stage: Stage) -> None:
        stage.needs_virtual_time()
        differ = 2 * SKEW_SECONDS
        long = 3 * differ
        for skew in (-SKEW_SECONDS, SKEW_SECONDS):
            stage.worker(skew_seconds=skew)
        began = asyncio.get_running_loop().time()
        await stage.run(graph([node("nap", "sleep", duration=1000 * long)]))
        assert asyncio.get_running_loop().time() - began >= long - differ

    @check("S12.80", "S12.3")
    async def test_what_a_live_worker_holds_is_not_taken_for_a_dead_ones(
        self, stage: Stage
    ) -> None:
        """Its lease ends early by the clock of the other one."""
        stage.needs_virtual_time()
        apart = stage.client.ports.queue.clock_skew_seconds
        if not apart:
            pytest.skip("all of its workers are on one machine, with one clock")

        @stage.node("long")
        async def long(input: int) -> int:
            await asyncio.sleep(10 * stage.lease_seconds)
            return input

        stage.worker(skew_seconds=-apart)
        stage.add(graph([node("n", "long")]))
        await stage.submit("g", 7)
        await stage.until_called("long")
        await asyncio.sleep(stage.lease_seconds)  # it says so after a quarter of the lease
        stage.worker()
        assert (await stage.result()).output == 7
        assert stage.calls["long"] == 1
