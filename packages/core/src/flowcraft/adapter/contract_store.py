"""The run store of an adapter that has only a context and a coordination store.

Everything the protocol notes is a key of the coordination store, written with
`set_if_not_exist`. A record carries its context patch, so that whoever finds it can finish it.
What needs a listing is kept in contexts under reserved run ids: see `contract_register.py`.

Not guaranteed, for want of one atomic step over both: a worker that pauses between looking at
the run's status and writing its record may write it after the end, and one that pauses before
its patch may overwrite a later write; and where a worker dies between record and patch, and the
run is ended by somebody else before the record is found again, the patch is missing from its
context. `doctor` says so; native stores do not have these windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from flowcraft import values
from flowcraft.adapter.contract_cells import ContractCells, slot, storable, stored
from flowcraft.adapter.contract_headers import ContractHeaders, Ending
from flowcraft.adapter.contract_purge import REMAINING_SECONDS, ContractPurge
from flowcraft.adapter.contract_register import ContractRegister, is_listed_alike
from flowcraft.adapter.options import AdapterOptions
from flowcraft.adapter.programs import Programs
from flowcraft.engine.activation import EXPECTED, RUN
from flowcraft.engine.cells import (
    PAYLOAD,
    WINNER,
)
from flowcraft.ports.contract import (
    AsyncContext,
    ContextOperation,
    CoordinationStore,
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
    Place,
    Propagation,
    RunStore,
    Stalled,
    Timer,
)
from flowcraft.status import ListedStatus, RunHeader

WINDOWS = (
    "the store has no atomic commit: a worker that wakes late may record after the end of its run"
    " or overwrite a later context write, and one that dies as it records may lose its context"
    " writes if its run is then cancelled"
)
"""What is not guaranteed, see above, in words for who runs it."""


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
        self._cell = ContractCells(coordination, create_context, self._prefix)
        self._header = ContractHeaders(coordination, self._cell, self._prefix)
        self._purge = ContractPurge(
            coordination,
            self._cell,
            Programs(self, options.runtime_options.expressions),
            reads=options.runtime_options.format,
        )
        self._register = ContractRegister(
            create_context,
            self._clock,
            first_sweep_seconds=options.runtime_options.sweep_interval_seconds,
        )

    def _key(self, what: str, *parts: str) -> str:
        return "/".join((self._prefix, what, *parts))

    # -- the path of a node

    async def load(self, loads: Sequence[Load]) -> Sequence[Loaded]:
        return [await self._load(load) for load in loads]

    async def _load(self, load: Load) -> Loaded:
        run_id = load.run_id
        run = await self._header.find(run_id)
        if run is None:
            return Loaded(None)
        place = run.place
        # What its records carry and was not written is not written any more, once the run is over.
        reads = self._cell.peek if run.header.is_over else self._cell.get
        cells = await self._cell.of(place, load.key, reads) if load.key else {}
        arrived, slots = await self._members(place, load.key) if load.key else ({}, {})
        peeked = {}
        for key, name in load.peeks:
            value = await reads(place, key, name)
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
                    read[key] = stored(await found.get(key))
            context = read
        winner = cells.get(WINNER)
        lease = await self._lease(run_id, load.key) if load.key else None
        return Loaded(
            run.header, cells, slots, arrived, winner.decode() if winner else None, peeked, context,
            lease,
        )  # fmt: skip

    async def _members(self, place: str, key: str) -> tuple[dict[str, bool], dict[str, bytes]]:
        arrived: dict[str, bool] = {}
        slots: dict[str, bytes] = {}
        index = 1
        while (held := await self._keys.get(f"{self._key('set', place, key)}:{index}")) is not None:
            member, taken = held[:-1], held.endswith("+")
            arrived[member] = taken
            if taken:
                value = await self._cell.get(place, key, slot(member))
                if value is not None:
                    slots[member] = value
            index += 1
        return arrived, slots

    async def commit(self, commits: Sequence[Commit]) -> Sequence[CommitResult]:
        return [await self._commit(commit) for commit in commits]

    async def _commit(self, commit: Commit) -> CommitResult:
        guard = commit.guard
        run = await self._header.find(commit.run_id)
        if run is None or run.header.is_over:
            return CommitResult(False)
        place = run.place
        if commit.absent is not None:
            barred = await self._cell.get(place, *commit.absent)
            if barred is not None:
                return CommitResult(False, barred=barred)
        if commit.ends is not None:
            existing = await self._cell.get(place, guard.key, guard.name)
            if existing is not None:
                return CommitResult(False, existing)
            status, error = commit.ends
            ending = Ending(status, self._clock.now(), error, guard.key, guard.value.decode())
            if not await self._header.end(place, ending):
                return CommitResult(False)
        if not await self._cell.put(place, guard.key, guard.name, guard.value, commit.context):
            existing = await self._cell.get(place, guard.key, guard.name)
            # Whoever reads an end writes the record that it carries: ours may be there already.
            if commit.ends is None or existing != guard.value:
                return CommitResult(False, existing)
        for cell in commit.cells:
            await self._cell.put(place, cell.key, cell.name, cell.value)
        if commit.context:
            await self._cell.get(place, guard.key, guard.name)
        return CommitResult(True)

    async def propagate(
        self, propagations: Sequence[Propagation]
    ) -> Sequence[tuple[Arrived, ...] | None]:
        return [await self._propagate(propagation) for propagation in propagations]

    async def _propagate(self, propagation: Propagation) -> tuple[Arrived, ...] | None:
        run = await self._header.find(propagation.run_id)
        if run is None:
            return None
        place = run.place
        for cell in propagation.cells:
            await self._cell.put(place, cell.key, cell.name, cell.value)
        answers = []
        for arrival in propagation.arrivals:
            if arrival.value is not None:
                await self._cell.put(place, arrival.target, slot(arrival.member), arrival.value)
            count = await self._keys.add_member(
                self._key("set", place, arrival.target), arrival.member, taken=arrival.taken
            )
            winner = None
            if arrival.any:
                if arrival.taken:
                    mine = arrival.member.encode()
                    await self._cell.put(place, arrival.target, WINNER, mine)
                held = await self._cell.get(place, arrival.target, WINNER)
                winner = held.decode() if held is not None else None
            answers.append(Arrived(count.members, count.taken, winner))
        return tuple(answers)

    async def finish(self, ends: Sequence[End]) -> Sequence[RunHeader | None]:
        return [await self._finish(end) for end in ends]

    async def _finish(self, end: End) -> RunHeader | None:
        run = await self._header.find(end.run_id)
        if run is None or run.header.is_over:
            return run.header if run is not None else None
        if end.expected is not None:
            expected, _ = await self._members(run.place, EXPECTED)
            if len(expected) != end.expected:
                return run.header
        await self._header.end(run.place, Ending(end.status, end.at, end.error))
        return await self._header.get(end.run_id)

    # -- runs

    async def create(self, runs: Sequence[NewRun]) -> Sequence[RunHeader | None]:
        headers: list[RunHeader | None] = []
        for run in runs:
            header = run.header
            run_id = header.run_id
            place = await self._header.next_place(run_id)
            if place is not None and not await self._may_be_made(header):
                headers.append(None)
                continue
            if place is not None:
                # What the run needs is there before the run is; a repeat writes the same.
                await self._cell.put(place, RUN, PAYLOAD, run.payload)
                operations = [
                    ContextOperation("set", key, values.decode(storable(value)))
                    for key, value in run.context.items()
                ]
                if operations:
                    await self._create_context(run_id).patch(operations)
                await self._register.enter(header)
                await self._header.put(place, header)
            standing = await self._header.get(run_id)
            if place is not None and standing is not None and not is_listed_alike(standing, header):
                await self._register.enter(standing)  # our entry may stand in the place of its own
            headers.append(standing if standing is not None else header)
        return headers

    async def _may_be_made(self, header: RunHeader) -> bool:
        """Whether the parent of a run, if it has one, is running."""
        if header.parent is None:
            return True
        above = await self._header.get(header.parent.run_id)
        return above is not None and not above.is_over

    async def headers(self, run_ids: Sequence[str]) -> Sequence[RunHeader | None]:
        return [await self._header.get(run_id) for run_id in run_ids]

    async def context(self, run_id: str) -> Mapping[str, bytes]:
        found = await self._create_context(run_id).to_dict()
        return {key: stored(value) for key, value in found.items()}

    async def children(self, run_id: str) -> Sequence[str]:
        return await self._register.children(run_id)

    async def list_runs(
        self,
        *,
        status: ListedStatus | None,
        blueprint_id: str | None,
        before: Place | None,
        limit: int,
    ) -> Sequence[RunHeader]:
        found: list[RunHeader] = []
        for entry in await self._register.entries():
            if before is not None and entry.place >= before:
                continue
            if blueprint_id not in (None, entry.blueprint_id):
                continue
            header = await self._header.get(entry.place.run_id)
            if header is not None and header.created_at != entry.place.created_at:
                # Who submitted the same run, and was beaten, died before the entry was mended.
                await self._register.enter(header)
                return await self.list_runs(
                    status=status, blueprint_id=blueprint_id, before=before, limit=limit
                )
            if header is not None and status in (None, header.status):
                found.append(header)
                if len(found) >= limit:
                    break
        return found

    async def mark_announced(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            found = await self._header.find(run_id)
            # A late word of the end of a purged run is none of the one that has its id now.
            if found is not None and found.header.is_over:
                await self._header.announced(found.place)
                header = msgspec.structs.replace(found.header, is_announced=True)
                await self._register.announced(header)

    async def expired(self, before: float, limit: int) -> Sequence[str]:
        found: list[str] = []
        due = sorted(
            (entry.expires_from, entry.place.run_id)
            for entry in await self._register.entries()
            if entry.expires_from is not None and entry.expires_from < before
        )
        for _, run_id in due:
            if await self._header.get(run_id) is None:
                # Whoever purged it died before the end, or another one noted it after that.
                await self._clear(run_id)
            else:
                found.append(run_id)
                if len(found) >= limit:
                    break
        return found

    async def purge(self, run_ids: Sequence[str]) -> None:
        """Remove headers, contexts and notes; the other keys expire, see `contract_purge.py`."""
        for run_id in run_ids:
            found = await self._header.find(run_id)
            if found is not None and not found.header.is_over:
                continue
            if found is not None:
                sets = self._key("set", found.place, "")
                await self._purge.expire(found.place, found.header.blueprint_hash, sets)
                await self._header.delete(found, REMAINING_SECONDS)
            await self._clear(run_id)

    async def _clear(self, run_id: str) -> None:
        """Remove the context and the notes of a run that has no header any more."""
        await self._header.expire_end(run_id, REMAINING_SECONDS)
        context = self._create_context(run_id)
        operations = [ContextOperation("delete", key) for key in await context.to_dict()]
        await context.patch(operations)
        await self._register.forget(run_id)

    # -- sweeping

    async def touch(self, until: Mapping[str, float], leases: Sequence[Lease]) -> None:
        await self._register.touch(until)
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
        await self._register.swept(until)

    async def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        return await self._register.stalled(now, limit)

    # -- timers

    async def set_timers(self, timers: Sequence[Timer]) -> None:
        await self._register.set_timers(timers)

    async def due_timers(self, now: float, limit: int) -> Sequence[Timer]:
        return await self._register.due_timers(now, limit)

    async def clear_timers(self, timers: Sequence[Timer]) -> None:
        await self._register.clear_timers(timers)

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
