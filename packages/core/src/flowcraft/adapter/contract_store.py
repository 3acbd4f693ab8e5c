"""The run store of an adapter that has only a context and a coordination store.

Everything the protocol notes is a key of the coordination store, written with
`set_if_not_exist`. A record carries its context patch, so that whoever finds it can finish it.
What needs a listing (stalled runs, timers, children) is kept in a system context under a
reserved run id, and scanned.

Not guaranteed, for want of one atomic step over both: a worker that pauses between looking at
the run's status and writing its record may write it after the end, and one that pauses before
its patch may overwrite a later write; and where a worker dies between record and patch, and the
run is ended by somebody else before the record is found again, the patch is missing from its
context. `doctor` says so; native stores do not have these windows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from flowcraft import values
from flowcraft.adapter.options import AdapterOptions
from flowcraft.engine.activation import RUN
from flowcraft.engine.cells import (
    CHILD,
    FAILED,
    HANDED_BACK,
    PAYLOAD,
    RECORD,
    SINGLE_CELLS,
    STARTED,
    WINNER,
)
from flowcraft.engine.record import ErrorInfo
from flowcraft.ports.contract import (
    AsyncContext,
    ContextOperation,
    CoordinationStore,
    decode_job,
    encode_job,
)
from flowcraft.ports.store import (
    Arrived,
    Commit,
    CommitResult,
    End,
    Lease,
    Load,
    Loaded,
    NewRun,
    Propagation,
    RunStore,
    Stalled,
    Timer,
)
from flowcraft.status import RunHeader

SYSTEM_RUN = "__flowcraft__"
"""The reserved run id whose context holds the indexes."""
UNSEEN_SWEEPS = 10
"""After how many sweep intervals a run is swept however busy it is."""
_REFERENCE = "__flowcraft_reference__"
_LIKE_A_REFERENCE = b'{"__flowcraft_reference__"'


class _Ending(msgspec.Struct, frozen=True, omit_defaults=True):
    """A final status; that of a fatal failure carries the failed activation's record."""

    status: str
    at: float
    error: ErrorInfo | None = None
    key: str = ""
    record: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    """A cell that carries the context patch written with it."""

    value: str
    sets: dict[str, Raw]
    deletes: list[str]


class ContractStore(RunStore):
    """See the module's text for what is, and what is not, guaranteed."""

    def __init__(
        self,
        coordination: CoordinationStore,
        create_context: Callable[[str], AsyncContext],
        options: AdapterOptions,
    ) -> None:
        self._keys = coordination
        self._create_context = create_context
        self._prefix = options.runtime_options.prefix
        self._clock = options.runtime_options.clock
        self._first_sweep_seconds = options.runtime_options.sweep_interval_seconds

    @property
    def _system(self) -> AsyncContext:
        return self._create_context(SYSTEM_RUN)

    def _key(self, what: str, *parts: str) -> str:
        return "/".join((self._prefix, what, *parts))

    def _cell_key(self, run_id: str, key: str, name: str) -> str:
        return f"{self._prefix}/cell/{run_id}/{key}//{name}"

    # -- cells

    async def _put_cell(
        self, run_id: str, key: str, name: str, value: bytes, patch: Mapping[str, bytes | None]
    ) -> bool:
        text = "=" + value.decode()
        if patch:
            envelope = _Envelope(
                value.decode(),
                {k: Raw(_storable(v)) for k, v in patch.items() if v is not None},
                [k for k, v in patch.items() if v is None],
            )
            text = "+" + msgspec.json.encode(envelope).decode()
        return await self._keys.set_if_not_exist(self._cell_key(run_id, key, name), text, None)

    async def _get_cell(self, run_id: str, key: str, name: str) -> bytes | None:
        text = await self._keys.get(self._cell_key(run_id, key, name))
        if text is None:
            return None
        if text[0] == "=":
            return text[1:].encode()
        envelope = msgspec.json.decode(text[1:], type=_Envelope)
        await self._finish_patch(run_id, key, name, envelope)
        return envelope.value.encode()

    async def _finish_patch(self, run_id: str, key: str, name: str, envelope: _Envelope) -> None:
        """Write the patch of a cell to the context, unless that was done."""
        mark = self._cell_key(run_id, key, name + ".patched")
        if await self._keys.get(mark) is not None:
            return
        operations = [
            ContextOperation("set", k, values.decode(bytes(v))) for k, v in envelope.sets.items()
        ]
        operations += [ContextOperation("delete", k) for k in envelope.deletes]
        await self._create_context(run_id).patch(operations)
        await self._keys.set_if_not_exist(mark, "1", None)

    # -- the path of a node

    async def load(self, loads: Sequence[Load]) -> Sequence[Loaded]:
        return [await self._load(load) for load in loads]

    async def _load(self, load: Load) -> Loaded:
        run_id = load.run_id
        header = await self._header(run_id)
        if header is None:
            return Loaded(None)
        cells = await self._cells(run_id, load.key) if load.key else {}
        arrived, slots = await self._members(run_id, load.key) if load.key else ({}, {})
        peeked = {}
        for key, name in load.peeks:
            value = await self._get_cell(run_id, key, name)
            if value is not None:
                peeked[key, name] = value
        context: Mapping[str, bytes] = {}
        if load.context is None:
            context = await self.context(run_id)
        elif load.context:
            read = {}
            found = self._create_context(run_id)
            for key in load.context:
                if await found.has(key):
                    read[key] = _stored(await found.get(key))
            context = read
        winner = cells.get(WINNER)
        lease = await self._lease(run_id, load.key) if load.key else None
        return Loaded(
            header, cells, slots, arrived, winner.decode() if winner else None, peeked, context,
            lease,
        )  # fmt: skip

    async def _cells(self, run_id: str, key: str) -> dict[str, bytes]:
        cells: dict[str, bytes] = {}

        async def read(name: str) -> bool:
            value = await self._get_cell(run_id, key, name)
            if value is not None:
                cells[name] = value
            return value is not None

        if key.startswith("/"):
            return cells
        for name in SINGLE_CELLS:
            await read(name)
        attempt = 1
        while True:
            await read(f"{CHILD}{attempt}")
            delivery = 1
            while await read(f"{STARTED}{attempt}:{delivery}"):
                await read(f"{HANDED_BACK}{attempt}:{delivery}")
                delivery += 1
            if not await read(f"{FAILED}{attempt}"):
                return cells
            attempt += 1

    async def _members(self, run_id: str, key: str) -> tuple[dict[str, bool], dict[str, bytes]]:
        arrived: dict[str, bool] = {}
        slots: dict[str, bytes] = {}
        index = 1
        while (
            held := await self._keys.get(f"{self._key('set', run_id, key)}:{index}")
        ) is not None:
            member, taken = held[:-1], held.endswith("+")
            arrived[member] = taken
            if taken:
                slot = await self._get_cell(run_id, key, f"slot:{member}")
                if slot is not None:
                    slots[member] = slot
            index += 1
        return arrived, slots

    async def commit(self, commits: Sequence[Commit]) -> Sequence[CommitResult]:
        return [await self._commit(commit) for commit in commits]

    async def _commit(self, commit: Commit) -> CommitResult:
        run_id, guard = commit.run_id, commit.guard
        header = await self._header(run_id)
        if header is None or header.is_over:
            return CommitResult(False)
        if commit.absent is not None:
            barred = await self._get_cell(run_id, *commit.absent)
            if barred is not None:
                return CommitResult(False, barred=barred)
        if commit.ends is not None:
            existing = await self._get_cell(run_id, guard.key, guard.name)
            if existing is not None:
                return CommitResult(False, existing)
            status, error = commit.ends
            ending = _Ending(status, self._clock.now(), error, guard.key, guard.value.decode())
            if not await self._end(run_id, ending):
                return CommitResult(False)
        won = await self._put_cell(run_id, guard.key, guard.name, guard.value, commit.context)
        if not won:
            existing = await self._get_cell(run_id, guard.key, guard.name)
            return CommitResult(False, existing)
        for cell in commit.cells:
            await self._put_cell(run_id, cell.key, cell.name, cell.value, {})
        if commit.context:
            await self._get_cell(run_id, guard.key, guard.name)
        return CommitResult(True)

    async def propagate(
        self, propagations: Sequence[Propagation]
    ) -> Sequence[tuple[Arrived, ...] | None]:
        return [await self._propagate(propagation) for propagation in propagations]

    async def _propagate(self, propagation: Propagation) -> tuple[Arrived, ...] | None:
        run_id = propagation.run_id
        if await self._header(run_id) is None:
            return None
        for cell in propagation.cells:
            await self._put_cell(run_id, cell.key, cell.name, cell.value, {})
        answers = []
        for arrival in propagation.arrivals:
            if arrival.value is not None:
                name = f"slot:{arrival.member}"
                await self._put_cell(run_id, arrival.target, name, arrival.value, {})
            count = await self._keys.add_member(
                self._key("set", run_id, arrival.target), arrival.member, taken=arrival.taken
            )
            winner = None
            if arrival.any:
                if arrival.taken:
                    mine = arrival.member.encode()
                    await self._put_cell(run_id, arrival.target, WINNER, mine, {})
                held = await self._get_cell(run_id, arrival.target, WINNER)
                winner = held.decode() if held is not None else None
            answers.append(Arrived(count.members, count.taken, winner))
        return tuple(answers)

    async def finish(self, ends: Sequence[End]) -> Sequence[RunHeader | None]:
        headers = []
        for end in ends:
            header = await self._header(end.run_id)
            if header is not None and not header.is_over:
                await self._end(end.run_id, _Ending(end.status, end.at, end.error))
                header = await self._header(end.run_id)
            headers.append(header)
        return headers

    async def _end(self, run_id: str, ending: _Ending) -> bool:
        text = msgspec.json.encode(ending).decode()
        return await self._keys.set_if_not_exist(self._key("end", run_id), text, None)

    # -- runs

    async def _header(self, run_id: str) -> RunHeader | None:
        text = await self._keys.get(self._key("run", run_id))
        if text is None:
            return None
        header = msgspec.json.decode(text, type=RunHeader)
        ended = await self._keys.get(self._key("end", run_id))
        if ended is None:
            return header
        ending = msgspec.json.decode(ended, type=_Ending)
        told = await self._keys.get(self._key("told", run_id))
        if ending.record and told is None:
            await self._put_cell(run_id, ending.key, RECORD, ending.record.encode(), {})
        return msgspec.structs.replace(
            header,
            status=ending.status,
            error=ending.error,
            ended_at=ending.at,
            is_announced=told is not None,
        )

    async def create(self, runs: Sequence[NewRun]) -> Sequence[RunHeader]:
        headers = []
        for run in runs:
            header = run.header
            run_id = header.run_id
            after = self._clock.now() + self._first_sweep_seconds
            if await self._keys.get(self._key("run", run_id)) is None:
                # What the run needs is there before the run is; a repeat writes the same.
                await self._put_cell(run_id, RUN, PAYLOAD, run.payload, {})
                operations = [
                    ContextOperation("set", key, values.decode(_storable(value)))
                    for key, value in run.context.items()
                ]
                if operations:
                    await self._create_context(run_id).patch(operations)
                note = {"after": after, "sweeps": 0, "swept": self._clock.now()}
                await self._system.set(f"run:{run_id}", note)
                if header.parent is not None:
                    await self._system.set(f"child:{header.parent.run_id}/{run_id}", run_id)
                text = msgspec.json.encode(header).decode()
                await self._keys.set_if_not_exist(self._key("run", run_id), text, None)
            standing = await self._header(run_id)
            headers.append(standing if standing is not None else header)
        return headers

    async def headers(self, run_ids: Sequence[str]) -> Sequence[RunHeader | None]:
        return [await self._header(run_id) for run_id in run_ids]

    async def context(self, run_id: str) -> Mapping[str, bytes]:
        found = await self._create_context(run_id).to_dict()
        return {key: _stored(value) for key, value in found.items()}

    async def children(self, run_id: str) -> Sequence[str]:
        prefix = f"child:{run_id}/"  # no id holds a slash
        found = await self._system.to_dict()
        return [value for key, value in found.items() if key.startswith(prefix)]

    async def mark_announced(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            await self._keys.set_if_not_exist(self._key("told", run_id), "1", None)
            await self._system.delete(f"run:{run_id}")

    async def purge(self, run_ids: Sequence[str]) -> None:
        """Remove headers and contexts; cells of the coordination store stay until it is emptied."""
        for run_id in run_ids:
            header = await self._header(run_id)
            if header is None or not header.is_over:
                continue
            await self._keys.delete(self._key("run", run_id))
            context = self._create_context(run_id)
            operations = [ContextOperation("delete", key) for key in await context.to_dict()]
            await context.patch(operations)
            await self._system.delete(f"run:{run_id}")

    # -- sweeping

    async def touch(self, until: Mapping[str, float], leases: Sequence[Lease]) -> None:
        for run_id, after in until.items():
            found = await self._system.get(f"run:{run_id}")
            if found is not None:
                latest = found["swept"] + UNSEEN_SWEEPS * self._first_sweep_seconds
                note = {**found, "after": min(after, latest), "sweeps": 0}
                await self._system.set(f"run:{run_id}", note)

        now = self._clock.now()
        for lease in leases:
            key = self._key("lease", lease.run_id, lease.key)
            ttl_seconds = max(1.0, lease.until - now)
            text = msgspec.json.encode(lease).decode()
            if not await self._keys.set_if_not_exist(key, text, ttl_seconds):
                held = await self._keys.get(key)
                if held is not None and _is_same(msgspec.json.decode(held, type=Lease), lease):
                    await self._keys.extend_ttl(key, ttl_seconds)

    async def leases(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Lease]:
        found = {key: await self._lease(run_id, key) for key in keys}
        return {key: lease for key, lease in found.items() if lease is not None}

    async def _lease(self, run_id: str, key: str) -> Lease | None:
        """A lease that is there is good: its key goes when it is over."""
        text = await self._keys.get(self._key("lease", run_id, key))
        if text is None:
            return None
        return msgspec.json.decode(text, type=Lease)._replace(until=float("inf"))

    async def swept(self, until: Mapping[str, float]) -> None:
        for run_id, after in until.items():
            found = await self._system.get(f"run:{run_id}")
            if found is not None:
                swept = self._clock.now()
                note = {"after": after, "sweeps": found["sweeps"] + 1, "swept": swept}
                await self._system.set(f"run:{run_id}", note)

    async def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        found = [
            (note["after"], key.removeprefix("run:"), note["sweeps"])
            for key, note in (await self._system.to_dict()).items()
            if key.startswith("run:") and note["after"] <= now
        ]
        return [Stalled(run_id, sweeps) for _, run_id, sweeps in sorted(found)[:limit]]

    # -- timers

    async def set_timers(self, timers: Sequence[Timer]) -> None:
        for timer in timers:
            note = {"due": timer.due_at, "job": encode_job(timer.job).decode()}
            await self._system.set(f"timer:{timer.name}", note)

    async def due_timers(self, now: float, limit: int) -> Sequence[Timer]:
        found = sorted(
            (note["due"], key.removeprefix("timer:"), note["job"])
            for key, note in (await self._system.to_dict()).items()
            if key.startswith("timer:") and note["due"] <= now
        )
        return [Timer(name, due, decode_job(job.encode())) for due, name, job in found[:limit]]

    async def clear_timers(self, timers: Sequence[Timer]) -> None:
        for timer in timers:
            found: Any = await self._system.get(f"timer:{timer.name}")
            if found is not None and found["due"] == timer.due_at:
                await self._system.delete(f"timer:{timer.name}")

    # -- dead letters

    async def keep_dead_letter(self, body: bytes, reason: str) -> None:
        """Keep a message that nobody can handle; the same one is kept once."""
        note = {"body": body.decode(errors="replace"), "reason": reason, "at": self._clock.now()}
        await self._system.set(f"dead:{hashlib.sha256(body).hexdigest()}", note)

    # -- blueprints

    async def put_blueprint(self, content_hash: str, blueprint: bytes) -> None:
        await self._keys.set_if_not_exist(
            self._key("blueprint", content_hash), blueprint.decode(), None
        )

    async def get_blueprint(self, content_hash: str) -> bytes | None:
        text = await self._keys.get(self._key("blueprint", content_hash))
        return text.encode() if text is not None else None


def _is_same(held: Lease, wanted: Lease) -> bool:
    return (held.worker, held.attempt) == (wanted.worker, wanted.attempt)


def _storable(value: bytes) -> bytes:
    """A reference is no JSON: inside a context it is wrapped, as is what looks like one."""
    if value[:1] != b"@" and not value.startswith(_LIKE_A_REFERENCE):
        return value
    return msgspec.json.encode({_REFERENCE: value.decode()})


def _stored(value: Any) -> bytes:
    """A context value as the core knows it."""
    if isinstance(value, dict) and len(value) == 1 and _REFERENCE in value:
        return str(value[_REFERENCE]).encode()
    return msgspec.json.encode(value)
