"""Retries whose worker dies, or whose old run is purged, anywhere in between.

What a retry does otherwise every adapter is asked by the kit.
"""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.ports.store import Load, Loaded
from flowcraft.testing import Call, Stage, check
from flowcraft.testing.graphs import BlueprintJson, graph, node, value
from flowcraft.testing.shop import Shop, work

ALL = [0, 1, 2]


def over_a_batch() -> BlueprintJson:
    """Write a batch of three, its key in the context, and a node behind it."""
    nodes = [
        value("s", ALL),
        node("b", "batch-scatter", workerUsesKey="work", gatherNodeId="g", chunkSize=1),
        node("g", "batch-gather", outputKey="all"),
        work("z"),
    ]
    return graph(nodes, ("s", "b"), ("b", "g"), ("g", "z"))


class TestARetryInBetween:
    @pytest.mark.parametrize("calls", range(1, 40, 3))
    @check("S1.50", "S12.1")
    async def test_a_worker_may_die_anywhere_while_it_takes_over(
        self, stage: Stage, calls: int
    ) -> None:
        shop = Shop(stage)
        await shop.fails(over_a_batch(), broken="z")
        first = stage.workers[0]
        await stage.until_quiet()
        left = calls

        async def before(call: Call) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                await first.die()

        first.wire.before = before
        await stage.client.runs.retry("run", "again")
        keeper = asyncio.create_task(stage.keep_alive())
        result = await stage.result("again")
        keeper.cancel()
        assert (result.output, result.context) == (ALL, {"all": ALL})
        assert set(shop.ran) == {"z"}

    @pytest.mark.parametrize("calls", range(1, 25))
    @check("S1.59", "S12.11")
    async def test_the_old_run_may_be_purged_anywhere_in_between(
        self, stage: Stage, calls: int
    ) -> None:
        shop = Shop(stage)
        await shop.fails(over_a_batch(), broken="z")
        await stage.until_quiet()
        left = calls

        async def before(call: Call) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                assert await stage.client.runs.purge("run")

        stage.workers[0].wire.before = before
        result = await shop.retry()
        assert (result.output, result.context) == (ALL, {"all": ALL})
        header = await stage.header("again")
        assert header.ended_at is not None
        late = header.ended_at - header.created_at
        assert late < stage.lease_seconds, "a message had to come back"

    @check("S1.52", "S1.59")
    async def test_a_run_that_is_purged_while_it_is_retried_is_read_whole_or_not_at_all(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = Shop(stage)
        blueprint = graph([work("a", writes={"k": 1}), work("b")], ("a", "b"))
        await shop.fails(blueprint, broken="b", payload={"n": 2})
        ports = stage.client.ports
        load = ports.load

        async def load_and_purge(wanted: Load) -> Loaded:
            loaded = await load(wanted)
            await stage.workers[0].adapter.runs.purge("run")
            return loaded

        monkeypatch.setattr(ports, "load", load_and_purge)
        await stage.client.runs.retry("run", "again")
        monkeypatch.undo()
        result = await stage.result("again")
        assert (result.output, result.context) == ({"n": 2}, {"n": 2, "k": 1})
