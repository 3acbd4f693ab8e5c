"""A run's context: one item a key, patches whole or not at all, keys without meaning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.nodes import Context
from flowcraft.ports.contract import AsyncContext, ContextOperation
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    HOSTILE_TEXTS,
    NEAR_TWINS,
    create,
    each_death,
    needs,
    processes,
)
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage

HOSTILE_KEYS = [
    *HOSTILE_TEXTS,
    *NEAR_TWINS,
    "/",
    "//record",
    "_outputs.a",
    "\x00\x01\x7f",
    "k" * 512,
    "\U0001f600" * 128,
]
"""Keys of a context, up to the 512 bytes that they may have."""

HOSTILE_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    -(2**63),
    2**64,
    10**400,
    -0.0,
    0.1,
    5e-324,
    1e308,
    "",
    "\x00",
    "a\x00\ud7ff\u2028\U0001f600",
    "null",
    "'; DROP TABLE runs; --",
    [],
    {},
    [[]],
    [None, [False], {}],
    {"": {"": []}},
    {"a.b": {"$set": 1}, "\x00": "\x00", "__proto__": None},
    {"__flowcraft_reference__": "x"},
    "@x",
]

LIMIT_BYTES = 4096
LARGEST_TO_TRY_BYTES = 10_000_000


async def context_of(stage: Stage, run_id: str = "run") -> AsyncContext:
    """The context of a new run."""
    await create(stage, run_id)
    return stage.client.create_context(run_id)


def sets(**values: Any) -> list[ContextOperation]:
    """A patch that sets some keys."""
    return [ContextOperation("set", key, value) for key, value in values.items()]


class ContextContract:
    """`AsyncContext`, as `create_context` gives it."""

    @check("S2.16")
    async def test_null_is_a_value(self, stage: Stage) -> None:
        context = await context_of(stage)
        assert (await context.has("k"), await context.get("k")) == (False, None)
        await context.set("k", None)
        assert (await context.has("k"), await context.get("k")) == (True, None)
        assert await context.to_dict() == {"k": None}
        assert await context.delete("k")
        assert (await context.has("k"), await context.to_dict()) == (False, {})

    @check("G5")
    async def test_deleting_a_context_key_says_whether_it_was_there(self, stage: Stage) -> None:
        context = await context_of(stage)
        assert not await context.delete("k")
        await context.set("k", 1)
        assert await context.delete("k")
        assert not await context.delete("k")

    @check("G5", "S12.12")
    async def test_writers_of_different_keys_lose_nothing(self, stage: Stage) -> None:
        """Forty keys from four processes at once, by `set` and by `patch`, beside deletions."""
        await create(stage)
        contexts = [adapter.create_context("run") for adapter in processes(stage, 4)]
        await contexts[0].patch(sets(**{f"old{n}": n for n in range(4)}))
        await asyncio.gather(
            *(contexts[n % 4].set(f"k{n}", n) for n in range(20)),
            *(contexts[n % 4].patch(sets(**{f"k{n}": n, f"l{n}": n})) for n in range(20, 30)),
            *(contexts[n].delete(f"old{n}") for n in range(4)),
        )
        wanted = {f"k{n}": n for n in range(30)} | {f"l{n}": n for n in range(20, 30)}
        assert await contexts[0].to_dict() == wanted

    @check("S2.14")
    async def test_of_two_writes_of_a_key_the_later_one_stays(self, stage: Stage) -> None:
        await create(stage)
        first, second = (adapter.create_context("run") for adapter in processes(stage, 2))
        await first.set("k", {"long": "x" * 1000})
        await second.set("k", 2)
        assert await first.get("k") == 2
        await first.patch([*sets(k=3), *sets(k=4)])
        assert await second.get("k") == 4
        await second.patch([*sets(k=5), ContextOperation("delete", "k")])
        assert not await first.has("k")

    @check("S2.17", "S1.12")
    async def test_a_context_key_is_opaque(self, stage: Stage) -> None:
        """All of them live beside each other; one that is removed takes no other with it."""
        context = await context_of(stage)
        wanted = {key: index for index, key in enumerate(HOSTILE_KEYS)}
        for key in HOSTILE_KEYS[::2]:
            await context.set(key, wanted[key])
        await context.patch(
            [ContextOperation("set", key, wanted[key]) for key in HOSTILE_KEYS[1::2]]
        )
        assert await context.to_dict() == wanted
        assert [await context.get(key) for key in HOSTILE_KEYS] == [*wanted.values()]
        for key in HOSTILE_KEYS[::3]:
            del wanted[key]
            assert await context.delete(key)
            assert not await context.has(key)
        assert await context.to_dict() == wanted

    @check("S2.1", "S2.4")
    async def test_a_value_comes_back_as_it_went(self, stage: Stage) -> None:
        context = await context_of(stage)
        wanted = {f"k{index}": value for index, value in enumerate(HOSTILE_VALUES)}
        await context.patch(sets(**wanted))
        for read in (await context.to_dict(), {key: await context.get(key) for key in wanted}):
            for key, value in wanted.items():
                # As text: equality takes 1 for True, and 0.0 for -0.0.
                assert repr(read[key]) == repr(value), key

    @check("S2.8")
    async def test_a_value_that_was_read_is_a_copy(self, stage: Stage) -> None:
        context = await context_of(stage)
        given = {"list": [1]}
        await context.set("k", given)
        given["list"].append(2)
        read = await context.get("k")
        read["list"].append(3)
        assert await context.get("k") == {"list": [1]}
        assert await context.to_dict() == {"k": {"list": [1]}}

    @check("S2.7")
    async def test_a_patch_that_cannot_be_written_whole_changes_nothing(self, stage: Stage) -> None:
        context = await context_of(stage)
        await context.patch(sets(kept=1, removed=2))
        bad = [*sets(kept=3, new=4), ContextOperation("delete", "removed"), *sets(bad=object())]
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the adapter says
            await context.patch(bad)
        assert await context.to_dict() == {"kept": 1, "removed": 2}

    @check("S12.7", "G5")
    async def test_a_patch_is_seen_whole_or_not_at_all(self, stage: Stage) -> None:
        """Whoever looks, and wherever the process that writes it dies."""
        before = {"old": 0, "gone": 0}
        after = {"old": 1, **{f"k{n}": n for n in range(8)}}

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            context = await context_of(stage, run_id)
            await context.patch(sets(**before))
            operations = [*sets(**after), ContextOperation("delete", "gone")]
            await adapter.create_context(run_id).patch(operations)

        async def look(run_id: str) -> None:
            read = await stage.client.create_context(run_id).to_dict()
            assert read in (before, after), "half of a patch is there"

        await each_death(stage, write, look)

    @check("S2.7")
    async def test_an_empty_patch_does_nothing(self, stage: Stage) -> None:
        context = await context_of(stage)
        await context.patch([])
        assert await context.to_dict() == {}

    @check("S2.17")
    async def test_runs_have_contexts_of_their_own(self, stage: Stage) -> None:
        names = ["a", "a.b", "A", "a b", "a:b"]
        contexts = [await context_of(stage, name) for name in names]
        for name, context in zip(names, contexts, strict=True):
            await context.set("k", name)
        await contexts[0].delete("k")
        assert [await context.get("k") for context in contexts] == [None, *names[1:]]

    @check("S2.5")
    async def test_a_value_at_the_limit_is_stored_and_one_above_it_is_refused(
        self, stage: Stage
    ) -> None:
        """The refusal names both sizes, and nothing of what the node wrote is kept."""
        stage.harness.largest_value_bytes = LIMIT_BYTES
        limit = stage.client.parts.largest_value
        needs(limit is not None, "it declares no largest value")
        assert limit is not None
        needs(limit <= LARGEST_TO_TRY_BYTES, "its largest value is too large to be tried")

        @stage.node("write")
        async def write(input: int, ctx: Context) -> None:
            await ctx.set("small", 1)
            await ctx.set("large", "x" * (input - 2))  # two bytes for the quotes of its JSON

        fits = await stage.run(graph([node("n", "write")]), limit, run_id="fits")
        assert fits.status == "completed", fits.errors
        assert len(fits.context["large"]) == limit - 2
        above = await stage.run(graph([node("n", "write")]), limit + 1, run_id="above")
        (error,) = above.errors
        assert (error.node, error.type) == ("n", "PayloadTooLargeError")
        assert error.message.count("iB") >= 2, "the message does not name both sizes"
        assert above.context == {}

    @check("S2.5", "S2.14")
    async def test_a_large_value_replaces_and_is_replaced(self, stage: Stage) -> None:
        stage.harness.largest_value_bytes = 100_000
        context = await context_of(stage)
        limit = min(stage.client.parts.largest_value or 100_000, 100_000)
        large = "\u00e4" * (limit // 2 - 1)
        for value in (large, 1, large[::-1], None, large):
            await context.set("k", value)
            assert await context.get("k") == value
