"""Messages that may not be held for as long as their node takes: S12.3, S12.13.

Every queue is taken for one whose broker allows less than it does: whoever may hold a message for
long may as well let go of it early.
"""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.engine.cells import STARTED
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import is_native, needs
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import FAR_SECONDS, Stage
from flowcraft.testing.worker import Worker

HOLD_LEASES = 2.0
"""For how many leases a message may be held here."""


class LongHoldScenarios:
    """The message becomes a timer in good time, and is one until its node is done."""

    @check("S12.3", "S12.13")
    async def test_a_message_that_may_not_be_held_for_long_is_a_timer_meanwhile(
        self, stage: Stage
    ) -> None:
        """It is put off while the node goes on, wakes nobody, and is gone in the end."""
        done = add_endless(stage)
        start(stage)
        start(stage)
        await stage.submit("g")
        await until_let_go(stage)
        await asyncio.sleep(3 * stage.lease_seconds)
        (timer,) = await stage.timers()
        assert timer.due_at > stage.now(), "it was not put off"
        done.set()
        assert (await stage.result()).output == "done"
        await stage.until_quiet()
        assert list(await stage.timers()) == [], "its timer is left"
        assert stage.calls["endless"] == 1
        assert stage.handled == 1, "its timer was sent to another worker"

    @check("S12.1", "S12.13")
    async def test_its_timer_brings_the_node_back_where_its_worker_died(self, stage: Stage) -> None:
        """Without a sweep, and as a delivery that may have followed a death."""
        done = add_endless(stage)
        first = start(stage)
        await stage.submit("g")
        await until_let_go(stage)
        first.abandon()
        done.set()
        start(stage)
        within = 2 * stage.lease_seconds + 2 * stage.harness.slack_seconds
        assert (await stage.result(within=within)).output == "done"
        await stage.until_quiet()
        assert list(await stage.timers()) == [], "its timer is left"
        assert stage.calls["endless"] == 2
        assert f"{STARTED}1:1" in await stage.cells("n"), "a killer would never be found out"


def add_endless(stage: Stage) -> asyncio.Event:
    """Register a node that goes on until it is told that it is done, and a graph of it alone."""
    done = asyncio.Event()

    @stage.node("endless")
    async def endless(input: Any) -> str:
        await done.wait()
        return "done"

    stage.settings["sweep_interval_seconds"] = FAR_SECONDS
    stage.add(graph([node("n", "endless")]))
    return done


def start(stage: Stage) -> Worker:
    """Start a worker whose broker allows no more than `HOLD_LEASES`."""
    needs(is_native(stage), "its messages are held by who hands them over")
    worker = stage.worker()
    queue = worker.adapter.ports.queue
    queue.longest_unacknowledged_seconds = HOLD_LEASES * stage.lease_seconds
    queue.clock_skew_seconds = 0.0  # all workers are here, and nobody need wait a minute longer
    return worker


async def until_let_go(stage: Stage) -> None:
    """Wait until a timer stands in for the message, which is within the time that is allowed."""

    async def holds() -> bool:
        return bool(await stage.timers())

    await stage.until_called("endless")
    await stage.until(holds, within=HOLD_LEASES * stage.lease_seconds)
    await asyncio.sleep(stage.harness.slack_seconds)
    assert not await stage.harness.messages(), "the message is held all the same"
