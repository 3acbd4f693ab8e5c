"""Workers that stand still past their lease, and wake up after others took over: G2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import batch, graph, node
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call
from flowcraft.testing.worker import Worker


class LateWorkerScenarios:
    """The first to record wins; who comes late throws away what it has."""

    @check("S12.4", "S12.5", "S12.6", "S12.7")
    async def test_the_first_to_record_wins_and_the_late_one_adopts_it(self, stage: Stage) -> None:
        pauses = add_tag(stage, pausing="w1")
        stage.add(graph([node("a", "tag"), node("b")], ("a", "b")))
        pause = pauses["w1"] = Pause(stage.worker())
        await stage.submit("g")
        await pause.begun.wait()
        stage.worker()
        result = await stage.result()
        assert (result.output, result.context) == ("w2", {"by": "w2"})
        pause.end()
        await stage.until_quiet()
        assert await stage.result() == result
        assert stage.calls["tag"] == 2
        assert await stage.handle().output("a") == "w2"

    @check("S12.1", "S12.13")
    async def test_a_late_worker_does_not_take_the_message_of_its_successor_away(
        self, stage: Stage
    ) -> None:
        pauses = add_tag(stage, pausing="w1")

        @stage.node("long")
        async def long(input: Any) -> Any:
            await asyncio.sleep(2 * stage.lease_seconds)
            return input

        stage.settings["sweep_interval_seconds"] = 1e7
        nodes = [node("a", "tag"), node("b", "long"), node("c", "long")]
        stage.add(graph(nodes, ("a", "b"), ("b", "c")))
        pause = pauses["w1"] = Pause(stage.worker())
        await stage.submit("g")
        await pause.begun.wait()
        second = stage.worker()
        await stage.until_recorded("a")
        # It wakes while the other goes on down the chain, and then the other dies.
        pause.end()
        await asyncio.sleep(stage.lease_seconds / 2)
        second.abandon()
        assert (await stage.result(within=30 * stage.lease_seconds)).output == "w2"

    @check("S1.27", "S12.10", "S12.5")
    async def test_what_a_late_worker_brings_after_the_end_is_thrown_away(
        self, stage: Stage
    ) -> None:
        pauses = add_tag(stage, pausing="w1")
        stage.add(graph([node("a", "tag"), node("b")], ("a", "b")))
        pause = pauses["w1"] = Pause(stage.worker())
        await stage.submit("g")
        await pause.begun.wait()
        await stage.handle().cancel()
        pause.end()
        await stage.until_quiet()
        result = await stage.result()
        assert (result.status, result.output, result.context) == ("cancelled", None, {})
        assert await stage.record("a") is None
        assert stage.calls["echo"] == 0

    @check("S8.11", "S12.10", "S1.27")
    async def test_a_worker_that_follows_an_item_after_the_end_leaves_the_errors_as_they_are(
        self, stage: Stage
    ) -> None:
        blueprint = batch(2, "fails", onItemError="continue", chunkSize=1)
        blueprint["nodes"].append(node("w", "wait"))
        blueprint["edges"].append({"source": "r", "target": "w"})
        stage.add(blueprint)
        worker = stage.worker()
        is_over = asyncio.Event()

        async def pause_once_the_item_is_recorded(call: Call) -> None:
            if await stage.record("b/#1") is not None:
                await is_over.wait()

        await stage.submit("g")
        worker.wire.before = pause_once_the_item_is_recorded
        await stage.until_recorded("b/#1")
        await stage.handle().cancel()
        stage.worker()
        result = await stage.result()
        assert [(error.scope, error.type) for error in result.errors] == [
            ("/#0", "RuntimeError"), ("/#1", "RuntimeError"),
        ]  # fmt: skip
        is_over.set()
        await stage.until_quiet()
        assert await stage.result() == result

    @check("S12.8", "S9.8", "S10.3", "S12.6")
    @pytest.mark.parametrize("uses", ["join", "subflow", "sleep", "batch"])
    async def test_four_workers_on_one_activation_do_its_work_once(
        self, stage: Stage, uses: str
    ) -> None:
        nodes: dict[str, list[Any]] = {
            "join": [node("n", "join")],
            "subflow": [node("n", "subflow", blueprintId="child")],
            "sleep": [node("n", "sleep", duration=round(500 * stage.lease_seconds))],
            "batch": [
                node("n", "batch-scatter", workerUsesKey="echo", gatherNodeId="r"),
                node("r", "batch-gather"),
            ],
        }
        edges = [("a", "n"), (nodes[uses][-1]["id"], "z")]
        edges += [("n", "r")] if uses == "batch" else []
        stage.add(graph([node("x")], name="child"))
        stage.add(graph([node("a"), *nodes[uses], node("z")], *edges))
        for _ in range(4):
            stage.worker()
        await stage.submit("g", [1, 2])

        async def again() -> None:
            for _ in range(100):
                for node_id in ("a", "n"):
                    if await stage.record(node_id) is not None:
                        await stage.send(node_id)
                await asyncio.sleep(stage.lease_seconds / 200)

        sender = asyncio.create_task(again())
        result = await stage.result()
        sender.cancel()
        assert result.output == [1, 2]
        assert len(await stage.children()) == (uses == "subflow")
        await stage.until_quiet()
        assert await stage.result() == result

    @check("S12.32", "S12.3")
    async def test_a_delivery_waits_for_a_worker_that_is_at_its_activation(
        self, stage: Stage
    ) -> None:
        done = asyncio.Event()

        @stage.node("long")
        async def long(input: Any) -> str:
            await done.wait()
            return "done"

        stage.add(graph([node("l", "long")]))
        stage.worker()
        stage.worker()
        await stage.submit("g")
        await stage.until_called("long")
        lease = stage.client.ports.queue.lease_seconds
        for _ in range(3):
            await asyncio.sleep(lease)
            await stage.send("l")
        await asyncio.sleep(lease)

        async def are_few() -> bool:
            return await stage.waiting_jobs() <= 4

        await stage.until(are_few, within=lease)  # what waits is as much as was sent
        done.set()
        assert (await stage.result()).output == "done"
        assert stage.calls["long"] == 1


class Pause:
    """Holds a worker at every call on its wire, from when it is told until it is let go.

    Attributes:
        begun: Set when it stands still.
    """

    def __init__(self, worker: Worker) -> None:
        self.begun = asyncio.Event()
        self._is_on = False
        self._over = asyncio.Event()
        worker.wire.before = self._before

    async def _before(self, call: Call) -> None:
        if self._is_on:
            self.begun.set()
            await self._over.wait()

    def begin(self) -> None:
        """Let it stand still."""
        self._is_on = True

    def end(self) -> None:
        """Let it go on."""
        self._over.set()


def add_tag(stage: Stage, *, pausing: str) -> dict[str, Pause]:
    """Register `tag`, which says in its output and in the context which worker executed it.

    Args:
        stage: Where it runs.
        pausing: The worker that stands still after it.

    Returns:
        Where to put its pause.
    """
    pauses: dict[str, Pause] = {}

    def make(worker: Worker) -> Callable[..., Any]:
        async def tag(input: Any, ctx: Context) -> str:
            await ctx.set("by", worker.name)
            if worker.name == pausing:
                pauses[pausing].begin()
            return worker.name

        return tag

    stage.node_of_worker("tag")(make)
    return pauses
