"""What holds between tasks, held between real processes that share only the backend."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

from flowcraft.ports.contract import JobPayload
from flowcraft.ports.store import Load, NewRun
from flowcraft.status import RunHeader
from flowcraft.testing.children import LEASE_SECONDS, Processes, check_with_processes

CHILDREN = 3


async def create(processes: Processes) -> None:
    """Create a run that they share."""
    header = RunHeader(run_id="run", blueprint_id="g", blueprint_hash="hash", created_at=1.0)
    context = {f"old k{c}.{n}": b"0" for c in range(CHILDREN) for n in range(20)}
    await processes.adapter.ports.store.create(
        [NewRun(header=header, payload=b"null", context=context)]
    )


class ProcessesContract:
    """Atomicity between processes, in real time; for adapters that several processes share."""

    @check_with_processes("G3")
    async def test_increments_of_several_processes_leave_no_hole(
        self, processes: Processes
    ) -> None:
        order = {"key": "n", "count": 50}
        found = await processes.together("increment", *([order] * CHILDREN))
        assert sorted(itertools.chain(*found)) == [*range(1, 50 * CHILDREN + 1)]

    @check_with_processes("G3")
    async def test_each_lock_is_won_by_one_process(self, processes: Processes) -> None:
        orders = [{"count": 50, "name": str(index)} for index in range(CHILDREN)]
        found = await processes.together("claim", *orders)
        assert [sum(column) for column in zip(*found, strict=True)] == [1] * 50
        keys = processes.adapter.options.coordination_store
        winners = [str([*column].index(True)) for column in zip(*found, strict=True)]
        assert [await keys.get(f"lock {n}") for n in range(50)] == winners

    @check_with_processes("S12.12", "G5")
    async def test_processes_that_write_different_keys_lose_nothing(
        self, processes: Processes
    ) -> None:
        await create(processes)
        names = [[f"k{child}.{n}" for n in range(20)] for child in range(CHILDREN)]
        orders = [{"run_id": "run", "names": some} for some in names]
        await processes.together("write", *orders)
        read = await processes.adapter.create_context("run").to_dict()
        wanted: dict[str, object] = {name: name for some in names for name in some}
        wanted |= {f"{name}.{n}": n for some in names for name in some for n in range(2)}
        assert read == wanted

    @check_with_processes("S12.4", "S12.7", "G2")
    async def test_each_activation_is_recorded_by_one_process(self, processes: Processes) -> None:
        """And its context is that process's."""
        await create(processes)
        orders = [{"run_id": "run", "count": 30, "name": str(c)} for c in range(CHILDREN)]
        found = await processes.together("record", *orders)
        assert [sum(column) for column in zip(*found, strict=True)] == [1] * 30
        for n in range(30):
            (loaded,) = await processes.adapter.ports.store.load(
                [Load("run", f"n{n}", context=(f"k{n}",))]
            )
            winner = b'"%d"' % [some[n] for some in found].index(True)
            assert (loaded.cells["record"], loaded.context) == (winner, {f"k{n}": winner})

    @check_with_processes("S12.8", "G3")
    async def test_each_join_is_completed_by_one_process(self, processes: Processes) -> None:
        await create(processes)
        orders = [{"run_id": "run", "count": 30, "name": str(c)} for c in range(CHILDREN)]
        found = await processes.together("arrive", *orders)
        for column in zip(*found, strict=True):
            assert sorted(column) == [*range(1, CHILDREN + 1)]

    @check_with_processes("S12.32", "G6")
    async def test_each_job_is_handled_by_one_process(self, processes: Processes) -> None:
        nodes = [f"n{index}" for index in range(45)]
        children = [await processes.start("take", holds=False) for _ in range(CHILDREN)]
        for child in children:
            assert await child.line() == "ready"
            child.go()
        for node in nodes:
            await processes.adapter.enqueue_job(JobPayload("run", "g", node))
        handled: list[str] = []
        every = asyncio.Event()

        async def listen(index: int) -> None:
            while not every.is_set():
                handled.append(await children[index].line())
                if len(handled) >= len(nodes):
                    every.set()

        listening = [asyncio.ensure_future(listen(index)) for index in range(CHILDREN)]
        await asyncio.wait_for(every.wait(), 60)
        for task in listening:
            task.cancel()
        await asyncio.wait(listening)
        for child in children:
            child.go()
            handled += await child.rest()
        assert Counter(handled) == Counter(nodes)

    @check_with_processes("S12.1", "S12.2", "G1")
    async def test_the_job_of_a_process_that_was_killed_comes_back(
        self, processes: Processes
    ) -> None:
        """After its lease, to another process."""
        holder = await processes.start("take", holds=True)
        assert await holder.line() == "ready"
        holder.go()
        await processes.adapter.enqueue_job(JobPayload("run", "g", "n"))
        assert await holder.line() == "n"
        await holder.kill()
        other = await processes.start("take", holds=False)
        assert await other.line() == "ready"
        other.go()
        async with asyncio.timeout(LEASE_SECONDS + 30):
            assert await other.line() == "n"
