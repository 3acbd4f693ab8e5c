"""From what a node did to the record of it: its edges and what they carry."""

from __future__ import annotations

from msgspec import Raw

from flowcraft import values
from flowcraft.blueprint.plan import EdgePlan
from flowcraft.clock import Clock
from flowcraft.engine.program import Program
from flowcraft.engine.record import NULL, ErrorInfo, Record
from flowcraft.engine.routing import Route, route
from flowcraft.errors import ValueNotStorableError
from flowcraft.execution.evaluation import FatalError, error_info
from flowcraft.execution.move import Move
from flowcraft.execution.performing import Performed
from flowcraft.expressions import truthy
from flowcraft.runtime.reading import Reader

_NONE: tuple[int, ...] = ()
_NO_VALUES: dict[int, Raw] = {}


class Recorder:
    """Makes the records of one run."""

    def __init__(self, program: Program, reader: Reader, clock: Clock) -> None:
        self._plan = program.plan
        self._clock = clock
        self._reader = reader

    def completed(self, move: Move, done: Performed) -> Record:
        """The record of a completed activation, with its edges decided.

        Raises:
            FatalError: An expression of an edge failed.
        """
        taken, skipped, carried = move.node.always_takes, _NONE, _NO_VALUES
        items = done.items
        if move.is_item:
            taken, items = _NONE, self._reader.items_of(move)
        elif move.kind == "scatter":
            taken = _NONE
        elif taken is None:
            decided, carried = self._edges(move, done)
            taken = tuple(edge.index for edge in decided.taken)
            skipped = tuple(edge.index for edge in decided.skipped)
        return Record(
            outcome="completed",
            output=NULL if done.gathered is not None else Raw(done.output),
            action=done.action,
            taken=taken,
            skipped=skipped,
            values=carried,
            attempt=move.attempt,
            winner=_winner(move),
            items=items,
            gathered=done.gathered,
            at=self._clock.now(),
        )

    def _edges(self, move: Move, done: Performed) -> tuple[Route, dict[int, Raw]]:
        conditions, transforms = move.node.conditions, move.node.transforms
        evaluator = None
        if conditions or transforms:
            evaluator = self._reader.evaluator(move, done.output, done.action)

        def holds(edge: EdgePlan) -> bool:
            assert evaluator is not None
            return truthy(evaluator(conditions[edge.index], edge))

        decided = route(self._plan, move.activation, done.action, holds)
        carried: dict[int, Raw] = {}
        for edge in decided.taken:
            transform = transforms.get(edge.index)
            if transform is not None and evaluator is not None:
                value = evaluator(transform, edge)
                what = f"transform of edge {edge.index} {edge.source!r} -> {edge.target!r}"
                try:
                    carried[edge.index] = Raw(values.encode(value, what=what))
                except ValueNotStorableError as error:
                    raise FatalError(error_info(move, error)) from error
        return decided, carried

    def caught(self, move: Move, error: ErrorInfo) -> Record:
        """The record of a failed activation for which its fallback stands in."""
        input_ = move.input if move.input is not None else self._reader.input_of(move)
        return Record(
            outcome="caught",
            attempt=move.attempt,
            error=error,
            winner=_winner(move),
            input=Raw(input_),
            at=self._clock.now(),
        )

    def failed(self, move: Move, error: ErrorInfo) -> Record:
        """The record of an activation that failed and has no fallback."""
        return Record(
            outcome="failed",
            attempt=move.attempt,
            error=error,
            winner=_winner(move),
            items=self._reader.items_of(move) if move.is_item else None,
            at=self._clock.now(),
        )


def _winner(move: Move) -> int | None:
    """The edge that started an `any` join."""
    winner = move.loaded.winner
    return int(winner) if winner is not None else None
