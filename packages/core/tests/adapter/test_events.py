"""The events of a run are complete, in order, and can be gone on with from a cursor.

The four-method adapter keeps no order: there they are told from the records.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from flowcraft.client.events import run_events
from flowcraft.errors import RunError, UnknownRunError
from flowcraft.events import RunEvent
from flowcraft.ports.store import End
from packages.core.tests.adapter.stage import EPOCH, Stage, virtually
from tests.simulation.hand_written import LOOP, batch, counting, graph, node


async def events_of(
    stage: Stage, run_id: str = "run", *, after: str | None = None, count: int | None = None
) -> list[RunEvent]:
    """The events of a run until its end, or so many of them."""
    found: list[RunEvent] = []
    async with aclosing(run_events(stage.client, run_id, after=after)) as events:
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


def told(events: list[RunEvent]) -> list[str]:
    return [f"{event.kind} {event.node}{event.scope}".strip() for event in events]


CHAIN = graph([node(name, "echo") for name in "abc"], ("a", "b"), ("b", "c"))


@virtually
async def test_the_events_of_a_run_end_with_its_end(stage: Stage) -> None:
    await stage.run(CHAIN)
    events = await events_of(stage)
    assert told(events) == ["finished a", "finished b", "finished c", "ended"]
    assert events[-1].status == "completed"
    times = [event.at for event in events]
    assert times == sorted(times)
    assert times[0] >= EPOCH


@virtually
async def test_who_listens_hears_of_each_node_while_the_run_goes_on(stage: Stage) -> None:
    @stage.node("slow")
    async def slow(input: Any) -> Any:
        await asyncio.sleep(100.0)
        return input

    stage.add(graph([node(name, "slow") for name in "abc"], ("a", "b"), ("b", "c")))
    await stage.submit("g")
    stage.worker()
    now = stage.client.parts.clock.now
    events = run_events(stage.client, "run", after=None)
    delays = [now() - event.at async for event in events]
    assert len(delays) == 4
    assert max(delays) < 5.0


@virtually
async def test_skips_failures_retries_and_actions_are_told(stage: Stage) -> None:
    fails = iter([ValueError("one"), ValueError("two"), None])

    @stage.node("flaky")
    async def flaky(input: Any) -> Any:
        error = next(fails)
        if error is not None:
            raise error
        return input

    @stage.node("broken")
    async def broken(input: Any) -> None:
        raise ValueError("never")

    nodes = [
        node("a", "flaky", config={"maxRetries": 3}),
        node("left", "echo"),
        node("b", "broken", config={"fallback": "spare"}),
        node("spare", "echo"),
    ]
    edges = [("a", "b"), ("a", "left", {"condition": "false"})]
    await stage.run(graph(nodes, *edges))
    events = await events_of(stage)
    assert sorted(told(events)) == [
        "ended", "failed b", "finished a", "finished spare", "retried a", "retried a",
        "skipped left",
    ]  # fmt: skip
    retries = [event for event in events if event.kind == "retried"]
    assert [(one.attempt, one.error.message) for one in retries] == [(1, "one"), (2, "two")]
    assert [event.attempt for event in events if event.node == "a"] == [1, 2, 3]
    (failed,) = (event for event in events if event.kind == "failed")
    assert failed.error.message == "never"
    order = told(events)
    assert order.index("finished a") < order.index("failed b") < order.index("finished spare")


@virtually
async def test_the_end_of_a_failed_run_says_why(stage: Stage) -> None:
    @stage.node("broken")
    async def broken(input: Any) -> None:
        raise ValueError("never")

    await stage.run(graph([node("a", "broken")]))
    failed, end = await events_of(stage)
    assert (failed.kind, failed.node) == ("failed", "a")
    assert (end.kind, end.status, end.error) == ("ended", "failed", failed.error)


@virtually
async def test_every_item_of_a_batch_and_every_iteration_of_a_loop_is_told(stage: Stage) -> None:
    stage.node("sim.node")(_value)
    stage.node("sim.worker")(_value)
    for blueprint in (batch(5, {}), graph(counting(3), *LOOP, name="loop")):
        run_id = str(blueprint["id"])
        stage.add(blueprint)
        stage.worker()
        await stage.submit(run_id, run_id=run_id)
        await stage.result(run_id)
        events = told(await events_of(stage, run_id))
        assert len(events) == len(set(events))
        records = await recorded_keys(stage, run_id)
        assert {event.split(" ")[-1] for event in events[:-1]} == records


async def recorded_keys(stage: Stage, run_id: str) -> set[str]:
    if stage.kind != "four_method":
        cells = stage.backend.tables.runs[run_id].cells
        return {key for key, named in cells.items() if "record" in named}
    prefix, suffix = f"flowcraft/cell/{run_id}/", "//record"
    keys = [key for key in stage.server.keys if key.startswith(prefix) and key.endswith(suffix)]
    return {key[len(prefix) : -len(suffix)] for key in keys}


async def _value(input: Any, params: dict[str, Any]) -> Any:
    if params.get("emit") == "count":
        return {"n": input["n"] + 1}
    return params.get("value", input)


@virtually
async def test_after_each_event_one_can_go_on(memory: Stage) -> None:
    await memory.run(CHAIN)
    events = await events_of(memory)
    for number, event in enumerate(events, 1):
        assert await events_of(memory, after=event.cursor) == events[number:]


@pytest.mark.parametrize("stage", ["four_method"], indirect=True)
@virtually
async def test_where_no_order_is_kept_one_goes_on_from_the_beginning(stage: Stage) -> None:
    await stage.run(CHAIN)
    events = await events_of(stage)
    assert await events_of(stage, after=events[1].cursor) == events
    assert await events_of(stage, after=events[-1].cursor) == []


@virtually
async def test_an_event_comes_once_however_often_a_worker_dies(stage: Stage) -> None:
    deaths = iter([True, True, False])

    @stage.node_of_worker("killer")
    def make(worker: Any) -> Any:
        async def kill(input: Any) -> Any:
            if next(deaths):
                await worker.die()
            return input

        return kill

    stage.add(graph([node("a", "echo"), node("b", "killer"), node("c", "echo")],
                    ("a", "b"), ("b", "c")))  # fmt: skip
    keeping = asyncio.create_task(stage.keep_alive())
    await stage.submit("g")
    assert told(await events_of(stage)) == ["finished a", "finished b", "finished c", "ended"]
    keeping.cancel()


@virtually
async def test_more_than_a_page_is_told_whole(memory: Stage) -> None:
    names = [f"n{number:03}" for number in range(450)]
    await memory.run(graph([node(name, "echo") for name in names]))
    events = await events_of(memory)
    assert sorted(event.node for event in events[:-1]) == names


@virtually
async def test_large_outputs_are_read_a_few_at_a_time(memory: Stage) -> None:
    large = "x" * 600_000
    names = [f"n{number}" for number in range(5)]
    await memory.run(graph([node(name, "echo") for name in names]), large)
    journal = await memory.client.ports.store.journal("run", "", 100)
    assert journal is not None
    assert (len(journal.entries), journal.is_all) == (2, False)
    assert len(await events_of(memory)) == 6


@virtually
async def test_a_run_that_is_gone_has_no_events(stage: Stage) -> None:
    for after in (None, "end"):
        with pytest.raises(UnknownRunError, match="nobody"):
            await events_of(stage, "nobody", after=after)
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


@virtually
async def test_a_cursor_of_no_event_is_refused(memory: Stage) -> None:
    await memory.run(CHAIN)
    for after in ("x", "-1", "1.5", "9" * 30, "²"):
        with pytest.raises(RunError, match="the cursor of no event"):
            await events_of(memory, after=after)
