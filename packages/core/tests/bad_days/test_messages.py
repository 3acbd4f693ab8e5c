"""Rows that another program left in the file, and rows that cannot be read: a dead letter each."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flowcraft.adapter.batcher import Batcher
from flowcraft.errors import BackendError
from flowcraft.ports.contract import JobPayload, encode_job
from flowcraft.testing import Harness, Stage, check
from packages.core.tests.bad_days.apps import make_app, until, working
from packages.core.tests.conformance.harnesses import MemoryHarness

NESTED = b'{"runId":"r","blueprintId":"b","nodeId":"n","x":' + b"[" * 100_000

STRANGE: list[Any] = [
    NESTED,
    NESTED + b"]" * 100_000 + b"}",
    7,
    1.5,
    "no JSON",
    b"\x80\x04\x95",
    '{"task": "send_mail", "id": 5, "args": []}',
    '{"runId":"r","blueprintId":"b","nodeId":"n","origin":"newer"}',
    '{"runId":"\\ud800","blueprintId":"b","nodeId":"n"}',
    '{"runId":"nobody","blueprintId":"b","nodeId":"n"}',
    json.dumps({"runId": "x" * 10**6, "blueprintId": "b", "nodeId": "n"}),
]


def query(path: Path, statement: str, *values: Any) -> list[Any]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


async def test_strange_messages_become_dead_letters_and_hold_up_nobody(path: Path) -> None:
    app = make_app(path)
    async with app:
        for body in STRANGE:
            query(path, "INSERT INTO jobs (body, visible_at) VALUES (?, 0)", body)
        run = await app.submit("twice", 1)
        async with working(make_app(path, lease_seconds=600)):
            assert (await run.result(60)).output == 1
            await until(lambda: not query(path, "SELECT id FROM jobs"))
    letters = query(path, "SELECT body, reason FROM dead_letters ORDER BY id")
    assert [body for body, _ in letters] == STRANGE
    assert all(reason for _, reason in letters)


@pytest.mark.parametrize("scope", ["/" * 10_000, "/#" + "9" * 5000, "/!nobody", "\0"])
async def test_a_job_with_an_absurd_scope_fails_its_run_and_no_other(
    path: Path, scope: str
) -> None:
    app = make_app(path)
    async with app:
        victim = await app.submit("twice", 1)
        query(path, "DELETE FROM jobs")
        job = encode_job(JobPayload(victim.run_id, "twice", "first", scope))
        query(path, "INSERT INTO jobs (body, visible_at) VALUES (?, 0)", job)
        other = await app.submit("twice", 2)
        async with working(make_app(path)):
            (error,) = (await victim.result(60)).errors
            assert (await other.result(60)).output == 2
    assert (error.type, error.scope) == ("MalformedMessageError", scope)


async def test_a_run_that_cannot_be_read_is_a_dead_letter_and_fails_no_neighbour(
    path: Path,
) -> None:
    app = make_app(path)
    async with app:
        runs = [await app.submit("twice", number) for number in range(20)]
        query(path, "UPDATE runs SET header = '{' WHERE run_id = ?", runs[7].run_id)
        async with working(make_app(path, lease_seconds=600)):
            for number, run in enumerate(runs):
                if number != 7:
                    assert (await run.result(60)).output == number
            await until(lambda: bool(query(path, "SELECT id FROM dead_letters")))
    ((body, reason),) = query(path, "SELECT body, reason FROM dead_letters")
    assert json.loads(body)["runId"] == runs[7].run_id
    assert "cannot be handled" in reason


@pytest.fixture
def harness() -> Harness:
    return MemoryHarness()


@check("S1.41")
async def test_an_adapter_that_is_asked_for_its_jobs_buries_what_is_none(stage: Stage) -> None:
    await stage.send_raw(NESTED)
    await stage.send("a", run_id="r")
    seen: list[str] = []

    async def handler(job: JobPayload) -> None:
        seen.append(job.run_id)
        raise StopAsyncIteration

    class Enough(BaseException):
        pass

    async def release(deliveries: Sequence[Any], delay_seconds: float) -> None:
        raise Enough

    stage.client.ports.queue.release = release  # type: ignore[method-assign]
    with pytest.raises(Enough):
        await stage.client.process_jobs(handler)
    assert seen == ["r"]
    assert [letter.body for letter in await stage.dead_letters()] == [NESTED]


async def test_what_one_caller_asks_for_in_vain_costs_the_others_nothing() -> None:
    calls: list[list[int]] = []

    async def call(numbers: Sequence[int]) -> Sequence[int]:
        calls.append(list(numbers))
        if 3 in numbers:
            raise ValueError("3 cannot be read")
        return [number * 2 for number in numbers]

    answers = await _gather(Batcher(call), range(5))
    assert [answers[i] for i in (0, 1, 2, 4)] == [0, 2, 4, 8]
    assert str(answers[3]) == "3 cannot be read"
    assert calls[0] == [0, 1, 2, 3, 4]


async def test_a_backend_that_is_not_there_is_asked_once_for_all() -> None:
    calls: list[list[int]] = []

    async def call(numbers: Sequence[int]) -> Sequence[int]:
        calls.append(list(numbers))
        raise BackendError("gone")

    answers = await _gather(Batcher(call), range(3))
    assert [str(answer) for answer in answers] == ["gone"] * 3
    assert calls == [[0, 1, 2]]


async def _gather(batcher: Batcher[int, int], numbers: Any) -> list[Any]:
    return await asyncio.gather(*(batcher(n) for n in numbers), return_exceptions=True)
