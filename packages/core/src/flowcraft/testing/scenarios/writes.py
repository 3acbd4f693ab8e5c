"""What nodes write, and who sees it when: S2.5 and S2.11 to S2.15 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage


class WriteScenarios:
    """A node sees its own writes at once, and others see them with its record."""

    @check("S2.11", "S2.15", "S2.16", "S12.16", "G7")
    async def test_a_node_sees_its_own_writes_at_once(self, stage: Stage) -> None:
        @stage.node("write")
        async def write(ctx: Context) -> list[Any]:
            await ctx.set("new", 1)
            await ctx.set("old", 2)
            await ctx.set("null", None)
            await ctx.delete("gone")
            seen = [await ctx.get(key, "none") for key in ("new", "old", "null", "gone")]
            return [*seen, await ctx.has("null"), await ctx.has("gone")]

        payload = {"old": 0, "gone": 0}
        result = await stage.run_both(graph([node("a", "write")]), payload)
        assert result.output == [1, 2, None, "none", True, False]
        assert result.context == {"new": 1, "old": 2, "null": None}

    @check("S2.12", "S2.15", "S12.7", "G2")
    async def test_others_see_them_all_when_they_are_recorded_and_not_before(
        self, stage: Stage
    ) -> None:
        """Who executes meanwhile sees what is stored then, and not what was when it began."""
        recorded, written, seen = asyncio.Event(), asyncio.Event(), asyncio.Event()

        @stage.node("write")
        async def write(ctx: Context) -> None:
            await ctx.set("one", 1)
            await ctx.set("two", 2)
            written.set()
            await seen.wait()

        @stage.node("read")
        async def read(ctx: Context) -> list[Any]:
            await written.wait()
            before = [await ctx.get(key) for key in ("one", "two")]
            seen.set()
            await recorded.wait()
            return [*before, *[await ctx.get(key) for key in ("one", "two")]]

        stage.add(graph([node("w", "write"), node("r", "read")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_recorded("w")
        recorded.set()
        output = (await stage.result()).output
        assert output["r"] == [None, None, 1, 2]

    @check("S2.5", "S2.6", "S12.16", "G8")
    async def test_an_output_above_the_largest_value_fails_its_node_and_gives_both_sizes(
        self, stage: Stage
    ) -> None:
        stage.harness.largest_value_bytes = 1024

        @stage.node("wide")
        async def wide(input: int) -> str:
            return "x" * input

        fits = await stage.run_both(graph([node("a", "wide")]), 1022, run_id="fits")
        assert fits.status == "completed"
        result = await stage.run_both(graph([node("a", "wide")]), 5118)
        (error,) = result.errors
        assert (result.status, error.node, error.type) == ("failed", "a", "PayloadTooLargeError")
        assert "1 KiB" in error.message
        assert "5 KiB" in error.message
