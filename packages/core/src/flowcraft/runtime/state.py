"""What is recorded of one run, and what becomes ready by each record.

Nothing here awaits, so a record, its context writes and all its consequences become visible in
one step, and each arrival happens once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flowcraft.engine.activation import (
    END,
    EXPECTED,
    Activation,
    is_lanes_key,
    parse_activation,
)
from flowcraft.engine.consequences import (
    Arrival,
    Decision,
    consequences,
    decide,
    end_is_reached,
    lanes_arrival,
)
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record
from flowcraft.engine.routing import skip_record
from flowcraft.ports.transition import is_direct


class Ready(NamedTuple):
    """An activation that can run, and what arrived for it.

    Attributes:
        target: Its key.
        member: The arrival that alone made it ready, or empty.
        value: What that one carries.
        slots: What the taken arrivals of a join carry, by member.
        winner: The member that started an `any` join.
    """

    target: str
    member: str = ""
    value: bytes | None = None
    slots: Mapping[str, bytes] = {}
    winner: str | None = None


class _Arrivals:
    """What arrived at a join, at the end, or at another set."""

    __slots__ = ("members", "taken", "winner")

    def __init__(self) -> None:
        self.members: dict[str, bytes | None] = {}
        self.taken = 0
        self.winner: str | None = None

    def add(self, arrival: Arrival) -> Decision:
        """Count an arrival and decide its target."""
        self.members[arrival.member] = arrival.value
        if arrival.taken:
            self.taken += 1
            if arrival.any and self.winner is None:
                self.winner = arrival.member
        return decide(arrival, len(self.members), self.taken, self.winner)


class RunState:
    """Records, arrivals, context and batch items of one run.

    Attributes:
        program: The blueprint that it follows.
        payload: Its payload as JSON.
        context: Context keys, as stored values.
        records: By activation key.
        cells: Other notes of the engine, by key and name.
        batches: The items of each scatter as JSON, by its activation key.
        is_complete: Whether all sinks are resolved.
        on_record: Told of each record as it is written, while anybody wants to know.
    """

    def __init__(self, program: Program, payload: bytes, context: dict[str, bytes]) -> None:
        self.program = program
        self.payload = payload
        self.context = context
        self.records: dict[str, Record] = {}
        self.cells: dict[tuple[str, str], bytes] = {}
        self.batches: dict[str, list[bytes]] = {}
        self.is_complete = False
        self.on_record: Callable[[str], None] | None = None
        self._sets: dict[str, _Arrivals] = {}

    def write(self, key: str, record: Record, writes: Mapping[str, bytes | None]) -> None:
        """Write a record down, with the context writes that become visible by it."""
        self.records[key] = record
        if self.on_record is not None:
            self.on_record(key)
        for name, value in writes.items():
            if value is None:
                self.context.pop(name, None)
            else:
                self.context[name] = value

    def follow(self, activation: Activation, record: Record) -> list[Ready]:
        """Draw the consequences of a record that was just written; say what is ready now."""
        program = self.program
        ready: list[Ready] = []
        pending = [(activation, record)]
        while pending:
            follows = consequences(program, *pending.pop())
            for cell in follows.cells:
                self.cells.setdefault((cell.key, cell.name), cell.value)
            arrivals = follows.arrivals
            for arrival in arrivals:
                target = arrival.target
                if is_direct(arrival):
                    ready.append(Ready(target, arrival.member, arrival.value))
                    continue
                arrived = self._sets.get(target)
                if arrived is None:
                    arrived = self._sets[target] = _Arrivals()
                decision = arrived.add(arrival)
                if decision == "pending":
                    continue
                if target == END:
                    self.is_complete = True
                elif is_lanes_key(target):
                    arrivals.append(lanes_arrival(program, target))
                elif decision == "skip":
                    skipped = parse_activation(target)
                    pending.append((skipped, self._skip(skipped, record.at)))
                else:
                    ready.append(_joined(target, arrived))
                    if not arrival.any:
                        del self._sets[target]  # nothing more can arrive
            if program.plan.has_body_sinks and self._end_is_reached():
                self.is_complete = True
        return ready

    def _skip(self, activation: Activation, at: float) -> Record:
        record = skip_record(self.program.plan, activation, via="", token="", at=at)
        self.write(activation.key, record, {})
        return record

    def _end_is_reached(self) -> bool:
        done, expected = self._sets.get(END), self._sets.get(EXPECTED)
        waited_for = expected.members.keys() if expected is not None else ()
        if done is None or len(done.members) < len(self.program.plan.sinks) + len(waited_for):
            return False  # spares a loop of many iterations the comparison in each
        return end_is_reached(self.program, set(done.members), set(waited_for))


def _joined(target: str, arrived: _Arrivals) -> Ready:
    slots = {member: value for member, value in arrived.members.items() if value is not None}
    return Ready(target, slots=slots, winner=arrived.winner)
