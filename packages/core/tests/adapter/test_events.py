"""How events are read: the rest every adapter is asked by the kit."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.errors import UnknownRunError
from flowcraft.ports.store import End
from flowcraft.testing import Harness, Stage, check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.scenarios.events import events_of
from packages.core.tests.conformance.harnesses import MemoryHarness, SplitHarness


class TestWhoListens:
    @check("S1.42")
    async def test_a_run_that_is_purged_while_somebody_listens_says_so(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        listening = asyncio.create_task(events_of(stage))
        await asyncio.sleep(5.0)
        # Nothing is awaited between the two that would let the listener look.
        store = stage.client.ports.store
        await store.finish([End("run", "cancelled", None, 1.0)])
        await store.purge(["run"])
        with pytest.raises(UnknownRunError, match="run"):
            await listening


class TestJournals:
    @pytest.fixture(params=[MemoryHarness, SplitHarness])
    def harness(self, request: pytest.FixtureRequest) -> Harness:
        """Of stores that keep one."""
        made: Harness = request.param()
        return made

    @check("S1.42")
    async def test_large_outputs_are_read_a_few_at_a_time(self, stage: Stage) -> None:
        names = [f"n{number}" for number in range(5)]
        await stage.run(graph([node(name) for name in names]), "x" * 600_000)
        journal = await stage.client.ports.store.journal("run", "", 100)
        assert journal is not None
        assert (len(journal.entries), journal.is_all) == (2, False)
        assert len(await events_of(stage)) == 6
