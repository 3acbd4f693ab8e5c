"""The run store: a run ends once, and nothing is recorded after it."""

from __future__ import annotations

import asyncio

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.activation import EXPECTED
from flowcraft.engine.cells import OPEN, RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.record import ErrorInfo
from flowcraft.ports.store import (
    CommitResult,
    End,
    Loaded,
    Propagation,
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
    record,
)
from flowcraft.testing.contracts.store import commit, stores
from flowcraft.testing.stage import Stage


class EndsContract:
    """`RunStore.finish`, and commits that end a run."""

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
