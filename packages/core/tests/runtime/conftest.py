"""Runs blueprints written by hand through the in-process runtime, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from flowcraft.blueprint import Blueprint, load_blueprint
from flowcraft.clock import Clock
from flowcraft.nodes import NodeOptions, NodeRegistry
from flowcraft.runtime import FlowRuntime, LocalRun
from flowcraft.status import RunResult
from tests.simulation.loop import run_virtually

T = TypeVar("T")


class VirtualClock(Clock):
    """The time of the running loop; chance takes nothing away from any delay."""

    def __init__(self) -> None:
        self._ids = 0

    def now(self) -> float:
        return 1_000_000.0 + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return 0.0

    def fresh_id(self) -> str:
        self._ids += 1
        return f"run{self._ids}"


class Lab:
    """A registry, blueprints, and ways to run them."""

    def __init__(self) -> None:
        self.registry = NodeRegistry()
        self.blueprints: dict[str, Blueprint] = {}
        self.settings: dict[str, Any] = {}
        self.seconds = 0.0
        self.register("echo", echo)
        self.register("value", value)

    def register(self, uses: str, function: Callable[..., Any], **options: Any) -> None:
        """Keep a function under a key."""
        self.registry.register(function, uses=uses, options=NodeOptions(**options))

    def runtime(self) -> FlowRuntime:
        """A runtime with all that was registered and set."""
        return FlowRuntime(
            registry=self.registry,
            clock=VirtualClock(),
            blueprints=self.blueprints,
            **self.settings,
        )

    def run(self, blueprint: Blueprint, payload: Any = None, **how: Any) -> RunResult:
        """Run a blueprint to its end; `seconds` is then how long that took."""

        async def main() -> RunResult:
            result = await self.runtime().run(blueprint, payload, **how)
            self.seconds = asyncio.get_running_loop().time()
            return result

        return run_virtually(main())

    def drive(
        self,
        blueprint: Blueprint,
        course: Callable[[LocalRun], Awaitable[T]],
        payload: Any = None,
        **how: Any,
    ) -> T:
        """Start a run and give its handle to a coroutine function, for as long as that takes."""

        async def main() -> T:
            return await course(self.runtime().start(blueprint, payload, **how))

        return run_virtually(main())


async def echo(input: Any) -> Any:
    return input


async def value(params: dict[str, Any]) -> Any:
    return params["value"]


def graph(nodes: dict[str, Any], *edges: tuple[Any, ...], **members: Any) -> Blueprint:
    """Write a blueprint: nodes as `id: uses` or `id: {...}`, edges as source, target, members."""
    written = []
    for name, node in nodes.items():
        members_of = {"uses": node} if isinstance(node, str) else {"uses": "echo", **node}
        written.append({"id": name, **members_of})
    return load_blueprint(
        {
            "id": members.pop("id", "g"),
            "nodes": written,
            "edges": [
                {"source": e[0], "target": e[1], **(e[2] if len(e) > 2 else {})} for e in edges
            ],
            **members,
        }
    )


def gives(output: Any, **members: Any) -> dict[str, Any]:
    """Write a node with a constant output."""
    return {"uses": "value", "params": {"value": output}, **members}


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture(name="graph")
def graph_fixture() -> Callable[..., Blueprint]:
    return graph


@pytest.fixture(name="gives")
def gives_fixture() -> Callable[..., dict[str, Any]]:
    return gives


async def _settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
def settled() -> Callable[[], Awaitable[None]]:
    """Let everything happen that can without time going on."""
    return _settled
