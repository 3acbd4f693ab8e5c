"""Index the standard library with three worker processes, kill one of them, and check it all.

    python demo.py [--workers N] [--limit FILES]

Three processes share one SQLite file. When a fifth of the files is recorded, one process is
frozen, looked at until it provably holds work, and killed with SIGKILL. The others take over
what it held. In the end the report is compared with a plain count in this process, and the
records with the graph: nothing may be lost, and nothing may be there twice.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from display import Display, report_lines
from evidence import Evidence, plain_count, problems
from flow import app
from workers import Execution, Worker

from flowcraft import RunHandle, RunResult
from flowcraft.engine.activation import item_scope
from flowcraft.engine.record import decode_record
from flowcraft.errors import RunNotFinishedError

KILL_FROM = 0.2
LOOK_SECONDS = 0.05
SHOW_SECONDS = 0.25


class DemoError(Exception):
    """The demo did not show what it is there to show."""


class Recorded:
    """How many files are recorded, read from the records of the run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.files = 0
        self._missing: list[str] = []

    @property
    def count(self) -> int:
        """Files with a record, as of the last look."""
        return self.files - len(self._missing)

    async def look(self) -> None:
        """Read which of the missing records have come."""
        ports = (await app.adapter()).ports
        if not self.files:
            found = await ports.read_records(self._run_id, ["files_scatter"])
            if not found:
                return
            self.files = decode_record(found["files_scatter"]).items or 0
            self._missing = [f"files_scatter{item_scope('', index)}" for index in range(self.files)]
        done = await ports.read_records(self._run_id, self._missing)
        self._missing = [key for key in self._missing if key not in done]


class Victim:
    """The worker that is killed, and what it was doing then."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.cut_off: set[Execution] = set()
        self.at_percent = 0

    @property
    def work(self) -> str:
        """How much was cut off, in words."""
        number = len(self.cut_off)
        return f"{number} execution{'s' if number != 1 else ''}"

    def try_to_kill(self, evidence: Evidence, recorded: Recorded) -> bool:
        """Kill the worker if it holds work right now: by its log, and by leases in the file.

        It stands still while it is looked at, so that what is seen is what it dies with.
        """
        self.worker.freeze()
        leased = evidence.runs_leased()
        self.cut_off = {one for one in self.worker.under_way() if one.run in leased}
        if not self.cut_off:
            self.worker.thaw()
            return False
        self.worker.kill()
        self.at_percent = 100 * recorded.count // recorded.files
        return True


async def index(
    run: RunHandle, workers: list[Worker], evidence: Evidence, display: Display
) -> tuple[RunResult, Victim]:
    """Follow the run to its end, and kill a worker on the way."""
    recorded, victim = Recorded(run.run_id), Victim(workers[len(workers) // 2])
    while True:
        await recorded.look()
        display.progress(recorded.count, recorded.files)
        is_killed = victim.worker.is_killed
        if not is_killed and recorded.files and recorded.count >= KILL_FROM * recorded.files:
            is_killed = victim.try_to_kill(evidence, recorded)
            if is_killed:
                display.say(
                    f"  killed {victim.worker.name} (pid {victim.worker.pid}) with SIGKILL, "
                    f"{victim.work} under way"
                )
        for worker in workers:
            if not worker.is_killed and worker.process.poll() is not None:
                raise DemoError(f"{worker.name} ended by itself; it said: {worker.tail()}")
        try:
            result = await run.result(SHOW_SECONDS if is_killed else LOOK_SECONDS)
        except RunNotFinishedError:
            continue
        await recorded.look()
        display.progress(recorded.count, recorded.files)
        return result, victim


async def show(options: argparse.Namespace, folder: Path) -> None:
    """Run the demo in a folder.

    Raises:
        DemoError: Something does not match.
    """
    file = folder / "stdlib_index.db"
    url = f"sqlite:///{file}"
    began = time.monotonic()
    await app.connect(url=url)
    workers: list[Worker] = []
    try:
        run = await app.submit("index_stdlib", {"limit": options.limit})
        names = [f"worker-{number}" for number in range(1, options.workers + 1)]
        # One by one, so that each is ended below even if a later one cannot be started.
        for name in names:
            workers.append(Worker(name, url=url, folder=folder))  # noqa: PERF401
        evidence = Evidence(file, run.run_id)
        with Display() as display:
            pids = ", ".join(str(worker.pid) for worker in workers)
            display.say(f"run {run.run_id}: {len(workers)} workers (pids {pids}) on {file}")
            result, victim = await index(run, workers, evidence, display)
        took = time.monotonic() - began
        codes = {worker.name: worker.drain() for worker in workers if not worker.is_killed}
        for worker in workers:
            worker.read_log()
    finally:
        for worker in workers:
            worker.end()
        await app.aclose()
    if result.status != "completed":
        raise DemoError(f"the run {result.status}: {[error.message for error in result.errors]}")
    print("", *report_lines(result.output), "", sep="\n")
    files = result.output["totals"]["files"]
    print(
        f"Indexed in {took:.1f} s by {len(workers)} processes, one of which did not live to see it."
    )
    check(result, victim, workers, evidence, options.limit)
    if any(codes.values()):
        raise DemoError(f"workers that were told to stop ended with {codes}")
    print(f"Nothing was lost or doubled: {files:,} files, each with one run and one record.")


def check(
    result: RunResult,
    victim: Victim,
    workers: list[Worker],
    evidence: Evidence,
    limit: int | None,
) -> None:
    """Compare the report with a plain count, and the records with the logs.

    Raises:
        DemoError: Something does not match.
    """
    if not victim.worker.is_killed:
        raise DemoError("the run ended before a worker could be killed; take a larger --limit")
    began = time.monotonic()
    plain = plain_count(limit)
    took = time.monotonic() - began
    totals = result.output["totals"]
    if totals != plain:
        raise DemoError(f"the totals are {totals}, a plain count gives {plain}")
    print(f"A plain count in one process ({took:.1f} s) gives the same totals.")
    found = problems(evidence, workers, victim.cut_off, totals["files"])
    if found:
        raise DemoError("; ".join(found))
    starts = Counter(execution for worker in workers for execution in worker.started)
    again = {execution for execution, number in starts.items() if number > 1}
    from_victim = len(again & set(victim.worker.started))
    print(
        f"{victim.worker.name} (pid {victim.worker.pid}) was killed at {victim.at_percent} % with "
        f"{victim.work} under way, begun again by the others."
    )
    print(
        f"Executions begun: {starts.total():,}. Outcomes recorded: {evidence.outcomes():,}. "
        f"Activations executed more than once: {len(again):,}, of which {from_victim:,} were the "
        "killed worker's."
    )


def main() -> int:
    """Run the demo; 0 if everything matched."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=3, help="processes, at least 2")
    parser.add_argument("--limit", type=int, default=None, help="index so many files only")
    options = parser.parse_args()
    if options.workers < 2:
        parser.error("--workers: at least 2, for one of them is killed")
    if options.limit is not None and options.limit < 1:
        parser.error("--limit: at least 1")
    with tempfile.TemporaryDirectory(prefix="stdlib_index-") as folder:
        try:
            asyncio.run(show(options, Path(folder).resolve()))
        except DemoError as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
