"""The run store on the path of a node: load, commit, propagate, finish."""

from __future__ import annotations

import asyncio

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.activation import EXPECTED
from flowcraft.engine.cells import FAILED, OPEN, RECORD, SIGNAL
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.record import ErrorInfo
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
    each_pause,
    load,
    needs,
    new_run,
    now,
    processes,
    record,
)
from flowcraft.testing.stage import Stage

LONG_ID = "\u00e4" * 100
"""An id of the 200 bytes that it may have."""
MANY = 120
"""More than one write of a backend may hold: twenty-five, or a hundred."""


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

    @check("S1.27", "S1.17", "S12.11", "G4")
    async def test_nothing_is_committed_to_a_run_that_is_over_or_gone(self, stage: Stage) -> None:
        store = await create(stage, context={"k": b"0"})
        await store.finish([End("run", "cancelled", at=now(stage))])
        late = record(cells=(Cell("m", OPEN, b"1"),), context={"k": b"1"})
        for wanted in (late, late._replace(ends=("failed", None))):
            result = await commit(store, wanted)
            assert result.is_over, "a record was written after the end"
        loaded = await load(stage, peeks=(("m", OPEN),))
        assert (loaded.cells, loaded.peeked, loaded.context) == ({}, {}, {"k": b"0"})
        assert loaded.header is not None
        assert loaded.header.status == "cancelled"
        assert (await commit(store, record(run_id="never was"))).is_over
        assert (await store.headers(["never was"])) == [None]

    @check("S1.29", "S12.10", "G4")
    async def test_a_fatal_failure_and_the_end_are_one_step(self, stage: Stage) -> None:
        store = await create(stage)
        error = ErrorInfo(node="n", message="no: '\u00e4'", type="E", scope="/3", attempt=2)
        fatal = record(value=b'"failed"', context={"k": b"1"}, ends=("failed", error))
        assert (await commit(store, fatal)).is_won
        loaded = await load(stage)
        assert loaded.cells == {RECORD: b'"failed"'}
        assert loaded.header is not None
        assert (loaded.header.status, loaded.header.error) == ("failed", error)
        assert loaded.header.ended_at is not None
        second = record("m", b'"failed too"', ends=("failed", None))
        assert (await commit(store, second)).is_over
        assert (await load(stage, "m")).cells == {}

    @check("G4", "S12.10")
    async def test_of_two_fatal_failures_one_ends_the_run(self, stage: Stage) -> None:
        await create(stage)
        everybody = stores(stage, 3)
        wanted = [
            record(f"n{n}", ends=("failed", ErrorInfo(node=f"n{n}", message="no")))
            for n in range(6)
        ]
        results = await asyncio.gather(
            *(commit(everybody[n % 3], one) for n, one in enumerate(wanted))
        )
        (won,) = [n for n, result in enumerate(results) if result.is_won]
        loaded = await load(stage, peeks=tuple((f"n{n}", RECORD) for n in range(6)))
        assert loaded.peeked.keys() == {(f"n{won}", RECORD)}
        assert loaded.header is not None
        assert loaded.header.error == ErrorInfo(node=f"n{won}", message="no")

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

    @check("S1.29", "S12.7", "G1")
    async def test_a_fatal_failure_is_there_whole_or_not_at_all(self, stage: Stage) -> None:
        """Whoever finds the end finds the record of what failed."""
        error = ErrorInfo(node="n", message="no")

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            fatal = record(value=b'"failed"', run_id=run_id, ends=("failed", error))
            assert (await commit(adapter.ports.store, fatal)).is_won

        async def look(run_id: str) -> None:
            loaded = await load(stage, run_id=run_id)
            assert loaded.header is not None
            assert loaded.cells == ({RECORD: b'"failed"'} if loaded.header.is_over else {})

        await each_death(stage, write, look)

    @check("S1.29", "G4")
    async def test_a_fatal_failure_is_won_by_whoever_wrote_it_also_when_others_see_it_first(
        self, stage: Stage
    ) -> None:
        """At whichever of its requests it paused."""
        results: dict[str, CommitResult] = {}
        more = Cell("m", OPEN, b"1")

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            fatal = record(run_id=run_id, cells=(more,), ends=("failed", None))
            results[run_id] = await commit(adapter.ports.store, fatal)

        async def look(run_id: str) -> None:
            await load(stage, run_id=run_id)

        async for run_id in each_pause(stage, write, look):
            assert results[run_id].is_won
            assert (await load(stage, "m", run_id=run_id)).cells == {OPEN: b"1"}

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

    @check("S12.10", "G4")
    async def test_what_a_dead_worker_did_not_write_is_not_written_after_the_end(
        self, stage: Stage
    ) -> None:
        """The context of an ended run stays as it was at its end, whoever reads the records."""

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            await commit(adapter.ports.store, record(run_id=run_id, context={"k": b"1"}))

        async def look(run_id: str) -> None:
            store = stage.client.ports.store
            await store.finish([End(run_id, "cancelled", at=now(stage))])
            frozen = await store.context(run_id)
            for key in ("n", "m"):
                await load(stage, key, run_id=run_id, peeks=(("n", RECORD),))
            assert await store.context(run_id) == frozen

        await each_death(stage, write, look)

    @check("S1.27", "S12.10", "G4")
    async def test_a_commit_that_wakes_after_the_end_changes_nothing(self, stage: Stage) -> None:
        """At whichever of its requests it paused, for an adapter that declares it."""
        needs(
            stage.harness.spec.capabilities.fences_late_workers,
            "it declares that it cannot hold this",
        )
        results: dict[str, CommitResult] = {}
        frozen: dict[str, Loaded] = {}

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            wanted = record(run_id=run_id, context={"k": b"1"})
            results[run_id] = await commit(adapter.ports.store, wanted)

        async def finish(run_id: str) -> None:
            await stage.client.ports.store.finish([End(run_id, "completed", at=now(stage))])
            frozen[run_id] = await load(stage, run_id=run_id)

        async for run_id in each_pause(stage, write, finish):
            found = await load(stage, run_id=run_id)
            assert found == frozen[run_id], "the run changed after its end"
            assert results[run_id].is_won == (RECORD in found.cells)

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

    # -- finish

    @check("S1.17", "S12.10", "G4")
    async def test_a_run_ends_once(self, stage: Stage) -> None:
        """Everybody who would end it is told how it did end."""
        await create(stage)
        everybody = stores(stage, 3)
        error = ErrorInfo(node="n", message="no", cause="why")
        ends = [
            End("run", "completed", None, now(stage) + 1),
            End("run", "failed", error, now(stage) + 2),
            End("run", "cancelled", None, now(stage) + 3),
        ] * 3
        answers = await asyncio.gather(
            *(everybody[n % 3].finish([end]) for n, end in enumerate(ends))
        )
        headers = [header for (header,) in answers]
        standing = await stage.header()
        assert headers == [standing] * len(ends)
        (won,) = [end for end in ends[:3] if end.status == standing.status]
        assert (standing.error, standing.ended_at) == (won.error, won.at)
        assert not standing.is_announced or standing.is_over

    @check("S1.25", "G4")
    async def test_an_end_waits_for_the_sinks_that_it_expects(self, stage: Stage) -> None:
        """It is written only if so many are expected in the very step that writes it."""
        store = await create(stage)
        sinks = tuple(Arrival(EXPECTED, f"n/{n}", True, 0) for n in range(2))
        await store.propagate([Propagation("run", (), sinks)])
        for count in (0, 1, 3):
            (header,) = await store.finish([End("run", "completed", expected=count)])
            assert header is not None
            assert not header.is_over, "the run ended before an iteration did"
        (header,) = await store.finish([End("run", "completed", expected=2)])
        assert header is not None
        assert header.status == "completed"
        await create(stage, "none")
        (header,) = await store.finish([End("none", "completed", expected=0)])
        assert header is not None
        assert header.is_over

    @check("S12.11")
    async def test_a_run_that_never_was_does_not_end(self, stage: Stage) -> None:
        store = stage.client.ports.store
        assert list(await store.finish([End("run", "failed")])) == [None]
        assert list(await store.headers(["run"])) == [None]
        assert new_run(stage).header == (await store.create([new_run(stage)]))[0]
