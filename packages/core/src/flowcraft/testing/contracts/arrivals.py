"""The run store where edges meet: members counted once, values before members, one winner."""

from __future__ import annotations

import asyncio

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.cells import LAST, RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.ports.store import Arrived, Propagation, RunStore
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import MANY, create, each_death, load, record
from flowcraft.testing.contracts.store import arrive, commit, stores
from flowcraft.testing.stage import Stage


async def propagate(
    store: RunStore, *arrivals: Arrival, run_id: str = "run", cells: tuple[Cell, ...] = ()
) -> tuple[Arrived, ...]:
    """Let edges arrive in a run that is there."""
    (answers,) = await store.propagate([Propagation(run_id, cells, arrivals)])
    assert answers is not None, f"no run {run_id!r}"
    return answers


class ArrivalsContract:
    """`RunStore.propagate`: what follows from a record, as often as it is repeated."""

    @check("S5.7", "S12.8", "G3")
    async def test_an_edge_counts_once_however_often_it_arrives(self, stage: Stage) -> None:
        await create(stage)
        first, second = stores(stage, 2)
        three = (arrive("j", "a"), arrive("j", "b", taken=False), arrive("j", "c"))
        assert await propagate(first, *three) == ((1, 1, None), (2, 1, None), (3, 2, None))
        assert await propagate(second, *three) == ((3, 2, None),) * 3
        loaded = await load(stage, "j")
        assert loaded.arrived == {"a": True, "b": False, "c": True}
        assert loaded.slots == {"a": b'"a"', "c": b'"c"'}

    @check("S12.8", "S12.9", "G3")
    async def test_of_edges_that_arrive_at_once_one_completes_the_join(self, stage: Stage) -> None:
        """Each is told the set as of its own step; nobody is told of one that is too full."""
        await create(stage)
        everybody = stores(stage, 4)
        answers = await asyncio.gather(
            *(
                propagate(everybody[n % 4], arrive("j", f"e{n}", taken=n % 2 == 0, need=12))
                for n in range(12)
            )
        )
        counts = sorted(answer.members for (answer,) in answers)
        assert counts == [*range(1, 13)], "a join fires early, twice or never"
        assert max(answer.taken for (answer,) in answers) == 6

    @check("S5.3", "S5.8", "G3")
    async def test_the_first_edge_taken_wins_an_any_join(self, stage: Stage) -> None:
        """A skipped one does not, and all who come later learn who won."""
        store = await create(stage)
        skipped = arrive("j", "s", taken=False, any=True)
        first, second = (arrive("j", member, any=True) for member in ("b", "a"))
        assert await propagate(store, skipped) == ((1, 0, None),)
        assert await propagate(store, first) == ((2, 1, "b"),)
        assert await propagate(store, second, skipped, first) == ((3, 2, "b"),) * 3
        assert (await load(stage, "j")).winner == "b"

    @check("S5.3", "S12.8", "G3")
    async def test_of_edges_that_race_to_an_any_join_one_wins(self, stage: Stage) -> None:
        await create(stage)
        everybody = stores(stage, 4)
        answers = await asyncio.gather(
            *(propagate(everybody[n % 4], arrive("j", f"e{n}", any=True)) for n in range(12))
        )
        winners = {answer.winner for (answer,) in answers}
        assert winners == {(await load(stage, "j")).winner}
        assert None not in winners

    @check("G3", "S5.9")
    async def test_no_edge_is_there_without_the_value_that_it_carries(self, stage: Stage) -> None:
        """Wherever the process that brings it dies; and a repeat of it finishes the rest."""
        edges = tuple(arrive("j", f"e{n}") for n in range(3))

        async def bring(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            await propagate(adapter.ports.store, *edges, run_id=run_id)

        async def look(run_id: str) -> None:
            loaded = await load(stage, "j", run_id)
            assert loaded.slots.keys() >= loaded.arrived.keys(), "a join fires without a value"
            answers = await propagate(stage.client.ports.store, *edges, run_id=run_id)
            assert answers[-1].members == 3
            loaded = await load(stage, "j", run_id)
            assert loaded.slots == {f"e{n}": b'"e%d"' % n for n in range(3)}

        await each_death(stage, bring, look)

    @check("G1", "S5.3")
    async def test_an_any_join_whose_winner_died_has_a_winner(self, stage: Stage) -> None:
        edge = arrive("j", "a", any=True)

        async def bring(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            await propagate(adapter.ports.store, edge, run_id=run_id)

        async def look(run_id: str) -> None:
            (answer,) = await propagate(stage.client.ports.store, edge, run_id=run_id)
            assert answer == (1, 1, "a")

        await each_death(stage, bring, look)

    @check("S6.11", "G3")
    async def test_the_cells_of_a_propagation_are_written_once(self, stage: Stage) -> None:
        store = await create(stage)
        assert await propagate(store, cells=(Cell("c", LAST, b"2"),)) == ()
        cells = (Cell("c", LAST, b"3"), Cell("c/0", LAST, b"0"))
        await propagate(store, arrive("j", "a"), cells=cells)
        loaded = await load(stage, "c", peeks=(("c/0", LAST),))
        assert (loaded.cells, loaded.peeked) == ({LAST: b"2"}, {("c/0", LAST): b"0"})

    @check("S12.11", "G4")
    async def test_nothing_arrives_in_a_run_that_is_gone(self, stage: Stage) -> None:
        store = stage.client.ports.store
        wanted = Propagation("run", (Cell("c", LAST, b"1"),), (arrive("j", "a"),))
        assert list(await store.propagate([wanted])) == [None]
        assert list(await store.headers(["run"])) == [None]
        await create(stage)
        loaded = await load(stage, "j", peeks=(("c", LAST),))
        assert (loaded.arrived, loaded.peeked) == ({}, {})

    @check("S5.9", "S8.13")
    async def test_many_edges_of_one_record_arrive(self, stage: Stage) -> None:
        """More than one request of a backend may write, and many at one join."""
        store = await create(stage)
        arrivals = [arrive(f"t{n}", "e", need=1) for n in range(MANY)]
        arrivals += [arrive("j", f"e{n}", taken=n % 3 == 0, need=30) for n in range(30)]
        cells = tuple(Cell(f"t{n}", "input", b"%d" % n) for n in range(30))
        answers = await propagate(store, *arrivals, cells=cells)
        assert answers[:MANY] == ((1, 1, None),) * MANY
        assert [answer.members for answer in answers[MANY:]] == [*range(1, 31)]
        assert answers[-1].taken == 10
        loaded = await load(stage, f"t{MANY - 1}", peeks=tuple((c.key, c.name) for c in cells))
        assert loaded.slots == {"e": b'"e"'}
        assert len(loaded.peeked) == 30
        assert len((await load(stage, "j")).arrived) == 30

    @check("S12.4", "G3")
    async def test_each_propagation_of_a_sequence_is_answered(self, stage: Stage) -> None:
        store = await create(stage)
        await create(stage, "other")
        wanted = [
            Propagation("run", (), (arrive("j", "a"), arrive("k", "a"))),
            Propagation("never was", (), (arrive("j", "a"),)),
            Propagation("other", (), (arrive("j", "b"),)),
            Propagation("run", (), (arrive("j", "b"),)),
            Propagation("run", (), ()),
        ]
        assert list(await store.propagate(wanted)) == [
            ((1, 1, None), (1, 1, None)), None, ((1, 1, None),), ((2, 2, None),), ()
        ]  # fmt: skip

    @check("G2")
    async def test_an_arrival_touches_no_record(self, stage: Stage) -> None:
        store = await create(stage)
        await commit(store, record("j", b'"done"'))
        await propagate(store, arrive("j", "a", any=True), cells=(Cell("j", RECORD, b'"late"'),))
        assert (await load(stage, "j")).cells[RECORD] == b'"done"'
