"""The run store as a register of runs: made once, listed by an index, purged for good."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.activation import RUN
from flowcraft.engine.cells import PAYLOAD
from flowcraft.engine.record import ErrorInfo
from flowcraft.ports.store import End, NewRun, Place, RunStore
from flowcraft.status import ListedStatus, ParentReference, RunHeader
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    HOSTILE_TEXTS,
    create,
    each_death,
    each_pause,
    is_native,
    load,
    needs,
    new_run,
    now,
    record,
)
from flowcraft.testing.contracts.store import commit, stores
from flowcraft.testing.stage import Stage

MANY_RUNS = 100
"""More than any check makes."""
FAR = 1e9
"""Later than anything, in seconds from now."""


async def end(
    stage: Stage, run_id: str = "run", *, at: float | None = None, announced: bool = True
) -> None:
    """Write that a run completed, and note that it was announced."""
    store = stage.client.ports.store
    await store.finish([End(run_id, "completed", at=now(stage) if at is None else at)])
    if announced:
        await store.mark_announced([run_id])


async def listed(
    store: RunStore,
    page: int = 3,
    *,
    status: ListedStatus | None = None,
    blueprint_id: str | None = None,
) -> list[str]:
    """The ids of a whole listing, in pages."""
    found: list[RunHeader] = []
    before: Place | None = None
    while True:
        some = await store.list_runs(
            status=status, blueprint_id=blueprint_id, before=before, limit=page
        )
        assert len(some) <= page
        if not some:
            return [header.run_id for header in found]
        found += some
        assert len(found) <= MANY_RUNS, "the pages of a listing do not end"
        before = Place(some[-1].created_at, some[-1].run_id)


class RunRegistryContract:
    """`RunStore`: which runs there are."""

    # -- making

    @check("S1.7", "S1.56")
    async def test_a_run_is_created_once(self, stage: Stage) -> None:
        """Whoever comes later is told what stands, and changes nothing of it."""
        first = new_run(stage, payload=b'{"a":1}', context={"a": b"1"}, fingerprint="f")
        other = new_run(stage, payload=b'"b"', context={"b": b"2"}, blueprint_id="other")
        store = stage.client.ports.store
        assert list(await store.create([first])) == [first.header]
        assert list(await store.create([other])) == [first.header]
        loaded = await load(stage, peeks=((RUN, PAYLOAD),))
        assert loaded.header == first.header
        assert loaded.peeked == {(RUN, PAYLOAD): b'{"a":1}'}
        assert loaded.context == await store.context("run") == {"a": b"1"}

    @check("S1.7")
    async def test_of_several_who_create_a_run_one_does(self, stage: Stage) -> None:
        runs = [new_run(stage, context={"k": b"1"}, created_at=float(n)) for n in range(9)]
        everybody = stores(stage, 3)
        answers = await asyncio.gather(
            *(everybody[n % 3].create([run]) for n, run in enumerate(runs))
        )
        standing = await stage.header()
        assert [header for (header,) in answers] == [standing] * len(runs)
        assert await listed(stage.client.ports.store) == ["run"]

    @check("S1.7", "S1.56")
    async def test_a_run_is_listed_where_it_stands_also_when_others_submit_it_too(
        self, stage: Stage
    ) -> None:
        """Once, by its own time of creation, wherever one of them pauses or dies."""
        times = itertools.count(1)

        async def submit(adapter: BaseDistributedAdapter, run_id: str) -> None:
            one = new_run(stage, run_id, created_at=float(next(times)), blueprint_id="one")
            await adapter.ports.store.create([one])

        async def meanwhile(run_id: str) -> None:
            store = stage.client.ports.store
            for created_at in (0.25, 1000.0 + next(times)):
                other = new_run(stage, run_id, created_at=created_at, blueprint_id="other")
                await store.create([other])

        async def look() -> None:
            store = stage.client.ports.store
            standing = [header for header in await store.headers(names) if header is not None]
            standing.sort(key=lambda header: (header.created_at, header.run_id), reverse=True)
            wanted = [header.run_id for header in standing]
            if not is_dead:  # what is left of one who died may be mended by a whole listing only
                others = [one.run_id for one in standing if one.blueprint_id == "other"]
                assert await listed(store, blueprint_id="other") == others
            assert await listed(store) == wanted

        names: list[str] = []
        for is_dead in (False, True):
            async for run_id in each_pause(stage, submit, meanwhile, is_its_last=is_dead):
                names.append(run_id)
                await look()

    @check("S1.7", "S1.8")
    async def test_of_two_who_create_different_runs_of_one_id_one_has_all_of_it(
        self, stage: Stage
    ) -> None:
        """Header, payload and context are of one of them, wherever the other one pauses."""
        capabilities = stage.harness.spec.capabilities
        needs(capabilities.fences_late_workers, "it declares that it cannot hold this")

        def wanted(run_id: str, who: str) -> NewRun:
            value = b'"%s"' % who.encode()
            return new_run(stage, run_id, payload=value, context={who: value}, fingerprint=who)

        async def make(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await adapter.ports.store.create([wanted(run_id, "one")])

        async def meanwhile(run_id: str) -> None:
            await stage.client.ports.store.create([wanted(run_id, "other")])

        async for run_id in each_pause(stage, make, meanwhile):
            loaded = await load(stage, run_id=run_id, peeks=((RUN, PAYLOAD),))
            assert loaded.header is not None
            standing = wanted(run_id, loaded.header.fingerprint)
            assert loaded.peeked == {(RUN, PAYLOAD): standing.payload}
            assert loaded.context == standing.context

    @check("S1.7", "G1")
    async def test_whoever_dies_as_it_creates_a_run_leaves_all_of_it_or_none(
        self, stage: Stage
    ) -> None:
        """Who creates it again finishes what the first one began, without waiting for a sweep."""

        def wanted(run_id: str) -> list[NewRun]:
            return [new_run(stage, run_id, payload=b"1", context={"k": b"2"}, parent="p")]

        async def make(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await adapter.ports.store.create(wanted(run_id))

        async def look(run_id: str) -> None:
            store = stage.client.ports.store
            for _ in range(2):
                (header,) = await store.headers([run_id])
                if header is not None:
                    loaded = await load(stage, run_id=run_id, peeks=((RUN, PAYLOAD),))
                    assert loaded.peeked == {(RUN, PAYLOAD): b"1"}
                    assert loaded.context == {"k": b"2"}
                    assert run_id in await store.children("p")
                    assert run_id in await listed(store)
                    assert run_id in [s.run_id for s in await store.stalled(now(stage) + FAR, 999)]
                await store.create(wanted(run_id))

        await create(stage, "p")
        await each_death(stage, make, look)

    @check("G4", "S9.10", "S12.11")
    async def test_a_run_that_ended_or_is_gone_gets_no_child(self, stage: Stage) -> None:
        store = stage.client.ports.store
        child = new_run(stage, "child", parent="p")
        assert list(await store.create([child])) == [None]
        await create(stage, "p")
        assert list(await store.create([child])) == [child.header]
        await store.finish([End("p", "cancelled", at=now(stage))])
        late = new_run(stage, "late", parent="p")
        assert list(await store.create([late, child])) == [None, child.header]
        await store.purge(["p"])
        assert list(await store.create([late])) == [None]
        assert list(await store.headers(["late"])) == [None]
        assert await listed(store) == ["child"]

    @check("G4", "S12.11")
    async def test_a_worker_that_wakes_after_the_purge_makes_no_child(self, stage: Stage) -> None:
        """At whichever of its requests it paused, for an adapter that declares it."""
        fences = stage.harness.spec.capabilities.fences_late_workers
        needs(fences, "it declares that it cannot hold this")

        async def make(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            child = new_run(stage, f"child of {run_id}", parent=run_id)
            await adapter.ports.store.create([child])

        async def meanwhile(run_id: str) -> None:
            store = stage.client.ports.store
            for one in (f"child of {run_id}", run_id):
                await store.finish([End(one, "cancelled", at=now(stage))])
                await store.purge([one])

        async for run_id in each_pause(stage, make, meanwhile):
            assert list(await stage.client.ports.store.headers([f"child of {run_id}"])) == [None]

    @check("S1.4", "S1.34", "S1.36")
    async def test_a_header_is_kept_whole(self, stage: Stage) -> None:
        store = await create(stage, "p")
        headers = [
            RunHeader(
                run_id=f"run {text}"[:60],
                blueprint_id=text,
                blueprint_hash="h" * 64,
                blueprints={text: "h" * 64, "b": "1"},
                created_at=1700000000.123456 + index,
                starts_at=1.5,
                deadline_at=2.5,
                parent=ParentReference("p", f"{text}/3", 2),
                fingerprint="f",
                retry_of="old",
            )
            for index, text in enumerate(HOSTILE_TEXTS)
        ]
        plain = RunHeader(run_id="plain", blueprint_id="g", blueprint_hash="h")
        runs = [new_run(stage, header.run_id) for header in (*headers, plain)]
        await store.create(
            [
                msgspec.structs.replace(run, header=header)
                for run, header in zip(runs, (*headers, plain), strict=True)
            ]
        )
        ids = [header.run_id for header in headers]
        assert list(await store.headers([*ids, "no", "plain"])) == [*headers, None, plain]
        error = ErrorInfo(node="n", message="no", type="E", scope="/1", attempt=3, cause="c")
        await store.finish([End("plain", "failed", error, 7.25)])
        (ended,) = await store.headers(["plain"])
        assert ended is not None
        assert (ended.status, ended.error, ended.ended_at) == ("failed", error, 7.25)

    # -- listing

    @check("S1.45")
    @pytest.mark.parametrize("page", [1, 2, 5])
    async def test_a_listing_has_every_run_once_newest_first(self, stage: Stage, page: int) -> None:
        """Also of runs that were submitted at the same moment, or within a millisecond."""
        store, began = stage.client.ports.store, now(stage)
        times = [3.0, 1.0, 1.0, 2.0002, 2.0, 2.0004, 1.0, 3.0, 0.5]
        for index, time in enumerate(times):
            await create(stage, f"r{index}", created_at=began + time)
        places = sorted((time, f"r{index}") for index, time in enumerate(times))
        assert await listed(store, page) == [run_id for _, run_id in reversed(places)]

    @check("S1.45")
    async def test_a_listing_takes_what_was_asked_for(self, stage: Stage) -> None:
        """By status, by blueprint, by both, as things stand when it is read."""
        store, began = stage.client.ports.store, now(stage)
        for index in range(8):
            blueprint = "a" if index % 2 else "b"
            await create(stage, f"r{index}", created_at=began + index, blueprint_id=blueprint)
        await store.finish([End("r1", "failed"), End("r2", "failed"), End("r5", "cancelled")])
        await store.mark_announced(["r1", "r2"])
        assert await listed(store, status="failed") == ["r2", "r1"]
        assert await listed(store, 1, status="running") == ["r7", "r6", "r4", "r3", "r0"]
        assert await listed(store, 1, status="completed") == []
        assert await listed(store, blueprint_id="a") == ["r7", "r5", "r3", "r1"]
        assert await listed(store, 1, blueprint_id="a", status="failed") == ["r1"]
        assert await listed(store, blueprint_id="no") == []
        error = ErrorInfo(node="n", message="no")
        await commit(store, record(run_id="r7", ends=("failed", error)))
        assert await listed(store, 1, status="failed") == ["r7", "r2", "r1"]
        whole = await store.list_runs(status="failed", blueprint_id=None, before=None, limit=9)
        assert list(whole) == list(await store.headers(["r7", "r2", "r1"]))

    @check("S1.45")
    async def test_runs_that_come_while_pages_are_turned_move_no_others(self, stage: Stage) -> None:
        store, began = stage.client.ports.store, now(stage)
        for index in range(6):
            await create(stage, f"r{index}", created_at=began + index)
        first = await store.list_runs(status=None, blueprint_id=None, before=None, limit=3)
        await create(stage, "new", created_at=began + 9)
        before = Place(first[-1].created_at, first[-1].run_id)
        rest = await store.list_runs(status=None, blueprint_id=None, before=before, limit=9)
        assert [header.run_id for header in (*first, *rest)] == ["r5", "r4", "r3", "r2", "r1", "r0"]

    @check("S1.45")
    async def test_a_listing_costs_the_same_among_many_runs(self, stage: Stage) -> None:
        """And so does looking for what is stalled or expired: there is an index for each."""
        needs(is_native(stage), "it is told to scan, for want of a listing of its own")
        looker = stage.make_worker("looker")
        store = looker.adapter.ports.store

        async def cost() -> int:
            before = stage.numbering.count
            await store.list_runs(status="failed", blueprint_id="g", before=None, limit=2)
            await store.stalled(now(stage), 2)
            await store.expired(now(stage), 2)
            await store.children("r0")
            return stage.numbering.count - before

        for index in range(3):
            await create(stage, f"r{index}")
        few = await cost()
        assert few > 0, "these requests do not go through the wire"
        for index in range(3, 60):
            await create(stage, f"r{index}", parent="r1" if index % 2 else None)
        assert await cost() == few

    # -- children, blueprints, age

    @check("S9.6", "S9.7")
    async def test_the_children_of_a_run_are_its_own(self, stage: Stage) -> None:
        store = await create(stage, "p")
        await create(stage, "p.2")
        for index, parent in enumerate(["p", "p.2", "p", "c0"]):
            await create(stage, f"c{index}", parent=parent)
        assert sorted(await store.children("p")) == ["c0", "c2"]
        assert list(await store.children("p.2")) == ["c1"]
        assert list(await store.children("c0")) == ["c3"]
        assert list(await store.children("c1")) == list(await store.children("no")) == []

    @check("S1.4")
    async def test_a_blueprint_is_kept_under_its_hash(self, stage: Stage) -> None:
        first, second = stores(stage, 2)
        content = ('{"id":"\u00e4\'","x":"%s"}' % ("y" * 50_000)).encode()
        assert [await store.get_blueprint("h1") for store in (first, second)] == [None] * 2
        await asyncio.gather(
            first.put_blueprint("h1", content), second.put_blueprint("h1", content)
        )
        await second.put_blueprint("h2", b"{}")
        assert [await store.get_blueprint("h1") for store in (first, second)] == [content] * 2
        assert await first.get_blueprint("h2") == b"{}"
        assert await first.get_blueprint("H1") is None

    @check("S12.43", "S9.10")
    async def test_what_expires_is_an_announced_root_that_ended_before(self, stage: Stage) -> None:
        """The first to end comes first; no child, and nothing that is not announced."""
        store, began = stage.client.ports.store, now(stage)
        for run_id, parent in [*((f"r{n}", None) for n in range(5)), ("child", "r0")]:
            await create(stage, run_id, parent=parent)
        for run_id, at in (("r1", 3.0), ("r2", 1.0), ("r3", 2.0), ("child", 1.0)):
            await end(stage, run_id, at=began + at)
        await create(stage, "above")  # its end is not announced by being written
        await create(stage, "below", parent="above")
        await end(stage, "above", at=began + 1, announced=False)
        assert list(await store.expired(began + FAR, 9)) == ["r2", "r3", "r1"]
        assert list(await store.expired(began + FAR, 2)) == ["r2", "r3"]
        assert list(await store.expired(began + 2.5, 9)) == ["r2", "r3"]
        assert list(await store.expired(began, 9)) == []
        await store.mark_announced(["above"])
        assert "above" in await store.expired(began + FAR, 9)
