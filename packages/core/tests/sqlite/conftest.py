"""Real files in temporary folders, and real processes on them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from flowcraft.clock import SystemClock
from flowcraft.sqlite import SqliteBackend, SqliteSettings

LONGEST_SECONDS = 60.0
"""Bound of every wait for a child: reached only when something is broken."""


class Child:
    """Another process, and the lines that it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """The next line that it says; fails if it ends without one."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LONGEST_SECONDS):
            line = await self.process.stdout.readline()
        assert line, "the child ended and said nothing"
        return line.decode().removesuffix("\n")

    def go(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def end(self) -> int:
        """Wait for its end."""
        async with asyncio.timeout(LONGEST_SECONDS):
            return await self.process.wait()

    async def kill(self) -> None:
        """Kill it, if it has not ended."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


Spawn = Callable[..., Awaitable[Child]]


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    """Start `child.py`; every child is gone when the test is over."""
    children: list[Child] = []

    async def start(command: str, path: str, *arguments: str) -> Child:
        program = str(Path(__file__).with_name("child.py"))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, program, command, path, *arguments, stdin=pipe, stdout=pipe
        )
        children.append(Child(process))
        return children[-1]

    try:
        yield start
    finally:
        for child in children:
            await child.kill()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "flow.db")


OpenBackend = Callable[..., SqliteBackend]


@pytest.fixture
async def open_backend(path: str) -> AsyncIterator[OpenBackend]:
    """Backends of the file; each is closed when the test is over."""
    made: list[SqliteBackend] = []

    def make(**options: Any) -> SqliteBackend:
        settings = SqliteSettings.from_options(**{"path": path, **options})
        made.append(SqliteBackend(settings, SystemClock()))
        return made[-1]

    try:
        yield make
    finally:
        for backend in made:
            await backend.aclose()


@pytest.fixture
def backend(open_backend: OpenBackend) -> SqliteBackend:
    return open_backend()
