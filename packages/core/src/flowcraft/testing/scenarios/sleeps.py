"""Sleeps: chapter 10 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.engine.cells import DUE
from flowcraft.errors import RunError
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage


def sleeping(duration: Any) -> Any:
    """Write a sleep `s` and what comes after it."""
    return graph([node("s", "sleep", duration=duration), node("z")], ("s", "z"))


async def due_at(stage: Stage) -> float:
    """When the sleep ends, once that is set."""

    async def is_set() -> bool:
        return DUE in await stage.cells("s")

    await stage.until(is_set)
    return float((await stage.cells("s"))[DUE])


class SleepScenarios:
    """The end of a sleep is set once, and is never early."""

    @check("S10.2", "S10.4", "S12.16")
    async def test_a_sleep_passes_its_input_on(self, stage: Stage) -> None:
        assert (await stage.run_both(sleeping(5), {"kept": 1})).output == {"kept": 1}

    @pytest.mark.parametrize(
        ("duration", "seconds"),
        [(90_000, 90), ("10s", 10), ("5m", 300), ("2h", 7200), ("2d", 172_800)],
    )
    @check("S10.2", "S1.15")
    async def test_a_sleep_is_set_to_last_as_long_as_it_says(
        self, stage: Stage, duration: Any, seconds: float
    ) -> None:
        stage.add(sleeping(duration))
        clock = stage.worker().adapter.parts.clock
        before = clock.now()
        await stage.submit("g")
        due = await due_at(stage)
        assert before + seconds <= due <= clock.now() + seconds
        await stage.client.runs.cancel("run")

    @check("S10.2", "S10.3", "S12.1")
    async def test_a_sleep_ends_when_it_is_due_and_not_before(self, stage: Stage) -> None:
        slack = stage.harness.slack_seconds
        result = await stage.run(sleeping(int(slack * 3000)), 1)
        assert result.output == 1
        ended_at = (await stage.header()).ended_at
        assert ended_at is not None
        assert 0.0 <= ended_at - await due_at(stage) <= 2 * slack + stage.lease_seconds

    @check("S10.3", "S12.4")
    async def test_repeated_deliveries_do_not_move_the_end_of_a_sleep(self, stage: Stage) -> None:
        """Nor do timers that are promoted early, or twice."""
        slack = stage.harness.slack_seconds
        stage.add(sleeping(int(slack * 6000)))
        stage.worker()
        await stage.submit("g", 1)
        due = await due_at(stage)
        for origin in ("edge", "timer", "sweep"):
            for _ in range(2):
                await stage.send("s", origin=origin)
            await asyncio.sleep(slack)
            assert await due_at(stage) == due
            assert await stage.record("s") is None
        early = [timer.name for timer in await stage.timers() if timer.due_at < due - 0.001]
        assert not early, "they are sent, and set again, for nothing"
        assert (await stage.result()).output == 1
        record = await stage.until_recorded("s")
        assert record.at >= due
        for _ in range(2):
            await stage.send("s", origin="timer")
        await stage.until_quiet()
        assert await stage.record("s") == record
        assert stage.calls["echo"] == 1

    @check("S12.1", "S10.3", "S12.13")
    async def test_a_sleep_survives_the_worker_that_began_it(self, stage: Stage) -> None:
        slack = stage.harness.slack_seconds
        stage.add(sleeping(int(slack * 2000)))
        first = stage.worker()
        await stage.submit("g", 1)
        due = await due_at(stage)
        first.abandon()
        stage.worker()
        assert (await stage.result()).output == 1
        assert (await stage.until_recorded("s")).at >= due

    @check("S12.1", "S10.3")
    async def test_a_sleep_that_was_over_before_a_worker_came_back_ends_then(
        self, stage: Stage
    ) -> None:
        stage.add(sleeping(10))
        first = stage.worker()
        await stage.submit("g", 1)
        due = await due_at(stage)
        first.abandon()
        await asyncio.sleep(2 * stage.lease_seconds)
        stage.worker()
        assert (await stage.result()).output == 1
        assert await due_at(stage) == due

    @check("S10.10")
    async def test_a_sleep_cannot_be_resumed(self, stage: Stage) -> None:
        stage.add(sleeping("1h"))
        stage.worker()
        await stage.submit("g")
        await due_at(stage)
        with pytest.raises(RunError, match="no wait"):
            await stage.resume("s", 1)
        await stage.client.runs.cancel("run")

    @check("S1.30", "S10.1", "S12.10")
    async def test_a_sleep_of_a_run_that_was_cancelled_wakes_nobody(self, stage: Stage) -> None:
        slack = stage.harness.slack_seconds
        stage.add(sleeping(int(slack * 1000)))
        stage.worker()
        await stage.submit("g")
        await due_at(stage)
        await stage.client.runs.cancel("run")
        await asyncio.sleep(3 * slack)
        await stage.until_quiet()
        assert await stage.record("s") is None
        assert not stage.calls["echo"]
