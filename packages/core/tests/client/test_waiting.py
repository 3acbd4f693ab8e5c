"""How soon whoever waits for a run hears of its end, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.client.waiting import APART_SECONDS, wait_for_end
from flowcraft.ports.store import End
from flowcraft.testing import Harness, Stage, check
from flowcraft.testing.graphs import graph, node
from packages.core.tests.conformance.harnesses import MemoryHarness


@pytest.fixture
def harness() -> Harness:
    return MemoryHarness()


async def ended_after(stage: Stage, seconds: float) -> float:
    """How long after its end, which comes after so many seconds, a run is known to be over."""
    stage.add(graph([node("n")]))
    await stage.create("g", 1)
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(wait_for_end(stage.client, "run", timeout_seconds=None))
    await asyncio.sleep(seconds)
    ended = loop.time()
    await stage.client.ports.store.finish([End("run", "completed", None, 1.0)])
    await waiting
    return loop.time() - ended


@pytest.mark.parametrize("seconds", [0.0001, 0.003, 100.25])
@check()
async def test_an_end_is_heard_of_at_once_if_nobody_looked_just_before(
    stage: Stage, seconds: float
) -> None:
    assert await ended_after(stage, seconds) <= min(seconds + 0.001, APART_SECONDS)


@check()
async def test_a_waiter_looks_seldom_however_much_news_there_is(stage: Stage) -> None:
    stage.add(graph([node("n")]))
    await stage.create("g", 1)
    looks = 0
    store = stage.client.ports.store
    headers = store.headers

    async def counted(run_ids):  # type: ignore[no-untyped-def]
        nonlocal looks
        looks += 1
        return await headers(run_ids)

    store.headers = counted  # type: ignore[method-assign]
    waiting = asyncio.create_task(wait_for_end(stage.client, "run", timeout_seconds=None))
    assert isinstance(stage.harness, MemoryHarness)
    for _ in range(10_000):
        stage.harness.backend.waker.wake()
        await asyncio.sleep(0.0001)
    assert looks <= 1.0 / APART_SECONDS + 7
    waiting.cancel()
