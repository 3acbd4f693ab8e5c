"""Webhooks, alone and in pairs, and sleeps whose end is set once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import RunError
from packages.core.tests.adapter.stage import EPOCH, Stage, virtually
from tests.simulation.hand_written import graph, node

CALL = {"body": {"n": 1}, "headers": {"x": "y"}, "method": "POST", "query": {"q": "1"}}

PAIR = graph(
    [node("h", "webhook"), node("w", "wait", eventName="webhook:h"), node("z", "echo")],
    ("h", "w"),
    ("w", "z"),
)


@virtually
async def test_a_webhook_gives_the_call_that_came(stage: Stage) -> None:
    stage.add(graph([node("h", "webhook"), node("z", "echo")], ("h", "z")))
    stage.worker()
    await stage.submit("g")
    await stage.until_open("h")
    endpoint = await stage.client.register_webhook_endpoint("run", "h")
    assert endpoint == {"url": "/webhooks/run/h", "event": "webhook:h"}
    assert await stage.resume("h", CALL) == "woke"
    assert await stage.resume("h", CALL) == "refused"
    assert (await stage.result()).output == CALL


@virtually
async def test_a_call_before_the_webhook_is_reached_is_kept(stage: Stage) -> None:
    nodes = [node("s", "sleep", duration="1m"), node("h", "webhook")]
    stage.add(graph(nodes, ("s", "h")))
    stage.worker()
    await stage.submit("g")
    assert await stage.resume("h", CALL) == "kept"
    assert (await stage.result()).output == CALL


@pytest.mark.parametrize("name", ["h", "w"])
@virtually
async def test_in_a_pair_the_wait_suspends_under_either_name(stage: Stage, name: str) -> None:
    stage.add(PAIR)
    stage.worker()
    await stage.submit("g", "in")
    await stage.until_open("w")
    assert await stage.record("h") is not None
    assert await stage.resume(name, CALL) == "woke"
    assert await stage.resume("h", CALL) == "refused"
    assert (await stage.result()).output == CALL


@pytest.mark.parametrize("name", ["h", "w"])
@virtually
async def test_a_call_of_a_pair_that_comes_early_is_not_lost(stage: Stage, name: str) -> None:
    nodes = [node("s", "sleep", duration="1m"), *PAIR["nodes"]]
    stage.add(graph(nodes, ("s", "h"), ("h", "w"), ("w", "z")))
    stage.worker()
    await stage.submit("g")
    assert await stage.resume(name, CALL) == "kept"
    assert (await stage.result()).output == CALL


@virtually
async def test_the_path_of_a_webhook_can_be_part_of_an_address(stage: Stage) -> None:
    endpoint = await stage.client.register_webhook_endpoint("a b?", "h#\u00e4%")
    assert endpoint["url"] == "/webhooks/a%20b%3F/h%23%C3%A4%25"


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [(1500, 1.5), ("10s", 10.0), ("5m", 300.0), ("2h", 7200.0)],
)
@virtually
async def test_a_sleep_lasts_as_long_as_it_says(
    stage: Stage, duration: Any, seconds: float
) -> None:
    nodes = [node("s", "sleep", duration=duration), node("z", "echo")]
    result = await stage.run(graph(nodes, ("s", "z")), {"kept": 1})
    assert result.output == {"kept": 1}
    ended_at = (await stage.header()).ended_at
    assert ended_at is not None
    assert seconds - 0.01 <= ended_at - EPOCH <= seconds + 5.0 + stage.slack_seconds


@virtually
async def test_the_end_of_a_sleep_is_set_once(stage: Stage) -> None:
    stage.add(graph([node("s", "sleep", duration="1h")]))
    stage.worker()
    await stage.submit("g")
    await asyncio.sleep(60.0)
    due = (await stage.cells("s"))["due"]
    for _ in range(20):
        stage.send("s")
        await asyncio.sleep(150.0)
    assert (await stage.cells("s"))["due"] == due
    await stage.result(within=700.0)
    assert (await stage.cells("s"))["due"] == due


@virtually
async def test_a_sleep_that_was_begun_survives_its_worker(stage: Stage) -> None:
    stage.add(graph([node("s", "sleep", duration="10m")]))
    first = stage.worker()
    await stage.submit("g")
    await asyncio.sleep(60.0)
    first.abandon()
    await asyncio.sleep(3600.0)
    stage.worker()
    await stage.result(within=60.0)


@virtually
async def test_a_sleep_of_days_fills_no_queue(stage: Stage) -> None:
    stage.settings["poll_seconds"] = 60.0
    stage.add(graph([node("s", "sleep", duration="2d"), node("w", "wait")]))
    stage.worker()
    await stage.submit("g")
    most = 0
    for _ in range(47):
        await asyncio.sleep(3600.0)
        most = max(most, len(stage.messages()) + len(stage.timers()))
    assert most <= 4


@virtually
async def test_a_sleep_cannot_be_resumed(stage: Stage) -> None:
    stage.add(graph([node("s", "sleep", duration="1h")]))
    stage.worker()
    await stage.submit("g")
    with pytest.raises(RunError, match="no wait"):
        await stage.resume("s", 1)


@virtually
async def test_the_loser_of_a_race_with_a_sleep_is_cancelled_with_the_run(stage: Stage) -> None:
    nodes = [
        node("w", "wait"),
        node("s", "sleep", duration="5m"),
        node("z", "echo", config={"joinStrategy": "any"}),
    ]
    result = await stage.run(graph(nodes, ("w", "z"), ("s", "z")), "late")
    assert result.output == {"s": "late"}
    assert await stage.resume("w", 1) == "refused"
    assert await stage.record("w") is None
    await stage.until_quiet()


@virtually
async def test_timers_promoted_twice_are_harmless(stage: Stage) -> None:
    nodes = [node("s", "sleep", duration="60s"), node("z", "echo")]
    stage.add(graph(nodes, ("s", "z")))
    stage.worker()
    await stage.submit("g", 1)
    await asyncio.sleep(59.0)
    for _ in range(10):
        stage.send("s", origin="timer")
        await asyncio.sleep(0.3)
    assert (await stage.result()).output == 1
    await stage.until_quiet()
    assert stage.calls["echo"] == 1
