"""Names that look alike are different names, wherever a store keeps something under them.

A collation takes letters for one another, a column drops blanks, a pattern finds what was not
meant. Nobody is told: two activations share a record.
"""

from __future__ import annotations

from flowcraft.engine.cells import RECORD
from flowcraft.ports.store import End, Propagation
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import NEAR_TWINS, create, load, now, record
from flowcraft.testing.contracts.registry import FAR, MANY_RUNS
from flowcraft.testing.contracts.store import arrive, commit
from flowcraft.testing.contracts.timers import timer
from flowcraft.testing.stage import Stage

PATTERNS = ("axb", "a_b", "a%b", "a.b", "a?b", "a*b", "a[x]b", "a\\b")
"""Some of these are found by others, if one takes them for patterns."""
NAMES = (*NEAR_TWINS, *PATTERNS)


class NamesContract:
    """`RunStore`: ids of runs, blueprints, activations, edges and timers."""

    @check("S1.10", "S1.13")
    async def test_runs_whose_ids_look_alike_are_different_runs(self, stage: Stage) -> None:
        """With contexts, children and blueprints of their own; a purge takes one of them."""
        store, began = stage.client.ports.store, now(stage)
        for name in NAMES:
            await create(stage, name, context={"k": b'"%s"' % _hex(name)}, blueprint_id=name)
            await create(stage, f"child of {name}", parent=name)
        for name in NAMES:
            (header,) = await store.headers([name])
            assert header is not None, name
            assert (header.run_id, header.blueprint_id) == (name, name)
            assert await store.context(name) == {"k": b'"%s"' % _hex(name)}, name
            assert list(await store.children(name)) == [f"child of {name}"]
            listed = await store.list_runs(
                status=None, blueprint_id=name, before=None, limit=MANY_RUNS
            )
            assert [found.run_id for found in listed] == [name]
        left = [*NAMES]
        while left:
            await store.finish([End(left[-1], "completed", at=began)])
            over = [h and h.is_over for h in await store.headers(left)]
            assert over == [False] * (len(left) - 1) + [True], f"{left[-1]!r} was ended"
            await store.purge([left.pop()])
            assert None not in await store.headers(left), "a purge took another run along"

    @check("S1.13", "G2", "G3")
    async def test_activations_and_edges_whose_names_look_alike_are_told_apart(
        self, stage: Stage
    ) -> None:
        """Each has a record and a set of its own, and each edge counts."""
        store = await create(stage)
        for name in NAMES:
            assert (await commit(store, record(name, b'"%s"' % _hex(name)))).is_won, name
            (answers,) = await store.propagate([Propagation("run", (), (arrive(name, name),))])
            assert answers == ((1, 1, None),), name
        for count, name in enumerate(NAMES, 1):
            loaded = await load(stage, name)
            assert loaded.cells == {RECORD: b'"%s"' % _hex(name)}, name
            assert loaded.arrived == {name: True}
            (answers,) = await store.propagate([Propagation("run", (), (arrive("all", name),))])
            assert answers == ((count, count, None),), name
        assert (await load(stage, "all")).arrived == dict.fromkeys(NAMES, True)

    @check("S1.13", "S10.2")
    async def test_timers_whose_names_look_alike_are_told_apart(self, stage: Stage) -> None:
        """Each is set, moved and cleared by itself."""
        store, began = stage.client.ports.store, now(stage)
        wanted = [timer(name, began + index) for index, name in enumerate(NAMES)]
        await store.set_timers(wanted)
        assert list(await store.due_timers(began + FAR, 99)) == wanted
        await store.clear_timers(wanted[::2])
        assert list(await store.due_timers(began + FAR, 99)) == wanted[1::2]


def _hex(name: str) -> bytes:
    return name.encode().hex().encode()
