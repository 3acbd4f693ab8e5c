"""The primitives of the embedded store, in dictionaries."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flowcraft.engine.cells import is_told
from flowcraft.local.database import JobRow, LocalDatabase, TimerRow
from flowcraft.ports.queue import DeadLetter
from flowcraft.ports.store import Place, Stalled
from flowcraft.status import ListedStatus, RunHeader


@dataclass(slots=True)
class _Set:
    members: dict[str, tuple[bool, bytes | None]] = field(default_factory=dict)
    taken: int = 0


@dataclass(slots=True)
class _Run:
    header: RunHeader
    sweep_after: float
    sweeps: int = 0
    cells: dict[str, dict[str, bytes]] = field(default_factory=dict)
    sets: dict[str, _Set] = field(default_factory=dict)
    context: dict[str, bytes] = field(default_factory=dict)
    journal: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Job:
    id: int
    body: bytes
    visible_at: float
    token: int = 0
    is_leased: bool = False
    was_lost: bool = False  # by one whose lease ended


class MemoryTables(LocalDatabase):
    """All rows of the memory adapter."""

    def __init__(self) -> None:
        self.runs: dict[str, _Run] = {}
        self.jobs: dict[int, _Job] = {}
        self._letters: dict[str, DeadLetter] = {}
        self._children: dict[str, list[str]] = {}
        self._timers: dict[str, TimerRow] = {}
        self._blueprints: dict[str, bytes] = {}
        self._keys: dict[str, tuple[str, float | None]] = {}
        self._last_job = 0
        self._last_letter = 0

    # -- runs

    def get_run(self, run_id: str) -> RunHeader | None:
        run = self.runs.get(run_id)
        return run.header if run is not None else None

    def insert_run(self, header: RunHeader, sweep_after: float) -> None:
        self.runs[header.run_id] = _Run(header, sweep_after)
        if header.parent is not None:
            self._children.setdefault(header.parent.run_id, []).append(header.run_id)

    def update_run(self, header: RunHeader) -> None:
        self.runs[header.run_id].header = header
        self.has_news = True

    def child_ids(self, run_id: str) -> Sequence[str]:
        return list(self._children.get(run_id, ()))

    def list_runs(
        self,
        status: ListedStatus | None,
        blueprint_id: str | None,
        before: Place | None,
        limit: int,
    ) -> Sequence[RunHeader]:
        headers = (run.header for run in self.runs.values())
        found = (
            header
            for header in headers
            if (before is None or _place(header) < before)
            and status in (None, header.status)
            and blueprint_id in (None, header.blueprint_id)
        )
        return heapq.nlargest(limit, found, key=_place)

    def expired(self, before: float, limit: int) -> Sequence[str]:
        found = sorted(
            (since, run_id)
            for run_id, run in self.runs.items()
            if (since := run.header.expires_from) is not None and since < before
        )
        return [run_id for _, run_id in found[:limit]]

    def delete_run(self, run_id: str) -> None:
        run = self.runs.pop(run_id, None)
        self._children.pop(run_id, None)
        if run is not None and run.header.parent is not None:
            siblings = self._children.get(run.header.parent.run_id)
            if siblings is not None and run_id in siblings:
                siblings.remove(run_id)

    # -- cells and sets

    def get_cells(self, run_id: str, key: str) -> Mapping[str, bytes]:
        return dict(self.runs[run_id].cells.get(key, {}))

    def get_cell(self, run_id: str, key: str, name: str) -> bytes | None:
        cells = self.runs[run_id].cells.get(key)
        return cells.get(name) if cells is not None else None

    def insert_cell(self, run_id: str, key: str, name: str, value: bytes) -> bool:
        run = self.runs[run_id]
        cells = run.cells.setdefault(key, {})
        if name in cells:
            return False
        cells[name] = value
        if is_told(name):
            run.journal.append((key, name))
        return True

    def get_journal(self, run_id: str, after: int, limit: int) -> Sequence[tuple[int, str, str]]:
        found = self.runs[run_id].journal[after : after + limit]
        return [(number, key, name) for number, (key, name) in enumerate(found, after + 1)]

    def get_members(self, run_id: str, key: str) -> Iterable[tuple[str, bool, bytes | None]]:
        found = self.runs[run_id].sets.get(key)
        if found is None:
            return []
        return [(member, taken, value) for member, (taken, value) in found.members.items()]

    def count_members(self, run_id: str, key: str) -> int:
        found = self.runs[run_id].sets.get(key)
        return len(found.members) if found is not None else 0

    def insert_member(
        self, run_id: str, key: str, member: str, taken: bool, value: bytes | None
    ) -> tuple[int, int]:
        found = self.runs[run_id].sets.setdefault(key, _Set())
        if member not in found.members:
            found.members[member] = (taken, value)
            found.taken += taken
        return len(found.members), found.taken

    def put_member(
        self, run_id: str, key: str, member: str, taken: bool, value: bytes | None
    ) -> None:
        self.insert_member(run_id, key, member, taken, value)

    # -- context

    def get_context(self, run_id: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        run = self.runs.get(run_id)
        if run is None:
            return {}
        return {key: run.context[key] for key in keys if key in run.context}

    def get_whole_context(self, run_id: str) -> Mapping[str, bytes]:
        run = self.runs.get(run_id)
        return dict(run.context) if run is not None else {}

    def write_context(self, run_id: str, key: str, value: bytes | None) -> None:
        context = self.runs[run_id].context
        if value is None:
            context.pop(key, None)
        else:
            context[key] = value

    # -- jobs

    def insert_job(self, body: bytes, visible_at: float) -> None:
        self._last_job += 1
        self.jobs[self._last_job] = _Job(self._last_job, body, visible_at)
        self.has_news = True

    def take_jobs(self, now: float, limit: int, lease_until: float) -> Sequence[JobRow]:
        taken: list[JobRow] = []
        for job in self.jobs.values():
            if len(taken) >= limit:
                break
            if job.visible_at <= now:
                job.was_lost = job.was_lost or job.is_leased
                taken.append(JobRow(job.id, job.token + 1, job.body, job.was_lost))
                job.token += 1
                job.is_leased = True
                job.visible_at = lease_until
        return taken

    def next_job_at(self) -> float | None:
        return min((job.visible_at for job in self.jobs.values()), default=None)

    def delete_job(self, id_: int, token: int) -> bool:
        job = self.jobs.get(id_)
        if job is None or job.token != token:
            return False
        del self.jobs[id_]
        return True

    def extend_job(self, id_: int, token: int, until: float) -> bool:
        job = self.jobs.get(id_)
        if job is None or job.token != token or not job.is_leased:
            return False
        job.visible_at = until
        return True

    def release_job(self, id_: int, token: int, visible_at: float) -> None:
        job = self.jobs.get(id_)
        if job is not None and job.token == token:
            job.visible_at = visible_at
            job.is_leased = False
            self.has_news = True

    def bury_job(self, id_: int, token: int, reason: str, at: float) -> None:
        job = self.jobs.get(id_)
        if job is not None and job.token == token:
            self._last_letter += 1
            letter = DeadLetter(str(self._last_letter), job.body, reason, at)
            self._letters[letter.id] = letter
            del self.jobs[id_]

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        return list(self._letters.values())[:limit]

    def take_dead_letter(self, id_: str) -> bytes | None:
        letter = self._letters.pop(id_, None)
        return letter.body if letter is not None else None

    def count_jobs(self, now: float) -> int:
        return sum(job.visible_at <= now for job in self.jobs.values())

    # -- sweeping

    def set_sweep(self, run_id: str, after: float, *, by_sweeper: bool) -> None:
        run = self.runs.get(run_id)
        if run is not None:
            run.sweep_after = after
            run.sweeps = run.sweeps + 1 if by_sweeper else 0

    def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        found = sorted(
            (run.sweep_after, run_id, run.sweeps)
            for run_id, run in self.runs.items()
            if not run.header.is_announced and run.sweep_after <= now
        )
        return [Stalled(run_id, sweeps) for _, run_id, sweeps in found[:limit]]

    # -- timers

    def set_timer(self, timer: TimerRow) -> None:
        self._timers[timer.name] = timer

    def due_timers(self, now: float, limit: int) -> Sequence[TimerRow]:
        due = sorted((t for t in self._timers.values() if t.due_at <= now), key=lambda t: t.due_at)
        return due[:limit]

    def clear_timer(self, name: str, due_at: float) -> None:
        timer = self._timers.get(name)
        if timer is not None and timer.due_at == due_at:
            del self._timers[name]

    # -- blueprints

    def put_blueprint(self, content_hash: str, blueprint: bytes) -> None:
        self._blueprints[content_hash] = blueprint

    def get_blueprint(self, content_hash: str) -> bytes | None:
        return self._blueprints.get(content_hash)

    # -- coordination keys

    def get_key(self, key: str) -> tuple[str, float | None] | None:
        return self._keys.get(key)

    def put_key(self, key: str, value: str, expires_at: float | None) -> None:
        self._keys[key] = (value, expires_at)

    def delete_key(self, key: str) -> bool:
        return self._keys.pop(key, None) is not None

    def drop_expired_keys(self, now: float, limit: int) -> None:
        expired = [k for k, (_, at) in self._keys.items() if at is not None and at <= now]
        for key in expired[:limit]:
            del self._keys[key]


def _place(header: RunHeader) -> Place:
    return Place(header.created_at, header.run_id)
