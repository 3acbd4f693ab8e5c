"""What the tests of applications and runs share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from flowcraft import Flowcraft, RunHandle

PATIENCE_SECONDS = 30.0
"""When a test that waits for something that never comes gives up."""


@pytest.fixture
async def app() -> AsyncIterator[Flowcraft]:
    """An application on the memory adapter, closed in the end."""
    made = Flowcraft(adapter="memory")
    yield made
    await made.aclose()


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for a condition, looking again each time that others had their turn."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await condition():  # noqa: ASYNC110 - runs tell nobody but who asks
                await asyncio.sleep(0)

    return wait


@pytest.fixture
def until_status(until) -> Callable[..., Awaitable[None]]:
    """Wait for a run to have a status."""

    async def wait(run: RunHandle, status: str) -> None:
        async def has_it() -> bool:
            return await run.status() == status

        await until(has_it)

    return wait
