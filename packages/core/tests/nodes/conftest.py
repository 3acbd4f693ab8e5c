"""A context in a dict, and a short way to call an implementation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowcraft.nodes import Context, NodeOptions, NodeRegistry, NodeResult, RunInfo


class DictContext(Context):
    """All keys in one dict, at once visible to everybody."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    async def set(self, key: str, value: Any) -> None:
        self.values[key] = value

    async def has(self, key: str) -> bool:
        return key in self.values

    async def delete(self, key: str) -> None:
        self.values.pop(key, None)


@pytest.fixture
def ctx() -> DictContext:
    return DictContext()


@pytest.fixture
def run_info() -> RunInfo:
    return RunInfo(run_id="r1", blueprint_id="order", node_id="pay", scope="", attempt=1)


@pytest.fixture
def call(ctx: DictContext, run_info: RunInfo) -> Callable[..., Any]:
    """Register a function under the key `it`, and make one attempt of node `pay`."""

    async def make(fn: Any, value: Any = None, **given: Any) -> NodeResult[Any]:
        options = given.pop("options", NodeOptions())
        implementation = NodeRegistry().register(fn, uses="it", options=options)
        settings = {"ctx": ctx, "run": run_info, "params": {}, **given}
        return await implementation.call(input=value, **settings)

    return make
