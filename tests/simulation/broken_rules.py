"""The rules of the protocol, each broken in the smallest piece of code that keeps it.

Every function here, and in `broken_marks`, is a patch: inside of it the workers break one of
these rules, and the simulation of a graph that meets the rule must find out.

    1   a commit is guarded by its own cell and by the run's status, in one step
    2   a repeated propagation sends what has no record, and walks on through what it made itself
    3   who is beaten to a record stops, and acknowledges only what another message answers for
    4   values before members before jobs
    5   a skip is decided from a complete set, seen in the step that counts
    6   who finds that it won an `any` join enqueues it, now or before
    7   a batch keeps the ends of its lanes as a set
    8   a child is registered, created, and started after a second look at the parent
    9   a mark is guarded by what it is about; a time that was set stays
    10  a waiter opens and then reads; a signal is used once
    11  deliveries that may have followed a death are counted, and no others
    12  a message becomes a timer before it is acknowledged
    13  a fatal failure and the end of its run are one commit
    14  the end waits for the sinks of an iteration before its jobs are sent
    15  a set without an atomic step of its own is a log of slots
    16  a worker knows its own record by the token
    17  nothing is written where no run is
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec

from flowcraft.adapter import mover, ports, walk
from flowcraft.engine.activation import EXPECTED, is_lanes_key
from flowcraft.engine.cells import WINNER
from flowcraft.engine.consequences import Arrival
from flowcraft.execution.move import Move
from flowcraft.local import steps
from flowcraft.local.database import LocalDatabase
from flowcraft.memory.tables import MemoryTables
from flowcraft.ports.contract import CoordinationStore, MemberCount
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import Arrived, Commit, CommitResult, End, Propagation
from flowcraft.ports.transition import Transition, TransitionResult, is_direct, job_for
from flowcraft.status import RunHeader
from tests.simulation.sim_store import SimStore

Patch = AbstractContextManager[None]


@contextmanager
def replaced(owner: Any, **members: Any) -> Iterator[None]:
    """Replace members of a module or class; each of them must be there."""
    before = {name: owner.__dict__[name] for name in members}
    try:
        for name, member in members.items():
            setattr(owner, name, member)
        yield
    finally:
        for name, member in before.items():
            setattr(owner, name, member)


def commits_after_the_end() -> Patch:
    """Rule 1: a commit is guarded by its own cell alone, not by the run's status.

    Goes wrong: what was under way when its run ended is recorded after the end.
    """

    def commit(
        db: LocalDatabase, wanted: Commit, at: float, *, announces: bool = False
    ) -> CommitResult:
        guard = wanted.guard
        if not db.insert_cell(wanted.run_id, guard.key, guard.name, guard.value):
            return CommitResult(False, db.get_cell(wanted.run_id, guard.key, guard.name))
        for key, value in wanted.context.items():
            db.write_context(wanted.run_id, key, value)
        if wanted.ends is not None:
            steps.finish(db, End(wanted.run_id, *wanted.ends, at), announces=announces)
        return CommitResult(True)

    return replaced(steps, commit=commit)


def repeats_send_what_is_recorded() -> Patch:
    """Rule 2: a repeated propagation sends its ready targets without looking for records.

    Goes wrong: a message that comes twice doubles at every diamond as long as the run lives.
    """
    transition = ports.Ports.transition

    async def blindly(self: ports.Ports, wanted: Transition) -> TransitionResult:
        return await transition(self, wanted._replace(is_repeat=False))

    return replaced(ports.Ports, transition=blindly)


def repeats_stop_at_records() -> Patch:
    """Rule 2: a repeated propagation leaves every recorded target alone, whatever its `via`.

    Goes wrong: of a chain whose worker died on the way, the rest is lost.
    """
    walk_on = walk.Walker._walk

    async def stopping(self: walk.Walker, run: Any, made: Any, **how: Any) -> walk.Followed:
        return await walk_on(self, run, made, **{**how, "through": lambda _: False})

    return replaced(walk.Walker, _walk=stopping)


def the_beaten_acknowledge() -> Patch:
    """Rule 3: a worker beaten to a record acknowledges, whatever the winner's `via` is.

    Goes wrong: it deletes the message under which the winner goes on, and the winner dies.
    """
    return replaced(mover, _beaten_by=lambda move, via: mover.Moved("ack"))


def the_beaten_trust_another_message() -> Patch:
    """Rule 3: who is beaten by a record made under another message always acknowledges.

    Goes wrong: where that message was followed and acknowledged while the winner stood still,
    the one sent in its place is the last; the winner goes on under nothing, and dies.
    """

    def beaten_by(move: Move, via: str) -> mover.Moved:
        return mover.Moved("ack" if via != move.via else "keep")

    return replaced(mover, _beaten_by=beaten_by)


def members_before_slots() -> Patch:
    """Rule 4: a propagation counts its members first and writes their values after that.

    Goes wrong: a join that is completed in between fires without a value.
    """

    def slot(run_id: str, arrival: Arrival) -> Callable[[LocalDatabase], None]:
        def step(db: LocalDatabase) -> None:
            assert isinstance(db, MemoryTables)
            members = db.runs[run_id].sets[arrival.target].members
            members[arrival.member] = (arrival.taken, arrival.value)

        return step

    propagate = SimStore._propagate

    async def in_wrong_order(self: SimStore, wanted: Propagation) -> Any:
        bare = tuple(arrival._replace(value=None) for arrival in wanted.arrivals)
        answers = await propagate(self, wanted._replace(arrivals=bare))
        if answers is not None:
            for arrival in wanted.arrivals:
                await self._step("propagate", slot(wanted.run_id, arrival))
        return answers

    return replaced(SimStore, _propagate=in_wrong_order)


def jobs_before_members() -> Patch:
    """Rule 4: a propagation sends its jobs before it writes anything.

    Goes wrong: a worker that is quick executes the target without its input.
    """
    arrive = ports.Ports._arrive

    async def after_sending(self: ports.Ports, wanted: Transition, arriving: list[Arrival]) -> Any:
        ready = [arrival.target for arrival in arriving if is_direct(arrival)]
        await self.send_all([Outgoing(job_for(wanted.job, target)) for target in ready])
        return await arrive(self, wanted, arriving)

    return replaced(ports.Ports, _arrive=after_sending)


def skips_from_an_earlier_look() -> Patch:
    """Rule 5: how many arrivals were taken is read before the step that counts the last one.

    Goes wrong: a join is skipped though an arrival was taken in between, and stays skipped.
    """

    def taken(run_id: str, target: str) -> Callable[[LocalDatabase], int]:
        def step(db: LocalDatabase) -> int:
            return (
                0
                if db.get_run(run_id) is None
                else sum(taken for _, taken, _ in db.get_members(run_id, target))
            )

        return step

    propagate = SimStore._propagate

    async def from_two_looks(self: SimStore, wanted: Propagation) -> Any:
        answers: list[Arrived] = []
        await propagate(self, wanted._replace(arrivals=()))
        for arrival in wanted.arrivals:
            before = await self._step("propagate", taken(wanted.run_id, arrival.target))
            one = await propagate(self, wanted._replace(cells=(), arrivals=(arrival,)))
            if one is None:
                return None
            answers.append(one[0]._replace(taken=before + arrival.taken))
        return tuple(answers)

    return replaced(SimStore, _propagate=from_two_looks)


def any_joins_start_once() -> Patch:
    """Rule 6: only who has just won an `any` join enqueues it, not who finds that it won.

    Goes wrong: a worker that dies between winning and sending loses the join for good; the
    sweeper repeats the same propagation, and is told the same. That a job decides an absent
    winner again needs no test: the winner is written in the step that counts the member.
    """
    arrive = steps._arrive

    def just_now(db: LocalDatabase, run_id: str, arrival: Arrival) -> Arrived:
        is_won = arrival.any and db.get_cell(run_id, arrival.target, WINNER) is not None
        arrived = arrive(db, run_id, arrival)
        return arrived._replace(winner="") if is_won else arrived

    return replaced(steps, _arrive=just_now)


def lanes_are_a_counter() -> Patch:
    """Rule 7: a batch counts the ends of its lanes instead of keeping them as a set.

    Goes wrong: an end that is told twice stands for another lane, and its items are not
    waited for.
    """
    arrive = steps._arrive

    def counted(db: LocalDatabase, run_id: str, arrival: Arrival) -> Arrived:
        if is_lanes_key(arrival.target):
            count = sum(1 for _ in db.get_members(run_id, arrival.target))
            arrival = arrival._replace(member=f"number {count}")
        return arrive(db, run_id, arrival)

    return replaced(steps, _arrive=counted)


def failures_end_the_run_later() -> Patch:
    """Rule 13: a fatal failure is recorded in one step, and its run ended in the next.

    Goes wrong: the run completes in between, with a failed record; or its worker dies, and
    the failure ends nothing.
    """
    transition = ports.Ports.transition

    async def in_two_steps(self: ports.Ports, wanted: Transition) -> TransitionResult:
        if wanted.commit is None or wanted.commit.ends is None:
            return await transition(self, wanted)
        bare = wanted.commit._replace(ends=None)
        result = await transition(self, wanted._replace(commit=bare))
        if result.commit is None or not result.commit.is_won:
            return result
        await self.finish(End(wanted.run_id, *wanted.commit.ends, wanted.at))
        return result._replace(is_over=True)

    return replaced(ports.Ports, transition=in_two_steps)


def ends_do_not_see_what_began() -> Patch:
    """Rule 14: the end is written whatever began since it was compared.

    Goes wrong: the run ends in the middle of an iteration that nobody waited for.
    """
    finish = steps.finish

    def unguarded(db: LocalDatabase, wanted: End, **how: Any) -> RunHeader | None:
        return finish(db, wanted._replace(expected=None), **how)

    return replaced(steps, finish=unguarded)


def sinks_are_expected_later() -> Patch:
    """Rule 14: what the end waits for is written after the jobs of the iteration are sent.

    Goes wrong: the run ends before a sink in its loop's body is over.
    """
    transition = ports.Ports.transition

    async def expecting_last(self: ports.Ports, wanted: Transition) -> TransitionResult:
        late = tuple(a for a in wanted.arrivals if a.target == EXPECTED)
        others = tuple(a for a in wanted.arrivals if a.target != EXPECTED)
        result = await transition(self, wanted._replace(arrivals=others))
        if late:
            await self.propagate(Propagation(wanted.run_id, (), late))
        return result

    return replaced(ports.Ports, transition=expecting_last)


def members_are_a_counter() -> Patch:
    """Rule 15: `add_member` marks the member in one step and raises a counter in the next.

    Goes wrong: a worker that dies in between leaves the counter one short for ever.
    """

    async def add_member(
        self: CoordinationStore, key: str, member: str, *, taken: bool, ttl_seconds: Any = None
    ) -> MemberCount:
        if await self.set_if_not_exist(f"{key}?{member}", "1", ttl_seconds):
            number = await self.increment(f"{key}#", ttl_seconds)
            await self.set_if_not_exist(f"{key}:{number}", member + "-+"[taken], ttl_seconds)
        members = int(await self.get(f"{key}#") or 0)
        slots = [await self.get(f"{key}:{number}") for number in range(1, members + 1)]
        return MemberCount(members, sum((slot or "").endswith("+") for slot in slots))

    return replaced(CoordinationStore, add_member=add_member)


def own_records_are_not_known() -> Patch:
    """Rule 16: a worker does not know its own record by the token.

    Goes wrong: after a lost answer it takes itself for beaten. With rule 3 kept nothing is
    lost by that; but the message is left to come back though nobody died, a lease later.
    """
    settle = walk.Walker.settle

    async def as_nobody(self: walk.Walker, run: Any, activation: Any, record: Any, commit: Any,
                        **how: Any) -> walk.Followed:  # fmt: skip
        nobody = msgspec.structs.replace(record, token="nobody")
        return await settle(self, run, activation, nobody, commit, **how)

    return replaced(walk.Walker, settle=as_nobody)


def writes_make_their_run() -> Patch:
    """Rule 17: a write into a run's partition does not ask whether the run is there.

    Goes wrong: what a late worker writes brings a purged run back.
    """
    propagate = steps.propagate

    def unconditional(db: LocalDatabase, wanted: Propagation) -> Any:
        if db.get_run(wanted.run_id) is None:
            made = RunHeader(run_id=wanted.run_id, blueprint_id="", blueprint_hash="")
            db.insert_run(made, float("inf"))
        return propagate(db, wanted)

    return replaced(steps, propagate=unconditional)
