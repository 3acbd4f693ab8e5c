"""A run by the engine's rules alone: no store, no queue, and the order is anybody's.

Whatever waits to be done lies in one heap: an activation to perform, or an arrival to count.
Chance draws what comes next, and lets arrivals come twice. What each node does follows from its
name and the seed, so that two plays differ in their order and in nothing else.
"""

from __future__ import annotations

import random
from collections import Counter

from msgspec import Raw

from flowcraft.blueprint import EdgePlan
from flowcraft.engine.activation import (
    END,
    EXPECTED,
    Activation,
    is_lanes_key,
    last_segment,
    parse_activation,
)
from flowcraft.engine.consequences import (
    Arrival,
    consequences,
    decide,
    end_is_reached,
    lanes_arrival,
)
from flowcraft.engine.names import is_slot
from flowcraft.engine.program import Program
from flowcraft.engine.record import Record
from flowcraft.engine.routing import BREAK, CONTINUE, route, skip_record


class Play:
    """One play of a program to where nothing is left to do.

    Attributes:
        records: The record of each activation, by key.
        started: How often each activation was found ready.
        values: What the taken arrivals at each activation carry, by member.
        ended: How often the end was found complete as the last of its arrivals was counted.
    """

    def __init__(self, program: Program, *, seed: int, order: random.Random) -> None:
        self.program = program
        self.records: dict[str, Record] = {}
        self.started: Counter[str] = Counter()
        self.values: dict[str, dict[str, bytes]] = {}
        self.ended = 0
        self._seed = seed
        self._sets: dict[str, dict[str, bool]] = {}
        self._winners: dict[str, str] = {}
        self._heap: list[str | Arrival] = list(program.plan.starts)
        self.started.update(program.plan.starts)
        while self._heap:
            self._move(self._heap.pop(order.randrange(len(self._heap))), order)

    def _move(self, thing: str | Arrival, order: random.Random) -> None:
        if isinstance(thing, str):
            self._record(thing, self._perform(parse_activation(thing)))
            return
        self._count(thing)
        if order.random() < 0.2:
            self._heap.append(thing)

    def _record(self, key: str, record: Record) -> None:
        assert key not in self.records, f"{key} was recorded twice"
        assert is_slot(self.program.plan, parse_activation(key)), f"{key} is no slot"
        self.records[key] = record
        found = consequences(self.program, parse_activation(key), record)
        # What the end expects is durable before anything else comes of the record.
        expected = [one for one in found.arrivals if one.target == EXPECTED]
        assert found.arrivals[: len(expected)] == expected
        for one in expected:
            self._count(one)
        self._heap += found.arrivals[len(expected) :]

    def _count(self, arrival: Arrival) -> None:
        members = self._sets.setdefault(arrival.target, {})
        is_new = arrival.member not in members
        assert members.setdefault(arrival.member, arrival.taken) == arrival.taken
        if arrival.target == EXPECTED:
            return
        if arrival.taken and arrival.value is not None:
            self.values.setdefault(arrival.target, {})[arrival.member] = arrival.value
            if arrival.any:
                self._winners.setdefault(arrival.target, arrival.member)
        taken = sum(members.values())
        decision = decide(arrival, len(members), taken, self._winners.get(arrival.target))
        if arrival.target == END:
            self.ended += is_new and (self._end_is_reached() or decision != "pending")
        elif decision != "pending" and is_new:
            self._decided(arrival.target, decision == "ready")

    def _decided(self, target: str, ready: bool) -> None:
        if is_lanes_key(target):
            assert ready, "a lane was skipped"
            self._heap.append(lanes_arrival(self.program, target))
        elif ready:
            self.started[target] += 1
            self._heap.append(target)
        else:
            record = skip_record(
                self.program.plan, parse_activation(target), via="", token="", at=0
            )
            self._record(target, record)

    def _end_is_reached(self) -> bool:
        if not self.program.plan.has_body_sinks:
            return False
        expected = self._sets.get(EXPECTED, {})
        return end_is_reached(self.program, set(self._sets[END]), set(expected))

    def _perform(self, activation: Activation) -> Record:
        node = self.program.plan.nodes[activation.node]
        dice = random.Random(f"{self._seed} {activation.key}")
        if node.kind == "scatter":
            whole = activation.key.partition("/#")[0]
            return Record(
                outcome="completed", items=random.Random(f"{self._seed} {whole}").randrange(7)
            )
        if node.fallback is not None and dice.random() < 0.5:
            return Record(outcome="caught", input=Raw(b'"%s"' % activation.key.encode()))
        action = dice.choice([None, "go", "go", "stay"])
        if node.kind == "loop":
            goes_on = int(last_segment(activation.scope)) < 4 and dice.random() < 0.8
            action = CONTINUE if goes_on else BREAK
        decided = route(
            self.program.plan, activation, action, lambda edge: self._holds(activation, edge)
        )
        return Record(
            outcome="completed",
            action=action,
            output=Raw(b'"%s"' % activation.key.encode()),
            taken=tuple(edge.index for edge in decided.taken),
            skipped=tuple(edge.index for edge in decided.skipped),
        )

    def _holds(self, activation: Activation, edge: EdgePlan) -> bool:
        return random.Random(f"{self._seed} {activation.key} {edge.index}").random() < 0.8
