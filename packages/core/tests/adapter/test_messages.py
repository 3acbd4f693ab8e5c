"""Messages that nobody can handle: each a dead letter with its reason, none for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.ports.contract import JobPayload
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import LOOP, batch, counting, graph, node

FOREIGN = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'{"runId": "run"}',
    b'{"runId": "", "blueprintId": "g", "nodeId": "a"}',
    b'{"runId": 7, "blueprintId": "g", "nodeId": "a"}',
    b'{"runId": "run", "blueprintId": "g", "nodeId": "a", "origin": "elsewhere"}',
    b'{"runId": "run", "blueprintId": "g", "nodeId": null}',
    b'{"runId": "run", "blueprintId": "g", "nodeId": "a"',
    b"{" * 100_000,
]


@pytest.mark.parametrize("body", FOREIGN, ids=range(len(FOREIGN)))
@virtually
async def test_a_foreign_message_is_a_dead_letter_and_nothing_else(
    memory: Stage, body: bytes
) -> None:
    memory.send_raw(body)
    result = await memory.run(graph([node("a", "echo")]), 1)
    await memory.until_quiet()
    assert result.status == "completed"
    ((kept, reason),) = memory.dead_letters()
    assert kept == body
    assert reason


@virtually
async def test_fields_that_nobody_knows_are_ignored(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    await stage.create("g", 5)
    stage.send_raw(b'{"runId":"run","blueprintId":"g","nodeId":"a","priority":9,"x":{"y":[]}}')
    stage.worker()
    assert (await stage.result(within=60.0)).output == 5


@virtually
async def test_a_dead_letter_that_is_sent_again_when_its_run_is_there_moves_it(
    stage: Stage,
) -> None:
    stage.send("a", run_id="late")
    worker = stage.worker()
    queue = stage.client.ports.queue
    await stage.until(lambda: queue.dead_letters(9), within=60.0)
    (letter,) = await queue.dead_letters(9) or ()
    await worker.stop()
    stage.add(graph([node("a", "echo")]))
    await stage.create("g", 5, run_id="late")
    assert await queue.requeue([letter.id, "nonsense"]) == [True, False]
    assert await queue.dead_letters(9) == []
    assert len(stage.messages()) == 1
    stage.worker()
    assert (await stage.result("late", within=60.0)).output == 5


@virtually
async def test_a_message_for_an_unknown_run_is_a_dead_letter_that_names_it(stage: Stage) -> None:
    stage.send("a", run_id="nobody")
    result = await stage.run(graph([node("a", "echo")]), 1)
    await stage.until_quiet()
    assert result.status == "completed"
    ((_, reason),) = stage.dead_letters()
    assert "'nobody'" in reason


BAD_JOBS = [
    ("ghost", ""),
    ("a", "/0"),
    ("a", "/#0"),
    ("a", "/!a"),
    ("a", "//"),
    ("a", "/"),
    ("a", "x"),
    ("c", ""),
    ("c", "/x"),
    ("c", "/-1"),
    ("c", "/00"),
    ("c", "/\u0663"),
    ("c", "/0/0"),
    ("body", ""),
    ("body", "/#0"),
    ("scatter", "/0"),
    ("scatter", "/#"),
    ("scatter", "/#x"),
    ("scatter", "/#01"),
    ("gather", "/#0"),
    ("shared", ""),
    ("shared", "/!ghost"),
    ("shared", "/!a"),
    ("single", "/!one"),
]


def everything() -> dict[str, Any]:
    """A graph with every sort of scope, which waits for ever."""
    nodes = [
        node("a", "value", value={"n": 0}),
        node("c", "loop-controller", condition="input.n < 3"),
        node("body", "echo"),
        node("list", "value", value=[1]),
        node("scatter", "batch-scatter", workerUsesKey="echo", gatherNodeId="gather"),
        node("gather", "batch-gather"),
        node("one", "echo", config={"fallback": "single"}),
        node("single", "echo"),
        node("two", "echo", config={"fallback": "shared"}),
        node("three", "echo", config={"fallback": "shared"}),
        node("shared", "echo"),
        node("w", "wait"),
    ]
    return graph(
        nodes,
        ("w", "a"), ("a", "c"), ("c", "body", {"action": "continue"}), ("body", "c"),
        ("w", "list"), ("list", "scatter"), ("scatter", "gather"),
        ("w", "one"), ("w", "two"), ("w", "three"),
    )  # fmt: skip


@pytest.mark.parametrize(("node_id", "scope"), BAD_JOBS)
@virtually
async def test_a_job_that_means_nothing_fails_its_run_and_is_a_dead_letter(
    stage: Stage, node_id: str, scope: str
) -> None:
    stage.add(everything())
    stage.worker()
    await stage.submit("g")
    await stage.until_open("w")
    stage.send(node_id, scope)
    result = await stage.result(within=120.0)
    assert result.status == "failed"
    (error,) = result.errors
    assert (error.node, error.type) == (node_id, "MalformedMessageError")
    await stage.until_quiet()
    ((_, reason),) = stage.dead_letters()
    assert node_id in reason


@virtually
async def test_a_job_that_means_nothing_cannot_fail_a_run_that_ended(stage: Stage) -> None:
    result = await stage.run(graph([node("a", "echo")]), 1)
    stage.send("ghost")
    await stage.until_quiet()
    assert await stage.result() == result


@virtually
async def test_a_job_with_the_hash_of_another_blueprint_is_done_as_its_run_says(
    stage: Stage,
) -> None:
    stage.add(graph([node("x", "echo")], name="other"), graph([node("a", "echo")]))
    stage.worker()
    await stage.result(await stage.submit("other", run_id="first"))
    await stage.create("g", 4)
    other = stage.program("other").hash
    stage.send("a", blueprint_hash=other)
    assert (await stage.result(within=60.0)).output == 4


@virtually
async def test_a_run_whose_blueprint_is_gone_fails_and_says_so(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    await stage.submit("g")
    stage.lose_blueprints()
    stage.worker()
    assert (await stage.until_over()).status == "failed"
    result = await stage.result(within=120.0)
    assert "holds no blueprint" in result.errors[0].message


@virtually
async def test_a_run_that_cannot_be_read_keeps_no_other_from_being_swept(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")], name="bad"), graph([node("b", "echo")], name="good"))
    await stage.submit("bad", run_id="bad")
    await stage.submit("good", 2, run_id="good")
    stage.lose_messages()
    stage.lose_blueprints(only="bad")
    stage.worker()
    assert (await stage.result("good", within=300.0)).output == 2


@virtually
async def test_jobs_sent_many_times_and_late_change_nothing(stage: Stage) -> None:
    stage.add(graph(counting(3), *LOOP[:1], LOOP[1], LOOP[2], LOOP[3]))
    stage.node("sim.node")(_simulated)
    stage.worker()
    stage.worker()
    await stage.submit("g")
    for _ in range(3):
        for node_id, scope in (("s", ""), ("c", "/0"), ("b", "/0"), ("c", "/1")):
            if await stage.record(node_id + scope) is not None:
                stage.send(node_id, scope)
        await asyncio.sleep(0.05)
    result = await stage.result()
    for node_id, scope in (("s", ""), ("c", "/0"), ("b", "/2"), ("e", "")):
        stage.send(node_id, scope)
    await stage.until_quiet()
    assert await stage.result() == result


async def _simulated(input: Any, params: dict[str, Any]) -> Any:
    emit = params.get("emit")
    if emit == "count":
        return {"n": input["n"] + 1}
    return params["value"] if emit == "value" else input


@virtually
async def test_handling_one_job_by_hand_needs_no_worker(stage: Stage) -> None:
    stage.add(graph([node("a", "echo"), node("b", "echo")], ("a", "b")))
    await stage.create("g", 3)
    for node_id in ("a", "b"):
        await stage.client.handle_job(JobPayload("run", "g", node_id))
    assert (await stage.result(within=1.0)).output == 3


@virtually
async def test_a_job_handled_by_hand_keeps_its_lease(stage: Stage) -> None:
    @stage.node("long")
    async def long(input: None) -> str:
        await asyncio.sleep(500.0)
        return "done"

    stage.add(graph([node("a", "long")]))
    await stage.create("g")
    function = asyncio.create_task(stage.client.handle_job(JobPayload("run", "g", "a")))
    await asyncio.sleep(20.0)
    stage.worker()
    stage.send("a")
    await function
    assert (await stage.result()).output == "done"
    assert stage.calls["long"] == 1


@virtually
async def test_an_item_beyond_its_batch_changes_nothing(stage: Stage) -> None:
    stage.node("sim.node")(_simulated)
    stage.node("sim.worker")(_simulated)
    stage.add(batch(2, {"emit": "input"}))
    stage.worker()
    await stage.submit("g")
    await stage.until_recorded("b")
    stage.send("b", "/#7")
    result = await stage.result(within=120.0)
    assert result.output in ([0, 1], None)
