"""Finds values of a run: inputs, names in expressions, gathered lists, context keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from flowcraft import values
from flowcraft.adapter.ports import Ports
from flowcraft.engine.activation import RUN, Activation, item_scope, outer_scope, parse_activation
from flowcraft.engine.cells import INPUT, LAST, PAYLOAD, RECORD
from flowcraft.engine.consequences import CATCH
from flowcraft.engine.inputs import shape_input
from flowcraft.engine.names import (
    Candidate,
    Place,
    is_slot,
    output_place,
    outside_place,
    stand_in,
    walk_path,
)
from flowcraft.engine.record import (
    GatherReference,
    Record,
    decode_reference,
    output_value,
)
from flowcraft.errors import NoOutputError, RunError
from flowcraft.execution.move import Move, RunView
from flowcraft.expressions import MISSING
from flowcraft.ports.store import Load, Loaded

PAGE = 500
"""How many items of a batch are read at once."""


class Reader:
    """Reads values through the ports; plain JSON comes out."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def peek(self, run_id: str, key: str, name: str) -> bytes | None:
        """Read one cell."""
        loaded = await self._ports.load(Load(run_id, "", peeks=((key, name),)))
        return loaded.peeked.get((key, name))

    async def plain(self, run_id: str, stored: bytes) -> bytes:
        """Replace a reference by the list it stands for."""
        reference = decode_reference(stored)
        return stored if reference is None else await self._gathered(run_id, reference)

    async def _gathered(self, run_id: str, reference: GatherReference) -> bytes:
        parts: list[bytes] = []
        async for page in self.pages(run_id, reference):
            parts += page
        return b"[" + b",".join(parts) + b"]"

    async def pages(self, run_id: str, reference: GatherReference) -> AsyncIterator[list[bytes]]:
        """The outputs of a batch's items as JSON, page by page; null for an item without one."""
        scatter = parse_activation(reference.scatter)
        for first in range(0, reference.items, PAGE):
            page = range(first, min(first + PAGE, reference.items))
            keys = [scatter.node + item_scope(scatter.scope, index) for index in page]
            records = await self._ports.read_records(run_id, keys)
            found = [
                self._ports.formats.decode(records[key]) if key in records else None for key in keys
            ]
            yield [
                bytes(record.output)
                if record is not None and record.outcome == "completed"
                else b"null"
                for record in found
            ]

    def batch_in(self, move: Move) -> GatherReference | None:
        """The batch whose results are the activation's whole input, if they are."""
        if move.node.inputs is not None or len(move.node.plan.ins) != 1:
            return None
        stored = move.value_in_hand
        if stored is None:
            stored = next(iter(move.loaded.slots.values()), b"")
        return decode_reference(stored)

    async def input_of(self, move: Move) -> bytes:
        """The activation's input, as plain JSON."""
        run_id, activation = move.run.run_id, move.activation
        if move.is_item:
            return move.loaded.cells.get(INPUT, b"null")
        stands_in = CATCH in (move.member_in_hand, *move.loaded.slots)
        if move.node.inputs is not None and not stands_in:
            return await self._mapped(move, move.node.inputs)
        if move.value_in_hand is not None:
            return await self.plain(run_id, move.value_in_hand)
        slots = {m: await self.plain(run_id, v) for m, v in move.loaded.slots.items()}
        shaped = shape_input(move.node.plan, activation.scope, slots, move.loaded.winner)
        if shaped is not None:
            return shaped
        return move.loaded.peeked.get((RUN, PAYLOAD), b"null")

    async def _mapped(self, move: Move, mapping: dict[str, tuple[Candidate, ...]]) -> bytes:
        if "" in mapping and len(mapping) == 1:
            return values.encode(await self._input_value(move, mapping[""]), what="input")
        found = {key: await self._input_value(move, group) for key, group in mapping.items()}
        return values.encode(found, what="input")

    async def _input_value(self, move: Move, group: tuple[Candidate, ...]) -> Any:
        value = await self.lookup(move, group)
        return None if value is MISSING else value

    async def mapping(self, move: Move, mapping: dict[str, tuple[Candidate, ...]]) -> Any:
        """The values of several names, null where one leads nowhere."""
        return {key: await self._input_value(move, group) for key, group in mapping.items()}

    async def lookup(self, move: Move, group: Sequence[Candidate]) -> Any:
        """The value of a name: the first of its meanings that is there."""
        for candidate in group:
            if candidate.key is not None:
                stored = self._context_value(move, candidate.key)
                if stored is None:
                    continue
                value = values.decode(await self.plain(move.run.run_id, stored))
            else:
                assert candidate.node is not None
                value = await self._output(move, candidate.node)
            return walk_path(value, candidate.path)
        return MISSING

    def _context_value(self, move: Move, key: str) -> bytes | None:
        if key in move.writes:
            return move.writes[key]
        return move.loaded.context.get(key)

    async def _output(self, move: Move, node: str) -> Any:
        """The output of a node, as the activation sees it; null if it has none."""
        place = output_place(move.run.program.plan, move.activation, node)
        if place is None:
            return None
        activation = await self._located(move.run, place)
        if activation is None:
            return None
        data = move.loaded.peeked.get((activation.key, RECORD))
        if data is None:
            data = await self.peek(move.run.run_id, activation.key, RECORD)
        stored = await self.output_of(move.run, activation, data)
        return values.decode(await self.plain(move.run.run_id, stored))

    async def _located(self, run: RunView, place: Place) -> Activation | None:
        """Ask each inner loop for its last iteration."""
        scope = place.scope
        for controller in place.inner:
            last = await self.peek(run.run_id, controller + scope, LAST)
            if last is None:
                return None
            index = int(last) - (controller != place.node)
            if index < 0:
                return None
            scope = f"{scope}/{index}"
        return Activation(place.node, scope)

    async def output_of(self, run: RunView, activation: Activation, data: bytes | None) -> bytes:
        """The stored output of a recorded activation; its stand-in's where it failed."""
        while data is not None:
            record: Record = self._ports.formats.decode(data)
            if record.outcome == "completed":
                return output_value(record)
            if record.outcome != "caught":
                break
            activation = stand_in(run.program.plan, activation)
            data = await self.peek(run.run_id, activation.key, RECORD)
        return b"null"

    async def last_output(
        self, run: RunView, node: str, loaded: Loaded | None = None
    ) -> tuple[bool, bytes]:
        """Whether a node ran, and its stored output; of a loop the last evaluation's.

        Args:
            run: The run, which has ended.
            node: The node.
            loaded: Records of the run that were read since then.

        Returns:
            False for a skipped node.
        """
        activation = await self._located(run, outside_place(run.program.plan, node))
        if activation is None:
            return False, b"null"
        data = loaded.peeked.get((activation.key, RECORD)) if loaded is not None else None
        if data is None:
            data = await self.peek(run.run_id, activation.key, RECORD)
        ran = data is not None and self._ports.formats.decode(data).outcome != "skipped"
        return ran, await self.output_of(run, activation, data)

    async def recorded_output(self, run: RunView, activation: Activation) -> bytes:
        """The stored output of an activation, asked for from outside of the run.

        Args:
            run: The run.
            activation: Without a scope, a node of a loop means its last iteration.

        Raises:
            RunError: There is no such node, or it has no such scope.
            NoOutputError: It has not been recorded, or it failed for good.
        """
        plan = run.program.plan
        if activation.node not in plan.nodes:
            raise RunError(f"run {run.run_id!r} has no node {activation.node!r}")
        found: Activation | None = activation
        if not activation.scope:
            found = await self._located(run, outside_place(plan, activation.node))
        elif not is_slot(plan, activation):
            raise RunError(f"node {activation.node!r} has no scope {activation.scope!r}")
        while found is not None:
            data = await self.peek(run.run_id, found.key, RECORD)
            record = self._ports.formats.decode(data) if data is not None else None
            if record is None:
                break
            if record.outcome == "caught":
                found = stand_in(plan, found)
                continue
            if record.outcome == "failed":
                assert record.error is not None
                raise NoOutputError(
                    f"node {activation.key!r} of run {run.run_id!r} failed, and has no output:"
                    f" {record.error.message}"
                )
            return output_value(record)
        raise NoOutputError(
            f"node {activation.key!r} of run {run.run_id!r} has no output: it has not been recorded"
        )

    async def items_of(self, move: Move) -> int:
        """How many items the batch has that this item, or this gather, belongs to."""
        plan = move.node.plan
        if plan.kind == "gather":
            key = f"{plan.scatter}{move.activation.scope}"
        else:
            key = plan.id + outer_scope(move.activation.scope)
        data = move.loaded.peeked.get((key, RECORD)) or await self.peek(
            move.run.run_id, key, RECORD
        )
        return self._ports.formats.decode(data).items or 0 if data is not None else 0
