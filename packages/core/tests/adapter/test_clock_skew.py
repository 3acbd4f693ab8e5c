"""Workers whose clocks are apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flowcraft.ports.store import Timer
from flowcraft.testing import Stage, check
from flowcraft.testing.clock import LoopClock
from flowcraft.testing.graphs import graph, node

AHEAD_SECONDS = 60.0
LONG_SECONDS = 1e7


@check("S10.3")
async def test_a_timer_that_a_clock_ahead_sent_early_is_there_again(stage: Stage) -> None:
    """A worker sets it again before the promoter clears what it sent; nobody sweeps."""
    stage.add(graph([node("s", "sleep", duration="5m"), node("z")], ("s", "z")))
    slow = stage.worker(sweep_interval_seconds=LONG_SECONDS, poll_seconds=LONG_SECONDS)
    slow.adapter.ports.queue.longest_delay_seconds = 0.0
    ahead = stage.make_worker("ahead").adapter
    ahead.parts.clock = LoopClock("ahead", skew_seconds=AHEAD_SECONDS)  # but not its backend's
    store = ahead.ports.store
    clear = store.clear_timers

    async def cleared_late(timers: Sequence[Timer]) -> None:
        await asyncio.sleep(stage.harness.slack_seconds)  # until the slow worker was at its job
        await clear(timers)

    store.clear_timers = cleared_late  # type: ignore[method-assign]
    await stage.submit("g", 1)
    await asyncio.sleep(300 - AHEAD_SECONDS + 1)
    for _ in range(2):
        assert await ahead._sweeper.promote_timers() == 1
        await asyncio.sleep(5)
    (timer,) = await stage.timers()
    assert timer.job.node_id == "s"
    await asyncio.sleep(AHEAD_SECONDS)
    await ahead._sweeper.promote_timers()
    assert (await stage.result()).output == 1
