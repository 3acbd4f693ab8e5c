"""The run store on the path of a node: load, commit, propagate, finish."""

from __future__ import annotations

import asyncio

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.cells import FAILED, OPEN, RECORD, SIGNAL
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.ports.store import (
    Commit,
    CommitResult,
    End,
    Load,
    Loaded,
    Propagation,
    RunStore,
)
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    create,
    each_death,
    load,
    now,
    processes,
    record,
)
from flowcraft.testing.stage import Stage

LONG_ID = "\u00e4" * 100
"""An id of the 200 bytes that it may have."""


def stores(stage: Stage, count: int) -> list[RunStore]:
    """The store as several processes see it."""
    return [adapter.ports.store for adapter in processes(stage, count)]


def arrive(target: str, member: str, *, taken: bool = True, **more: object) -> Arrival:
    """An arrival at a join of three."""
    value = b'"%s"' % member.encode() if taken else None
    return Arrival(target, member, taken, **{"need": 3, "value": value, **more})  # type: ignore[arg-type]


async def commit(store: RunStore, wanted: Commit) -> CommitResult:
    """Commit one record."""
    (result,) = await store.commit([wanted])
    return result


class RunStoreContract:
    """`RunStore`: what a worker asks of it for every node."""

    # -- commit

    @check("G2", "S12.4", "S12.5")
    async def test_of_concurrent_commits_one_wins_and_the_others_learn_it(
        self, stage: Stage
    ) -> None:
        """The context that then stands is the winner's, and every loser is told its record."""
        await create(stage)
        everybody = stores(stage, 4)
        wanted = [
            record(value=b'{"by":%d}' % n, context={"k": b"%d" % n, f"k{n}": b"1"})
            for n in range(16)
        ]
        results = await asyncio.gather(
            *(commit(everybody[n % 4], one) for n, one in enumerate(wanted))
        )
        winners = [n for n, result in enumerate(results) if result.is_won]
        assert len(winners) == 1, "two workers recorded one activation"
        (won,) = winners
        assert {result.existing for result in results if not result.is_won} == {
            wanted[won].guard.value
        }
        assert not any(result.is_over for result in results)
        loaded = await load(stage)
        assert loaded.cells == {RECORD: wanted[won].guard.value}
        assert loaded.context == wanted[won].context

    @check("S12.7", "S2.12", "G2")
    async def test_a_commit_writes_all_that_it_brings(self, stage: Stage) -> None:
        """The guard, its other cells, and the context, whose null is no deletion."""
        context = {"set": b"1", "gone": b"2", "kept": b"3"}
        store = await create(stage, context=context)
        cells = (Cell("a", OPEN, b"5.0"), Cell("m", SIGNAL, b"{}"))
        patch = {"set": b"null", "gone": None, "new": b'"\\u0000"'}
        assert await commit(store, record(cells=cells, context=patch)) == CommitResult(True)
        loaded = await load(stage, peeks=(("a", OPEN), ("m", SIGNAL), ("m", RECORD)))
        assert loaded.cells.keys() == {RECORD}
        assert loaded.peeked == {("a", OPEN): b"5.0", ("m", SIGNAL): b"{}"}
        assert loaded.context == {"set": b"null", "kept": b"3", "new": b'"\\u0000"'}

    @check("S12.5", "S12.6", "G2")
    async def test_a_commit_that_was_beaten_writes_nothing(self, stage: Stage) -> None:
        store = await create(stage, context={"k": b"0"})
        await commit(store, record(value=b'"first"'))
        late = record(value=b'"late"', cells=(Cell("m", OPEN, b"1"),), context={"k": b"1"})
        result = await commit(store, late)
        assert (result.is_won, result.existing, result.is_over) == (False, b'"first"', False)
        loaded = await load(stage, peeks=(("m", OPEN),))
        assert (loaded.cells, loaded.peeked) == ({RECORD: b'"first"'}, {})
        assert loaded.context == {"k": b"0"}

    @check("S10.3", "S7.2", "G2")
    async def test_a_note_is_barred_where_a_record_stands(self, stage: Stage) -> None:
        """And written where none does: `absent` may name a cell of another activation."""
        store = await create(stage)
        await commit(store, record("n", b'"done"'))
        barred = Commit("run", Cell("n", f"{FAILED}1", b"{}"), absent=("n", RECORD))
        result = await commit(store, barred)
        assert (result.is_won, result.barred, result.is_over) == (False, b'"done"', False)
        assert (await load(stage)).cells == {RECORD: b'"done"'}
        elsewhere = Commit("run", Cell("m", OPEN, b"1"), absent=("n", RECORD), context={"k": b"1"})
        assert (await commit(store, elsewhere)).barred == b'"done"'
        assert (await load(stage, "m")).cells == {}
        assert (await load(stage, "m")).context == {}
        free = Commit("run", Cell("m", f"{FAILED}1", b"{}"), absent=("m", RECORD))
        assert (await commit(store, free)).is_won

    @check("G2")
    async def test_a_further_cell_that_exists_stays_as_it_is(self, stage: Stage) -> None:
        store = await create(stage)
        await commit(store, Commit("run", Cell("m", OPEN, b"1")))
        both = (Cell("m", OPEN, b"2"), Cell("m", SIGNAL, b"2"))
        assert (await commit(store, record(cells=both))).is_won
        assert (await load(stage, "m")).cells == {OPEN: b"1", SIGNAL: b"2"}

    @check("S12.7", "G2", "G5")
    async def test_a_commit_is_there_whole_or_not_at_all(self, stage: Stage) -> None:
        """Wherever the process that commits dies; a repeat of it finds or finishes it."""
        patch = {f"k{n}": b"1" for n in range(5)} | {"gone": None}

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id, context={"gone": b"0"})
            wanted = record(run_id=run_id, context=patch)
            assert (await commit(adapter.ports.store, wanted)).is_won

        async def look(run_id: str) -> None:
            for _ in range(2):
                loaded = await load(stage, run_id=run_id)
                if RECORD in loaded.cells:
                    assert loaded.context == {f"k{n}": b"1" for n in range(5)}
                else:
                    assert loaded.context == {"gone": b"0"}, "half of a commit is there"
                again = record(run_id=run_id, context=patch)
                result = await commit(stage.client.ports.store, again)
                assert result.is_won or result.existing == again.guard.value

        await each_death(stage, write, look)

    @check("S2.14", "G5")
    async def test_a_record_that_is_found_again_writes_its_context_no_more(
        self, stage: Stage
    ) -> None:
        store = await create(stage)
        await commit(store, record("early", context={"k": b"1"}))
        await commit(store, record("late", context={"k": b"2"}))
        again = await commit(store, record("early", context={"k": b"1"}))
        assert not again.is_won
        for key in ("early", "late", "early"):
            assert (await load(stage, key)).context == {"k": b"2"}

    # -- load

    @check("S4.16", "S5.9")
    async def test_a_load_finds_all_of_an_activation_and_what_was_named(self, stage: Stage) -> None:
        """And nothing else: of neighbours whose keys begin alike, and of other runs, nothing."""
        context = {"a": b"1", "b": b"null", "a.b": b"3"}
        store = await create(stage, context=context)
        await create(stage, "other", context={"a": b"9"})
        for key in ("n", "n/0", "n/#0", "nn", "N"):
            await commit(store, record(key, b'"%s"' % key.encode()))
        await commit(store, record("n", b'"other"', run_id="other"))
        await store.propagate(
            [
                Propagation("run", (), (arrive("n", "x"), arrive("n", "y", taken=False))),
                Propagation("run", (), (arrive("n/0", "z"), arrive("nn", "z"))),
                Propagation("other", (), (arrive("n", "w"),)),
            ]
        )
        peeks = (("n/0", RECORD), ("nn", RECORD), ("m", RECORD), ("n", OPEN))
        loaded = await load(stage, peeks=peeks, context=("a", "b", "no"))
        assert loaded.header is not None
        assert loaded.header.run_id == "run"
        assert loaded.cells == {RECORD: b'"n"'}
        assert loaded.arrived == {"x": True, "y": False}
        assert loaded.slots == {"x": b'"x"'}
        assert loaded.winner is None
        assert loaded.peeked == {("n/0", RECORD): b'"n/0"', ("nn", RECORD): b'"nn"'}
        assert loaded.context == {"a": b"1", "b": b"null"}
        assert (await load(stage)).context == context
        assert (await load(stage, context=())).context == {}
        assert (await load(stage, "m")).arrived == {}
        assert (await load(stage, "n", "never was")) == Loaded(None)

    @check("S12.4")
    async def test_each_element_of_a_sequence_has_its_answer(self, stage: Stage) -> None:
        """In its place, though others of the sequence fail."""
        store = await create(stage)
        await create(stage, "over")
        await store.finish([End("over", "failed", at=now(stage))])
        wanted = [record(f"n{n % 20}", b"%d" % n) for n in range(40)]
        wanted[5:5] = [record(run_id="over"), record(run_id="never was")]
        results = await store.commit(wanted)
        assert [result.is_won for result in results] == [
            *[True] * 5, False, False, *[True] * 15, *[False] * 20
        ]  # fmt: skip
        assert [result.is_over for result in results[5:7]] == [True, True]
        assert [result.existing for result in results[22:]] == [b"%d" % n for n in range(20)]
        keys = [f"n{n}" for n in range(25)]
        loads = await store.load([Load("run", key) for key in keys])
        assert [loaded.cells.get(RECORD) for loaded in loads] == [
            *(b"%d" % n for n in range(20)), *[None] * 5
        ]  # fmt: skip
        ends = await store.finish([End("never was", "failed"), End("run", "completed")])
        assert ends[0] is None
        assert ends[1] is not None
        assert ends[1].status == "completed"

    @check("S1.13")
    async def test_ids_and_scopes_of_any_length_are_told_apart(self, stage: Stage) -> None:
        run_ids = [LONG_ID, LONG_ID[:-1] + "a"]
        keys = [f"{LONG_ID}/{'123456/' * depth}{last}" for depth in (5, 30) for last in (7, 8)]
        for run_id in run_ids:
            store = await create(stage, run_id, context={"k" * 512: b"1"})
            for key in keys:
                value = b'"%s %s"' % (run_id[-1].encode(), key[-9:].encode())
                arrival = arrive(key, LONG_ID, value=value, need=2)
                (answer,) = await store.propagate([Propagation(run_id, (), (arrival,))])
                assert answer is not None
                assert (answer[0].members, answer[0].taken) == (1, 1)
                assert (await commit(store, record(key, value, run_id))).is_won
        for run_id in run_ids:
            for key in keys:
                loaded = await load(stage, key, run_id)
                value = b'"%s %s"' % (run_id[-1].encode(), key[-9:].encode())
                assert (loaded.cells, loaded.slots) == ({RECORD: value}, {LONG_ID: value})

    @check("S8.14", "S10.3")
    async def test_the_value_of_a_cell_is_opaque(self, stage: Stage) -> None:
        """Not all of them are JSON: a reference, a time, a name are stored as well."""
        store = await create(stage)
        texts = [b'@["b",3]', b"1700000000.25", b"=", b'+{"a":1}', b"", "\u00e4 '\"".encode(),
                 b'"\\u0000"', b'{"b":1,  "a":1.50}']  # fmt: skip
        for index, text in enumerate(texts):
            await commit(store, record(f"n{index}", text))
            arrival = arrive(f"n{index}", "e", value=text)
            await store.propagate([Propagation("run", (), (arrival,))])
        for index, text in enumerate(texts):
            loaded = await load(stage, f"n{index}", peeks=((f"n{index}", RECORD),))
            assert (loaded.cells, loaded.slots) == ({RECORD: text}, {"e": text})
            assert [*loaded.peeked.values()] == [text]
