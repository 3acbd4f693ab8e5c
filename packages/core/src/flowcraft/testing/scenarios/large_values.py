"""Values above the largest one: S2.5 to S2.7 of docs/semantics.md."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flowcraft.errors import PayloadTooLargeError
from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node, value
from flowcraft.testing.stage import Stage

WANTED_LIMIT = 4096
LARGEST_TRIED = 20_000_000
"""A limit above this is not tried: it would take more memory than the check is worth."""


class LargeValueScenarios:
    """A value that is too large fails what made it, with both sizes, and nothing else."""

    @check("S2.5", "S2.6")
    async def test_an_output_too_large_fails_its_node_and_names_both_sizes(
        self, stage: Stage
    ) -> None:
        limit = limit_of(stage)
        add_large(stage, 4 * limit)
        config = {"maxRetries": 4, "retryDelay": 1}
        (error,) = (await stage.run(graph([node("n", "large", config=config)]))).errors
        assert (error.node, error.type, error.attempt) == ("n", "PayloadTooLargeError", 1)
        assert len(re.findall(r"[\d.]+ [KM]iB", error.message)) == 2, error.message
        assert stage.calls["large"] == 1

    @check("S2.5")
    async def test_a_value_at_the_limit_is_stored(self, stage: Stage) -> None:
        limit = limit_of(stage)
        add_large(stage, limit)
        assert len((await stage.run(graph([node("n", "large")]))).output) == limit - 2

    @check("S2.5", "S7.14", "S2.13")
    async def test_the_fallback_takes_over_from_a_node_whose_output_is_too_large(
        self, stage: Stage
    ) -> None:
        limit = limit_of(stage)

        @stage.node("large")
        async def large(input: Any, ctx: Context) -> str:
            await ctx.set("seen", True)
            return "x" * limit

        @stage.node("why")
        async def why(input: Any, ctx: Context) -> Any:
            return [input, (await ctx.get("_catch_error"))["type"], await ctx.has("seen")]

        nodes = [node("n", "large", config={"fallback": "f"}), node("f", "why"), node("z")]
        result = await stage.run(graph(nodes, ("n", "z")), 7)
        assert (result.status, result.output) == ("completed", [7, "PayloadTooLargeError", False])

    @check("S2.5")
    async def test_a_context_value_too_large_fails_the_node_that_wrote_it(
        self, stage: Stage
    ) -> None:
        limit = limit_of(stage)

        @stage.node("large")
        async def large(input: Any, ctx: Context) -> None:
            await ctx.set("big", "x" * limit)

        result = await stage.run(graph([node("n", "large")]))
        (error,) = result.errors
        assert (error.node, error.type) == ("n", "PayloadTooLargeError")
        assert "'big'" in error.message
        assert result.context == {}

    @check("S2.5", "S4.20")
    async def test_what_a_transform_makes_too_large_fails_the_run(self, stage: Stage) -> None:
        limit = limit_of(stage)
        twice = {"transform": "[result.output, result.output]"}
        blueprint = graph([node("a"), node("b")], ("a", "b", twice))
        (error,) = (await stage.run(blueprint, "x" * (limit - 10))).errors
        assert (error.node, error.type) == ("a", "PayloadTooLargeError")
        assert "edge" in error.message

    @check("S2.5")
    async def test_a_payload_too_large_makes_no_run(self, stage: Stage) -> None:
        limit = limit_of(stage)
        stage.add(graph([node("a")]))
        with pytest.raises(PayloadTooLargeError):
            await stage.submit("g", "x" * limit)
        assert not await stage.is_there()

    @check("S2.5", "S10.10")
    async def test_a_resume_too_large_is_refused_to_its_caller(self, stage: Stage) -> None:
        limit = limit_of(stage)
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        with pytest.raises(PayloadTooLargeError):
            await stage.resume("w", "x" * limit)
        assert await stage.resume("w", "small") == "woke"
        assert (await stage.result()).output == "small"

    @check("S2.5", "S9.3")
    async def test_a_child_whose_output_is_too_large_fails_the_attempt(self, stage: Stage) -> None:
        half = "x" * (limit_of(stage) // 2)
        stage.add(graph([node("a"), node("b")], name="child"))
        (error,) = (
            await stage.run(graph([node("s", "subflow", blueprintId="child")]), half)
        ).errors
        assert (error.node, error.type) == ("s", "PayloadTooLargeError")

    @check("S9.2", "S1.12")
    @pytest.mark.parametrize("payload", [{"": 1}, {"k" * 513: 1}], ids=["empty", "long"])
    async def test_a_child_whose_payload_is_no_context_fails_the_attempt(
        self, stage: Stage, payload: Any
    ) -> None:
        stage.add(graph([node("a")], name="child"))
        nodes = [value("v", payload), node("s", "subflow", blueprintId="child")]
        (error,) = (await stage.run(graph(nodes, ("v", "s")))).errors
        assert (error.node, error.type) == ("s", "ValueNotStorableError")

    @check("S8.16", "S1.12")
    @pytest.mark.parametrize("key", ["k" * 513, "/errors/a"], ids=["long", "reserved"])
    async def test_a_batch_whose_key_no_context_holds_fails_and_names_it(
        self, stage: Stage, key: str
    ) -> None:
        nodes = [
            value("l", [1]),
            node("b", "batch-scatter", workerUsesKey="echo", gatherNodeId="r"),
            node("r", "batch-gather", outputKey=key),
        ]
        (error,) = (await stage.run(graph(nodes, ("l", "b"), ("b", "r")))).errors
        assert error.node == "r"
        assert "context key" in error.message


def limit_of(stage: Stage) -> int:
    """The largest value; skips where there is none, or one too large to be tried."""
    stage.harness.largest_value_bytes = WANTED_LIMIT
    limit = stage.client.parts.largest_value
    if limit is None:
        pytest.skip("it has no largest value")
    if limit > LARGEST_TRIED:
        pytest.skip("its largest value is too large to be tried")
    return limit


def add_large(stage: Stage, size: int) -> None:
    """Register `large`, whose output takes so many bytes."""

    @stage.node("large")
    async def large(input: Any) -> str:
        return "x" * (size - 2)
