"""Broken rules about what is noted of an activation before it has a record (`broken_rules`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flowcraft.adapter import deliveries, parts, suspensions
from flowcraft.adapter.holding import Holding, Holdings
from flowcraft.engine.cells import CLAIM, DUE, FAILED
from flowcraft.execution.move import Move
from flowcraft.execution.performing import Performed
from flowcraft.local import steps
from flowcraft.local.database import LocalDatabase
from flowcraft.memory.tables import MemoryTables
from flowcraft.ports.store import Commit, CommitResult, Load, Loaded, NewRun
from flowcraft.status import RunHeader
from tests.simulation.broken_rules import Patch, replaced


class _Instead:
    def __init__(self, real: Any, members: dict[str, Any]) -> None:
        self.__dict__.update(members, _real=real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def instead(real: Any, **members: Any) -> Any:
    """Give an object that is another one but for some members."""
    return _Instead(real, members)


@contextmanager
def children_start_unseen() -> Iterator[None]:
    """Rule 8: a child is made, and started, without a second look at its parent.

    Goes wrong: the parent ended while the child was made, and an orphan runs. Making the
    child before it is registered is harmless here: its id follows from the attempt, and the
    children of a run are found by what they say of their parent, not by its note of them.
    """
    subflow = suspensions.Suspensions._subflow

    async def blindly(self: suspensions.Suspensions, move: Move) -> Performed | None:
        ports = self._parts.ports

        async def headers(run_ids: list[str]) -> Any:
            return (
                [move.run.header] if run_ids == [move.run.run_id] else await ports.headers(run_ids)
            )

        blind = instead(ports, headers=headers)
        return await subflow(instead(self, _parts=instead(self._parts, ports=blind)), move)

    def create(db: LocalDatabase, wanted: NewRun, sweep_after: float) -> RunHeader:
        standing = db.get_run(wanted.header.run_id)
        return standing if standing is not None else steps._insert(db, wanted, sweep_after)

    with replaced(suspensions.Suspensions, _subflow=blindly), replaced(steps, create=create):
        yield


@contextmanager
def sleeps_begin_anew() -> Iterator[None]:
    """Rule 9: a sleep's due time is not set once, but by every delivery.

    Goes wrong: the sleep never ends.
    """
    note, sleep = parts.Parts.note, suspensions.Suspensions._sleep

    async def overwrite(self: parts.Parts, move: Move, name: str, value: bytes) -> bytes:
        standing = await note(self, move, name, value)
        return value if name == DUE else standing

    async def forgetful(self: suspensions.Suspensions, move: Move) -> Performed | None:
        cells = {name: cell for name, cell in move.loaded.cells.items() if name != DUE}
        move.loaded = move.loaded._replace(cells=cells)
        return await sleep(self, move)

    with replaced(parts.Parts, note=overwrite), replaced(suspensions.Suspensions, _sleep=forgetful):
        yield


def failures_take_the_next_number() -> Patch:
    """Rule 9: a failing attempt is not guarded by its own number, it takes the next free one.

    Goes wrong: an attempt that was executed twice is counted as two. (That the other marks
    are guarded by the absence of the record as well is harmless to break here: each is a cell
    of its attempt, written once, and whoever reads it reads the record first.)
    """
    commit = steps.commit

    def next_free(
        db: LocalDatabase, wanted: Commit, at: float, *, announces: bool = False
    ) -> CommitResult:
        guard = wanted.guard
        number = 1
        while guard.name.startswith(FAILED) and db.get_cell(wanted.run_id, guard.key, guard.name):
            number += 1
            guard = guard._replace(name=f"{FAILED}{number}")
        return commit(db, wanted._replace(guard=guard), at, announces=announces)

    return replaced(steps, commit=next_free)


def waiters_read_before_they_open() -> Patch:
    """Rule 10: a waiter reads its signals, and writes "open" after that.

    Goes wrong: a signal that comes in between is kept for a wait that never looks again.
    """
    opening, taking = suspensions.open_wait, suspensions.take_signal
    found: dict[int, Performed | None] = {}

    async def open_wait(some: parts.Parts, move: Move) -> float:
        found[id(move)] = await taking(some, move)
        return await opening(some, move)

    async def take_signal(some: parts.Parts, move: Move) -> Performed | None:
        return found.pop(id(move))

    return replaced(suspensions, open_wait=open_wait, take_signal=take_signal)


def early_signals_are_not_claimed() -> Patch:
    """Rule 10: an early signal is used by whoever finds it, without a claim.

    Goes wrong: one click approves two iterations.
    """
    taking = suspensions.take_signal

    async def take_signal(some: parts.Parts, move: Move) -> Performed | None:
        async def load(wanted: Load) -> Loaded:
            loaded = await some.ports.load(wanted)
            peeked = {at: cell for at, cell in loaded.peeked.items() if at[1] != CLAIM}
            return loaded._replace(peeked=peeked)

        async def commit(wanted: Commit) -> CommitResult:
            return CommitResult(True)

        unclaimed = instead(some.ports, load=load, commit=commit)
        return await taking(instead(some, ports=unclaimed), move)

    return replaced(suspensions, take_signal=take_signal)


def deaths_are_not_counted() -> Patch:
    """Rule 11: nobody counts the deliveries that may have followed a death.

    Goes wrong: a node that kills its workers kills them for ever.
    """

    async def count(self: deliveries.Deliveries, move: Move, counted: int) -> None:
        return None

    return replaced(deliveries.Deliveries, _count=count)


@contextmanager
def hand_backs_are_counted() -> Iterator[None]:
    """Rule 11: a job that a living worker hands back counts as one that killed it.

    Goes wrong: a store that fails now and then fails healthy runs.
    """

    async def take_back(self: deliveries.Deliveries, move: Move) -> None:
        return None

    release = MemoryTables.release_job

    def release_job(self: MemoryTables, id_: int, token: int, visible_at: float) -> None:
        release(self, id_, token, visible_at)
        if id_ in self.jobs and self.jobs[id_].token == token:
            self.jobs[id_].is_leased = True

    with (
        replaced(deliveries.Deliveries, take_back=take_back),
        replaced(MemoryTables, release_job=release_job),
    ):
        yield


def messages_go_before_their_timers() -> Patch:
    """Rule 12: a message that is held too long is acknowledged, and then becomes a timer.

    Goes wrong: a worker that dies in between leaves no trace of the job.
    """
    become = Holdings._become_timer

    async def acknowledged(self: Holdings, holding: Holding, *how: Any) -> None:
        if holding.timer is None:
            await self._parts.ports.ack(holding.delivery)
        await become(self, holding, *how)

    return replaced(Holdings, _become_timer=acknowledged)
