"""The run store as a register of runs: what is purged is gone for good, and nothing else is."""

from __future__ import annotations

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.activation import RUN
from flowcraft.engine.cells import OPEN, PAYLOAD, RECORD
from flowcraft.engine.consequences import Cell
from flowcraft.ports.store import (
    End,
    Lease,
    Propagation,
)
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    create,
    each_death,
    load,
    new_run,
    now,
    record,
)
from flowcraft.testing.contracts.registry import FAR, end, listed
from flowcraft.testing.contracts.store import arrive, commit
from flowcraft.testing.stage import Stage


class PurgeContract:
    """`RunStore`: runs that are removed."""

    @check("S12.43", "S12.22", "G9")
    async def test_a_run_that_has_not_ended_is_not_purged(self, stage: Stage) -> None:
        store = await create(stage, context={"k": b"1"})
        await commit(store, record())
        await store.purge(["run", "never was"])
        loaded = await load(stage)
        assert loaded.header is not None
        assert loaded.cells.keys() == {RECORD}
        assert loaded.context == {"k": b"1"}
        assert await listed(store) == ["run"]

    @check("S12.11", "S9.10", "G4")
    async def test_a_purge_leaves_nothing_to_be_found(self, stage: Stage) -> None:
        """Of that run; others keep all they have."""
        store = await create(stage, "p")
        for run_id in ("run", "run.2"):
            await create(stage, run_id, context={"k": b"1"}, parent="p")
            await commit(store, record(run_id=run_id))
            await store.propagate([Propagation(run_id, (), (arrive("j", "a", any=True),))])
        await create(stage, "below", parent="run")
        for run_id in ("run", "run.2"):
            await end(stage, run_id)
        await store.purge(["run"])
        assert [h is None for h in await store.headers(["run", "run.2", "below"])] == [
            True, False, False
        ]  # fmt: skip
        assert await store.context("run") == {}
        assert (await load(stage)).header is None
        assert list(await store.children("p")) == ["run.2"]
        assert sorted(await listed(store)) == ["below", "p", "run.2"]
        far = now(stage) + FAR
        assert "run" not in [found.run_id for found in await store.stalled(far, 99)]
        assert "run" not in await store.expired(far, 99)
        journal = await store.journal("run", "", 9)
        assert journal is None or (journal.header, journal.entries) == (None, ())
        kept = await load(stage, "j", "run.2")
        assert (kept.winner, kept.context) == ("a", {"k": b"1"})

    @check("S12.11", "G4")
    async def test_nothing_brings_a_purged_run_back(self, stage: Stage) -> None:
        """Not the late word of any worker: it is refused, or nobody finds what it wrote."""
        store = await create(stage, "run")
        await end(stage)
        await store.purge(["run"])
        far = now(stage) + FAR
        late = record(cells=(Cell("m", OPEN, b"1"),), context={"k": b"1"})
        assert (await commit(store, late)).is_over
        assert (await commit(store, late._replace(ends=("failed", None)))).is_over
        wanted = Propagation("run", (Cell("m", OPEN, b"1"),), (arrive("j", "a", any=True),))
        assert list(await store.propagate([wanted])) == [None]
        assert list(await store.finish([End("run", "completed")])) == [None]
        await store.mark_announced(["run"])
        await store.touch({"run": now(stage)}, [Lease("run", "n", 1, "w", now(stage) + 1)])
        await store.swept({"run": now(stage)})
        assert list(await store.headers(["run"])) == [None]
        assert await listed(store) == []
        assert list(await store.stalled(far, 9)) == []
        assert list(await store.expired(far, 9)) == []
        assert await store.context("run") == {}

    @check("S1.9", "S12.11", "S12.65")
    async def test_a_run_under_the_id_of_a_purged_one_begins_from_nothing(
        self, stage: Stage
    ) -> None:
        """An idempotency key is free again, and the new run has nothing of the old one."""
        store = await create(stage, payload=b"1", context={"k": b"1"})
        await commit(store, record(cells=(Cell("m", OPEN, b"1"),)))
        await commit(store, record("/run"))
        await store.propagate([Propagation("run", (), (arrive("j", "a", any=True),))])
        await end(stage)
        await store.purge(["run"])
        run = new_run(stage, payload=b"2", context={"l": b"2"})
        assert list(await store.create([run])) == [run.header]
        assert not (await stage.header()).is_over
        loaded = await load(stage, "n", peeks=((RUN, PAYLOAD), ("m", OPEN)))
        assert (loaded.cells, loaded.context) == ({}, {"l": b"2"})
        assert loaded.peeked == {(RUN, PAYLOAD): b"2"}
        joined = await load(stage, "j")
        assert (joined.arrived, joined.slots, joined.winner) == ({}, {}, None)
        assert (await commit(store, record())).is_won
        journal = await store.journal("run", "", 9)
        assert journal is None or len(journal.entries) == 1

    @check("S12.11", "G1")
    async def test_a_purge_that_died_is_finished_by_the_next(self, stage: Stage) -> None:
        async def purge(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id, context={"k": b"1"}, parent="p")
            await commit(stage.client.ports.store, record(run_id=run_id))
            await end(stage, run_id)
            await adapter.ports.store.purge([run_id])

        async def look(run_id: str) -> None:
            store = stage.client.ports.store
            await store.purge([run_id])
            await stage.client.runs.purge(run_id)
            assert list(await store.headers([run_id])) == [None]
            assert run_id not in await listed(store)

        await each_death(stage, purge, look)
