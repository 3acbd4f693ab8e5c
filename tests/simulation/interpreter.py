"""The reference interpreter: what follows from the records of a run made so far.

It knows no queue, no store, no time and no engine. A `Walk` holds the records and the
activations that are `ready`; `predict.py` says what record one of them must get, and `apply`
takes a record as made and works out what becomes ready by it. Whoever drives it decides the order
and what order decides (`Choices`): `play.py` by dice, `check.py` by looking at an observed run.
An activation whose record was not made leads nowhere, so everything after it stays possible and
is not required.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.case import BlueprintJson, Signal
from tests.simulation.facts import Facts
from tests.simulation.predict import Prediction
from tests.simulation.reading import Readings
from tests.simulation.records import Choices, Ready, Record


class Walk:
    """One run of a blueprint, from its start to as far as its driver takes it.

    Attributes:
        ready: Activations to predict; the driver removes what it takes.
        records: Those applied, by key.
        results: By node and place, the record that resolved it: its own or its stand-in's.
        awaited: Node and place of each sink that the end of the run waits for.
        failure: The record that failed the run.
    """

    def __init__(
        self,
        *,
        blueprint: BlueprintJson,
        blueprints: Mapping[str, BlueprintJson],
        payload: Any,
        signals: Sequence[Signal],
        path: str = "",
    ) -> None:
        self.facts = Facts(blueprint)
        self.blueprints = blueprints
        self.payload = payload
        self.signals = signals
        self.path = path
        self.ready: list[Ready] = []
        self.records: dict[str, Record] = {}
        self.results: dict[str, Record] = {}
        self.awaited = list(self.facts.sinks)
        self.failure: Record | None = None
        self.arrived: dict[str, dict[int, tuple[bool, Any, int]]] = {}
        self.pending_any: dict[str, Ready] = {}
        self._won: set[str] = set()
        self._items_left: dict[str, int] = {}
        self.readings = Readings(self)
        for name in self.facts.starts:
            self.ready.append(self._at(name, "", 0))

    def predict(self, ready: Ready, choices: Choices) -> Record | None:
        """Say what record this activation gets; None if what decides it has not happened."""
        return Prediction(self, choices).record(ready)

    def child(self, blueprint_id: str, *, payload: Any, node: str) -> Walk:
        """Give the start of a child run of the subflow `node`."""
        return Walk(
            blueprint=self.blueprints[blueprint_id],
            blueprints=self.blueprints,
            payload=payload,
            signals=self.signals,
            path=f"{self.path}{node}/",
        )

    def apply(self, record: Record) -> None:
        """Take a record as made: deliver its edges and find what is ready now."""
        ready = record.ready
        record.bit = 1 << len(self.records)
        self.records[ready.key] = record
        self.readings.wrote(record)
        after = ready.before | record.bit
        if record.fatal:
            self.failure = self.failure or record
        elif ready.item is not None:
            self._item_done(record, after)
        elif record.outcome == "caught":
            self._stand_in(record, after)
        else:
            self._resolve(record, after)

    def _resolve(self, record: Record, after: int) -> None:
        ready = record.ready
        continuing = self.facts.begins(ready.node, record.action)
        if continuing:
            self.awaited += [name + ready.scope for name in self.facts.body_sinks[ready.node]]
        else:
            for name in ready.names:
                self.results[name + ready.place] = record
        for edge in sorted(record.taken.keys() | record.skipped):
            place = ready.scope if continuing else ready.place
            arrival = (edge in record.taken, record.taken.get(edge), after)
            self._arrive(edge, place, arrival)
        if self.facts.kinds[ready.node] == "scatter" and record.outcome == "completed":
            self._begin_items(record, after)
        self._spare_fallback(ready.node, ready, after)

    def _arrive(self, edge: int, place: str, arrival: tuple[bool, Any, int]) -> None:
        target = self.facts.edges[edge]["target"]
        iteration = 0
        if self.facts.is_back(edge):
            place, _, last = place.rpartition("/")
            iteration = int(last) + 1
        ready = self._at(target, place, iteration)
        shape = self.facts.entering(target, again=iteration > 0)
        slots = self.arrived.setdefault(ready.key, {})
        slots[edge] = arrival
        if self.facts.config(target).get("joinStrategy", "all") == "any" and any(
            taken for taken, _, _ in slots.values()
        ):
            if ready.key not in self._won:
                self.pending_any[ready.key] = ready
            return
        if len(slots) == len(shape):
            for index, (taken, value, before) in slots.items():
                ready.before |= before
                if taken:
                    ready.values[index] = value
            ready.skipped = not ready.values
            self.ready.append(ready)

    def decide_joins(self, choices: Choices) -> None:
        """Make the `any` joins ready whose winner is known."""
        for key, ready in list(self.pending_any.items()):
            for edge, (taken, value, before) in self.arrived[key].items():
                among = len(self.facts.entering(ready.node, again=ready.iteration > 0))
                if taken and choices.wins(key, edge, among):
                    del self.pending_any[key]
                    self._won.add(key)
                    self.ready.append(
                        replace(ready, before=before, values={edge: value}, winner=edge)
                    )
                    break

    def _at(self, name: str, place: str, iteration: int) -> Ready:
        scope = f"{place}/{iteration}" if self.facts.kinds[name] == "loop" else place
        return Ready(key=name + scope, node=name, scope=scope, place=place, names=(name,))

    def _begin_items(self, record: Record, after: int) -> None:
        items = record.output
        self._items_left[record.ready.key] = len(items)
        lanes = self.facts.params(record.ready.node).get("chunkSize", 100)
        for index in range(min(lanes, len(items))):
            self._begin_item(record, index, after)
        if not items:
            self._arrive(
                self.facts.outs[record.ready.node][0], record.ready.place, (True, [], after)
            )

    def _begin_item(self, scatter: Record, index: int, before: int) -> None:
        scope = f"{scatter.ready.place}/#{index}"
        self.ready.append(
            Ready(
                key=scatter.ready.node + scope,
                node=scatter.ready.node,
                scope=scope,
                place=scatter.ready.place,
                names=(),
                before=before,
                item=index,
                given=[scatter.output[index]],
            )
        )

    def _item_done(self, record: Record, after: int) -> None:
        ready = record.ready
        scatter = self.records[ready.node + ready.place]
        assert ready.item is not None
        following = ready.item + self.facts.params(ready.node).get("chunkSize", 100)
        if following < len(scatter.output):
            self._begin_item(scatter, following, after)
        self._items_left[scatter.ready.key] -= 1
        if not self._items_left[scatter.ready.key]:
            for index in range(len(scatter.output)):
                item = self.records[f"{ready.node}{ready.place}/#{index}"]
                after |= item.ready.before | item.bit
            self._arrive(self.facts.outs[ready.node][0], ready.place, (True, None, after))

    def _stand_in(self, record: Record, after: int) -> None:
        ready = record.ready
        fallback = self.facts.fallback[ready.node]
        shared = len(self.facts.serves[fallback]) > 1
        scope = f"{ready.scope}/!{ready.node}" if shared else ready.scope
        self.ready.append(
            Ready(
                key=fallback + scope,
                node=fallback,
                scope=scope,
                place=ready.place,
                names=(*ready.names, fallback),
                before=after,
                given=[record.input],
            )
        )

    def _spare_fallback(self, name: str, ready: Ready, after: int) -> None:
        fallback = self.facts.fallback.get(name)
        if fallback is None or len(self.facts.serves[fallback]) > 1:
            return
        if not self.facts.outs[fallback]:
            self._spare_fallback(fallback, ready, after)
            return
        spared = self._at(fallback, ready.scope, 0)
        self.ready.append(replace(spared, place=ready.place, before=after, skipped=True))

    def unresolved(self) -> list[str]:
        """Name the sinks that the end of the run still waits for."""
        return [key for key in self.awaited if key not in self.results]

    def output(self) -> Any:
        """Give the run's output, once nothing is unresolved."""
        ran = {
            name: self.results[name].output
            for name in self.facts.sinks
            if self.results[name].outcome == "completed"
        }
        if len(self.facts.sinks) == 1:
            return ran.get(self.facts.sinks[0])
        return ran
