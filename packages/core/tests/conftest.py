"""What the tests of several parts share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flowcraft import Flowcraft

PATIENCE_SECONDS = 60.0
"""When a test that waits for something that never comes gives up."""


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("FLOWCRAFT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def working() -> Callable[..., object]:
    """A worker of an application, as long as the block lasts; drained at its end."""

    @asynccontextmanager
    async def with_worker(app: Flowcraft, **settings: Any) -> AsyncIterator[object]:
        worker = app.worker(**settings)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, PATIENCE_SECONDS)

    return with_worker
