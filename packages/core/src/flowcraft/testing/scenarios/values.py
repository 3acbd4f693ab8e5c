"""Values and contexts: chapter 2 of docs/semantics.md."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Any

import pytest

from flowcraft.nodes import Context, NodeResult
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node, value
from flowcraft.testing.stage import Stage
from flowcraft.values import decode

HOSTILE_KEYS = [
    "a.b",
    "a b",
    "it's",
    'say "x"',
    "a,b;--",
    "'; DROP TABLE runs; --",
    "{curly}[0]",
    "$set",
    "/",
    "a/b//record",
    "__proto__",
    "_outputs.a",
    "\u00e4\u4e16\U0001f600",
    "null",
    "%s%n",
    "\n\t\x00",
    "Key",
    "key",
    "k" * 512,
]

HOSTILE_VALUES: list[Any] = [
    {"__flowcraft_reference__": '@["b",3]'},
    {"__flowcraft_reference__": "x"},
    {"__flowcraft_reference__": None},
    '@["b",3]',
    "@",
    "=",
    "+{}",
    {"action": "left"},
    {"": {"": []}},
    "\x00\ud7ff\u2028",
    9007199254740993,
    2**64,
    -0.0,
    1e308,
    5e-324,
    True,
    [],
    {},
    "",
    None,
]
"""Values that a store, or the engine itself, could take for something else."""


class Colour(enum.Enum):
    """Something that is stored by its value."""

    RED = "red"


@dataclasses.dataclass
class Order:
    """What a node may declare."""

    id: uuid.UUID
    at: datetime.datetime
    price: decimal.Decimal
    colour: Colour


class ValueScenarios:
    """Values come back as they went, and each consumer has its own."""

    @check("S2.1", "S2.4", "S2.16", "S1.1")
    async def test_hostile_values_come_back_as_they_went(self, stage: Stage) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context) -> Any:
            for index, one in enumerate(HOSTILE_VALUES):
                await ctx.set(f"k{index}", one)
            return HOSTILE_VALUES

        @stage.node("read")
        async def read(input: Any, ctx: Context) -> Any:
            assert repr(input) == repr(HOSTILE_VALUES)
            return [await ctx.get(f"k{index}") for index in range(len(HOSTILE_VALUES))]

        payload = {f"p{index}": one for index, one in enumerate(HOSTILE_VALUES)}
        blueprint = graph([node("a", "write"), node("b", "read")], ("a", "b"))
        result = await stage.run(blueprint, payload)
        assert repr(result.output) == repr(HOSTILE_VALUES)
        written = {f"k{index}": one for index, one in enumerate(HOSTILE_VALUES)}
        wanted = {**payload, **written}
        assert {key: repr(one) for key, one in result.context.items()} == {
            key: repr(one) for key, one in wanted.items()
        }

    @check("S2.1", "S3.3", "S2.10")
    async def test_hostile_values_travel_along_edges_and_into_inputs(self, stage: Stage) -> None:
        @stage.node("give")
        async def give(params: dict[str, int]) -> Any:
            return HOSTILE_VALUES[params["index"]]

        values = [node(f"v{i}", "give", index=i) for i in range(len(HOSTILE_VALUES))]
        names = {f"k{i}": f"v{i}" for i in range(len(HOSTILE_VALUES))}
        nodes = [*values, node("mapped", inputs=names), node("joined")]
        edges = [(f"v{i}", target) for i in range(len(values)) for target in ("mapped", "joined")]
        result = await stage.run(graph(nodes, *edges))
        wanted = {f"k{i}": one for i, one in enumerate(HOSTILE_VALUES)}
        assert result.output["mapped"] == wanted
        assert result.output["joined"] == {f"v{i}": one for i, one in enumerate(HOSTILE_VALUES)}

    @check("S2.2", "S12.19")
    @pytest.mark.parametrize(
        "odd", [float("nan"), float("inf"), {1, 2}, object(), "\ud800", {1: 2}], ids=range(6)
    )
    async def test_what_cannot_be_stored_fails_its_node_and_names_it(
        self, stage: Stage, odd: Any
    ) -> None:
        @stage.node("odd")
        async def give(input: Any) -> Any:
            return {"deep": [odd]}

        config = {"maxRetries": 3, "retryDelay": 1}
        (error,) = (await stage.run(graph([node("n", "odd", config=config)]))).errors
        assert (error.node, error.type) == ("n", "ValueNotStorableError")
        assert "'n'" in error.message
        assert "deep" in error.message
        assert stage.calls["odd"] == 1

    @check("S2.2", "S2.13")
    async def test_what_cannot_be_written_to_the_context_fails_the_node(self, stage: Stage) -> None:
        @stage.node("odd")
        async def odd(input: Any, ctx: Context) -> None:
            await ctx.set("fine", 1)
            await ctx.set("key", {"deep": float("nan")})

        result = await stage.run(graph([node("n", "odd")]))
        assert [e.type for e in result.errors] == ["ValueNotStorableError"]
        assert "'key'" in result.errors[0].message
        assert result.context == {}

    @check("S2.3")
    async def test_what_a_node_declares_is_made_for_it_and_stored_as_plain_values(
        self, stage: Stage
    ) -> None:
        @stage.node("make")
        async def make(input: Any) -> Order:
            return Order(
                uuid.UUID(int=1),
                datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
                decimal.Decimal("1.10"),
                Colour.RED,
            )

        @stage.node("take")
        async def take(order: Order) -> str:
            assert isinstance(order, Order)
            return f"{order.id.int} {order.at.year} {order.price} {order.colour.name}"

        blueprint = graph([node("a", "make"), node("b", "take")], ("a", "b"))
        assert (await stage.run(blueprint)).output == "1 2024 1.10 RED"
        stored = await stage.handle().output("a")
        assert stored["id"] == str(uuid.UUID(int=1))
        assert stored["colour"] == "red"

    @check("S2.2", "S12.19")
    async def test_a_conversion_that_raises_is_a_failure_of_its_node(self, stage: Stage) -> None:
        class Broken:
            def model_dump(self, **_how: Any) -> Any:
                raise RuntimeError("no form")

        @stage.node("break")
        async def break_(input: Any) -> Any:
            return Broken()

        config = {"maxRetries": 2, "retryDelay": 1}
        (error,) = (await stage.run(graph([node("n", "break", config=config)]))).errors
        assert (error.node, error.type, error.attempt) == ("n", "RuntimeError", 2)

    @check("S2.8")
    async def test_each_consumer_has_a_copy_of_its_own(self, stage: Stage) -> None:
        @stage.node("spoil")
        async def spoil(input: Any) -> Any:
            input["list"].append("spoilt")
            return input

        nodes = [value("a", {"list": []}), node("b", "spoil"), node("c", "spoil")]
        result = await stage.run(graph(nodes, ("a", "b"), ("a", "c")))
        assert result.output == {"b": {"list": ["spoilt"]}, "c": {"list": ["spoilt"]}}
        assert decode(bytes((await stage.until_recorded("a")).output)) == {"list": []}

    @check("S2.9", "S2.10")
    async def test_only_a_node_result_gives_an_action(self, stage: Stage) -> None:
        @stage.node("mapping")
        async def mapping(input: Any) -> Any:
            return {"action": "go", "output": 1}

        @stage.node("acts")
        async def acts(input: Any) -> Any:
            return NodeResult(output=input, action="go")

        nodes = [node("a", "mapping"), node("b", "acts"), node("left"), node("right")]
        go = {"action": "go"}
        edges = [("a", "left", go), ("a", "b"), ("b", "right", go)]
        result = await stage.run(graph(nodes, *edges))
        assert result.output == {"right": {"action": "go", "output": 1}}

    @check("S2.9", "S12.19")
    @pytest.mark.parametrize("action", ["", 7, "\ud800"], ids=range(3))
    async def test_an_action_that_is_no_text_fails_its_node(
        self, stage: Stage, action: Any
    ) -> None:
        @stage.node("acts")
        async def acts(input: Any) -> Any:
            return NodeResult(output=1, action=action)

        result = await stage.run(graph([node("a", "acts")]))
        assert [error.node for error in result.errors] == ["a"]


class ContextWriteScenarios:
    """Who sees which context write, and when."""

    @check("S2.17", "S1.12")
    async def test_hostile_context_keys_are_keys_like_others(self, stage: Stage) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context) -> None:
            for index, key in enumerate(HOSTILE_KEYS):
                await ctx.set(key, index)

        @stage.node("read")
        async def read(input: Any, ctx: Context) -> Any:
            return [await ctx.get(key) for key in HOSTILE_KEYS]

        result = await stage.run(graph([node("a", "write"), node("b", "read")], ("a", "b")))
        assert result.output == [*range(len(HOSTILE_KEYS))]
        assert result.context == {key: index for index, key in enumerate(HOSTILE_KEYS)}

    @check("S1.12", "S2.2")
    @pytest.mark.parametrize(
        "key", ["", "k" * 513, "\u00e4" * 257, "\ud800", "/errors/a"], ids=range(5)
    )
    async def test_a_context_key_that_breaks_the_rules_fails_the_node(
        self, stage: Stage, key: str
    ) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context) -> None:
            await ctx.set(key, 1)

        result = await stage.run(graph([node("n", "write")]))
        assert [e.type for e in result.errors] == ["ValueNotStorableError"]

    @check("S2.11", "S2.15", "S2.16")
    async def test_a_node_sees_its_own_writes_at_once(self, stage: Stage) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context) -> Any:
            await ctx.set("k", None)
            seen = [await ctx.has("k"), await ctx.get("k", "none"), await ctx.get("p")]
            await ctx.delete("p")
            return [*seen, await ctx.has("p")]

        result = await stage.run(graph([node("a", "write")]), {"p": 1})
        assert result.output == [True, None, 1, False]
        assert result.context == {"k": None}

    @check("S2.12", "S12.7", "S2.15")
    async def test_others_see_the_writes_of_a_node_together_when_it_is_recorded(
        self, stage: Stage
    ) -> None:
        has_written, may_end = asyncio.Event(), asyncio.Event()

        @stage.node("write")
        async def write(input: Any, ctx: Context) -> None:
            await ctx.set("a", 1)
            await ctx.set("b", 1)
            has_written.set()
            await may_end.wait()

        @stage.node("look")
        async def look(input: Any, ctx: Context) -> Any:
            await has_written.wait()
            before = [await ctx.has("a"), await ctx.has("b")]
            may_end.set()
            await stage.until_recorded("w")
            return [*before, await ctx.get("a"), await ctx.get("b")]

        stage.worker()
        stage.worker()
        result = await stage.run(graph([node("w", "write"), node("l", "look")]))
        assert result.output["l"] == [False, False, 1, 1]

    @check("S2.14", "S12.17")
    async def test_the_write_that_is_recorded_later_decides(self, stage: Stage) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context, params: dict[str, Any]) -> None:
            await ctx.set("k", params["mine"])
            if params["mine"] == "second":
                await stage.until_recorded("first")

        nodes = [node(name, "write", mine=name) for name in ("second", "first")]
        stage.worker()
        stage.worker()
        assert (await stage.run(graph(nodes))).context == {"k": "second"}

    @check("S12.12", "S2.14")
    async def test_writes_of_different_keys_at_the_same_time_all_survive(
        self, stage: Stage
    ) -> None:
        @stage.node("write")
        async def write(input: Any, ctx: Context, params: dict[str, Any]) -> None:
            await ctx.set(params["key"], params["key"])
            await ctx.delete(f"old {params['key']}")

        keys = [f"k{index}" for index in range(10)]
        for _ in range(3):
            stage.worker()
        blueprint = graph([node(key, "write", key=key) for key in keys])
        result = await stage.run(blueprint, {f"old {key}": 1 for key in keys})
        assert result.context == {key: key for key in keys}

    @check("S2.18")
    async def test_a_context_variable_is_seen_within_its_attempt_only(self, stage: Stage) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="unset")

        async def seen_inside() -> str:
            return variable.get()

        @stage.node("set")
        async def set_(input: Any) -> Any:
            before = variable.get()
            variable.set("set")
            return [before, await asyncio.create_task(seen_inside())]

        blueprint = graph([node("a", "set"), node("b", "set")], ("a", "b"))
        await stage.run(blueprint)
        assert await stage.handle().output("a") == ["unset", "set"]
        assert await stage.handle().output("b") == ["unset", "set"]
