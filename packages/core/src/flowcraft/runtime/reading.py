"""Finds values of a run in this process: inputs, names, outputs, gathered lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowcraft import values
from flowcraft.engine.activation import (
    Activation,
    item_index,
    item_scope,
    outer_scope,
    parse_activation,
)
from flowcraft.engine.cells import LAST
from flowcraft.engine.consequences import CATCH
from flowcraft.engine.inputs import shape_input
from flowcraft.engine.names import (
    Candidate,
    Place,
    input_candidates,
    output_place,
    outside_place,
    stand_in,
    walk_path,
)
from flowcraft.engine.record import GatherReference, decode_reference, output_value
from flowcraft.execution.evaluation import Evaluator
from flowcraft.execution.limits import split_errors
from flowcraft.execution.move import Move
from flowcraft.expressions import MISSING
from flowcraft.runtime.state import RunState

Names = Mapping[str, Sequence[Candidate]]


class Reader:
    """Reads the values of one run; stored values in, plain JSON or Python values out."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._plan = state.program.plan

    # -- stored values

    def plain(self, stored: bytes) -> bytes:
        """Replace a reference by the list it stands for."""
        reference = decode_reference(stored)
        return stored if reference is None else self._gathered(reference)

    def _gathered(self, reference: GatherReference) -> bytes:
        scatter = parse_activation(reference.scatter)
        records = self._state.records
        parts: list[bytes] = []
        for index in range(reference.items):
            record = records.get(scatter.node + item_scope(scatter.scope, index))
            done = record is not None and record.outcome == "completed"
            parts.append(bytes(record.output) if done and record is not None else b"null")
        return b"[" + b",".join(parts) + b"]"

    def output_of(self, activation: Activation) -> bytes:
        """The stored output of an activation; its stand-in's where it failed."""
        record = self._state.records.get(activation.key)
        while record is not None and record.outcome == "caught":
            activation = stand_in(self._plan, activation)
            record = self._state.records.get(activation.key)
        if record is None or record.outcome != "completed":
            return b"null"
        return output_value(record)

    # -- inputs

    def input_of(self, move: Move) -> bytes:
        """The input of an activation, as plain JSON."""
        if move.is_item:
            scatter = move.node.plan.id + outer_scope(move.activation.scope)
            index = item_index(move.activation.scope)
            assert index is not None
            return self._state.batches[scatter][index]
        if move.node.inputs is not None and move.member_in_hand != CATCH:
            return values.encode(self.mapping(move, move.node.inputs), what="input")
        if move.value_in_hand is not None:
            return self.plain(move.value_in_hand)
        slots = {member: self.plain(value) for member, value in move.loaded.slots.items()}
        shaped = shape_input(move.node.plan, move.activation.scope, slots, move.loaded.winner)
        return self._state.payload if shaped is None else shaped

    def mapping(self, move: Move, names: Names) -> Any:
        """The values of several names, or the bare value of one that is called `""`."""
        if "" in names and len(names) == 1:
            return self._null_if_missing(move, names[""])
        return {key: self._null_if_missing(move, group) for key, group in names.items()}

    def _null_if_missing(self, move: Move, group: Sequence[Candidate]) -> Any:
        value = self.lookup(move, group)
        return None if value is MISSING else value

    # -- names

    def snapshot(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What the context holds now at these keys."""
        context = self._state.context
        return {key: context[key] for key in keys if key in context}

    def lookup(self, move: Move, group: Sequence[Candidate]) -> Any:
        """The value of a name: the first of its meanings that is there.

        Context keys are read as they were when the activation was loaded, below its own writes.
        """
        context = {**move.loaded.context, **move.writes}
        plan, activation = self._plan, move.activation
        return self._first(group, context, lambda node: output_place(plan, activation, node))

    def _first(
        self,
        group: Sequence[Candidate],
        context: Mapping[str, bytes | None],
        place_of: Callable[[str], Place | None],
    ) -> Any:
        for candidate in group:
            if candidate.node is not None:
                activation = self._located(place_of(candidate.node))
                stored = b"null" if activation is None else self.output_of(activation)
            else:
                assert candidate.key is not None
                found = context.get(candidate.key)
                if found is None:
                    continue
                stored = found
            return walk_path(values.decode(self.plain(stored)), candidate.path)
        return MISSING

    def _located(self, place: Place | None) -> Activation | None:
        """Ask each inner loop for its last iteration, and a controller for its last evaluation."""
        if place is None:
            return None
        scope = place.scope
        for controller in place.inner:
            last = self._state.cells.get((controller + scope, LAST))
            index = -1 if last is None else int(last) - (controller != place.node)
            if index < 0:
                return None
            scope = f"{scope}/{index}"
        return Activation(place.node, scope)

    def evaluator(self, move: Move, output: bytes, action: str | None) -> Evaluator:
        """What the expressions of an activation see: its result, and the names they read."""
        found = {name: self.lookup(move, group) for name, group in move.node.reads.items()}
        return Evaluator(move, values.decode(self.plain(output)), action, found)

    # -- batches

    def items_of(self, move: Move) -> int:
        """How many items the batch has that this item, or this gather, belongs to."""
        plan, scope = move.node.plan, move.activation.scope
        key = f"{plan.scatter}{scope}" if plan.kind == "gather" else plan.id + outer_scope(scope)
        record = self._state.records.get(key)
        return (record.items or 0) if record is not None else 0

    # -- ended runs

    def run_output(self) -> Any:
        """The output of a completed run."""
        sinks = self._plan.sinks
        found: dict[str, Any] = {}
        for sink in sinks:
            activation = self._located(outside_place(self._plan, sink))
            assert activation is not None
            record = self._state.records.get(activation.key)
            if len(sinks) == 1 or (record is not None and record.outcome != "skipped"):
                found[sink] = values.decode(self.plain(self.output_of(activation)))
        return found[sinks[0]] if len(sinks) == 1 else found

    def named(self, name: str) -> bytes:
        """What a name means in an ended run, as JSON: a node's output or a context key."""
        group = input_candidates(name, self._plan.nodes)
        value = self._first(
            group, self._state.context, lambda node: outside_place(self._plan, node)
        )
        return values.encode(None if value is MISSING else value, what=name)

    def whole_context(self) -> dict[str, Any]:
        """All context keys, as values."""
        context, _ = split_errors(self._state.context)
        return {key: values.decode(self.plain(stored)) for key, stored in context.items()}
