"""Values that no store holds, values that are too large, and keys meant to break something."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from flowcraft.errors import PayloadTooLargeError, ValueNotStorableError
from flowcraft.nodes import Context
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node

LIMIT = 4096

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
    "k" * 512,
]

HOSTILE_VALUES = [
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
    -0.0,
    1e308,
    None,
]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), "\ud800", {1: 2}])
@virtually
async def test_what_cannot_be_stored_fails_its_node_and_names_it(stage: Stage, value: Any) -> None:
    @stage.node("odd")
    async def odd(input: Any) -> Any:
        return {"deep": [value]}

    result = await stage.run(graph([node("n", "odd", config={"maxRetries": 3, "retryDelay": 1})]))
    (error,) = result.errors
    assert (error.node, error.type) == ("n", "ValueNotStorableError")
    assert "'n'" in error.message
    assert "deep" in error.message
    assert stage.calls["odd"] == 1


@virtually
async def test_a_conversion_that_raises_is_a_failure_of_its_node(stage: Stage) -> None:
    class Broken:
        def model_dump(self, **_how: Any) -> Any:
            raise RuntimeError("no form")

    @stage.node("break")
    async def break_(input: Any) -> Any:
        return Broken()

    result = await stage.run(graph([node("n", "break", config={"maxRetries": 2, "retryDelay": 1})]))
    (error,) = result.errors
    assert (error.node, error.type, error.attempt) == ("n", "RuntimeError", 2)


@virtually
async def test_what_cannot_be_written_to_the_context_fails_the_node(stage: Stage) -> None:
    @stage.node("odd")
    async def odd(input: Any, ctx: Context) -> None:
        await ctx.set("fine", 1)
        await ctx.set("key", {"deep": float("nan")})

    result = await stage.run(graph([node("n", "odd")]))
    assert [e.type for e in result.errors] == ["ValueNotStorableError"]
    assert "'key'" in result.errors[0].message
    assert result.context == {}


@virtually
async def test_a_payload_that_cannot_be_stored_makes_no_run(stage: Stage) -> None:
    stage.add(graph([node("a", "echo")]))
    for payload in ({"x": float("nan")}, {"": 1}, {"k" * 513: 1}, {"\ud800": 1}):
        with pytest.raises(ValueNotStorableError):
            await stage.submit("g", payload)
    assert await stage.client.ports.store.headers(["run"]) == [None]


@virtually
async def test_an_output_too_large_names_both_sizes(memory: Stage) -> None:
    memory.largest_value = LIMIT

    @memory.node("large")
    async def large(input: Any) -> str:
        return "x" * (4 * LIMIT)

    blueprint = graph([node("n", "large", config={"maxRetries": 4, "retryDelay": 1})])
    (error,) = (await memory.run(blueprint)).errors
    assert (error.node, error.type, error.attempt) == ("n", "PayloadTooLargeError", 1)
    assert "16.1 KiB" in error.message
    assert "4 KiB" in error.message
    assert memory.calls["large"] == 1


@virtually
async def test_a_value_at_the_limit_is_stored(memory: Stage) -> None:
    memory.largest_value = LIMIT

    @memory.node("large")
    async def large(input: Any) -> str:
        return "x" * (LIMIT - 2)

    assert len((await memory.run(graph([node("n", "large")]))).output) == LIMIT - 2


@virtually
async def test_the_fallback_takes_over_from_a_node_whose_output_is_too_large(
    memory: Stage,
) -> None:
    memory.largest_value = LIMIT

    @memory.node("large")
    async def large(input: Any, ctx: Context) -> str:
        await ctx.set("seen", True)
        return "x" * LIMIT

    @memory.node("why")
    async def why(input: Any, ctx: Context) -> Any:
        return [input, (await ctx.get("_catch_error"))["type"], await ctx.has("seen")]

    nodes = [node("n", "large", config={"fallback": "f"}), node("f", "why"), node("z", "echo")]
    result = await memory.run(graph(nodes, ("n", "z")), 7)
    assert (result.status, result.output) == ("completed", [7, "PayloadTooLargeError", False])


@virtually
async def test_a_context_value_too_large_fails_the_node_that_wrote_it(memory: Stage) -> None:
    memory.largest_value = LIMIT

    @memory.node("large")
    async def large(input: Any, ctx: Context) -> None:
        await ctx.set("big", "x" * LIMIT)

    (error,) = (await memory.run(graph([node("n", "large")]))).errors
    assert error.type == "PayloadTooLargeError"
    assert "'big'" in error.message


@virtually
async def test_what_a_transform_makes_too_large_fails_the_run(memory: Stage) -> None:
    memory.largest_value = LIMIT
    twice = {"transform": "[result.output, result.output]"}
    blueprint = graph([node("a", "echo"), node("b", "echo")], ("a", "b", twice))
    result = await memory.run(blueprint, "x" * (LIMIT - 10))
    assert [(e.node, e.type) for e in result.errors] == [("a", "PayloadTooLargeError")]
    assert "edge" in result.errors[0].message


@virtually
async def test_a_resume_too_large_is_refused_to_its_caller(memory: Stage) -> None:
    memory.largest_value = LIMIT
    memory.add(graph([node("w", "wait")]))
    memory.worker()
    await memory.submit("g")
    await memory.until_open("w")
    with pytest.raises(PayloadTooLargeError):
        await memory.resume("w", "x" * LIMIT)
    assert await memory.resume("w", "small") == "woke"
    assert (await memory.result()).output == "small"


@virtually
async def test_a_child_whose_output_is_too_large_fails_the_attempt(memory: Stage) -> None:
    memory.largest_value = LIMIT
    half = "x" * (LIMIT // 2)
    memory.add(
        graph([node("a", "echo"), node("b", "echo")], name="child"),
        graph([node("s", "subflow", blueprintId="child")], name="parent"),
    )
    memory.worker()
    await memory.submit("parent", half)
    (error,) = (await memory.result()).errors
    assert (error.node, error.type) == ("s", "PayloadTooLargeError")


@pytest.mark.parametrize("payload", [{"": 1}, {"k" * 513: 1}], ids=["empty", "long"])
@virtually
async def test_a_child_whose_payload_is_no_context_fails_the_attempt(
    stage: Stage, payload: Any
) -> None:
    stage.add(
        graph([node("a", "echo")], name="child"),
        graph(
            [node("v", "value", value=payload), node("s", "subflow", blueprintId="child")],
            ("v", "s"),
            name="parent",
        ),
    )
    stage.worker()
    await stage.submit("parent")
    (error,) = (await stage.result(within=300.0)).errors
    assert (error.node, error.type) == ("s", "ValueNotStorableError")


@virtually
async def test_hostile_context_keys_are_keys_like_others(stage: Stage) -> None:
    @stage.node("write")
    async def write(input: Any, ctx: Context) -> None:
        for index, key in enumerate(HOSTILE_KEYS):
            await ctx.set(key, index)

    @stage.node("read")
    async def read(input: Any, ctx: Context) -> Any:
        return [await ctx.get(key) for key in HOSTILE_KEYS]

    result = await stage.run(graph([node("a", "write"), node("b", "read")], ("a", "b")))
    assert result.output == list(range(len(HOSTILE_KEYS)))
    assert result.context == dict(zip(HOSTILE_KEYS, range(len(HOSTILE_KEYS)), strict=True))


@pytest.mark.parametrize("key", ["", "k" * 513, "\u00e4" * 257, "\ud800"], ids=range(4))
@virtually
async def test_a_context_key_that_breaks_the_rules_fails_the_node(stage: Stage, key: str) -> None:
    @stage.node("write")
    async def write(input: Any, ctx: Context) -> None:
        await ctx.set(key, 1)

    result = await stage.run(graph([node("n", "write")]))
    assert [e.type for e in result.errors] == ["ValueNotStorableError"]


@virtually
async def test_hostile_values_come_back_as_they_went(stage: Stage) -> None:
    @stage.node("write")
    async def write(input: Any, ctx: Context) -> Any:
        for index, value in enumerate(HOSTILE_VALUES):
            await ctx.set(f"k{index}", value)
        return HOSTILE_VALUES

    @stage.node("read")
    async def read(input: Any, ctx: Context) -> Any:
        assert input == HOSTILE_VALUES
        return [await ctx.get(f"k{index}") for index in range(len(HOSTILE_VALUES))]

    payload = {f"p{index}": value for index, value in enumerate(HOSTILE_VALUES)}
    result = await stage.run(graph([node("a", "write"), node("b", "read")], ("a", "b")), payload)
    assert result.output == HOSTILE_VALUES
    written = {f"k{index}": value for index, value in enumerate(HOSTILE_VALUES)}
    assert result.context == {**payload, **written}


@virtually
async def test_hostile_values_travel_along_edges_and_into_inputs(stage: Stage) -> None:
    values = [node(f"v{i}", "value", value=value) for i, value in enumerate(HOSTILE_VALUES)]
    names = {f"k{i}": f"v{i}" for i in range(len(HOSTILE_VALUES))}
    nodes = [*values, node("mapped", "echo", inputs=names), node("joined", "echo")]
    edges = [(f"v{i}", target) for i in range(len(values)) for target in ("mapped", "joined")]
    result = await stage.run(graph(nodes, *edges))
    expected = {f"k{i}": value for i, value in enumerate(HOSTILE_VALUES)}
    assert result.output["mapped"] == expected
    assert list(result.output["joined"].values()) == HOSTILE_VALUES


@virtually
async def test_each_consumer_has_a_copy_of_its_own(stage: Stage) -> None:
    @stage.node("spoil")
    async def spoil(input: Any) -> Any:
        input["list"].append("spoilt")
        return input

    nodes = [node("a", "value", value={"list": []}), node("b", "spoil"), node("c", "spoil")]
    result = await stage.run(graph(nodes, ("a", "b"), ("a", "c")))
    assert result.output == {"b": {"list": ["spoilt"]}, "c": {"list": ["spoilt"]}}
    record = await stage.record("a")
    assert record is not None
    assert bytes(record.output) == b'{"list":[]}'


@virtually
async def test_ids_of_the_longest_kind_and_oddest_shape_work(stage: Stage) -> None:
    odd = ["a b", "a.b", "it's", '"q"', "\u00e4\U0001f600", "x" * 200, "$", "#1", "!a", "a:1"]
    nodes = [node(name, "echo") for name in odd]
    edges = [(before, after) for before, after in itertools.pairwise(odd)]
    for run_id in ("r" * 200, "a b", "a", "a:b", "\U0001f600", "run~", "#"):
        result = await stage.run(graph(nodes, *edges), {"n": 1}, run_id=run_id)
        assert result.output == {"n": 1}


@pytest.mark.parametrize("key", ["k" * 513, "/errors/a"])
@virtually
async def test_a_batch_whose_key_no_context_holds_fails_and_names_it(
    stage: Stage, key: str
) -> None:
    scatter = {"workerUsesKey": "echo", "gatherNodeId": "g"}
    nodes = [
        node("s", "value", value=[1]),
        node("b", "batch-scatter", **scatter),
        node("g", "batch-gather", outputKey=key),
    ]
    result = await stage.run(graph(nodes, ("s", "b"), ("b", "g")))
    assert result.status == "failed"
    assert result.errors[0].node == "g"
    assert "context key" in result.errors[0].message
