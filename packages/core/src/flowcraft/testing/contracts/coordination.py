"""The coordination store: one winner, counts without holes, keys that expire at once."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.ports.contract import CoordinationStore
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    HOSTILE_TEXTS,
    NEAR_TWINS,
    each_death,
    processes,
)
from flowcraft.testing.stage import Stage

HOSTILE_KEYS = [*HOSTILE_TEXTS, "x" * 600]
LONG_SECONDS = 100 * 86_400.0
SHORT_SECONDS = 1.9
HOSTILE_VALUES = ["", " ", "0", "\x00", "a\x00b", "\u2028\U0001f600", "'", "=", "+{}", "x" * 20_000]


def keys_of(adapter: BaseDistributedAdapter) -> CoordinationStore:
    """The coordination store as one process sees it."""
    return adapter.options.coordination_store


def stores(stage: Stage, count: int) -> list[CoordinationStore]:
    """The coordination store as several processes see it."""
    return [keys_of(adapter) for adapter in processes(stage, count)]


class CoordinationContract:
    """`CoordinationStore`: each method is one atomic step."""

    @check("G3")
    async def test_set_if_not_exist_has_one_winner(self, stage: Stage) -> None:
        """Of fifty writers in five processes, one is told that it won, and its value stays."""
        keys = stores(stage, 5)
        won = await asyncio.gather(
            *(keys[n % 5].set_if_not_exist("lock", str(n), None) for n in range(50))
        )
        assert won.count(True) == 1, "two workers hold the same lock"
        assert await keys[0].get("lock") == str(won.index(True))

    @check("G3")
    async def test_increments_of_several_workers_leave_no_hole(self, stage: Stage) -> None:
        keys = stores(stage, 5)
        numbers = await asyncio.gather(*(keys[n % 5].increment("n", None) for n in range(50)))
        assert sorted(numbers) == [*range(1, 51)]

    @check("S1.13")
    @pytest.mark.parametrize("key", HOSTILE_KEYS, ids=range(len(HOSTILE_KEYS)))
    async def test_a_key_is_opaque(self, stage: Stage, key: str) -> None:
        """It is found again under its name, and a key that nearly is the same is another."""
        keys = keys_of(stage.client)
        near = [key + "x", key[:-1] or "y", key.upper() + "!"]
        for index, name in enumerate([key, *near]):
            assert await keys.set_if_not_exist(name, str(index), None)
        assert [await keys.get(name) for name in [key, *near]] == ["0", "1", "2", "3"]
        assert await keys.delete(key)
        assert await keys.get(key) is None
        assert await keys.get(near[0]) == "1"

    @check("S1.13")
    async def test_keys_that_look_alike_are_different_keys(self, stage: Stage) -> None:
        keys = keys_of(stage.client)
        won = [await keys.set_if_not_exist(key, key, None) for key in NEAR_TWINS]
        assert won == [True] * len(NEAR_TWINS)
        assert [await keys.get(key) for key in NEAR_TWINS] == [*NEAR_TWINS]

    @check("S2.4")
    async def test_a_value_is_any_text(self, stage: Stage) -> None:
        keys = keys_of(stage.client)
        for index, value in enumerate(HOSTILE_VALUES):
            assert await keys.set_if_not_exist(f"k{index}", value, None)
        read = [await keys.get(f"k{index}") for index in range(len(HOSTILE_VALUES))]
        assert read == HOSTILE_VALUES

    @check("G3")
    async def test_a_key_that_is_there_keeps_its_value(self, stage: Stage) -> None:
        """The empty text is a value too, and who lost changes neither value nor life."""
        keys = keys_of(stage.client)
        for value in ("mine", ""):
            assert await keys.set_if_not_exist(f"k{value}", value, None)
            assert not await keys.set_if_not_exist(f"k{value}", "other", stage.lease_seconds)
        await asyncio.sleep(stage.lease_seconds * 2)
        assert await keys.get("kmine") == "mine"
        assert await keys.get("k") == ""

    @check("G3")
    async def test_delete_says_whether_the_key_was_there(self, stage: Stage) -> None:
        first, second = stores(stage, 2)
        assert not await first.delete("k")
        await first.set_if_not_exist("k", "v", None)
        answers = await asyncio.gather(first.delete("k"), second.delete("k"))
        assert sorted(answers) == [False, True]
        assert await first.get("k") is None
        assert await second.set_if_not_exist("k", "next", None)

    # -- time

    @check("G3", "S12.24")
    async def test_an_expired_key_is_absent_at_once_to_every_method(self, stage: Stage) -> None:
        keys, ttl = keys_of(stage.client), stage.lease_seconds
        names = ("get", "delete", "extend_ttl", "set_if_not_exist")
        for name in names:
            await keys.set_if_not_exist(name, "old", ttl)
        await keys.increment("increment", ttl)
        await asyncio.sleep(ttl / 2)
        assert await keys.get("get") == "old", "a key expired before its time"
        await asyncio.sleep(ttl / 2 + stage.harness.tick_seconds)
        assert await keys.get("get") is None
        assert not await keys.delete("delete"), "an expired key was deleted"
        assert not await keys.extend_ttl("extend_ttl", ttl), "an expired key came back to life"
        assert await keys.get("extend_ttl") is None
        assert await keys.set_if_not_exist("set_if_not_exist", "new", ttl)
        assert await keys.get("set_if_not_exist") == "new"
        assert await keys.increment("increment", ttl) == 1, "a count went on after its end"

    @check("G3")
    async def test_an_expired_lock_is_won_again_by_one(self, stage: Stage) -> None:
        keys, ttl = stores(stage, 4), stage.lease_seconds
        assert await keys[0].set_if_not_exist("lock", "first", ttl)
        assert not await keys[1].set_if_not_exist("lock", "second", ttl)
        await asyncio.sleep(ttl + stage.harness.tick_seconds)
        won = await asyncio.gather(
            *(keys[n % 4].set_if_not_exist("lock", str(n), ttl) for n in range(20))
        )
        assert won.count(True) == 1
        assert await keys[0].get("lock") == str(won.index(True))

    @check("G3")
    async def test_extend_ttl_counts_from_now(self, stage: Stage) -> None:
        keys, ttl = keys_of(stage.client), stage.lease_seconds
        assert not await keys.extend_ttl("k", ttl), "a key that never was came to life"
        await keys.set_if_not_exist("k", "v", ttl)
        await asyncio.sleep(ttl / 2)
        assert await keys.extend_ttl("k", ttl)
        await asyncio.sleep(ttl * 0.75)
        assert await keys.get("k") == "v", "the extension had no effect"
        await asyncio.sleep(ttl / 4 + stage.harness.tick_seconds)
        assert await keys.get("k") is None, "the old life was added to the new one"

    @check("G3", "S12.23")
    async def test_a_key_lives_to_the_end_of_its_time_and_no_longer(self, stage: Stage) -> None:
        """Also where that is no whole number of seconds, or shorter than it had, or for ever."""
        keys = keys_of(stage.client)
        await keys.set_if_not_exist("written", "1", SHORT_SECONDS)
        await keys.increment("counted", SHORT_SECONDS)
        await keys.increment("counted", SHORT_SECONDS)
        for name, ttl in (("lasting", None), ("long", LONG_SECONDS)):
            await keys.set_if_not_exist(name, "1", ttl)
            assert await keys.extend_ttl(name, SHORT_SECONDS)
        await keys.add_member("set", "a", taken=True, ttl_seconds=SHORT_SECONDS)
        await asyncio.sleep(SHORT_SECONDS * 0.7)
        names = ("written", "counted", "lasting", "long")
        found = [await keys.get(name) for name in names]
        assert found == ["1", "2", "1", "1"], "a key expired too early"
        await asyncio.sleep(SHORT_SECONDS * 0.3 + stage.harness.tick_seconds)
        assert [await keys.get(name) for name in names] == [None] * 4, "a key lives on"
        assert await keys.add_member("set", "b", taken=False) == (1, 0), "a member lives on"

    @check("G3")
    async def test_a_number_is_a_key_like_any_other(self, stage: Stage) -> None:
        keys = keys_of(stage.client)
        await keys.increment("n", None)
        assert await keys.increment("n", None) == 2
        assert await keys.get("n") == "2"
        assert not await keys.set_if_not_exist("n", "7", None)
        assert await keys.delete("n")
        assert await keys.increment("n", None) == 1

    @check("G9", "S12.22")
    async def test_a_key_without_ttl_never_expires(self, stage: Stage) -> None:
        """Whether it never had one, or was written or made lasting where there was one before."""
        keys, ttl = keys_of(stage.client), stage.lease_seconds
        await keys.set_if_not_exist("always", "v", None)
        await keys.increment("count", None)
        await keys.set_if_not_exist("made lasting", "v", ttl)
        assert await keys.extend_ttl("made lasting", None)
        await keys.set_if_not_exist("deleted", "v", ttl)
        await keys.delete("deleted")
        await keys.set_if_not_exist("deleted", "new", None)
        await keys.set_if_not_exist("expired", "v", ttl / 2)
        await asyncio.sleep(ttl / 2 + stage.harness.tick_seconds)
        await keys.set_if_not_exist("expired", "new", None)
        await asyncio.sleep(LONG_SECONDS if stage.is_virtual else ttl * 3)
        await stage.client.ports.store.stalled(stage.now(), 1)  # a backend may clear up then
        assert await keys.get("always") == "v"
        assert await keys.get("made lasting") == "v"
        assert await keys.get("deleted") == "new", "a new key has the life of the one before"
        assert await keys.get("expired") == "new", "a new key has the life of the one before"
        assert await keys.increment("count", None) == 2

    # -- members

    @check("S5.7", "G3")
    async def test_a_member_counts_once_however_often_it_comes(self, stage: Stage) -> None:
        keys = stores(stage, 2)
        assert await keys[0].add_member("j", "a", taken=True) == (1, 1)
        assert await keys[1].add_member("j", "a", taken=True) == (1, 1)
        assert await keys[1].add_member("j", "b", taken=False) == (2, 1)
        assert await keys[0].add_member("j", "a", taken=True) == (2, 1)
        assert await keys[0].add_member("j", "c", taken=True) == (3, 2)
        assert await keys[1].add_member("j", "b", taken=False) == (3, 2)

    @check("S12.8", "S12.9", "G3")
    async def test_of_members_that_come_at_once_one_is_the_last(self, stage: Stage) -> None:
        """Each is told the set as of its own step, so that one of them completes a join."""
        keys = stores(stage, 4)
        counts = await asyncio.gather(
            *(keys[n % 4].add_member("j", f"e{n % 12}", taken=n % 3 == 0) for n in range(24))
        )
        assert {count.members for count in counts} == {*range(1, 13)}, "a count was left out"
        firsts = sorted(counts)[-1]
        assert firsts == (12, 4)
        assert await keys[0].add_member("j", "e0", taken=True) == (12, 4)

    @check("S1.13")
    async def test_members_and_sets_are_told_apart_whatever_their_names(self, stage: Stage) -> None:
        keys = keys_of(stage.client)
        members = [*HOSTILE_TEXTS, *NEAR_TWINS]
        for index, member in enumerate(members, 1):
            assert await keys.add_member("j", member, taken=True) == (index, index), member
        for name in (*HOSTILE_TEXTS, *NEAR_TWINS):
            assert await keys.add_member(f"set {name}", "m", taken=False) == (1, 0), name

    @check("G1", "S12.8")
    async def test_a_member_counts_once_though_its_process_died_as_it_came(
        self, stage: Stage
    ) -> None:
        client = keys_of(stage.client)

        async def arrive(adapter: BaseDistributedAdapter, name: str) -> None:
            await keys_of(adapter).add_member(name, "a", taken=True)

        async def look(name: str) -> None:
            assert await client.add_member(name, "a", taken=True) == (1, 1)
            assert await client.add_member(name, "b", taken=False) == (2, 1)

        await each_death(stage, arrive, look)
