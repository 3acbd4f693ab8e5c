"""Old and new workers side by side: what a newer one wrote is left to newer ones."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import Any

import pytest

from flowcraft.engine.record import Record, decode_record, encode_record
from flowcraft.errors import BackendError, MalformedMessageError, NewerFormatError
from flowcraft.format import FORMAT
from flowcraft.ports.contract import JobPayload, decode_job, encode_job
from flowcraft.status import RunHeader, decode_header, encode_header
from flowcraft.testing import Harness, Stage, check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.scenarios.upgrades import NEWER, of_newer_client
from packages.core.tests.conformance.harnesses import MemoryHarness, SplitHarness

UNREADABLE = b'{"runId":"run","blueprintId":"g","nodeId":"a","origin":"moon","format":%d}' % NEWER


@check("S12.60")
async def test_what_only_newer_fields_and_words_say_is_no_malformed_message(stage: Stage) -> None:
    stage.add(graph([node("a")]))
    await stage.create("g", 1)
    await stage.send_raw(UNREADABLE)
    stage.worker()
    await asyncio.sleep(300.0)
    assert await stage.dead_letters() == []
    assert await stage.harness.messages() == [UNREADABLE]


@check("S12.63")
async def test_runs_of_a_newer_format_keep_no_older_one_from_being_swept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowcraft.adapter.sweeper.RUNS_PER_SWEEP", 3)
    stage.add(graph([node("a")]))
    of_newer_client(stage)
    for number in range(9):
        await stage.submit("g", 1, run_id=f"new_{number}")
    stage.change_client()
    await stage.submit("g", 1, run_id="old")
    await stage.lose_messages()
    stage.worker()
    # One sweep for each three of them, and none that ends at the first.
    assert (await stage.result("old", within=150.0)).output == 1


@check("S12.63")
async def test_a_timer_that_a_newer_worker_set_is_left_to_newer_ones(stage: Stage) -> None:
    of_newer_client(stage)
    stage.add(graph([node("s", "sleep", duration="30s"), node("z")], ("s", "z")))
    new = stage.worker(format=NEWER)
    await stage.submit("g", 1)
    await stage.until(lambda: _is_there(stage, "s", "due"))
    await new.stop()
    stage.worker()
    before = await stage.timers(), await stage.harness.messages()
    await asyncio.sleep(200.0)
    assert (await stage.timers(), await stage.harness.messages()) == before
    stage.worker(format=NEWER)
    assert (await stage.result()).output == 1


async def _is_there(stage: Stage, key: str, name: str) -> bool:
    return name in await stage.cells(key)


@check("S12.60")
async def test_an_end_whose_result_only_newer_workers_can_read_is_announced_by_one(
    stage: Stage,
) -> None:

    @stage.node("late")
    async def late(input: Any) -> Any:
        await asyncio.sleep(60.0)
        return input

    stage.add(graph([node("a", "early"), node("b", "late")]))
    stage.node("early")(_early)
    stage.worker(without=frozenset({"early"}))
    stage.worker(without=frozenset({"late"}), format=NEWER)
    await stage.submit("g", 1)
    of_newer_client(stage)
    result = await stage.result(within=1000.0)
    assert (result.status, result.output) == ("completed", {"a": 1, "b": 1})
    record = await stage.record("b")
    assert record is not None
    assert record.format == FORMAT


async def _early(input: Any) -> Any:
    return input


class TestQueuesThatAreAsked:
    @pytest.fixture(params=[MemoryHarness, SplitHarness])
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        made: Harness = request.param()
        return made

    @check()
    async def test_a_foreign_message_is_a_dead_letter_whatever_its_format(
        self, stage: Stage
    ) -> None:
        stage.worker()
        await stage.send_raw(b'{"format":99}')
        await stage.send_raw(b'{"runId":"run","blueprintId":"g","nodeId":"a","origin":"moon"}')
        await stage.until_quiet()
        assert len(await stage.dead_letters()) == 2

    @check()
    async def test_a_message_is_handed_back_for_longer_each_time_and_said_once_a_minute(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        loop = asyncio.get_running_loop()
        at: list[float] = []
        worker = stage.make_worker("old")
        receive = worker.adapter.ports.queue.receive

        async def noted(limit: int, wait_seconds: float) -> Any:
            found = await receive(limit, wait_seconds)
            at.extend(loop.time() for _ in found)
            return found

        worker.adapter.ports.queue.receive = noted  # type: ignore[method-assign]
        await stage.send_raw(UNREADABLE)
        worker.adapter.start()
        await asyncio.sleep(600.0)
        gaps = [round(later - first, 6) for first, later in pairwise(at)]
        assert gaps[0] < 4.0
        assert min(gaps[-5:]) >= 15.0
        assert max(gaps) < 33.0
        assert len(set(gaps[-5:])) > 1, "another worker may never come before this one"
        said = [record for record in caplog.records if record.message == "left to newer workers"]
        assert 5 <= len(said) <= 10
        await worker.stop()


def test_the_first_format_costs_no_byte() -> None:
    assert b"format" not in encode_job(JobPayload("r", "b", "n"))
    assert b"format" not in encode_record(Record(outcome="skipped"))
    header = RunHeader(run_id="r", blueprint_id="b", blueprint_hash="h")
    assert b"format" not in encode_header(header)


def test_what_says_no_format_has_the_first() -> None:
    assert decode_job(b'{"runId":"r","blueprintId":"b","nodeId":"n"}').format == 1
    assert decode_record(b'{"outcome":"skipped"}').format == 1
    header = decode_header(b'{"run_id":"r","blueprint_id":"b","blueprint_hash":"h"}')
    assert header.format == 1


def test_a_header_that_cannot_be_read_is_known_by_its_format() -> None:
    found = decode_header(b'{"run_id":"r","status":"paused","format":%d}' % NEWER)
    assert (found.run_id, found.format) == ("r", NEWER)


def test_what_is_wrong_in_a_known_format_is_wrong() -> None:
    with pytest.raises(ValueError, match="paused"):
        decode_header(b'{"run_id":"r","blueprint_id":"","blueprint_hash":"","status":"paused"}')
    with pytest.raises(ValueError, match="postponed"):
        decode_record(b'{"outcome":"postponed"}')
    with pytest.raises(MalformedMessageError, match="moon"):
        decode_job(UNREADABLE.replace(b"%d" % NEWER, b"1"))
    with pytest.raises(NewerFormatError) as caught:
        decode_record(b'{"outcome":"postponed","format":%d}' % NEWER)
    assert isinstance(caught.value, BackendError)
