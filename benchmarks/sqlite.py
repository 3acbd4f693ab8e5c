"""The SQLite adapter: a worker and its client in one process, and in two.

Its floor is what any engine that keeps a row for each node has to do: the same rows, in bare
transactions through `sqlite3`, one for each node and one for 50 of them.

`python -m benchmarks.sqlite FILE` is the worker of the second process.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import workloads
from benchmarks.machine import peak_mib
from benchmarks.measure import Contestant, clocked, cpu, in_turn, repeated, wall
from benchmarks.peer import Peer
from benchmarks.standard import CHAIN, FLOWS, standard
from benchmarks.workloads import ORDER
from flowcraft import Flow, Flowcraft
from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.sqlite import SqliteAdapter, SqliteSettings
from flowcraft.sqlite.writer import open_file

SIZES = (100, 1_000, 10_000, 100_000)
"""Nodes in one run, to see whether the time per node is the same in all of them."""
ROWS = 1_000
"""Rows that the floors write."""
BATCH = 50
"""Rows in a transaction of the second floor; about as many nodes share one of ours."""
ANSWERS = 100
"""How many runs are sent to the other process, one after the other."""
LONGEST_SECONDS = 3600.0
OTHER_FLOWS = (*FLOWS, workloads.batch())
THROUGH_THE_QUEUE = "--through-the-queue"
"""A worker that goes on to no successor by itself, so that each node may be another's."""

RECORD = (
    b'{"outcome":"completed","output":{"id":7,"count":24,"lines":[1,2.5,"three"],"note":""},'
    b'"taken":[24],"via":"n0","token":"worker-12345.01K0000000000000000000.17","at":1700000000.25}'
)
"""What is kept of a node of a chain."""


class App(Flowcraft):
    """An application that knows its adapters, whose transactions are counted."""

    def __init__(self, path: Path, flows: Sequence[Flow] = FLOWS, **settings: Any) -> None:
        super().__init__(adapter="sqlite", path=str(path), **settings)
        self.adapters: list[BaseDistributedAdapter] = []
        self.worker_options: dict[str, Any] = {}
        for flow in flows:
            self.add(flow)

    def _runtime_options(self, **more: Any) -> RuntimeOptions:
        return super()._runtime_options(**{**self.worker_options, **more})

    def _make_adapter(self, *args: Any, **kwargs: Any) -> BaseDistributedAdapter:
        made = super()._make_adapter(*args, **kwargs)
        self.adapters.append(made)
        return made


class OnSqlite:
    """The door of the standard workloads."""

    def __init__(self, app: App) -> None:
        self._app = app

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, flows: Sequence[Flow] = FLOWS, *, has_worker: bool = True, **settings: Any
    ) -> AsyncIterator[OnSqlite]:
        """Open a file, with a worker beside the client."""
        app = App(path, flows, **settings)
        async with app:
            if not has_worker:
                yield cls(app)
                return
            worker = app.worker()
            running = asyncio.create_task(worker.run())
            try:
                yield cls(app)
            finally:
                worker.stop()
                await running

    async def drain(self, flow_id: str, runs: int, payload: Any = ORDER) -> None:
        """Start runs at once and wait until all of them have completed."""
        started = await asyncio.gather(*(self._app.submit(flow_id, payload) for _ in range(runs)))
        async for result in self._app.as_completed(started, timeout=LONGEST_SECONDS):
            assert result.status == "completed", result

    def round_trips(self) -> int:
        """How many transactions there have been."""
        return sum(
            adapter.backend.transactions
            for adapter in self._app.adapters
            if isinstance(adapter, SqliteAdapter)
        )


async def measure(*, runs: int, rounds: int, largest: int) -> dict[str, float]:
    """Measure everything about the SQLite adapter, and print it as it comes.

    Args:
        runs: Runs in W1.
        rounds: How often each is measured.
        largest: Nodes in the largest run.
    """
    with TemporaryDirectory(prefix="flowcraft-bench-") as name:
        folder = Path(name)
        async with OnSqlite.open(folder / "standard.db") as door:
            found = await standard(door, runs=runs, rounds=rounds)
        found.update(await _compared(folder, rounds))
        found.update(await _by_size(folder, rounds, [size for size in SIZES if size <= largest]))
        found.update(await _two_processes(folder, largest))
    return found


async def _compared(folder: Path, rounds: int) -> dict[str, float]:
    """Chains, many at once and alone, with both kinds of commit, beside floors and peer."""
    contestants: dict[str, tuple[int, Contestant]] = {}
    opened = await Peer.open("langgraph", "sqlite", str(folder / "peer.db"))
    async with (
        OnSqlite.open(folder / "normal.db") as normal,
        OnSqlite.open(folder / "full.db", synchronous="full") as full,
    ):
        for kind, door in (("normal", normal), ("full", full)):
            contestants[f"20 chains of 50, {kind}"] = 1000, _draining(door, "chain-50", 20)
            contestants[f"a lone chain, {kind}"] = CHAIN, _draining(door, f"chain-{CHAIN}", 1)
            for rows in (1, BATCH):
                path = folder / f"floor-{kind}-{rows}.db"
                name = "one by one" if rows == 1 else f"by {rows}"
                contestants[f"floor: bare rows {name}, {kind}"] = (
                    ROWS, _bare(path, kind, rows),
                )  # fmt: skip
        if isinstance(opened, Peer):
            contestants[opened.name] = 50, opened.runs("chain", 50)
        else:
            print(f"  no peer: {opened}")
        try:
            samples = await in_turn({name: run for name, (_, run) in contestants.items()}, rounds)
        finally:
            if isinstance(opened, Peer):
                await opened.aclose()
    print(f"\n  {'':40}    nodes/s   CPU µs/node")
    found: dict[str, float] = {}
    for name, taken in samples.items():
        nodes = contestants[name][0]
        found[f"{name}: nodes_per_s"] = nodes / wall(taken)
        print(f"    {name:38} {nodes / wall(taken):10,.0f} {cpu(taken) / nodes * 1e6:13.1f}")
    return found


def _draining(door: OnSqlite, flow_id: str, runs: int) -> Contestant:
    return clocked(lambda: door.drain(flow_id, runs))


def _bare(path: Path, synchronous: str, rows: int) -> Contestant:
    """The rows of as many nodes of a chain, with nothing around them."""
    settings = SqliteSettings.from_options(path=str(path), synchronous=synchronous)
    connection = open_file(str(path), settings)
    runs = 0

    async def write() -> None:
        nonlocal runs
        for number in range(ROWS):
            if number % rows == 0:
                connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO cells (run, key, name, value) VALUES (?, ?, 'record', ?)",
                (runs + number % BATCH, f"n{number // BATCH}", RECORD),
            )
            if number % rows == rows - 1:
                connection.execute("COMMIT")
        runs += BATCH

    return clocked(write)


async def _by_size(folder: Path, rounds: int, sizes: Sequence[int]) -> dict[str, float]:
    """The CPU time per node in runs of 100 to 100,000 nodes, and per item of a batch."""
    print("\n  CPU microseconds per node or item, by their number in one run")
    found: dict[str, float] = {}
    shapes: Mapping[str, Any] = {"chain": workloads.chain, "fan": workloads.fan, "batch": None}
    for shape, make in shapes.items():
        each: list[str] = []
        for size in sizes:
            flow = workloads.batch() if make is None else make(size)
            payload: Any = size if make is None else ORDER
            times = max(1, 2_000 // size)
            async with OnSqlite.open(folder / f"{shape}-{size}.db", [flow]) as door:

                async def several(
                    door: OnSqlite = door, flow: Flow = flow, payload: Any = payload,
                    times: int = times,
                ) -> None:  # fmt: skip
                    for _ in range(times):
                        await door.drain(flow.id, 1, payload)

                samples = await repeated(several, 1 if size > 10_000 else min(rounds, 3))
            figure = found[f"{shape}_cpu_us_at_{size}"] = cpu(samples) / times / size * 1e6
            each.append(f"{size:,}: {figure:.1f}")
        print(f"    {shape:6} {'   '.join(each)}")
    return found


async def _two_processes(folder: Path, largest: int) -> dict[str, float]:
    """A client here and workers in other processes: how soon they answer, and what they take."""
    found: dict[str, float] = {}
    path = folder / "two.db"
    async with OnSqlite.open(path, OTHER_FLOWS, has_worker=False) as door:
        async with _others(path, 1) as peaks:
            for name, flow_id in (("one_node", "chain-1"), ("diamond", "fan-2")):
                asked = _draining(door, flow_id, 1)
                await asked()
                answers = [await asked() for _ in range(ANSWERS)]
                found[f"other_process_{name}_p50_ms"] = 1000 * wall(answers)
        found["worker_peak_mib"] = peaks[0]
        async with _others(path, 1) as peaks:
            taken = await repeated(lambda: door.drain("batch", 1, largest), 1)
        found["worker_peak_mib_batch"] = peaks[0]
        found["batch_items_per_s"] = largest / wall(taken)
        async with _others(path, 2, THROUGH_THE_QUEUE):
            hops = await repeated(lambda: door.drain(f"chain-{CHAIN}", 1), 3)
        found["hop_between_processes_ms"] = 1000 * wall(hops) / CHAIN
    print(
        "\n  a worker in another process answers one node in {other_process_one_node_p50_ms:.2f} ms"
        ", a diamond in {other_process_diamond_p50_ms:.2f} ms; hop between two workers"
        " {hop_between_processes_ms:.2f} ms\n  its memory is {worker_peak_mib:.0f} MiB at most,"
        " {worker_peak_mib_batch:.0f} MiB with a batch of".format(**found),
        f"{largest:,} at {found['batch_items_per_s']:,.0f} items/s",
    )
    return found


@asynccontextmanager
async def _others(path: Path, count: int, *options: str) -> AsyncIterator[list[float]]:
    """Workers in processes of their own; at the end their peaks of memory, in MiB."""
    peaks: list[float] = []
    script = ["-m", "benchmarks.sqlite", str(path), *options]
    pipe = asyncio.subprocess.PIPE
    workers = [
        await asyncio.create_subprocess_exec(sys.executable, *script, stdout=pipe)
        for _ in range(count)
    ]
    try:
        yield peaks
    finally:
        for worker in workers:
            worker.terminate()
        said = [await worker.communicate() for worker in workers]
    peaks += [float(stdout) for stdout, _ in said]


async def _work(path: str, options: Sequence[str]) -> None:
    """Be a worker until SIGTERM, then say how much memory that took."""
    app = App(Path(path), OTHER_FLOWS)
    if THROUGH_THE_QUEUE in options:
        app.worker_options["continue_nodes"] = 0
    await app.worker().run()
    print(peak_mib())


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], sys.argv[2:]))
