"""SIGTERM and SIGINT: how they reach the workers of a process, and what is left of it after."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from flowcraft import Flowcraft
from flowcraft.testing import covers
from flowcraft.worker import Worker

BOTH = (signal.SIGTERM, signal.SIGINT)
PATIENCE_SECONDS = 30


@pytest.fixture
def missed() -> Iterator[list[int]]:
    """The signals that came to what handled them before there were workers.

    Each test ends with that in its place again.
    """
    came: list[int] = []

    def miss(number: int, frame: object) -> None:
        came.append(number)

    before = {number: signal.signal(number, miss) for number in BOTH}
    try:
        yield came
        assert [signal.getsignal(number) for number in BOTH] == [miss, miss]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., object]]:
    """Start a worker that takes jobs; it, and the task to wait for."""
    apps: list[Flowcraft] = []

    async def start() -> tuple[Worker, asyncio.Task[None]]:
        app = Flowcraft(adapter="memory")
        apps.append(app)
        worker = app.worker()
        task = asyncio.create_task(worker.run())
        await worker.started.wait()
        return worker, task

    yield start
    for app in apps:
        await app.aclose()


async def ended(*tasks: asyncio.Task[None]) -> None:
    """Wait until these workers have drained."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*tasks)


@covers("S12.44")
@pytest.mark.parametrize("number", BOTH)
async def test_a_signal_drains_all_workers_of_a_process(missed, start, number):
    tasks = [(await start())[1] for _ in range(3)]
    signal.raise_signal(number)
    await ended(*tasks)
    assert missed == []


@pytest.mark.parametrize("first_to_end", [0, 1])
async def test_a_signal_drains_the_worker_that_is_left(missed, start, first_to_end):
    workers = [await start(), await start()]
    worker, task = workers.pop(first_to_end)
    worker.stop()
    await ended(task)
    signal.raise_signal(signal.SIGTERM)
    await ended(workers[0][1])
    assert missed == []


async def test_a_signal_drains_a_worker_that_came_after_others_had_gone(missed, start):
    _, staying = await start()
    for _ in range(2):
        worker, task = await start()
        worker.stop()
        await ended(task)
    _, latest = await start()
    signal.raise_signal(signal.SIGTERM)
    await ended(staying, latest)
    assert missed == []


@covers("S12.44")
async def test_a_signal_drains_a_worker_that_still_opens_its_lifespan(missed, start):
    opening, go_on = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan():
        opening.set()
        await go_on.wait()
        yield

    _, working = await start()
    async with Flowcraft(adapter="memory", lifespan=lifespan) as app:
        late = asyncio.create_task(app.worker().run())
        await opening.wait()
        signal.raise_signal(signal.SIGTERM)
        await ended(working)
        go_on.set()
        await ended(late)
    assert missed == []


@covers("S12.44")
async def test_a_second_signal_does_what_it_did_before(missed, start):
    tasks = [(await start())[1] for _ in range(2)]
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    await ended(*tasks)
    assert missed == [signal.SIGINT]


async def test_what_takes_a_signal_over_while_workers_run_keeps_it(missed, start):
    worker, task = await start()
    taken: list[int] = []
    ours = signal.signal(signal.SIGINT, lambda number, frame: taken.append(number))
    worker.stop()
    await ended(task)
    signal.raise_signal(signal.SIGINT)
    assert (taken, missed) == ([signal.SIGINT], [])
    signal.signal(signal.SIGINT, ours)
    signal.raise_signal(signal.SIGINT)  # nobody is left to drain
    assert missed == []


async def test_what_an_application_set_on_its_loop_is_there_after_the_workers(missed, start):
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, told.set)
    worker, task = await start()
    worker.stop()
    await ended(task)
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await told.wait()
    loop.remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)
