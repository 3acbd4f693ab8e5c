"""Other processes in a check: made over the same backend, and gone when the check is over."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.nodes import NodeRegistry
from flowcraft.testing.checks import covers
from flowcraft.testing.harness import Harness

LONGEST_SECONDS = 60.0
"""Bound of every wait for a child, in real time: reached only when something is broken."""
LEASE_SECONDS = 2.0
"""How long a message is held in checks with processes: their time is real."""


def environment() -> dict[str, str]:
    """The environment of a child that imports what this process can import."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class Child:
    """Another process, and the lines that it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> Any:
        """What it says next; fails if it ends and says nothing."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LONGEST_SECONDS):
            line = await self._process.stdout.readline()
        assert line, "the child ended and said nothing"
        return json.loads(line)

    async def rest(self) -> list[Any]:
        """All that it says up to its end."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LONGEST_SECONDS):
            lines = (await self._process.stdout.read()).splitlines()
        return [json.loads(line) for line in lines]

    def go(self) -> None:
        """Let it go on: begin, or come to an end."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")

    async def kill(self) -> None:
        """End it where it stands, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


class Processes:
    """The processes of one check.

    Attributes:
        adapter: An adapter of this process over the same backend; its time is real.
    """

    adapter: BaseDistributedAdapter

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._children: list[Child] = []
        harness.lease_seconds = LEASE_SECONDS
        settings = harness.elsewhere()
        if settings is None:
            pytest.skip("its backend lives in one process")
        self._settings = settings

    async def __aenter__(self) -> Self:
        options = RuntimeOptions(registry=NodeRegistry())
        self.adapter = self._harness.spec.create(options, self._settings)
        await self.adapter.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        for child in self._children:
            await child.kill()
        await self.adapter.aclose()
        await self._harness.aclose()

    async def start(self, command: str, **arguments: Any) -> Child:
        """Start a child that waits to be told to begin.

        Args:
            command: One of those in `child.py`.
            arguments: What it takes.
        """
        spec = self._harness.spec
        order = {
            "adapter": spec.adapter,
            "settings": spec.settings,
            "options": msgspec.to_builtins(self._settings),
            "command": command,
            "arguments": arguments,
        }
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(Path(__file__).with_name("child.py")), json.dumps(order),
            stdin=pipe, stdout=pipe, env=environment(),
        )  # fmt: skip
        self._children.append(Child(process))
        return self._children[-1]

    async def together(self, command: str, *arguments: dict[str, Any]) -> list[Any]:
        """Let several children do the same at once; what each said of it."""
        children = [await self.start(command, **given) for given in arguments]
        for child in children:
            assert await child.line() == "ready"
        for child in children:
            child.go()
        return [await child.line() for child in children]


def check_with_processes(
    *sentences: str,
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Make a coroutine of a class a check in real time; its `processes` are on the `harness`.

    Args:
        sentences: The sentences of docs/semantics.md, and the guarantees, that it holds.
    """

    def make(function: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(self: Any, harness: Harness) -> None:
            async def main() -> None:
                async with Processes(harness) as processes:
                    await function(self, processes=processes)

            asyncio.run(main())

        run.__signature__ = inspect.signature(run, follow_wrapped=False)  # type: ignore[attr-defined]
        return covers(*sentences)(run)

    return make
