"""What a loop whose body has a sink of its own costs, iteration by iteration."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.testing.graphs import loop, node
from flowcraft.testing.loop import run_virtually
from flowcraft.testing.stage import Stage
from packages.core.tests.conformance.harnesses import MemoryHarness, SplitHarness


@pytest.mark.parametrize("make", [MemoryHarness, SplitHarness])
def test_a_sink_in_a_body_costs_the_last_iteration_what_it_costs_the_first(make: Any) -> None:
    harness = make()
    read: list[int] = []
    get_members = harness.backend.tables.get_members

    def counted(run_id: str, key: str) -> Any:
        found = list(get_members(run_id, key))
        read.append(len(found))
        return found

    harness.backend.tables.get_members = counted
    run_virtually(sixty_iterations(harness))
    assert max(read) <= 2


async def sixty_iterations(harness: MemoryHarness) -> None:
    blueprint = loop(60)
    blueprint["nodes"].append(node("side", "late"))
    blueprint["edges"].append({"source": "b", "target": "side"})
    async with Stage(harness) as stage:

        @stage.node("late")
        async def late(input: Any) -> Any:
            await asyncio.sleep(30.0)
            return input

        assert (await stage.run(blueprint)).output == {"n": 60}
        assert stage.calls["late"] == 60
