"""Old and new workers side by side: S12.60 to S12.63 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import Cell
from flowcraft.engine.record import Record, decode_record, encode_record
from flowcraft.errors import NewerFormatError
from flowcraft.format import FORMAT
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.store import Commit
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage

NEWER = FORMAT + 1
"""What workers and clients of the next version write."""


class UpgradeScenarios:
    """What a newer version wrote is left to newer ones, and nothing is lost over it."""

    @check("S12.60")
    async def test_a_run_of_a_newer_format_waits_for_a_worker_that_can_read_it(
        self, stage: Stage
    ) -> None:
        of_newer_client(stage)
        nodes = [node("a"), node("b"), node("j")]
        stage.add(graph(nodes, ("a", "b"), ("a", "j"), ("b", "j")))
        stage.worker()
        await stage.submit("g", 1)
        await nothing_happens(stage)
        stage.worker(format=NEWER)
        result = await stage.result()
        assert (result.status, result.output) == ("completed", {"a": 1, "b": 1})
        records = [await stage.client.parts.reader.peek("run", key, RECORD) for key in "abj"]
        assert [decode_record(data or b"", reads=NEWER).format for data in records] == [NEWER] * 3

    @check("S12.61")
    async def test_old_and_new_workers_together_finish_what_either_began(
        self, stage: Stage
    ) -> None:
        @stage.node("slow")
        async def slow(input: Any) -> Any:
            await asyncio.sleep(stage.lease_seconds / 5)
            return input

        nodes = [node(name, "slow") for name in "abcdj"]
        edges = [*(("a", one) for one in "bcd"), *((one, "j") for one in "bcd")]
        stage.add(graph(nodes, *edges))
        stage.worker()
        stage.worker(format=NEWER)
        ids = [f"of_{kind}_{number}" for kind in ("old", "new") for number in range(5)]
        for number, run_id in enumerate(ids):
            if number == 5:
                of_newer_client(stage)
            await stage.submit("g", number, run_id=run_id)
        for number, run_id in enumerate(ids):
            assert (await stage.result(run_id)).output == dict.fromkeys("bcd", number)
        await nothing_is_buried(stage)

    @check("S12.60")
    @pytest.mark.parametrize(
        "record",
        [
            encode_record(Record(outcome="completed", taken=(0,), format=NEWER)),
            b'{"outcome":"postponed","format":%d}' % NEWER,
        ],
        ids=["field", "word"],
    )
    async def test_a_job_that_comes_upon_a_newer_record_is_handed_back(
        self, stage: Stage, record: bytes
    ) -> None:
        stage.add(graph([node("a"), node("b")], ("a", "b")))
        await stage.create("g", 1)
        await stage.client.ports.commit(Commit("run", Cell("a", RECORD, record)))
        stage.worker()
        await stage.client.runs.start("run")
        await stage.send("a")
        await nothing_happens(stage)

    @check("S12.60")
    async def test_an_older_job_of_a_run_of_a_newer_format_is_handed_back(
        self, stage: Stage
    ) -> None:
        of_newer_client(stage)
        stage.settings["sweep_interval_seconds"] = 1e7
        stage.add(graph([node("a")]))
        await stage.create("g", 1)
        await stage.send("a")
        stage.worker()
        await nothing_happens(stage)
        stage.worker(format=NEWER)
        assert (await stage.result()).output == 1

    @check("S12.60")
    async def test_a_newer_job_that_somebody_else_received_must_come_back(
        self, stage: Stage
    ) -> None:
        stage.add(graph([node("a")]))
        await stage.create("g", 1)
        with pytest.raises(NewerFormatError, match="job of run 'run'"):
            await stage.client.handle_job(JobPayload("run", "g", "a", format=NEWER))
        assert stage.calls["echo"] == 0

    @check("S12.61")
    async def test_a_newer_worker_goes_on_with_what_an_older_one_wrote(self, stage: Stage) -> None:
        pause = round(3000 * stage.lease_seconds)
        nodes = [node("a"), node("w", "wait"), node("s", "sleep", duration=pause), node("z")]
        stage.add(graph(nodes, ("a", "w"), ("w", "s"), ("s", "z")))
        old = stage.worker()
        await stage.submit("g", 1)
        await stage.until_open("w")
        await stage.resume("w", 5)
        await stage.until_recorded("w")
        await asyncio.sleep(stage.lease_seconds)
        await old.stop()
        stage.worker(format=NEWER)
        of_newer_client(stage)
        assert (await stage.result()).output == 5

    @check("S12.62")
    async def test_a_client_says_that_it_must_be_upgraded(self, stage: Stage) -> None:
        of_newer_client(stage)
        stage.add(graph([node("w", "wait")]))
        await stage.submit("g")
        before = await stage.header()
        client = stage.make_worker("old").adapter
        reads: list[Callable[[], Awaitable[object]]] = [
            lambda: client.parts.view("run"),
            lambda: client.runs.cancel("run"),
            lambda: client.runs.purge("run"),
            lambda: client.runs.output_of("run", "w", ""),
            lambda: client.resume_with_action("run", output=1, node_id="w"),
            lambda: client.reconcile("run"),
            lambda: client.runs.retry("run", "again"),
            lambda: client.runs.create(before, None),
        ]
        for read in reads:
            with pytest.raises(NewerFormatError, match=r"'run'.*Upgrade this process") as caught:
                await read()
            assert not caught.value.retryable
        assert await stage.header() == before

    @check("S12.63", "S12.1")
    async def test_a_lost_message_of_a_newer_run_is_found_by_a_newer_worker(
        self, stage: Stage
    ) -> None:
        of_newer_client(stage)
        stage.add(graph([node("a")]))
        stage.worker()
        await stage.create("g", 1)
        await nothing_happens(stage)
        assert await stage.waiting_jobs() == 0
        stage.worker(format=NEWER)
        assert (await stage.result()).output == 1

    @check("S12.63", "S12.43")
    async def test_an_older_worker_purges_no_run_of_a_newer_format(self, stage: Stage) -> None:
        stage.add(graph([node("a")]))
        old = stage.worker()
        await stage.submit("g", 1, run_id="old")
        await stage.result("old")
        await old.stop()
        of_newer_client(stage)
        new = stage.worker(format=NEWER)
        await stage.submit("g", 1, run_id="new")
        await stage.result("new")
        await new.stop()
        stage.worker(retention_seconds=stage.sweep_seconds)
        await asyncio.sleep(5 * stage.sweep_seconds)
        assert [await stage.is_there(run_id) for run_id in ("old", "new")] == [False, True]


def of_newer_client(stage: Stage) -> None:
    """Let whatever is submitted from now on come from a client of the next version."""
    stage.change_client(format=NEWER)


async def nothing_happens(stage: Stage) -> None:
    """See that for some sweeps nothing is executed, given up or ended."""
    await asyncio.sleep(5 * stage.sweep_seconds)
    assert stage.calls["echo"] == 0
    assert (await stage.header()).status == "running"
    await nothing_is_buried(stage)


async def nothing_is_buried(stage: Stage) -> None:
    """See that there are no dead letters, as far as the adapter lists them."""
    if stage.can.keeps_dead_letters:
        assert await stage.dead_letters() == []
