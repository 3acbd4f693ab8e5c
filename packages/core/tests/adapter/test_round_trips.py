"""Which calls to a server a node costs.

How many there are on each adapter, and that they do not grow with the run, is a matter of the
conformance kit: `flowcraft.testing.budgets`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from flowcraft.testing import Call, Harness, Stage, check
from flowcraft.testing.graphs import chain, fan
from packages.core.tests.conformance.harnesses import MemoryHarness, SplitHarness

IDLE = {"_take", "due_timers", "stalled", "set_if_not_exist", "extend", "touch", "headers"}
"""What a worker calls while it waits, or every few seconds for all it holds together."""


async def counted(stage: Stage, blueprint: Any, payload: Any = 1) -> Counter[str]:
    """Run a blueprint, and count the calls of its worker by method."""
    calls: Counter[str] = Counter()

    async def count(call: Call) -> None:
        name = call.name.split(".")[1]
        if name not in IDLE:
            calls[name] += 1

    worker = stage.worker()
    worker.wire.before = count
    stage.add(blueprint)
    await stage.submit(blueprint["id"], payload)
    await stage.result()
    await stage.until_quiet()
    await asyncio.sleep(1.0)
    return calls


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Harness:
    made: Harness = request.param()
    return made


SPLIT = pytest.mark.parametrize("harness", [SplitHarness], indirect=True)
FUSED = pytest.mark.parametrize("harness", [MemoryHarness], indirect=True)


@SPLIT
@check()
async def test_a_chain_costs_one_commit_a_node_and_no_queue_traffic(stage: Stage) -> None:
    calls = await counted(stage, chain(50))
    assert calls["commit"] == 50
    # One for the run, one for the first node, and the result's.
    assert calls["load"] <= 4
    assert calls["send"] == 0
    assert calls["ack"] <= 1
    # The sink arrives at the end; no other arrival is written.
    assert calls["propagate"] <= 1
    assert sum(calls.values()) <= 50 + 12


@FUSED
@check()
async def test_a_run_of_one_node_costs_a_read_and_a_step_where_all_is_one(stage: Stage) -> None:
    calls = await counted(stage, chain(1))
    assert calls.pop("get_blueprint") == 1  # once for all runs of a blueprint
    assert calls == {"load": 2, "transition": 1}  # the first one does not know the blueprint yet


@FUSED
@check()
async def test_branches_that_are_ready_together_share_a_read_and_a_step_where_all_is_one(
    stage: Stage,
) -> None:
    calls = await counted(stage, fan(20))
    assert calls.pop("get_blueprint") == 1
    # The first node, its branches, and the last one.
    assert calls.pop("load") <= 4
    assert calls == {"transition": 4}


@SPLIT
@check()
async def test_a_fan_costs_one_commit_a_node_and_batches_the_rest(stage: Stage) -> None:
    calls = await counted(stage, fan(20))
    assert calls["commit"] <= 22
    assert calls["send"] <= 20
    # One read and one arrival for each branch at most, often shared.
    assert calls["load"] <= 1 + 20 + 2
    assert calls["propagate"] <= 22
    assert sum(calls.values()) <= 3.5 * 22


@SPLIT
@check()
async def test_a_first_delivery_costs_no_extra_call(stage: Stage) -> None:
    calls = await counted(stage, chain(1))
    assert calls["load"] <= 4
    assert calls["commit"] == 1
    assert calls["propagate"] == 1
    assert calls["finish"] == 1
