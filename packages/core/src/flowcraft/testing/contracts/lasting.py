"""Nothing alive expires: a run may be suspended for months, and finds all that it left."""

from __future__ import annotations

import asyncio

from flowcraft.engine.activation import RUN
from flowcraft.engine.cells import PAYLOAD, RECORD
from flowcraft.ports.store import Propagation
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import create, is_native, load, needs, now, record
from flowcraft.testing.contracts.queue import send, take
from flowcraft.testing.contracts.store import arrive, commit
from flowcraft.testing.contracts.timers import timer
from flowcraft.testing.stage import Stage

LONG_SECONDS = 100 * 86_400.0
"""Longer than anybody lets keys live in order that they go some day."""


class LastingContract:
    """What is durable, after a long time in which nobody asked for it."""

    @check("S12.22", "G9")
    async def test_all_of_a_run_that_has_not_ended_is_there_after_months(
        self, stage: Stage
    ) -> None:
        """What it consists of, and that by which it is found and woken."""
        stage.needs_virtual_time()
        store = await create(stage, payload=b"1", context={"k": b"2"})
        await create(stage, "child", parent="run")
        await store.put_blueprint("hash", b"{}")
        await commit(store, record())
        await store.propagate([Propagation("run", (), (arrive("j", "a", any=True),))])
        due = timer("t", now(stage) + LONG_SECONDS)
        await store.set_timers([due])

        for _ in range(2):
            loaded = await load(stage, peeks=((RUN, PAYLOAD),))
            joined = await load(stage, "j")
            assert loaded.header is not None
            assert loaded.cells.keys() == {RECORD}
            assert loaded.peeked == {(RUN, PAYLOAD): b"1"}
            assert (joined.slots, joined.winner) == ({"a": b'"a"'}, "a")
            assert loaded.context == await store.context("run") == {"k": b"2"}
            assert list(await store.children("run")) == ["child"]
            assert await store.get_blueprint("hash") == b"{}"
            await asyncio.sleep(LONG_SECONDS)
        assert {found.run_id for found in await store.stalled(now(stage), 9)} == {"run", "child"}
        assert list(await store.due_timers(now(stage), 9)) == [due]

    @check("S12.40", "S12.20")
    async def test_a_dead_letter_is_kept_for_months(self, stage: Stage) -> None:
        stage.needs_virtual_time()
        needs(stage.harness.spec.capabilities.keeps_dead_letters, "it declares that it keeps none")
        needs(is_native(stage), "it is handed its jobs, and has no queue port of its own")
        queue = stage.client.ports.queue
        await send(queue, "n")
        await queue.bury(await take(stage, queue, 1), "nobody can")
        await asyncio.sleep(LONG_SECONDS)
        assert [letter.reason for letter in await queue.dead_letters(9) or ()] == ["nobody can"]
