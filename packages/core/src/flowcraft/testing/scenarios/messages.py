"""Messages that nobody can handle: S1.40 and S1.41 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import DeadLetter
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, batch, graph, node, value
from flowcraft.testing.stage import Stage

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
"""What a stranger, or a broken program, may put on the queue."""

BAD_JOBS = [
    ("ghost", ""), ("a", "/0"), ("a", "/#0"), ("a", "/!a"), ("a", "//"), ("a", "/"), ("a", "x"),
    ("c", ""), ("c", "/x"), ("c", "/-1"), ("c", "/00"), ("c", "/\u0663"), ("c", "/0/0"),
    ("body", ""), ("body", "/#0"),
    ("scatter", "/0"), ("scatter", "/#"), ("scatter", "/#x"), ("scatter", "/#01"),
    ("gather", "/#0"),
    ("shared", ""), ("shared", "/!ghost"), ("shared", "/!a"), ("single", "/!one"),
]  # fmt: skip
"""Nodes and scopes that the graph below does not have."""


class MessageScenarios:
    """Each ends as a dead letter with its reason; none is repeated for ever, none harms others."""

    @check("S1.41", "S12.19", "S12.20")
    @pytest.mark.parametrize("body", FOREIGN, ids=range(len(FOREIGN)))
    async def test_a_foreign_message_is_a_dead_letter_and_nothing_else(
        self, stage: Stage, body: bytes
    ) -> None:
        await stage.send_raw(body)
        result = await stage.run(graph([node("a")]), 1)
        assert (result.status, result.output) == ("completed", 1)
        if stage.can.is_push:
            return  # what is no job does not get as far as the handler of its adapter
        await stage.until_quiet()
        letters = await dead_letters(stage)
        if letters is not None:
            assert [(letter.body, bool(letter.reason)) for letter in letters] == [(body, True)]

    @check("S1.41", "S12.19")
    async def test_a_message_for_an_unknown_run_is_a_dead_letter_that_names_it(
        self, stage: Stage
    ) -> None:
        await stage.send("a", run_id="nobody")
        result = await stage.run(graph([node("a")]), 1)
        await stage.until_quiet()
        assert result.status == "completed"
        await is_buried(stage, "'nobody'")

    @check("S1.40", "S12.19")
    @pytest.mark.parametrize(("node_id", "scope"), BAD_JOBS)
    async def test_a_job_that_means_nothing_fails_its_run_and_is_a_dead_letter(
        self, stage: Stage, node_id: str, scope: str
    ) -> None:
        stage.add(everything())
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await stage.send(node_id, scope)
        result = await stage.result()
        assert result.status == "failed"
        (error,) = result.errors
        assert (error.node, error.type) == (node_id, "MalformedMessageError")
        await stage.until_quiet()
        await is_buried(stage, node_id)

    @check("S1.17", "S1.40")
    async def test_a_job_that_means_nothing_cannot_fail_a_run_that_ended(
        self, stage: Stage
    ) -> None:
        result = await stage.run(graph([node("a")]), 1)
        await stage.send("ghost")
        await stage.until_quiet()
        assert await stage.result() == result

    @check("S8.8", "S1.40")
    async def test_an_item_beyond_its_batch_changes_nothing(self, stage: Stage) -> None:
        blueprint = batch(2)
        blueprint["nodes"].append(node("w", "wait"))
        stage.add(blueprint)
        stage.worker()
        await stage.submit("g")
        await stage.until_recorded("r")
        await stage.send("b", "/#7")
        await stage.until_quiet()
        await stage.resume("w")
        assert (await stage.result()).output == {"r": [0, 1], "w": None}

    @check("S12.40")
    async def test_a_dead_letter_that_is_sent_again_when_its_run_is_there_moves_it(
        self, stage: Stage
    ) -> None:
        if not stage.can.keeps_dead_letters:
            pytest.skip("it leaves its dead letters to the tools of its backend")
        await stage.send("a", run_id="late")
        worker = stage.worker()
        queue = stage.client.ports.queue

        async def is_there() -> bool:
            return bool(await queue.dead_letters(9))

        await stage.until(is_there)
        (letter,) = await queue.dead_letters(9) or ()
        await worker.stop()
        stage.settings["sweep_interval_seconds"] = 1e7
        stage.add(graph([node("a")]))
        await stage.create("g", 5, run_id="late")
        assert await queue.requeue([letter.id, "nonsense"]) == [True, False]
        assert await queue.dead_letters(9) == []
        stage.worker()
        assert (await stage.result("late")).output == 5

    @check("S12.40")
    async def test_a_dead_letter_is_kept_until_it_is_dropped(self, stage: Stage) -> None:
        if not stage.can.keeps_dead_letters:
            pytest.skip("it leaves its dead letters to the tools of its backend")
        stage.settings["retention_seconds"] = stage.lease_seconds
        await stage.send("a", run_id="nobody")
        await stage.send("b", run_id="nobody")
        stage.worker()
        await stage.until_quiet()
        await asyncio.sleep(3 * stage.sweep_seconds)
        queue = stage.client.ports.queue
        first, second = await stage.dead_letters()
        assert await queue.drop([first.id]) == [True]
        assert await queue.drop([first.id]) == [False]
        assert [letter.id for letter in await stage.dead_letters()] == [second.id]

    @check("S12.20")
    async def test_fields_that_nobody_knows_are_ignored(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7
        stage.add(graph([node("a")]))
        await stage.create("g", 5)
        body = b'{"runId":"run","blueprintId":"g","nodeId":"a","priority":9,"x":{"y":[]}}'
        await stage.send_raw(body)
        stage.worker()
        assert (await stage.result()).output == 5

    @check("S1.4")
    async def test_a_job_with_the_hash_of_another_blueprint_is_done_as_its_run_says(
        self, stage: Stage
    ) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7
        other = graph([node("x"), value("a", "another's")], name="other")
        stage.add(other, graph([node("a")]))
        stage.worker()
        await stage.result(await stage.submit("other", run_id="first"))
        await stage.create("g", 4)
        await stage.send("a", blueprint_hash=stage.program("other").hash)
        assert (await stage.result()).output == 4

    @check("S12.19", "S1.40")
    async def test_a_run_whose_blueprint_is_gone_fails_and_says_so(self, stage: Stage) -> None:
        stage.add(graph([node("a")]))
        await stage.create("g", blueprint_hash="0" * 64)
        await stage.send("a")
        stage.worker()
        assert (await stage.until_over()).status == "failed"
        result = await stage.result()
        assert "holds no blueprint" in result.errors[0].message

    @check("S12.1", "S12.2")
    async def test_a_run_that_cannot_be_read_keeps_no_other_from_being_swept(
        self, stage: Stage
    ) -> None:
        stage.add(graph([node("b")]))
        for index in range(8):
            await stage.create("g", run_id=f"bad {index}", blueprint_hash="0" * 64)
        await stage.create("g", 2, run_id="good")
        stage.worker()
        within = stage.recovery_seconds + 2 * stage.sweep_seconds
        assert (await stage.result("good", within=within)).output == 2

    @check("S12.13")
    async def test_handling_one_job_by_hand_needs_no_worker(self, stage: Stage) -> None:
        stage.add(graph([node("a"), node("b")], ("a", "b")))
        await stage.create("g", 3)
        for node_id in ("a", "b"):
            await stage.client.handle_job(JobPayload("run", "g", node_id))
        assert (await stage.handle().result(timeout=0)).output == 3

    @check("S12.32", "S12.3")
    async def test_a_job_handled_by_hand_keeps_others_from_its_activation(
        self, stage: Stage
    ) -> None:
        done = asyncio.Event()

        @stage.node("long")
        async def long(input: Any) -> str:
            await done.wait()
            return "done"

        stage.add(graph([node("a", "long")]))
        await stage.create("g")
        function = asyncio.create_task(stage.client.handle_job(JobPayload("run", "g", "a")))
        lease = stage.client.ports.queue.lease_seconds
        await asyncio.sleep(lease)
        stage.worker()
        await stage.send("a")
        await asyncio.sleep(3 * lease)
        done.set()
        await function
        assert (await stage.result()).output == "done"
        assert stage.calls["long"] == 1


def everything() -> BlueprintJson:
    """A graph with every sort of scope, which waits for ever."""
    nodes = [
        value("a", {"n": 0}),
        node("c", "loop-controller", condition="input.n < 3"),
        node("body"),
        value("list", [1]),
        node("scatter", "batch-scatter", workerUsesKey="echo", gatherNodeId="gather"),
        node("gather", "batch-gather"),
        node("one", config={"fallback": "single"}),
        node("single"),
        node("two", config={"fallback": "shared"}),
        node("three", config={"fallback": "shared"}),
        node("shared"),
        node("w", "wait"),
    ]
    return graph(
        nodes,
        ("w", "a"), ("a", "c"), ("c", "body", {"action": "continue"}), ("body", "c"),
        ("w", "list"), ("list", "scatter"), ("scatter", "gather"),
        ("w", "one"), ("w", "two"), ("w", "three"),
    )  # fmt: skip


async def dead_letters(stage: Stage) -> Sequence[DeadLetter] | None:
    """The dead letters; None where they are left to the tools of the backend."""
    return await stage.dead_letters() if stage.can.keeps_dead_letters else None


async def is_buried(stage: Stage, word: str) -> None:
    """See that there is one dead letter, whose reason has the word."""
    letters = await dead_letters(stage)
    if letters is not None:
        (letter,) = letters
        assert word in letter.reason
