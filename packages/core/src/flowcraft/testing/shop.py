"""A stage whose nodes fail where a check says so, until it mends them: for retries of runs."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.nodes import Context, RunInfo
from flowcraft.status import RunResult
from flowcraft.testing.graphs import BlueprintJson, Node, node
from flowcraft.testing.stage import Stage


def work(name: str, **members: Any) -> Node:
    """Write a node that passes its input on, or gives its param `value`.

    Before that it sets the context keys of its param `writes`, and waits without end if it has
    the param `hangs`, in its first run only.
    """
    return node(name, "work", **members)


class Shop:
    """Nodes of the key `work`.

    Args:
        stage: Where they run.

    Attributes:
        broken: Keys of the activations that fail, in whatever run.
        ran: The activations whose code ran since this was last cleared, in order.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.broken: set[str] = set()
        self.ran: list[str] = []
        stage.node("work")(self._work)

    async def _work(self, input: Any, params: dict[str, Any], run: RunInfo, ctx: Context) -> Any:
        key = run.node_id + run.scope
        self.ran.append(key)
        for name, value in params.get("writes", {}).items():
            await ctx.set(name, value)
        if key in self.broken:
            raise ValueError("broken")
        if params.get("hangs") and run.run_id.startswith("run"):
            await asyncio.get_running_loop().create_future()
        return params.get("value", input)

    async def fails(
        self, *blueprints: BlueprintJson, broken: str, payload: Any = None
    ) -> RunResult:
        """Run the last blueprint to its failure, then mend everything."""
        self.stage.add(*blueprints)
        self.stage.worker()
        self.broken = {*broken.split()}
        await self.stage.submit(blueprints[-1]["id"], payload)
        result = await self.stage.result()
        assert result.status == "failed"
        self.mend()
        return result

    async def hangs(self, *blueprints: BlueprintJson, at: str, payload: Any = None) -> None:
        """Run the last blueprint until an activation hangs, cancel it, and mend everything."""
        self.stage.add(*blueprints)
        self.stage.worker()
        await self.stage.submit(blueprints[-1]["id"], payload)
        await self.stage.until(lambda: self._has_run(at))
        await self.stage.client.runs.cancel("run")
        self.mend()

    async def _has_run(self, key: str) -> bool:
        return key in self.ran

    def mend(self) -> None:
        """Let everything succeed, and forget what ran."""
        self.broken.clear()
        self.ran.clear()

    async def retry(self, run_id: str = "run", new_id: str = "again") -> RunResult:
        """Retry a run, and wait for the end of the new one."""
        await self.stage.client.runs.retry(run_id, new_id)
        return await self.stage.result(new_id)
