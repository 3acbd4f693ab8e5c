"""The journal of a run: what was committed, in that order, from any place on."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.engine.cells import FAILED, OPEN, RECORD
from flowcraft.engine.consequences import Cell
from flowcraft.errors import RunError
from flowcraft.ports.store import Commit, End, Entry, Journal
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import create, needs, now, record
from flowcraft.testing.contracts.store import commit, stores
from flowcraft.testing.stage import Stage

LARGE_BYTES = 300_000
MANY_ENTRIES = 100
"""More than any check commits, and than it reads pages."""


def declared(stage: Stage) -> None:
    """Skip a check of a journal that is not kept."""
    needs(stage.harness.spec.capabilities.keeps_journal, "it declares that it keeps no order")


async def read(stage: Stage, after: str = "", limit: int = 99, run_id: str = "run") -> Journal:
    """Read a journal that is kept."""
    journal = await stage.client.ports.store.journal(run_id, after, limit)
    assert journal is not None, "it declares a journal, and keeps none"
    return journal


async def read_in_pages(stage: Stage, limit: int) -> list[Entry]:
    """Read all of a journal, so many entries at once."""
    found: list[Entry] = []
    while True:
        journal = await read(stage, found[-1].cursor if found else "", limit)
        assert len(journal.entries) <= limit
        found += journal.entries
        if journal.is_all:
            return found
        assert journal.entries, "a page that is not the last brings nothing"
        assert len(found) <= MANY_ENTRIES, "the pages of a journal do not end"


class JournalContract:
    """`RunStore.journal`, for an adapter that declares it."""

    @check("S1.47")
    async def test_a_journal_is_kept_where_it_is_declared_and_only_there(
        self, stage: Stage
    ) -> None:
        store = await create(stage)
        journal = await store.journal("run", "", 9)
        assert (journal is not None) == stage.harness.spec.capabilities.keeps_journal

    @check("S1.42")
    async def test_records_and_failed_attempts_are_told_in_the_order_of_their_commits(
        self, stage: Stage
    ) -> None:
        """Whoever committed them; those that were refused, and other cells, are not told."""
        declared(stage)
        await create(stage)
        await create(stage, "other")
        first, second = stores(stage, 2)
        await commit(first, Commit("run", Cell("z", f"{FAILED}1", b'"1"')))
        await commit(second, record("a", b'"2"'))
        await commit(first, Commit("run", Cell("z", OPEN, b'"no"')))
        await commit(second, record("n", b'"no"', "other"))
        await commit(first, record("a", b'"late"'))
        await commit(first, Commit("run", Cell("z", f"{FAILED}2", b'"3"'), absent=("z", RECORD)))
        await commit(second, record("z", b'"4"', cells=(Cell("b/3", RECORD, b'"5"'),)))
        journal = await read(stage)
        assert journal.is_all
        assert journal.header is not None
        told = [(entry.key, entry.name, entry.value) for entry in journal.entries]
        assert told == [
            ("z", f"{FAILED}1", b'"1"'), ("a", RECORD, b'"2"'), ("z", f"{FAILED}2", b'"3"'),
            ("z", RECORD, b'"4"'), ("b/3", RECORD, b'"5"'),
        ]  # fmt: skip

    @check("S1.42")
    async def test_a_cursor_goes_on_where_one_stopped(self, stage: Stage) -> None:
        """In pages of any size, and after more was committed."""
        declared(stage)
        store = await create(stage)
        for index in range(7):
            await commit(store, record(f"n{index}", b'"%d"' % index))
        whole = await read_in_pages(stage, 99)
        assert len(whole) == 7
        for limit in (1, 2, 7):
            assert await read_in_pages(stage, limit) == whole
        end = whole[-1].cursor
        assert (await read(stage, end)).entries == ()
        await commit(store, record("new"))
        assert [entry.key for entry in (await read(stage, end)).entries] == ["new"]
        assert [entry.key for entry in (await read(stage, whole[2].cursor)).entries] == [
            "n3", "n4", "n5", "n6", "new"
        ]  # fmt: skip

    @check("S1.42", "S1.46")
    async def test_nothing_is_missing_after_the_last_entry_of_a_run_that_is_over(
        self, stage: Stage
    ) -> None:
        """Who reads while others commit gets each entry once, up to the end."""
        declared(stage)
        await create(stage)
        everybody = stores(stage, 3)

        async def work(number: int) -> None:
            for index in range(6):
                await commit(everybody[number], record(f"n{number}.{index}"))
                await asyncio.sleep(0)
            if number == 0:
                await everybody[0].finish([End("run", "completed", at=now(stage))])

        working = [asyncio.ensure_future(work(number)) for number in range(3)]
        found: list[Entry] = []
        is_all, left = False, MANY_ENTRIES
        while not is_all and left:
            await asyncio.sleep(0)  # an answer of a backend in memory lets nobody else have a turn
            left -= all(one.done() for one in working)  # until then it may be read at any pace
            journal = await read(stage, found[-1].cursor if found else "", 4)
            found += journal.entries
            assert journal.header is not None
            is_all = journal.header.is_over and journal.is_all
        await asyncio.gather(*working)
        assert is_all, "a journal does not end with its run"
        keys = [entry.key for entry in found]
        assert len({*keys}) == len(keys)
        assert [entry.key for entry in await read_in_pages(stage, 99)] == keys

    @check("S1.42", "S1.46")
    async def test_large_records_are_told_to_the_last(self, stage: Stage) -> None:
        """Though one page of a backend does not hold them."""
        declared(stage)
        store = await create(stage)
        size = min(stage.client.parts.largest_value or LARGE_BYTES, LARGE_BYTES)
        values = [b'"%s"' % (b"%d" % n * (size - 2)) for n in range(9)]
        for index, value in enumerate(values):
            await commit(store, record(f"n{index}", value))
        assert [entry.value for entry in await read_in_pages(stage, 99)] == values

    @check("S1.42")
    async def test_a_cursor_of_nothing_is_refused(self, stage: Stage) -> None:
        declared(stage)
        await create(stage)
        for cursor in ("no cursor", "-1", "1; DROP TABLE runs", "\u0663"):
            with pytest.raises(RunError):
                await read(stage, cursor)

    @check("S12.11")
    async def test_a_run_that_is_gone_has_no_journal(self, stage: Stage) -> None:
        declared(stage)
        assert (await read(stage)).header is None
        store = await create(stage)
        await commit(store, record())
        await store.finish([End("run", "completed", at=now(stage))])
        await store.mark_announced(["run"])
        await store.purge(["run"])
        journal = await read(stage)
        assert (journal.header, journal.entries) == (None, ())
