"""Workers that stand still past their lease, and wake up after others took over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.nodes import Context
from packages.core.tests.adapter.stage import Stage, Worker, virtually
from tests.simulation.hand_written import graph, node


class Pause:
    """Holds a worker at every call of a name, from when it is told until it is let go."""

    def __init__(self, worker: Worker) -> None:
        self._is_on = False
        self._over = asyncio.Event()
        worker.before = self._before

    async def _before(self, call: str) -> None:
        if self._is_on:
            await self._over.wait()

    def begin(self) -> None:
        self._is_on = True

    def end(self) -> None:
        self._over.set()


def add_tag(stage: Stage, on_call: Any = None) -> None:
    """A node that says which worker ran it, in its output and in the context."""

    def make(worker: Worker) -> Any:
        async def tag(input: Any, ctx: Context) -> str:
            await asyncio.sleep(1.0)
            await ctx.set("by", worker.name)
            if on_call is not None:
                on_call(worker)
            return worker.name

        return tag

    stage.node_of_worker("tag")(make)


@virtually
async def test_a_worker_that_follows_an_item_after_the_end_leaves_the_errors_as_they_are(
    stage: Stage,
) -> None:
    @stage.node("fails")
    async def fails(input: int) -> None:
        raise RuntimeError(f"item {input}")

    batch = node("b", "batch-scatter", workerUsesKey="fails", gatherNodeId="g",
                 onItemError="continue", chunkSize=1)  # fmt: skip
    nodes = [node("l", "value", value=[0, 1]), batch, node("g", "batch-gather"), node("w", "wait")]
    stage.add(graph(nodes, ("l", "b"), ("b", "g"), ("g", "w")))
    worker = stage.worker()
    is_over = asyncio.Event()
    item = "b/#1"

    async def pause_once_the_item_is_recorded(call: str) -> None:
        if ("propagate" in call or "member" in call) and await stage.record(item) is not None:
            await is_over.wait()

    await stage.submit("g")
    worker.before = pause_once_the_item_is_recorded
    await stage.until_recorded(item)
    await stage.client.runs.cancel("run")
    result = await stage.result()
    assert [(error.scope, error.message) for error in result.errors] == [
        ("/#0", "item 0"), ("/#1", "item 1"),
    ]  # fmt: skip
    is_over.set()
    await stage.until_quiet()
    assert await stage.result() == result


@virtually
async def test_the_first_to_record_wins_and_the_late_one_adopts_it(stage: Stage) -> None:
    pauses: dict[str, Pause] = {}

    def pause_the_first(worker: Worker) -> None:
        if worker.name == "w1":
            pauses["w1"].begin()

    add_tag(stage, pause_the_first)
    stage.add(graph([node("a", "tag"), node("b", "echo")], ("a", "b")))
    pauses["w1"] = Pause(stage.worker())
    await stage.submit("g")
    await asyncio.sleep(5.0)
    stage.worker()
    result = await stage.result()
    assert (result.output, result.context["by"]) == ("w2", "w2")
    pauses["w1"].end()
    await asyncio.sleep(100.0)
    assert await stage.result() == result
    await stage.until_quiet()
    assert stage.calls["tag"] == 2


@virtually
async def test_a_late_worker_does_not_take_the_message_of_its_successor_away(stage: Stage) -> None:
    pauses: dict[str, Pause] = {}

    def pause_the_first(worker: Worker) -> None:
        if worker.name == "w1":
            pauses["w1"].begin()

    @stage.node("long")
    async def long(input: Any) -> Any:
        await asyncio.sleep(50.0)
        return input

    add_tag(stage, pause_the_first)
    stage.settings["sweep_interval_seconds"] = 1e7
    stage.add(
        graph([node("a", "tag"), node("b", "long"), node("c", "long")], ("a", "b"), ("b", "c"))
    )
    pauses["w1"] = Pause(stage.worker())
    await stage.submit("g")
    await asyncio.sleep(5.0)
    second = stage.worker()
    await stage.until_recorded("a")
    # It wakes while the other goes on down the chain, and then the other dies.
    pauses["w1"].end()
    await asyncio.sleep(10.0)
    second.abandon()
    result = await stage.result()
    assert result.output == "w2"


@virtually
async def test_what_a_late_worker_brings_after_the_end_is_thrown_away(stage: Stage) -> None:
    pauses: dict[str, Pause] = {}
    add_tag(stage, lambda worker: pauses["w1"].begin())
    stage.add(graph([node("a", "tag"), node("b", "echo")], ("a", "b")))
    pauses["w1"] = Pause(stage.worker())
    await stage.submit("g")
    await asyncio.sleep(5.0)
    await stage.client.runs.cancel("run")
    pauses["w1"].end()
    await asyncio.sleep(100.0)
    result = await stage.result()
    assert (result.status, result.output, result.context) == ("cancelled", None, {})
    assert await stage.record("a") is None
    assert stage.calls["echo"] == 0
    await stage.until_quiet()


@pytest.mark.parametrize("uses", ["join", "subflow", "sleep", "batch"])
@virtually
async def test_two_workers_on_one_activation_do_its_work_once(stage: Stage, uses: str) -> None:
    child = graph([node("x", "echo")], name="child")
    nodes: dict[str, list[Any]] = {
        "join": [node("n", "join")],
        "subflow": [node("n", "subflow", blueprintId="child")],
        "sleep": [node("n", "sleep", duration="5s")],
        "batch": [
            node("n", "batch-scatter", workerUsesKey="echo", gatherNodeId="g"),
            node("g", "batch-gather"),
        ],
    }
    last = nodes[uses][-1]["id"]
    edges = [("a", "n"), (last, "z"), *([("n", "g")] if uses == "batch" else [])]
    stage.add(child, graph([node("a", "echo"), *nodes[uses], node("z", "echo")], *edges))
    for _ in range(4):
        stage.worker()
    await stage.submit("g", [1, 2])

    async def again() -> None:
        while True:
            for node_id in ("a", "n"):
                if await stage.record(node_id) is not None:
                    stage.send(node_id)
            await asyncio.sleep(0.01)

    sender = asyncio.create_task(again())
    result = await stage.result(within=200.0)
    sender.cancel()
    assert result.output == [1, 2]
    assert len(await stage.children()) == (uses == "subflow")
    await stage.until_quiet()
    assert await stage.result() == result


@virtually
async def test_a_result_may_be_published_again_and_is_the_same_each_time() -> None:
    stage = Stage("four_method")
    stage.add(graph([node("a", "echo")]))
    published: dict[str, list[Any]] = stage.server.published
    first = stage.worker()
    is_cut = False

    async def cut(call: str) -> None:
        nonlocal is_cut
        if published and not is_cut:
            is_cut = True
            first.abandon()
            await asyncio.get_running_loop().create_future()

    first.before = cut
    await stage.submit("g", 1)
    await stage.until_over()
    await asyncio.sleep(5.0)
    stage.worker()
    result = await stage.result()
    assert published["run"] == [result] * len(published["run"])
    assert len(published["run"]) == 2


@virtually
async def test_a_lease_counts_as_lost_when_it_is_still_held_a_beat_later(
    memory: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Before that, the message may just have been acknowledged with its last step."""

    @memory.node("long")
    async def long(input: int) -> int:
        await asyncio.sleep(100.0)
        return input

    memory.worker()
    memory.add(graph([node("n", "long")]))
    await memory.submit("g", 1)
    await asyncio.sleep(1.0)
    (job,) = memory.backend.tables.jobs.values()
    job.token += 1  # as if another worker had taken it
    job.visible_at += 1000.0
    beat = memory.lease_seconds / 3
    await asyncio.sleep(beat)
    assert "leases lost" not in caplog.messages
    await asyncio.sleep(beat)
    assert "leases lost" in caplog.messages
