"""Amounts: more than one request, one page, or one item of a backend takes.

Twenty-five, a hundred, a megabyte: what is left out beyond is not told by any error. Each check
brings a little more than that.
"""

from __future__ import annotations

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.activation import RUN
from flowcraft.engine.cells import INPUT, PAYLOAD, RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.record import ErrorInfo
from flowcraft.ports.contract import ContextOperation
from flowcraft.ports.store import End, Lease, Load, Propagation
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.context import sets
from flowcraft.testing.contracts.making import (
    MANY,
    create,
    each_death,
    load,
    new_run,
    now,
    record,
)
from flowcraft.testing.contracts.registry import FAR
from flowcraft.testing.contracts.store import commit
from flowcraft.testing.contracts.sweeping import first_delay
from flowcraft.testing.stage import Stage

LARGE_BYTES = 1_200_000
"""More than a column, a chunk or a document of some backends: 64 KiB, 256 KiB, 1 MiB."""
PAGE_BYTES = 1_200_000
"""More than one page of a backend holds: a megabyte."""


def large(stage: Stage, most: int = LARGE_BYTES) -> int:
    """How large a value to try may be, in bytes of its JSON."""
    return min(stage.client.parts.largest_value or most, most)


def text(size: int, letter: str = "x") -> bytes:
    """The JSON of a text, so many bytes long."""
    return b'"%s"' % (letter.encode() * (size - 2))


class AmountsContract:
    """`RunStore` and `AsyncContext`: many, and large."""

    # -- many

    @check("S2.16", "S12.7", "G5")
    async def test_a_context_of_many_keys_is_written_and_read_whole(self, stage: Stage) -> None:
        """By a new run, by a record, and by a patch; all of it, and by names."""
        first = {f"a{n}": b"%d" % n for n in range(MANY)}
        store = await create(stage, context=first)
        second = {f"b{n}": b"%d" % n for n in range(MANY)}
        assert (await commit(store, record(context=second))).is_won
        context = stage.client.create_context("run")
        await context.patch(sets(**{f"c{n}": n for n in range(MANY)}))
        wanted = first | second | {f"c{n}": b"%d" % n for n in range(MANY)}
        assert await store.context("run") == wanted
        assert (await load(stage)).context == wanted
        assert (await load(stage, context=tuple(wanted))).context == wanted
        assert await context.to_dict() == {key: int(value) for key, value in wanted.items()}
        await context.patch([ContextOperation("delete", key) for key in second])
        assert await store.context("run") == {k: v for k, v in wanted.items() if k not in second}

    @check("S5.9", "S8.13")
    async def test_many_cells_are_written_and_read_in_one_call(self, stage: Stage) -> None:
        store = await create(stage)
        cells = tuple(Cell(f"n/#{n}", INPUT, b"%d" % n) for n in range(MANY))
        assert list(await store.propagate([Propagation("run", cells, ())])) == [()]
        loaded = await load(stage, peeks=tuple((cell.key, cell.name) for cell in cells))
        assert loaded.peeked == {(cell.key, cell.name): cell.value for cell in cells}

    @check("S5.7", "S5.9")
    async def test_a_set_of_many_members_with_large_values_is_read_whole(
        self, stage: Stage
    ) -> None:
        store = await create(stage)
        value = text(min(large(stage), PAGE_BYTES // MANY))
        edges = tuple(Arrival("j", f"e{n}", True, MANY, False, value) for n in range(MANY))
        (answers,) = await store.propagate([Propagation("run", (), edges)])
        assert answers is not None
        assert answers[-1].members == MANY
        loaded = await load(stage, "j")
        assert loaded.arrived == {edge.member: True for edge in edges}
        assert loaded.slots == {edge.member: value for edge in edges}

    @check("S1.45", "S9.6", "S12.2", "S12.43", "G1")
    async def test_many_runs_are_made_found_and_purged(self, stage: Stage) -> None:
        """By all that lists them; a listing that has fewer than were asked for has no more."""
        store, began = await create(stage, "p"), now(stage)
        ids = [f"r{n:03}" for n in range(MANY)]
        runs = [
            new_run(stage, run_id, parent="p", created_at=began + n)
            for n, run_id in enumerate(ids, 1)
        ]
        assert [made and made.run_id for made in await store.create(runs)] == ids
        assert [h.run_id for h in await store.headers(ids) if h is not None] == ids
        assert sorted(await store.children("p")) == ids
        listed = await store.list_runs(status=None, blueprint_id=None, before=None, limit=MANY + 9)
        assert [header.run_id for header in listed] == [*reversed(ids), "p"]
        await store.touch(dict.fromkeys(ids, began + 3 * first_delay(stage)), [])
        later = began + 2 * first_delay(stage)
        assert [s.run_id for s in await store.stalled(later, MANY)] == ["p"]
        await store.swept(dict.fromkeys(ids, began + FAR))
        assert [s.run_id for s in await store.stalled(began + FAR / 2, MANY)] == ["p"]
        ends = await store.finish([End(run_id, "completed", at=began) for run_id in ids[::-1]])
        assert [h.run_id for h in ends if h is not None and h.is_over] == ids[::-1]
        await store.mark_announced(ids)
        announced = [h.run_id for h in await store.headers(ids) if h is not None and h.is_announced]
        assert announced == ids
        await store.purge(ids)
        assert list(await store.headers(ids)) == [None] * MANY
        assert list(await store.children("p")) == []

    @check("S12.32")
    async def test_many_leases_are_kept(self, stage: Stage) -> None:
        store = await create(stage)
        until = now(stage) + stage.lease_seconds
        keys = [f"n/#{n}" for n in range(MANY)]
        await store.touch({"run": until}, [Lease("run", key, 1, "w", until) for key in keys])
        assert sorted(await store.leases("run", keys)) == sorted(keys)

    # -- large

    @check("S2.5", "S12.16")
    async def test_a_large_value_is_kept_whole_wherever_it_stands(self, stage: Stage) -> None:
        """In a payload, a context, a record, a cell, and with an edge."""
        value = text(large(stage))
        store = await create(stage, payload=value, context={"first": value})
        wanted = record(value=value, cells=(Cell("m", INPUT, value),), context={"k": value})
        assert (await commit(store, wanted)).is_won
        edge = Arrival("n", "e", True, 2, False, value)
        await store.propagate([Propagation("run", (Cell("l", INPUT, value),), (edge,))])
        loaded = await load(stage, peeks=((RUN, PAYLOAD), ("m", INPUT), ("l", INPUT)))
        assert loaded.cells == {RECORD: value}
        assert loaded.slots == {"e": value}
        assert [*loaded.peeked.values()] == [value] * 3
        assert loaded.context == {"first": value, "k": value}
        assert (await load(stage, context=("k",))).context == {"k": value}
        assert (await commit(store, record(value=b"late"))).existing == value

    @check("S12.7", "G5")
    async def test_a_context_larger_than_a_page_is_read_whole(self, stage: Stage) -> None:
        size = large(stage, 60_000)
        wanted = {f"k{n}": text(size) for n in range(PAGE_BYTES // 60_000)}
        store = await create(stage, context=wanted)
        assert await store.context("run") == wanted
        assert (await load(stage)).context == wanted
        assert (await load(stage, context=tuple(wanted))).context == wanted
        read = await stage.client.create_context("run").to_dict()
        assert {key: len(value) for key, value in read.items()} == dict.fromkeys(wanted, size - 2)

    @check("S12.7", "G5")
    async def test_a_large_value_is_seen_whole_or_not_at_all(self, stage: Stage) -> None:
        """Wherever the process that writes it in the place of another one dies."""
        size = large(stage)
        before, after = text(size, "a"), text(size, "b")

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id, context={"k": before})
            await adapter.create_context(run_id).set("k", "b" * (size - 2))
            wanted = record(value=after, run_id=run_id, context={"l": after})
            await commit(adapter.ports.store, wanted)

        async def look(run_id: str) -> None:
            found = await load(stage, run_id=run_id)
            assert found.context["k"] in (before, after), "parts of two values are there"
            if found.cells:
                assert found.cells == {RECORD: after}
                assert found.context["l"] == after

        await each_death(stage, write, look)

    @check("S1.4", "S7.2")
    async def test_a_blueprint_and_an_error_may_be_long(self, stage: Stage) -> None:
        store = stage.client.ports.store
        content = b'{"id":"%s"}' % (b"y" * large(stage))
        await store.put_blueprint("long", content)
        assert await store.get_blueprint("long") == content
        await create(stage)
        error = ErrorInfo(node="n", message="\u00e4" * 2000, cause="c" * 2000)
        await store.finish([End("run", "failed", error, now(stage))])
        assert (await stage.header()).error == error

    # -- the same more than once

    @check("S12.4")
    async def test_what_is_named_twice_in_one_call_is_answered_twice(self, stage: Stage) -> None:
        """As each of them asks: a worker's calls of one moment go together."""
        run = new_run(stage, context={"a": b"1", "b": b"2"})
        other = new_run(stage, blueprint_id="other")
        store = stage.client.ports.store
        assert list(await store.create([run, run, other])) == [run.header] * 3
        await commit(store, record(value=b'"r"'))
        assert await _contexts(stage, ("a",), ("b",), ("a",)) == [
            {"a": b"1"}, {"b": b"2"}, {"a": b"1"}
        ]  # fmt: skip
        assert list(await store.headers(["run", "no", "run"])) == [run.header, None, run.header]
        ends = [End("run", "completed", at=now(stage)), End("run", "failed", at=now(stage))]
        headers = await store.finish([*ends, *ends])
        assert list(headers) == [await stage.header()] * 4


async def _contexts(stage: Stage, *names: tuple[str, ...]) -> list[dict[str, bytes]]:
    loads = [Load("run", "n", context=some) for some in names]
    loaded = await stage.client.ports.store.load(loads)
    assert [one.cells for one in loaded] == [{RECORD: b'"r"'}] * len(names)
    return [dict(one.context) for one in loaded]
