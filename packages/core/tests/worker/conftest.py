"""Workers on SQLite files: in this process, and as processes of their own that may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from flowcraft import Flowcraft
from packages.core.tests.worker import bad_days

PATIENCE_SECONDS = 60.0
"""When a test that waits for something that never comes gives up."""


@pytest.fixture
async def make_app(tmp_path) -> AsyncIterator[Callable[..., Flowcraft]]:
    """Make the application of `bad_days.py` in this process; closed in the end."""
    made: list[Flowcraft] = []

    def make(**settings: Any) -> Flowcraft:
        made.append(bad_days.make_app(str(tmp_path), **settings))
        return made[-1]

    yield make
    for app in made:
        await app.aclose()


@pytest.fixture
def app(make_app) -> Flowcraft:
    """The application of `bad_days.py`, in this process."""
    return make_app()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for something that another process does, or another thread."""

    async def wait(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def start_process(tmp_path) -> Callable[..., subprocess.Popen[str]]:
    """Start worker processes of the application in `bad_days.py`.

    What they log is in a file of their name; they are killed whatever becomes of the test.
    """
    started: list[subprocess.Popen[str]] = []

    def start(name: str = "w1", **settings: Any) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOWCRAFT_")}
        environment["BAD_DAYS"] = str(tmp_path)
        environment["BAD_DAYS_SETTINGS"] = json.dumps(settings)
        with open(tmp_path / f"{name}.log", "a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "flowcraft.cli", "worker", "bad_days:app", "--name", name],
                cwd=Path(__file__).parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
