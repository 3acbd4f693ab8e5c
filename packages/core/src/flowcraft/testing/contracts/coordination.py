"""The coordination store: one winner, counts without holes, keys that expire at once."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.ports.contract import CoordinationStore
from flowcraft.testing.checks import check
from flowcraft.testing.stage import Stage

HOSTILE_KEYS = [
    "plain",
    "with space",
    "a.b.c",
    "a/b/../c",
    "quote'\"`;--",
    "{braces}[0]*?",
    "per%cent_under",
    "back\\slash",
    "comma,colon:",
    "ünïcødé \U0001f600",
    "line\nbreak\ttab",
    "x" * 600,
]
"""Keys that a query, a pattern, a path or a limit of length could stumble over."""


def store(stage: Stage, name: str = "client") -> CoordinationStore:
    """The coordination store as one process sees it."""
    adapter = stage.client if name == "client" else stage.make_worker(name).adapter
    return adapter.options.coordination_store


class CoordinationContract:
    """`CoordinationStore`: each method is one atomic step."""

    @check("G3")
    async def test_set_if_not_exist_has_one_winner(self, stage: Stage) -> None:
        """Of fifty writers in five processes, one is told that it won, and its value stays."""
        stores = [store(stage, f"p{index}") for index in range(5)]
        won = await asyncio.gather(
            *(stores[n % 5].set_if_not_exist("lock", str(n), None) for n in range(50))
        )
        assert won.count(True) == 1, "two workers hold the same lock"
        assert await stores[0].get("lock") == str(won.index(True))

    @check("G3")
    async def test_increments_of_several_workers_leave_no_hole(self, stage: Stage) -> None:
        stores = [store(stage, f"p{index}") for index in range(5)]
        numbers = await asyncio.gather(*(stores[n % 5].increment("n", None) for n in range(50)))
        assert sorted(numbers) == [*range(1, 51)]

    @check("S1.13", "S2.17")
    @pytest.mark.parametrize("key", HOSTILE_KEYS, ids=range(len(HOSTILE_KEYS)))
    async def test_a_key_is_opaque(self, stage: Stage, key: str) -> None:
        """It is found again under its name, and a key that nearly is the same is another."""
        keys = store(stage)
        near = [key + "x", key[:-1] or "y", key.upper() + "!"]
        for index, name in enumerate([key, *near]):
            assert await keys.set_if_not_exist(name, str(index), None)
        assert [await keys.get(name) for name in [key, *near]] == ["0", "1", "2", "3"]
        assert await keys.delete(key)
        assert await keys.get(key) is None
        assert await keys.get(near[0]) == "1"
