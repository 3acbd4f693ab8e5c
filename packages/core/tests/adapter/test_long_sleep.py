"""A sleep of days, hour by hour."""

from __future__ import annotations

import asyncio

from flowcraft.testing import Stage, check
from flowcraft.testing.graphs import graph, node


class TestALongSleep:
    @check("S10.1", "S10.2")
    async def test_a_sleep_of_days_fills_no_queue(self, stage: Stage) -> None:
        stage.settings["poll_seconds"] = 60.0
        stage.add(graph([node("s", "sleep", duration="2d"), node("w", "wait")]))
        stage.worker()
        await stage.submit("g")
        most = 0
        for _ in range(47):
            await asyncio.sleep(3600.0)
            messages = await stage.harness.messages()
            assert messages is not None
            most = max(most, len(messages) + len(await stage.timers()))
        assert most <= 4
