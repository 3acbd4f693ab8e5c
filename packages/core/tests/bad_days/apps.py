"""An application on one file, and a worker of it, for tests that spoil something under them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from flowcraft import Flowcraft, create_flow

PATIENCE_SECONDS = 60.0
"""When a test gives up that waits for something that never comes."""


async def first(value: Any) -> Any:
    return value


async def second(value: Any) -> Any:
    return value


def make_app(path: object, **settings: Any) -> Flowcraft:
    """An application whose flow "twice" passes its payload through two nodes."""
    quick = {"busy_timeout_seconds": 30.0, "lease_seconds": 5.0, "drain_seconds": 1.0}
    app = Flowcraft(adapter="sqlite", path=str(path), **{**quick, **settings})
    flow = create_flow("twice")
    flow.edge(flow.node(first, uses="first"), flow.node(second, uses="second"))
    app.add(flow)
    return app


@asynccontextmanager
async def working(app: Flowcraft) -> AsyncIterator[None]:
    """A worker as long as the block lasts; it must drain, whatever was done to its file."""
    worker = app.worker()
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(task, PATIENCE_SECONDS)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that tells nobody but who looks."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
