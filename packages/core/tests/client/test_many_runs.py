"""Waiting for many runs at once, and listing them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from flowcraft import create_flow
from flowcraft.errors import RunError, RunNotFinishedError, UnknownRunError


@pytest.fixture
def waiting_app(app):
    """An application whose runs end when they are resumed."""
    flow = create_flow("flow")
    flow.wait("go")
    app.add(flow)
    return app


async def submit(app, count):
    return [await app.submit("flow", run_id=f"r{number}") for number in range(count)]


async def test_results_come_in_the_order_in_which_runs_end(waiting_app, working, until_status):
    runs = await submit(waiting_app, 3)

    async def listen():
        ended = waiting_app.as_completed([*runs, runs[0].run_id], timeout=30)
        return [(result.run_id, result.output) async for result in ended]

    async with working(waiting_app):
        listening = asyncio.create_task(listen())
        for index in (2, 0, 1):
            await until_status(runs[index], "waiting")
            await runs[index].resume(output=index)
            await until_status(runs[index], "completed")
        assert await listening == [("r2", 2), ("r0", 0), ("r1", 1)]


async def test_results_are_given_in_the_order_of_the_runs(waiting_app, working):
    runs = await submit(waiting_app, 3)
    for index, run in enumerate(runs):
        assert await run.resume(output=index, node_id="go") == "kept"
    await runs[1].cancel()
    async with working(waiting_app):
        results = await waiting_app.results(["r2", runs[1], "r0", "r2"], timeout=30)
    assert [(result.run_id, result.status, result.output) for result in results] == [
        ("r2", "completed", 2),
        ("r1", "cancelled", None),
        ("r0", "completed", 0),
        ("r2", "completed", 2),
    ]


async def test_many_runs_are_asked_after_together(waiting_app, monkeypatch):
    runs = await submit(waiting_app, 40)
    store = (await waiting_app.adapter()).ports.store
    headers, calls = store.headers, Counter()

    async def counted(run_ids):
        calls[len(run_ids)] += 1
        if calls.total() == 3:
            for run in runs[5:]:
                await run.cancel()
        if calls.total() == 5:
            for run in runs[:5]:
                await run.cancel()
        return await headers(run_ids)

    monkeypatch.setattr(store, "headers", counted)
    await waiting_app.results(runs, timeout=30)
    # 40 until 35 ended, then 5; besides, cancelling and each result ask for one at a time.
    assert calls[40] >= 1
    assert set(calls) <= {40, 5, 1}


async def test_runs_that_do_not_end_in_time_are_counted_and_named(waiting_app):
    runs = await submit(waiting_app, 5)
    await runs[0].cancel()
    heard = []
    with pytest.raises(RunNotFinishedError, match=r"4 runs \('r1', 'r2', 'r3', \.\.\.\)"):
        async for result in waiting_app.as_completed(runs, timeout=0):
            heard.append(result.run_id)  # noqa: PERF401 - what came before the error counts
    assert heard == ["r0"]


async def test_no_runs_have_no_results(waiting_app):
    assert await waiting_app.results([]) == []


async def test_a_run_that_nobody_submitted_is_an_error_at_once(waiting_app):
    runs = await submit(waiting_app, 2)
    with pytest.raises(UnknownRunError, match="nobody"):
        await waiting_app.results([*runs, "nobody"])


async def test_an_application_lists_its_runs_page_by_page(waiting_app):
    await submit(waiting_app, 5)
    first = await waiting_app.runs(limit=3, status="running", blueprint_id="flow")
    second = await waiting_app.runs(limit=3, after=first.next)
    listed = [run.run_id for page in (first, second) for run in page.runs]
    assert sorted(listed) == [f"r{number}" for number in range(5)]
    assert (len(first.runs), second.next) == (3, None)
    with pytest.raises(RunError, match="waiting"):
        await waiting_app.runs(status="waiting")
