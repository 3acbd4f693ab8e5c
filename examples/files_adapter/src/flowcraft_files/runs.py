"""The run store: every method is one step over the folder."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar, get_args

import msgspec

from flowcraft.clock import Clock
from flowcraft.engine.activation import EXPECTED, RUN
from flowcraft.engine.cells import PAYLOAD, WINNER
from flowcraft.engine.consequences import Cell
from flowcraft.ports.contract import decode_job, encode_job
from flowcraft.ports.store import (
    Arrived,
    Commit,
    CommitResult,
    End,
    Lease,
    Load,
    Loaded,
    NewRun,
    Place,
    Propagation,
    RunStore,
    Stalled,
    Timer,
)
from flowcraft.status import ListedStatus, RunHeader
from flowcraft_files.context import FileContext, read_item, read_items, write_items
from flowcraft_files.folder import Files, Folder
from flowcraft_files.partition import Partition, Sweep
from flowcraft_files.schedule import Schedule

K = TypeVar("K")

UNSEEN_SWEEPS = 10
"""After how many times the first delay a run is swept however busy it is."""

STALLED = Schedule("stalled")
EXPIRING = Schedule("expiring")
DUE = Schedule("due")


class Alarm(msgspec.Struct):
    """A timer as it is kept."""

    due_at: float
    job: bytes


class FileRunStore(RunStore):
    """Runs as folders, and indexes by time over them.

    Args:
        folder: Where they are.
        clock: Tells the time.
        first_sweep_seconds: How long a new run is left alone by the sweeper.
    """

    def __init__(self, folder: Folder, clock: Clock, *, first_sweep_seconds: float) -> None:
        self._folder = folder
        self._clock = clock
        self._first_sweep_seconds = first_sweep_seconds

    # -- the path of a node

    async def load(self, loads: Sequence[Load]) -> Sequence[Loaded]:
        return await self._folder.step("load", lambda files: [_load(files, one) for one in loads])

    async def commit(self, commits: Sequence[Commit]) -> Sequence[CommitResult]:
        now = self._clock.now()
        return await self._folder.step(
            "commit", lambda files: [_commit(files, one, now) for one in commits]
        )

    async def propagate(
        self, propagations: Sequence[Propagation]
    ) -> Sequence[tuple[Arrived, ...] | None]:
        return await self._folder.step(
            "propagate", lambda files: [_propagate(files, one) for one in propagations]
        )

    async def finish(self, ends: Sequence[End]) -> Sequence[RunHeader | None]:
        return await self._folder.step(
            "finish", lambda files: [_finish(files, one) for one in ends]
        )

    # -- runs

    async def create(self, runs: Sequence[NewRun]) -> Sequence[RunHeader | None]:
        now = self._clock.now()
        sweep = Sweep(now + self._first_sweep_seconds, 0, now)
        return await self._folder.step(
            "create", lambda files: [_create(files, one, sweep) for one in runs]
        )

    async def headers(self, run_ids: Sequence[str]) -> Sequence[RunHeader | None]:
        return await self._folder.step(
            "headers", lambda files: [Partition(files, run_id).header for run_id in run_ids]
        )

    async def context(self, run_id: str) -> Mapping[str, bytes]:
        return await self._folder.step("context", lambda files: read_items(files, run_id))

    async def children(self, run_id: str) -> Sequence[str]:
        return await self._folder.step(
            "children", lambda files: files.get_all(("children", run_id), str)
        )

    async def list_runs(
        self,
        *,
        status: ListedStatus | None,
        blueprint_id: str | None,
        before: Place | None,
        limit: int,
    ) -> Sequence[RunHeader]:
        statuses = get_args(ListedStatus) if status is None else [status]

        def step(files: Files) -> list[RunHeader]:
            at = float("inf") if before is None else before.created_at
            places = heapq.merge(
                *(_listing(one, blueprint_id).before(files, at) for one in statuses), reverse=True
            )
            ids = (run_id for at, run_id in places if before is None or (at, run_id) < before)
            headers = (Partition(files, run_id).header for run_id in islice(ids, limit))
            return [header for header in headers if header is not None]

        return await self._folder.step("list_runs", step)

    async def mark_announced(self, run_ids: Sequence[str]) -> None:
        def step(files: Files) -> None:
            for run_id in run_ids:
                run = Partition(files, run_id)
                header = run.header
                if header is None or not header.is_over or header.is_announced:
                    continue
                run.header = header = msgspec.structs.replace(header, is_announced=True)
                _sweep(files, run_id, None)
                if header.expires_from is not None:
                    EXPIRING.add(files, header.expires_from, run_id)

        await self._folder.step("mark_announced", step)

    async def expired(self, before: float, limit: int) -> Sequence[str]:
        def step(files: Files) -> list[str]:
            found = EXPIRING.until(files, before, limit)
            return [run_id for since, run_id in found if since < before]

        return await self._folder.step("expired", step)

    async def purge(self, run_ids: Sequence[str]) -> None:
        def step(files: Files) -> None:
            for run_id in run_ids:
                header = Partition(files, run_id).header
                if header is not None and header.is_over:
                    _purge(files, header)

        await self._folder.step("purge", step)

    # -- sweeping

    async def touch(self, until: Mapping[str, float], leases: Sequence[Lease]) -> None:
        def step(files: Files) -> None:
            for run_id, after in until.items():
                sweep = Partition(files, run_id).sweep
                if sweep is not None:
                    latest = sweep.swept_at + UNSEEN_SWEEPS * self._first_sweep_seconds
                    _sweep(files, run_id, Sweep(min(after, latest), 0, sweep.swept_at))
            for lease in leases:
                run = Partition(files, lease.run_id)
                if run.header is not None:
                    run.put_lease(lease)

        await self._folder.step("touch", step)

    async def leases(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Lease]:
        def step(files: Files) -> Mapping[str, Lease]:
            run = Partition(files, run_id)
            return {key: lease for key in keys if (lease := run.lease(key)) is not None}

        return await self._folder.step("leases", step)

    async def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        def step(files: Files) -> list[Stalled]:
            found = STALLED.until(files, now, limit)
            sweeps = ((run_id, Partition(files, run_id).sweep) for _, run_id in found)
            return [Stalled(run_id, sweep.sweeps) for run_id, sweep in sweeps if sweep is not None]

        return await self._folder.step("stalled", step)

    async def swept(self, until: Mapping[str, float]) -> None:
        now = self._clock.now()

        def step(files: Files) -> None:
            for run_id, after in until.items():
                sweep = Partition(files, run_id).sweep
                if sweep is not None:
                    _sweep(files, run_id, Sweep(after, sweep.sweeps + 1, now))

        await self._folder.step("swept", step)

    # -- timers

    async def set_timers(self, timers: Sequence[Timer]) -> None:
        def step(files: Files) -> None:
            for timer in timers:
                _clear_timer(files, timer.name)
                alarm = Alarm(timer.due_at, encode_job(timer.job))
                files.put(("timers", timer.name), alarm)
                DUE.add(files, timer.due_at, timer.name)

        await self._folder.step("set_timers", step)

    async def due_timers(self, now: float, limit: int) -> Sequence[Timer]:
        def step(files: Files) -> list[Timer]:
            found = DUE.until(files, now, limit)
            alarms = ((name, files.get(("timers", name), Alarm)) for _, name in found)
            return [
                Timer(name, alarm.due_at, decode_job(alarm.job))
                for name, alarm in alarms
                if alarm is not None
            ]

        return await self._folder.step("due_timers", step)

    async def clear_timers(self, timers: Sequence[Timer]) -> None:
        def step(files: Files) -> None:
            for timer in timers:
                _clear_timer(files, timer.name, only_at=timer.due_at)

        await self._folder.step("clear_timers", step)

    # -- blueprints

    async def put_blueprint(self, content_hash: str, blueprint: bytes) -> None:
        place = ("blueprints", content_hash)
        await self._folder.step("put_blueprint", lambda files: files.put(place, blueprint))

    async def get_blueprint(self, content_hash: str) -> bytes | None:
        place = ("blueprints", content_hash)
        return await self._folder.step("get_blueprint", lambda files: files.get(place, bytes))


class RunContext(FileContext):
    """A context that takes nothing from whoever comes after its run was purged."""

    def _write(self, files: Files, patch: Mapping[str, bytes | None]) -> None:
        if Partition(files, self._run_id).header is not None:
            super()._write(files, patch)


# -- what is done within a step


def _load(files: Files, load: Load) -> Loaded:
    run = Partition(files, load.run_id)
    header = run.header
    if header is None:
        return Loaded(None)
    found = run.activation(load.key)
    values = {member: run.value(load.key, member) for member in found.members}
    peeked = {(key, name): run.activation(key).cells.get(name) for key, name in load.peeks}
    winner = found.cells.get(WINNER)
    return Loaded(
        header,
        found.cells,
        _there(values),
        found.members,
        winner.decode() if winner is not None else None,
        _there(peeked),
        read_items(files, load.run_id)
        if load.context is None
        else _there({key: read_item(files, load.run_id, key) for key in load.context}),
        run.lease(load.key),
    )


def _commit(files: Files, commit: Commit, now: float) -> CommitResult:
    run = Partition(files, commit.run_id)
    header = run.header
    if header is None or header.is_over:
        return CommitResult(False)
    if commit.absent is not None:
        key, name = commit.absent
        barred = run.activation(key).cells.get(name)
        if barred is not None:
            return CommitResult(False, barred=barred)
    existing = run.put_cell(commit.guard)
    if existing is not None:
        return CommitResult(False, existing)
    for cell in commit.cells:
        run.put_cell(cell)
    write_items(files, commit.run_id, commit.context)
    if commit.ends is not None:
        _finish(files, End(commit.run_id, *commit.ends, at=now))
    return CommitResult(True)


def _propagate(files: Files, propagation: Propagation) -> tuple[Arrived, ...] | None:
    run = Partition(files, propagation.run_id)
    if run.header is None:
        return None
    for cell in propagation.cells:
        run.put_cell(cell)
    return tuple(run.arrive(arrival) for arrival in propagation.arrivals)


def _finish(files: Files, end: End) -> RunHeader | None:
    run = Partition(files, end.run_id)
    header = run.header
    if header is None or header.is_over:
        return header
    if end.expected not in (None, len(run.activation(EXPECTED).members)):
        return header
    _list(files, header, is_listed=False)
    header = msgspec.structs.replace(header, status=end.status, error=end.error, ended_at=end.at)
    _list(files, header, is_listed=True)
    run.header = header
    return header


def _create(files: Files, new: NewRun, sweep: Sweep) -> RunHeader | None:
    header = new.header
    run = Partition(files, header.run_id)
    standing = run.header
    if standing is not None:
        return standing
    if header.parent is not None:
        above = Partition(files, header.parent.run_id).header
        if above is None or above.is_over:
            return None
    run.header = header
    run.put_cell(Cell(RUN, PAYLOAD, new.payload))
    write_items(files, header.run_id, new.context)
    _list(files, header, is_listed=True)
    _sweep(files, header.run_id, sweep)
    if header.parent is not None:
        files.put(("children", header.parent.run_id, header.run_id), header.run_id)
    return header


def _purge(files: Files, header: RunHeader) -> None:
    run_id = header.run_id
    _list(files, header, is_listed=False)
    _sweep(files, run_id, None)
    if header.expires_from is not None:
        EXPIRING.discard(files, header.expires_from, run_id)
    if header.parent is not None:
        files.delete(("children", header.parent.run_id, run_id))
    files.delete_all(("children", run_id))
    Partition(files, run_id).delete()


def _listing(status: ListedStatus, blueprint_id: str | None) -> Schedule:
    """The runs of a status, of one blueprint or of all."""
    if blueprint_id is None:
        return Schedule("listing", status)
    return Schedule("listing-by-blueprint", status, blueprint_id)


def _list(files: Files, header: RunHeader, *, is_listed: bool) -> None:
    """Enter a run in the listings of its status, or take it off them."""
    for blueprint_id in (None, header.blueprint_id):
        schedule = _listing(header.status, blueprint_id)
        change = schedule.add if is_listed else schedule.discard
        change(files, header.created_at, header.run_id)


def _sweep(files: Files, run_id: str, sweep: Sweep | None) -> None:
    """Move a run in the index of the sweeper, or take it off it."""
    run = Partition(files, run_id)
    before = run.sweep
    if before is not None:
        STALLED.discard(files, before.after, run_id)
    if sweep is not None:
        STALLED.add(files, sweep.after, run_id)
    run.sweep = sweep


def _clear_timer(files: Files, name: str, *, only_at: float | None = None) -> None:
    alarm = files.get(("timers", name), Alarm)
    if alarm is not None and only_at in (None, alarm.due_at):
        files.delete(("timers", name))
        DUE.discard(files, alarm.due_at, name)


def _there(found: Mapping[K, bytes | None]) -> dict[K, bytes]:
    """What was found of what was looked for."""
    return {key: value for key, value in found.items() if value is not None}
