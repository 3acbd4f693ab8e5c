"""A stage whose nodes fail where a test says so, until it mends them."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.nodes import Context, RunInfo
from flowcraft.status import RunResult
from packages.core.tests.adapter.stage import Stage
from tests.simulation.case import BlueprintJson


class Shop:
    """Nodes of the key `work`, which pass their input on.

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
        await asyncio.sleep(params.get("seconds", 0.0))
        if key in self.broken:
            raise ValueError("broken")
        return params.get("value", input)

    async def fails(
        self, *blueprints: BlueprintJson, broken: str, payload: Any = None
    ) -> RunResult:
        """Run the last blueprint to its failure, then mend everything."""
        self.stage.add(*blueprints)
        self.stage.worker()
        self.broken = {broken}
        await self.stage.submit(blueprints[-1]["id"], payload)
        result = await self.stage.result()
        assert result.status == "failed"
        self.mend()
        return result

    def mend(self) -> None:
        """Let everything succeed, and forget what ran."""
        self.broken.clear()
        self.ran.clear()

    async def retry(self, run_id: str = "run", new_id: str = "again") -> RunResult:
        """Retry a run, and wait for the end of the new one."""
        await self.stage.client.runs.retry(run_id, new_id)
        return await self.stage.result(new_id)
