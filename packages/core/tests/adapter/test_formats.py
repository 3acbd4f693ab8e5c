"""Old and new workers side by side: what a newer one wrote is left to newer ones."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import Any

import pytest

from flowcraft.engine.cells import RECORD, STARTED
from flowcraft.engine.consequences import Cell
from flowcraft.engine.record import Record, decode_record, encode_record
from flowcraft.errors import BackendError, MalformedMessageError, NewerFormatError
from flowcraft.format import FORMAT
from flowcraft.ports.contract import JobPayload, decode_job, encode_job
from flowcraft.ports.store import Commit
from flowcraft.status import RunHeader, decode_header, encode_header
from flowcraft.testing import covers
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node

NEWER = FORMAT + 1
UNREADABLE = b'{"runId":"run","blueprintId":"g","nodeId":"a","origin":"moon","format":%d}' % NEWER


def of_newer_client(stage: Stage) -> None:
    """Let whatever is submitted come from a client of the next version."""
    stage._client = stage.make_worker("client", format=NEWER).adapter


@covers("S12.60")
@virtually
async def test_a_run_of_a_newer_format_waits_for_a_worker_that_can_read_it(stage: Stage) -> None:
    of_newer_client(stage)
    nodes = [node("a", "echo"), node("b", "echo"), node("j", "echo")]
    stage.add(graph(nodes, ("a", "b"), ("a", "j"), ("b", "j")))
    old = stage.worker()
    started: list[str] = []
    old.adapter.on_job_start = lambda *ids: _note(started, ids)  # type: ignore[method-assign]
    await stage.submit("g", 1)
    await asyncio.sleep(600.0)
    assert (stage.calls["echo"], started, stage.dead_letters()) == (0, [], [])
    assert not (await stage.header()).is_over
    stage.worker(format=NEWER)
    result = await stage.result(within=120.0)
    assert (result.status, result.output) == ("completed", {"a": 1, "b": 1})
    records = [await stage.client.parts.reader.peek("run", key, RECORD) for key in "abj"]
    assert [decode_record(data or b"", reads=NEWER).format for data in records] == [NEWER] * 3


async def _note(started: list[str], ids: Any) -> None:
    started.append(ids)


@covers("S12.61")
@virtually
async def test_old_and_new_workers_together_finish_what_either_began(stage: Stage) -> None:

    @stage.node("slow")
    async def slow(input: Any) -> Any:
        await asyncio.sleep(3.0)
        return input

    stage.add(
        graph(
            [node("a", "slow"), *(node(n, "slow") for n in "bcd"), node("j", "slow")],
            *((("a", n)) for n in "bcd"),
            *(((n, "j")) for n in "bcd"),
        )
    )
    old, new = stage.worker(), stage.worker(format=NEWER)
    for number in range(10):
        await stage.submit("g", number, run_id=f"of_old_{number}")
    of_newer_client(stage)
    for number in range(10):
        await stage.submit("g", number, run_id=f"of_new_{number}")
    for kind in ("old", "new"):
        for number in range(10):
            result = await stage.result(f"of_{kind}_{number}", within=2000.0)
            assert result.output == dict.fromkeys("bcd", number)
    assert stage.dead_letters() == []
    await old.stop()
    await new.stop()


@covers("S12.60")
@pytest.mark.parametrize(
    "record",
    [
        encode_record(Record(outcome="completed", taken=(0,), format=NEWER)),
        b'{"outcome":"postponed","format":%d}' % NEWER,
    ],
)
@virtually
async def test_a_job_that_comes_upon_a_newer_record_is_handed_back(
    stage: Stage, record: bytes
) -> None:
    stage.add(graph([node("a", "echo"), node("b", "echo")], ("a", "b")))
    await stage.create("g", 1)
    await stage.client.ports.commit(Commit("run", Cell("a", RECORD, record)))
    stage.worker()
    await stage.client.runs.start("run")
    stage.send("a")
    await asyncio.sleep(300.0)
    assert len(stage.messages()) >= 1
    assert stage.dead_letters() == []
    assert (await stage.header()).status == "running"
    assert stage.calls["echo"] == 0
    assert not any(name.startswith(STARTED) for name in await stage.cells("a"))


@covers("S12.61")
@virtually
async def test_a_newer_worker_goes_on_with_what_an_older_one_wrote(stage: Stage) -> None:
    nodes = [node("a", "echo"), node("w", "wait"), node("s", "sleep", duration="60s")]
    stage.add(graph([*nodes, node("z", "echo")], ("a", "w"), ("w", "s"), ("s", "z")))
    old = stage.worker()
    await stage.submit("g", 1)
    await stage.until_open("w")
    await stage.resume("w", 5)
    await stage.until_recorded("w")
    await asyncio.sleep(10.0)
    await old.stop()
    stage.worker(format=NEWER)
    of_newer_client(stage)
    assert (await stage.result(within=300.0)).output == 5


@covers("S12.60")
@virtually
async def test_what_only_newer_fields_and_words_say_is_no_malformed_message(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    await stage.create("g", 1)
    stage.send_raw(UNREADABLE)
    stage.worker()
    await asyncio.sleep(300.0)
    assert stage.dead_letters() == []
    assert stage.messages() == [UNREADABLE]


@covers("S12.60")
@virtually
async def test_an_older_job_of_a_run_of_a_newer_format_is_handed_back(stage: Stage) -> None:
    of_newer_client(stage)
    stage.add(graph([node("a", "echo")]))
    await stage.create("g", 1)
    stage.send("a")
    stage.worker()
    await asyncio.sleep(300.0)
    assert stage.calls["echo"] == 0
    assert (len(stage.messages()), stage.dead_letters()) == (1, [])


@covers("S12.60")
@virtually
async def test_a_newer_job_that_somebody_else_received_must_come_back(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    await stage.create("g", 1)
    with pytest.raises(NewerFormatError, match="job of run 'run'"):
        await stage.client.handle_job(JobPayload("run", "g", "a", format=NEWER))
    assert stage.calls["echo"] == 0


@virtually
async def test_a_foreign_message_is_a_dead_letter_whatever_its_format(memory: Stage) -> None:
    memory.worker()
    memory.send_raw(b'{"format":99}')
    memory.send_raw(b'{"runId":"run","blueprintId":"g","nodeId":"a","origin":"moon"}')
    await memory.until_quiet()
    assert len(memory.dead_letters()) == 2


@covers("S12.62")
@virtually
async def test_a_client_says_that_it_must_be_upgraded(stage: Stage) -> None:
    of_newer_client(stage)
    stage.add(graph([node("w", "wait")]))
    await stage.submit("g")
    before = await stage.header()
    client = stage.make_worker("old").adapter
    reads = [
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


@covers("S12.63")
@virtually
async def test_a_lost_message_of_a_newer_run_is_found_by_a_newer_worker(stage: Stage) -> None:
    of_newer_client(stage)
    stage.add(graph([node("a", "echo")]))
    stage.worker()
    await stage.submit("g", 1)
    stage.lose_messages()
    await asyncio.sleep(500.0)
    assert stage.messages() == []
    stage.worker(format=NEWER)
    assert (await stage.result(within=1000.0)).output == 1


@covers("S12.63")
@virtually
async def test_runs_of_a_newer_format_keep_no_older_one_from_being_swept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowcraft.adapter.sweeper.RUNS_PER_SWEEP", 3)
    stage.add(graph([node("a", "echo")]))
    of_newer_client(stage)
    for number in range(9):
        await stage.submit("g", 1, run_id=f"new_{number}")
    stage._client = None
    await stage.submit("g", 1, run_id="old")
    stage.lose_messages()
    stage.worker()
    # One sweep for each three of them, and none that ends at the first.
    assert (await stage.result("old", within=150.0)).output == 1


@covers("S12.63")
@virtually
async def test_a_timer_that_a_newer_worker_set_is_left_to_newer_ones(stage: Stage) -> None:
    of_newer_client(stage)
    stage.add(graph([node("s", "sleep", duration="30s"), node("z", "echo")], ("s", "z")))
    new = stage.worker(format=NEWER)
    await stage.submit("g", 1)
    await stage.until(lambda: _is_there(stage, "s", "due"))
    await new.stop()
    stage.worker()
    before = stage.timers(), stage.messages()
    await asyncio.sleep(200.0)
    assert (stage.timers(), stage.messages()) == before
    stage.worker(format=NEWER)
    assert (await stage.result(within=200.0)).output == 1


async def _is_there(stage: Stage, key: str, name: str) -> bool:
    return name in await stage.cells(key)


@covers("S12.63")
@virtually
async def test_an_older_worker_purges_no_run_of_a_newer_format(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    old = stage.worker()
    await stage.submit("g", 1, run_id="old")
    await stage.result("old")
    await old.stop()
    of_newer_client(stage)
    new = stage.worker(format=NEWER)
    await stage.submit("g", 1, run_id="new")
    await stage.result("new")
    await new.stop()
    stage.worker(retention_seconds=100.0)
    await asyncio.sleep(500.0)
    found = await stage.client.ports.headers(["old", "new"])
    assert [header is not None for header in found] == [False, True]


@virtually
async def test_a_message_is_handed_back_for_longer_each_time_and_said_once_a_minute(
    memory: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    loop = asyncio.get_running_loop()
    at: list[float] = []
    worker = memory.make_worker("old")
    assert memory.kind in ("fused", "split")
    receive = worker.adapter.ports.queue.receive

    async def noted(limit: int, wait_seconds: float) -> Any:
        found = await receive(limit, wait_seconds)
        at.extend(loop.time() for _ in found)
        return found

    worker.adapter.ports.queue.receive = noted  # type: ignore[method-assign]
    memory.send_raw(UNREADABLE)
    worker.adapter.start()
    await asyncio.sleep(600.0)
    gaps = [round(later - first, 6) for first, later in pairwise(at)]
    assert gaps[0] < 4.0
    assert 30.0 <= gaps[-1] < 33.0
    assert gaps == sorted(gaps)
    said = [record for record in caplog.records if record.message == "left to newer workers"]
    assert 5 <= len(said) <= 10
    await worker.stop()


@covers("S12.60")
@virtually
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
