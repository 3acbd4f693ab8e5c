"""What a store decides in one step, while somebody else comes in between.

For adapters that declare that they hold late workers off: what was looked at holds in the step
that writes. The same for a journal: what was committed late is told after what was told before.
"""

from __future__ import annotations

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.activation import EXPECTED
from flowcraft.engine.cells import FAILED, RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.ports.store import Commit, CommitResult, End, Entry, Propagation
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.journal import declared, read
from flowcraft.testing.contracts.making import create, each_pause, load, needs, record
from flowcraft.testing.contracts.store import commit
from flowcraft.testing.stage import Stage


class WindowsContract:
    """`RunStore`: steps that begin with a look."""

    @check("S10.3", "S7.2", "G2")
    async def test_a_note_is_barred_by_a_record_that_comes_first(self, stage: Stage) -> None:
        """At whichever of its requests the one who notes it paused."""
        _needs_fences(stage)
        results: dict[str, CommitResult] = {}
        was_noted: dict[str, bool] = {}

        async def note(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            wanted = Commit(run_id, Cell("n", f"{FAILED}1", b"{}"), absent=("n", RECORD))
            results[run_id] = await commit(adapter.ports.store, wanted)

        async def finish(run_id: str) -> None:
            was_noted[run_id] = f"{FAILED}1" in (await load(stage, run_id=run_id)).cells
            assert (await commit(stage.client.ports.store, record(run_id=run_id))).is_won

        async for run_id in each_pause(stage, note, finish):
            assert results[run_id].is_won == was_noted[run_id], "it was noted after the record"

    @check("S1.25", "G4")
    async def test_an_end_is_not_written_when_one_more_sink_is_expected(self, stage: Stage) -> None:
        """Though there were as many as that a moment before."""
        _needs_fences(stage)
        was_over: dict[str, bool] = {}

        async def expect(run_id: str, sink: str) -> None:
            arrival = Arrival(EXPECTED, sink, True, 0)
            await stage.client.ports.store.propagate([Propagation(run_id, (), (arrival,))])

        async def finish(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            await expect(run_id, "n/0")
            await adapter.ports.store.finish([End(run_id, "completed", expected=1)])

        async def one_more(run_id: str) -> None:
            was_over[run_id] = (await stage.header(run_id)).is_over
            await expect(run_id, "n/1")

        async for run_id in each_pause(stage, finish, one_more):
            is_over = (await stage.header(run_id)).is_over
            assert is_over == was_over[run_id], "the run ended before an iteration did"

    @check("S1.42", "S1.46")
    async def test_who_reads_on_misses_nothing_that_was_committed_slowly(
        self, stage: Stage
    ) -> None:
        """Numbers that are given before a commit is seen are passed over by who reads meanwhile."""
        declared(stage)
        first: dict[str, tuple[Entry, ...]] = {}

        async def write(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            await commit(adapter.ports.store, record("slow", run_id=run_id))

        async def overtake(run_id: str) -> None:
            await commit(stage.client.ports.store, record("quick", run_id=run_id))
            first[run_id] = (await read(stage, run_id=run_id)).entries

        async for run_id in each_pause(stage, write, overtake):
            seen = first[run_id]
            rest = (await read(stage, seen[-1].cursor, run_id=run_id)).entries
            assert sorted(entry.key for entry in (*seen, *rest)) == ["quick", "slow"]


def _needs_fences(stage: Stage) -> None:
    capabilities = stage.harness.spec.capabilities
    needs(capabilities.fences_late_workers, "it declares that it cannot hold this")
