"""The backend as the protocol sees it: single calls in, batched calls out.

Everything that moves a run goes through here. Where the backend has a fused transition it is
used; elsewhere `compose_transition` does the same in several calls, in the protocol's order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from flowcraft.adapter.batcher import Batcher
from flowcraft.adapter.formats import Formats
from flowcraft.engine.activation import END, is_lanes_key
from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import Arrival, decide
from flowcraft.ports.queue import Delivery, JobQueue, Outgoing
from flowcraft.ports.store import (
    Arrived,
    Commit,
    CommitResult,
    End,
    Load,
    Loaded,
    Propagation,
    RunStore,
)
from flowcraft.ports.transition import (
    Beginning,
    Target,
    Transition,
    TransitionResult,
    is_direct,
    job_for,
)
from flowcraft.status import RunHeader


class Fused(Protocol):
    """What a backend can do in one step because its queue and store are one."""

    async def transition(self, transitions: Sequence[Transition]) -> Sequence[TransitionResult]:
        """Do each transition whole."""

    async def begin(self, beginnings: Sequence[Beginning]) -> Sequence[RunHeader]:
        """Create runs that do not exist and send their first jobs; the header that then stands."""


class Ports:
    """Batched access to a run store and a queue, to what this worker can read.

    Every read of a header here raises `NewerFormatError` where a newer worker wrote it.
    """

    def __init__(
        self, store: RunStore, queue: JobQueue, fused: Fused | None, formats: Formats
    ) -> None:
        self.store = store
        self.queue = queue
        self.formats = formats
        self._load: Batcher[Load, Loaded] = Batcher(store.load)
        self.commit: Batcher[Commit, CommitResult] = Batcher(store.commit)
        self.propagate: Batcher[Propagation, tuple[Arrived, ...] | None] = Batcher(store.propagate)
        self.finish: Batcher[End, RunHeader | None] = Batcher(store.finish)
        self.send: Batcher[Outgoing, None] = Batcher(_each_none(queue.send))
        self.ack: Batcher[Delivery, None] = Batcher(_each_none(queue.ack))
        self._fused: Batcher[Transition, TransitionResult] | None = (
            Batcher(fused.transition) if fused is not None else None
        )
        self.begin: Batcher[Beginning, RunHeader] | None = (
            Batcher(fused.begin) if fused is not None else None
        )

    async def load(self, wanted: Load) -> Loaded:
        """Read a run's header, and what moving an activation needs."""
        loaded = await self._load(wanted)
        self.formats.check(loaded.header)
        return loaded

    async def headers(self, run_ids: Sequence[str]) -> Sequence[RunHeader | None]:
        """Read what runs say of themselves."""
        found = await self.store.headers(run_ids)
        for header in found:
            self.formats.check(header)
        return found

    async def transition(self, wanted: Transition) -> TransitionResult:
        """Do one step of a run."""
        if self._fused is not None:
            return await self._fused(wanted)
        return await self._compose(wanted)

    async def send_all(self, jobs: Sequence[Outgoing]) -> None:
        """Send several jobs in one call."""
        if jobs:
            await self.queue.send(jobs)

    async def _compose(self, wanted: Transition) -> TransitionResult:
        """Commit, then slots and members, then sends, then the end, then acknowledge."""
        committed: CommitResult | None = None
        if wanted.commit is not None:
            committed = await self.commit(wanted.commit)
            if not committed.is_won:
                return TransitionResult(committed, is_over=committed.is_over)
            if wanted.commit.ends is not None:
                return TransitionResult(committed, is_over=True)
        in_hand, arriving = _split_held(wanted)
        decided = await self._arrive(wanted, arriving)
        if decided is None:
            return TransitionResult(committed, is_over=True)
        ends = [target for target in decided if target.arrival.target == END]
        if any(target.arrival.need for target in ends):
            if wanted.ends is not None:
                await self.finish(End(wanted.run_id, wanted.ends, None, wanted.at))
            return TransitionResult(committed, is_over=True)
        decided = [target for target in decided if target.arrival.target != END]
        if wanted.is_repeat:
            decided = await self._with_records(wanted.run_id, decided)
        held, sends = list(in_hand), []
        hold = wanted.hold - len(in_hand)
        for target in decided:
            if target.decision == "skip":
                continue
            if target.record is not None or is_lanes_key(target.arrival.target):
                held.append(target)
            elif hold > 0 or not wanted.sends:
                hold -= 1
                held.append(target)
            else:
                sends.append(Outgoing(job_for(wanted.job, target.arrival.target)))
        await self.send_all(sends)
        skips = tuple(target for target in decided if target.decision == "skip")
        is_acked = wanted.ack is not None and not held and not skips
        if is_acked and wanted.ack is not None:
            await self.ack(wanted.ack)
        sinks = max((target.members for target in ends), default=None)
        return TransitionResult(committed, tuple(held), skips, is_acked=is_acked, sinks=sinks)

    async def _arrive(self, wanted: Transition, arriving: list[Arrival]) -> list[Target] | None:
        """Write what follows and decide the targets; None if the run is gone."""
        if not arriving and not wanted.cells:
            return []
        answers = await self.propagate(Propagation(wanted.run_id, wanted.cells, tuple(arriving)))
        if answers is None:
            return None
        decided = []
        for arrival, answer in zip(arriving, answers, strict=True):
            decision = decide(arrival, answer.members, answer.taken, answer.winner)
            if arrival.target == END and arrival.need == 0:
                decision = "ready"  # its size is compared elsewhere
            if decision != "pending":
                decided.append(Target(arrival, decision, members=answer.members))
        return decided

    async def _with_records(self, run_id: str, targets: list[Target]) -> list[Target]:
        """Read the records of repeated targets, in one read."""
        keys = [t.arrival.target for t in targets if not is_lanes_key(t.arrival.target)]
        if not keys:
            return targets
        records = await self.read_records(run_id, keys)
        return [t._replace(record=records.get(t.arrival.target)) for t in targets]

    async def read_records(self, run_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Read the records of several activations, in one read."""
        peeks = tuple((key, RECORD) for key in keys)
        loaded = await self.load(Load(run_id, "", peeks=peeks))
        return {key: value for (key, _), value in loaded.peeked.items()}


def _split_held(wanted: Transition) -> tuple[list[Target], list[Arrival]]:
    """Tell the targets whose value stays in the worker's hand from those that must arrive."""
    held: list[Target] = []
    arriving: list[Arrival] = []
    for arrival in wanted.arrivals:
        if len(held) < wanted.hold and is_direct(arrival):
            held.append(Target(arrival, "ready"))
        else:
            arriving.append(arrival)
    return held, arriving


def _each_none(
    call: Callable[[Sequence[Any]], Awaitable[None]],
) -> Callable[[Sequence[Any]], Awaitable[Sequence[None]]]:
    async def answer(elements: Sequence[Any]) -> Sequence[None]:
        await call(elements)
        return [None] * len(elements)

    return answer
