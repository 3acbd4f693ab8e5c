"""Timers: never early, never lost, one of each name."""

from __future__ import annotations

import asyncio

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.store import Timer
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    HOSTILE_TEXTS,
    MANY,
    each_death,
    job,
    now,
    processes,
)
from flowcraft.testing.contracts.registry import FAR
from flowcraft.testing.contracts.store import stores
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import FAR_SECONDS, Stage

NEVER_SECONDS = 1e6
"""An interval of the sweeper, which else would send what a timer did not."""


def timer(name: str, due_at: float, **more: str) -> Timer:
    """A timer that sends a job for the node `n`."""
    return Timer(name, due_at, job(**more))


class TimersContract:
    """`RunStore.set_timers`, and the workers that promote what is due."""

    @check("S10.2", "S1.48")
    async def test_a_timer_is_due_when_its_time_has_come(self, stage: Stage) -> None:
        """Not before, and from then on until it is cleared; to every process alike."""
        first, second = stores(stage, 2)
        due_at = now(stage) + 12.5
        await first.set_timers([timer("t", due_at)])
        assert list(await second.due_timers(due_at - 0.01, 9)) == []
        for _ in range(2):
            assert list(await second.due_timers(due_at, 9)) == [timer("t", due_at)]
        await second.clear_timers([timer("t", due_at)])
        assert list(await first.due_timers(due_at + FAR, 9)) == []

    @check("S10.3")
    async def test_a_timer_that_is_set_again_is_moved(self, stage: Stage) -> None:
        """Both ways, and its job is the one that came last."""
        store, began = stage.client.ports.store, now(stage)
        for due_at in (began + 5, began + 9, began + 2):
            moved = timer("t", due_at, scope=f"/{due_at:g}")
            await store.set_timers([moved])
            assert list(await store.due_timers(due_at - 1, 9)) == []
            assert list(await store.due_timers(began + FAR, 9)) == [moved]

    @check("S12.13", "G6")
    async def test_a_timer_that_was_moved_is_not_cleared(self, stage: Stage) -> None:
        """By one who has sent its job at the time before."""
        store, began = stage.client.ports.store, now(stage)
        await store.set_timers([timer("t", began), timer("u", began)])
        due = await store.due_timers(began, 9)
        await store.set_timers([timer("t", began + 5)])
        await store.clear_timers([*due, timer("never was", began)])
        assert list(await store.due_timers(began + FAR, 9)) == [timer("t", began + 5)]

    @check("S12.20", "G1")
    async def test_timers_come_in_the_order_of_their_times(self, stage: Stage) -> None:
        """The earliest first, as many as were asked for; among many none is left out."""
        store, began = stage.client.ports.store, now(stage)
        wanted = [timer(f"t{n:03}", began + n * 37 % MANY) for n in range(MANY)]
        await store.set_timers(wanted)
        wanted.sort(key=lambda one: one.due_at)
        assert list(await store.due_timers(began + FAR, 7)) == wanted[:7]
        assert list(await store.due_timers(began + MANY / 2, MANY)) == wanted[: MANY // 2 + 1]
        await store.clear_timers(wanted[:50])
        assert list(await store.due_timers(began + FAR, MANY)) == wanted[50:]
        await store.set_timers([])
        await store.clear_timers([])

    @check("S1.13", "S10.2")
    async def test_a_timer_keeps_its_job_whole_whatever_its_name(self, stage: Stage) -> None:
        store, began = stage.client.ports.store, now(stage)
        wanted = [
            Timer(
                f"timer/{text}", began + index,
                JobPayload(f"run {text}"[:60], f"g.{text}", text, "/3/#7", "h" * 64, "timer"),
            )
            for index, text in enumerate([*HOSTILE_TEXTS, "x" * 500])
        ]  # fmt: skip
        await store.set_timers(wanted)
        assert list(await store.due_timers(began + FAR, 99)) == wanted

    @check("G1")
    async def test_a_timer_is_kept_or_not_where_its_process_died(self, stage: Stage) -> None:
        """And set again it is one."""
        due_at = now(stage)

        async def keep(adapter: BaseDistributedAdapter, name: str) -> None:
            await adapter.ports.store.set_timers([timer(name, due_at)])

        async def look(name: str) -> None:
            store = stage.client.ports.store
            assert list(await store.due_timers(due_at, 9)) in ([], [timer(name, due_at)])
            await store.set_timers([timer(name, due_at)])
            assert list(await store.due_timers(due_at, 9)) == [timer(name, due_at)]
            await store.clear_timers([timer(name, due_at)])
            assert list(await store.due_timers(due_at, 9)) == []

        await each_death(stage, keep, look)

    @check("G1", "S10.2", "S12.13")
    async def test_what_is_due_is_sent_by_some_worker_in_time(self, stage: Stage) -> None:
        """Of three that look for it; two timers of one job are no harm."""
        times: list[float] = []

        @stage.node("note")
        async def note(input: object) -> object:
            times.append(now(stage))
            return input

        stage.add(graph([node("n", "note")]))
        await stage.create("g", 7)
        due_at = now(stage) + stage.lease_seconds
        await stage.client.ports.store.set_timers([timer("a", due_at), timer("b", due_at)])
        for _ in range(3):
            stage.worker(sweep_interval_seconds=NEVER_SECONDS)
        result = await stage.result(
            within=2 * stage.lease_seconds + 2 * stage.harness.slack_seconds
        )
        assert result.output == 7
        assert times, "a timer was lost"
        assert times[0] >= due_at, "a timer was early"
        await stage.until_quiet()
        assert list(await stage.timers()) == []

    @check("S12.20")
    async def test_of_several_who_look_for_timers_one_sends_them(self, stage: Stage) -> None:
        """And they are cleared; what was set meanwhile is for the next turn."""
        due_at = now(stage)
        await stage.client.ports.store.set_timers([timer("t", due_at), timer("u", due_at)])
        sweepers = [adapter._sweeper for adapter in processes(stage, 4)]
        sent = await asyncio.gather(*(sweeper.promote_timers() for sweeper in sweepers))
        assert sorted(sent) == [0, 0, 0, 2]
        assert list(await stage.timers()) == []

    @check("G1", "S12.13")
    async def test_a_timer_survives_the_worker_that_was_about_to_send_it(
        self, stage: Stage
    ) -> None:
        """At each of its requests: another one sends it, when it has become the one to do so."""
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        stage.add(graph([node("n")]))

        async def promote(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await stage.create("g", run_id, run_id=run_id)
            await asyncio.sleep(stage.lease_seconds)  # past the turn of whoever came before
            due = timer(run_id, now(stage), run_id=run_id)
            await stage.client.ports.store.set_timers([due])
            await adapter._sweeper.promote_timers()

        async def all_sent() -> bool:
            return not await stage.timers()

        async def look(run_id: str) -> None:
            worker = stage.worker(sweep_interval_seconds=NEVER_SECONDS)
            assert (await stage.result(run_id)).output == run_id
            await stage.until(all_sent)
            worker.abandon()

        await each_death(stage, promote, look)
