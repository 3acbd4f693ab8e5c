"""The event bus of a worker: every event of its own, at once; what it raises harms nobody."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.event_bus import EventBus
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.events import RunEvent
from flowcraft.memory.adapter import MemoryAdapter
from flowcraft.testing import Harness, Stage, Wire, check
from flowcraft.testing.graphs import graph, node
from packages.core.tests.conformance.harnesses import (
    MemoryHarness,
    SplitAdapter,
    WiredMemory,
)

Told = list[tuple[str, str, int]]


class HeardHarness(MemoryHarness):
    """Adapters whose workers tell a bus."""

    kind: type[MemoryAdapter] = MemoryAdapter
    bus: EventBus | None = None

    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        return self.kind(
            options,
            backend=WiredMemory(self.backend, wire),
            lease_seconds=self.lease_seconds,
            event_bus=self.bus,
        )


class HeardSplitHarness(HeardHarness):
    """Queue and store apart."""

    kind = SplitAdapter


@pytest.fixture(params=[HeardHarness, HeardSplitHarness])
def harness(request: pytest.FixtureRequest) -> Harness:
    made: Harness = request.param()
    return made


def hear(stage: Stage, bus: EventBus) -> None:
    """Have all workers that start from now on tell a bus."""
    assert isinstance(stage.harness, HeardHarness)
    stage.harness.bus = bus


def listen(stage: Stage) -> Told:
    """Note what they tell."""
    told: Told = []
    hear(stage, lambda event: told.append((event.kind, event.node, event.attempt)))
    return told


def add_failing(stage: Stage) -> None:
    """A node that fails at its first attempt."""

    @stage.node("fails_once")
    async def fails_once(input: Any) -> Any:
        if stage.calls["fails_once"] == 1:
            raise ValueError("no")
        return input


@check("S1.61")
async def test_the_bus_is_told_of_every_event_as_it_happens(stage: Stage) -> None:
    add_failing(stage)
    told = listen(stage)
    nodes = [node("a"), node("b", "fails_once", config={"maxRetries": 2, "retryDelay": 1}),
             node("c")]  # fmt: skip
    edges = [
        {"source": "a", "target": "b"},
        {"source": "a", "target": "c", "condition": "false"},
    ]
    result = await stage.run({**graph(nodes), "edges": edges})
    assert result.status == "completed"
    await asyncio.sleep(100.0)
    # Side by side, what follows from `a` may be told in any order.
    assert sorted(told) == sorted([
        ("started", "a", 1), ("finished", "a", 1), ("started", "b", 1), ("retried", "b", 1),
        ("started", "b", 2), ("finished", "b", 2), ("skipped", "c", 1), ("ended", "", 1),
    ])  # fmt: skip
    assert told[0] == ("started", "a", 1)
    assert told[-1] == ("ended", "", 1)


@check("S1.61")
async def test_the_bus_is_told_how_a_run_failed(stage: Stage) -> None:
    events: list[RunEvent] = []
    hear(stage, events.append)
    result = await stage.run(graph([node("a", "fails")]))
    assert result.status == "failed"
    await asyncio.sleep(100.0)
    failed, end = events[-2:]
    assert (failed.kind, failed.node, failed.error) == ("failed", "a", result.errors[0])
    assert (end.kind, end.status, end.error) == ("ended", "failed", result.errors[0])
    assert {(event.run_id, event.cursor) for event in events} == {("run", "")}


@check("S1.61")
async def test_a_bus_that_raises_is_logged_and_harms_no_run(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:

    def broken(event: RunEvent) -> None:
        raise LookupError(event.kind)

    hear(stage, broken)
    with caplog.at_level(logging.ERROR):
        result = await stage.run(graph([node("a"), node("b")], ("a", "b")), 7)
    assert (result.status, result.output) == ("completed", 7)
    assert {record.message for record in caplog.records} == {"the event bus failed"}


@check("S1.61")
async def test_two_workers_tell_the_end_of_a_run_once_each_at_most(stage: Stage) -> None:
    told = listen(stage)
    stage.node("slow")(_slow)
    stage.add(graph([node("a"), *(node(n, "slow") for n in "bcdef")],
                    *(("a", n) for n in "bcdef")))  # fmt: skip
    stage.worker()
    stage.worker()
    await stage.submit("g", 1)
    await asyncio.sleep(3.0)
    await stage.client.runs.cancel("run")
    for n in "bcdef":
        await stage.send(n)
    await asyncio.sleep(200.0)
    assert 1 <= sum(kind == "ended" for kind, *_ in told) <= 3


async def _slow(input: Any) -> Any:
    await asyncio.sleep(50.0)
    return input
