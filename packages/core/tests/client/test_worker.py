"""A worker's life: its lifespan, its checks, what it logs, and how it drains."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Annotated

import pytest

from flowcraft import Depends, Flowcraft, RunInfo, create_flow
from flowcraft.errors import BlueprintError, RegistrationError


class Pool:
    """Something that nodes share."""


async def which_pool(value, pool: Annotated[Pool, Depends("pool")]) -> int:
    return id(pool)


async def fail(value):
    raise ValueError("not today")


class Latch:
    """Holds a thread until a test lets it go."""

    def __init__(self):
        self.reached = threading.Event()
        self.opened = threading.Event()


def slow(value, latch: Annotated[Latch, Depends("latch")]) -> str:
    latch.reached.set()
    latch.opened.wait(30)
    return "done"


def flow_of(function, id="flow"):
    flow = create_flow(id)
    flow.node(function, uses=function.__name__, id="only")
    return flow


async def test_what_the_lifespan_yields_is_shared_by_all_nodes_of_a_worker(working):
    opened, closed = [], []

    @asynccontextmanager
    async def lifespan():
        opened.append(Pool())
        yield {"pool": opened[-1]}
        closed.append(opened[-1])

    app = Flowcraft(adapter="memory", lifespan=lifespan)
    app.add(flow_of(which_pool))
    async with app:
        async with working(app):
            runs = [await app.submit("flow") for _ in range(3)]
            outputs = [(await run.result(timeout=30)).output for run in runs]
        assert outputs == [id(opened[0])] * 3
    assert opened == closed
    assert len(opened) == 1


async def test_a_worker_whose_lifespan_yields_too_little_does_not_start():
    app = Flowcraft(adapter="memory")
    app.add(flow_of(which_pool))
    with pytest.raises(RegistrationError, match="pool"):
        await app.worker().run()


async def test_a_worker_whose_blueprint_names_what_nobody_registered_does_not_start():
    app = Flowcraft(adapter="memory")
    app.add({"id": "flow", "nodes": [{"id": "a", "uses": "nobody"}]})
    with pytest.raises(BlueprintError, match="nobody"):
        await app.worker().run()


async def test_a_context_variable_that_a_node_sets_is_not_seen_by_the_next_on_a_worker(
    app, working
):
    variable = ContextVar("variable", default="nobody")

    async def leave(run: RunInfo) -> str:
        before = variable.get()
        variable.set(run.node_id)
        return before

    flow = create_flow("flow")
    first = flow.node(leave, uses="leave", id="first")
    flow.edge(first, flow.node(leave, uses="leave", id="second"))
    app.add(flow)
    async with working(app):
        run = await app.submit("flow")
        assert (await run.result(timeout=30)).output == "nobody"


async def test_a_worker_logs_each_execution_with_its_run_node_scope_and_attempt(
    app, working, caplog
):
    flow = create_flow("flow")
    items = flow.node(lambda value: [1], uses="items", id="items")
    flow.map(fail, over=items, id="each", attempts=2, retry_delay_seconds=0)
    app.add(flow)
    with caplog.at_level(logging.INFO, "flowcraft.worker"):
        async with working(app):
            run = await app.submit("flow")
            await run.result(timeout=30)
    said = [
        (record.getMessage(), record.node, record.scope, record.attempt)
        for record in caplog.records
        if getattr(record, "run", None) == run.run_id
    ]
    assert said == [
        ("started", "items", "", 1),
        ("executed", "items", "", 1),
        ("started", "each_scatter", "/#0", 1),
        ("attempt failed", "each_scatter", "/#0", 1),
        ("started", "each_scatter", "/#0", 2),
        ("attempt failed", "each_scatter", "/#0", 2),
    ]


async def test_a_worker_that_drains_lets_a_thread_finish_and_records_its_outcome():
    latch = Latch()

    @asynccontextmanager
    async def lifespan():
        yield {"latch": latch}

    app = Flowcraft(adapter="memory", lifespan=lifespan)
    app.add(flow_of(slow))
    async with app:
        worker = app.worker()
        task = asyncio.create_task(worker.run())
        run = await app.submit("flow")
        assert await asyncio.to_thread(latch.reached.wait, 30)
        worker.stop()
        await asyncio.sleep(0)
        latch.opened.set()
        await task
        assert (await run.result(timeout=0)).output == "done"


async def test_a_worker_that_drains_in_vain_hands_its_work_to_the_next_one():
    latch = Latch()

    @asynccontextmanager
    async def lifespan():
        yield {"latch": latch}

    app = Flowcraft(adapter="memory", lifespan=lifespan, drain_seconds=0)
    app.add(flow_of(slow))
    async with app:
        first = app.worker()
        task = asyncio.create_task(first.run())
        run = await app.submit("flow")
        assert await asyncio.to_thread(latch.reached.wait, 30)
        first.stop()
        await task
        latch.opened.set()
        second = app.worker()
        task = asyncio.create_task(second.run())
        assert (await run.result(timeout=30)).output == "done"
        second.stop()
        await task
