"""Runs random graphs on real worker processes that are killed again and again.

    ./dev chaos -- --runs 200 --seed 1

Every run is compared with the reference interpreter. A worker is killed only when its own journal
says that it is in the middle of something.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from flowcraft import Flowcraft
from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.record import Record, decode_record
from tests import command_line
from tests.chaos.app import make_app
from tests.chaos.cases import cases
from tests.simulation.case import Case
from tests.simulation.check import check
from tests.simulation.observe import observe
from tests.simulation.signals import Outside

LEASE_SECONDS = 1.5
LOOK_SECONDS = 0.02
WORK_BETWEEN_KILLS = 12


@dataclass
class WorkerProcess:
    """A worker and its journal."""

    process: asyncio.subprocess.Process
    journal: Path

    def under_way(self) -> Counter[str]:
        """What its journal says was begun and not ended."""
        open_: Counter[str] = Counter()
        for line in self.lines():
            kind, _, what = line.partition(" ")
            if kind == "start":
                open_[what] += 1
            elif kind == "end":
                open_[what] -= 1
        return +open_

    def lines(self) -> list[str]:
        if not self.journal.exists():
            return []
        return self.journal.read_text().splitlines()


@dataclass
class Fleet:
    """The workers, living and dead."""

    url: str
    folder: Path
    living: list[WorkerProcess] = field(default_factory=list)
    dead: list[WorkerProcess] = field(default_factory=list)
    kills: int = 0
    kills_in_flight: int = 0

    async def start(self) -> None:
        """Start one more worker."""
        journal = self.folder / f"worker-{len(self.living) + len(self.dead)}-{time.time_ns()}.log"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.app", str(journal),
            env={**os.environ, "FLOWCRAFT_URL": self.url, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self.living.append(WorkerProcess(process, journal))

    async def kill(self, victim: WorkerProcess) -> None:
        """End a worker without warning, and start another one."""
        self.living.remove(victim)
        victim.process.send_signal(signal.SIGKILL)
        await victim.process.wait()
        self.dead.append(victim)
        self.kills += 1
        self.kills_in_flight += bool(victim.under_way())
        await self.start()

    async def end(self) -> None:
        """End every worker, whatever happened."""
        for worker in self.living:
            if worker.process.returncode is None:
                worker.process.kill()
            await worker.process.wait()

    def errors(self) -> list[str]:
        """What workers said went wrong with themselves."""
        workers = (*self.living, *self.dead)
        return [line for one in workers for line in one.lines() if line.startswith("error ")]

    def count(self) -> Counter[str]:
        """What all journals say."""
        counts: Counter[str] = Counter()
        for worker in (*self.living, *self.dead):
            for line in worker.lines():
                kind = line.split(" ")[0]
                counts[kind] += 1
        return counts


@asynccontextmanager
async def fleet_of(count: int, url: str, folder: Path) -> AsyncIterator[Fleet]:
    """Workers that are gone at the end, on every path."""
    fleet = Fleet(url, folder)
    try:
        for _ in range(count):
            await fleet.start()
        yield fleet
    finally:
        await fleet.end()


async def kill_for_ever(fleet: Fleet, dice: random.Random) -> None:
    """Kill one worker after another, each in the middle of something.

    Between two kills some work has to get done, however slow the machine is.
    """
    done_at_last_kill = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        done = fleet.count()["end"]
        busy = [worker for worker in fleet.living if worker.under_way()]
        if busy and done >= done_at_last_kill + WORK_BETWEEN_KILLS:
            done_at_last_kill = done
            await fleet.kill(dice.choice(busy))


def records_in(path: str, run_id: str) -> Mapping[str, Record]:
    """Read all records of a run from the file."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT key, value FROM cells WHERE name = 'record'"
            " AND run = (SELECT number FROM runs WHERE run_id = ?)",
            (run_id,),
        )
        return {key: decode_record(value) for key, value in rows}


async def submit(app: Flowcraft, case: Case) -> str:
    """Submit a case."""
    for blueprint in (*case.blueprints.values(), case.blueprint):
        app.add(json.dumps(blueprint))
    run_id = f"run-{case.seed}"
    await app.submit(case.blueprint["id"], case.payload, run_id=run_id)
    return run_id


async def chaos(runs: int, seed: int, workers: int, seconds: float) -> int:
    """Send all runs through; how many were wrong."""
    started = time.monotonic()
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = str(folder / "chaos.db")
        url = f"sqlite:///{path}?lease_seconds={LEASE_SECONDS}"
        async with make_app(url, None) as app, fleet_of(workers, url, folder) as fleet:
            adapter = await app.adapter()
            pending = {await submit(app, case): case for case in cases(seed, runs)}
            outside = {run_id: Outside(adapter, run_id, case) for run_id, case in pending.items()}
            for one in outside.values():
                await one.send_early()
            killer = asyncio.create_task(kill_for_ever(fleet, dice))
            ended: dict[str, Case] = {}
            try:
                while pending and time.monotonic() - started < seconds:
                    for run_id in list(pending):
                        await outside[run_id].answer()
                        if await _is_over(adapter, run_id):
                            ended[run_id] = pending.pop(run_id)
            finally:
                killer.cancel()
                await asyncio.gather(killer, return_exceptions=True)
            wrong = [f"{run_id} did not end" for run_id in pending]
            statuses: Counter[str] = Counter()
            for run_id, case in ended.items():
                seen = await observe(adapter, run_id, lambda id_: records_in(path, id_))
                statuses[seen.status] += 1
                wrong += [f"{run_id}: {problem}" for problem in check(case, seen)]
            return _report(fleet, runs, wrong, statuses, time.monotonic() - started)


async def _is_over(adapter: BaseDistributedAdapter, run_id: str) -> bool:
    (header,) = await adapter.ports.store.headers([run_id])
    return header is not None and header.is_over and header.is_announced


def _report(
    fleet: Fleet, runs: int, wrong: list[str], statuses: Counter[str], seconds: float
) -> int:
    for line in wrong[:20]:
        print("WRONG", line)
    for line in fleet.errors():
        print("WRONG", line)
    counts = fleet.count()
    redeliveries, duplicates = counts["redelivered"], counts["duplicate-discarded"]
    print(f"ends: {dict(statuses)}; executions {counts['start']}, errors {counts['error']}")
    print(
        f"{runs} runs, {len(wrong)} wrong, {fleet.kills} kills, {fleet.kills_in_flight} of them "
        f"in the middle of work, {redeliveries} redeliveries, {duplicates} duplicates discarded, "
        f"{seconds:.0f} s"
    )
    silent = not (fleet.kills_in_flight and redeliveries and duplicates)
    if silent:
        print("WRONG nothing was killed in flight, redelivered or discarded: this proves nothing")
    return int(bool(wrong) or silent)


def main() -> int:
    """Run as the command line asks."""
    parser = command_line.parser("chaos", __doc__)
    parser.add_argument(
        "--adapter", choices=["sqlite"], default="sqlite", help="which one (%(default)s)"
    )
    parser.add_argument(
        "--runs", type=command_line.count, default=200, help="how many (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first run (%(default)s)")
    parser.add_argument(
        "--workers", type=command_line.count, default=3, help="processes (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="give up after so long (%(default)g)"
    )
    options = parser.parse_args()
    return asyncio.run(chaos(options.runs, options.seed, options.workers, options.seconds))


if __name__ == "__main__":
    sys.exit(main())
