"""From what a node did to a record: its edges, its values, its next attempt."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec import Raw

from flowcraft import values
from flowcraft.adapter.ports import Ports
from flowcraft.adapter.reader import Reader
from flowcraft.blueprint.plan import EdgePlan
from flowcraft.clock import Clock
from flowcraft.engine import attempts
from flowcraft.engine.cells import FAILED, RECORD
from flowcraft.engine.consequences import Cell
from flowcraft.engine.record import NULL, ErrorInfo, Record
from flowcraft.engine.routing import route
from flowcraft.errors import FlowcraftError, RetryAfter
from flowcraft.execution.evaluation import (
    CATCH_ERROR,
    Evaluator,
    FatalError,
    edge_name,
    error_info,
)
from flowcraft.execution.limits import passed_over
from flowcraft.execution.move import Move
from flowcraft.expressions import truthy
from flowcraft.ports.store import Commit


class FailedAttempt(msgspec.Struct, frozen=True):
    """What is noted of a failed attempt: when the next one may start, and who noted it."""

    not_before: float
    failed_at: float
    via: str
    token: str
    error: ErrorInfo


def decode_failed(data: bytes) -> FailedAttempt:
    """Read the note of a failed attempt."""
    return msgspec.json.decode(data, type=FailedAttempt)


class Outcomes:
    """Builds the commits of an activation."""

    def __init__(
        self, ports: Ports, reader: Reader, clock: Clock, largest_value: int | None
    ) -> None:
        self._largest_value = largest_value
        self._ports = ports
        self._reader = reader
        self._clock = clock

    # -- success

    async def completed(
        self,
        move: Move,
        output: bytes,
        action: str | None,
        *,
        items: int | None = None,
        gathered: str | None = None,
    ) -> tuple[Record, Commit]:
        """The record of a completed activation, with its edges decided.

        Raises:
            FatalError: An expression of an edge failed.
        """
        record = Record(
            outcome="completed",
            output=NULL if gathered is not None else Raw(output),
            action=action,
            attempt=move.attempt,
            via=move.via,
            token=move.token,
            winner=_winner(move),
            items=items,
            gathered=gathered,
            taken=move.node.always_takes or (),
            at=self._clock.now(),
        )
        if move.node.always_takes is None and move.node.plan.kind != "scatter":
            record = await self._with_edges(move, record, output, action)
        return record, self._commit(move, record)

    async def _with_edges(
        self, move: Move, record: Record, output: bytes, action: str | None
    ) -> Record:
        plan, activation = move.run.program.plan, move.activation
        evaluator: Evaluator | None = None
        if move.node.conditions or move.node.transforms:
            evaluator = await self.evaluator(move, output, action)
        conditions = move.node.conditions

        def holds(edge: EdgePlan) -> bool:
            assert evaluator is not None
            return truthy(evaluator(conditions[edge.index], edge))

        decided = route(plan, activation, action, holds)
        carried: dict[int, Raw] = {}
        for edge in decided.taken:
            transform = move.node.transforms.get(edge.index)
            if transform is not None and evaluator is not None:
                value = evaluator(transform, edge)
                carried[edge.index] = Raw(
                    self._encode(move, value, f"transform of {edge_name(edge)}")
                )
        return msgspec.structs.replace(
            record,
            taken=tuple(edge.index for edge in decided.taken),
            skipped=tuple(edge.index for edge in decided.skipped),
            values=carried,
        )

    async def evaluator(self, move: Move, output: bytes, action: str | None) -> Evaluator:
        """What the activation's expressions see: its result, and the names that they read."""
        found = {name: await self._reader.lookup(move, group)
                 for name, group in move.node.reads.items()}  # fmt: skip
        plain = await self._reader.plain(move.run.run_id, output)
        return Evaluator(move, values.decode(plain), action, found)

    def _encode(self, move: Move, value: Any, what: str) -> bytes:
        try:
            return values.encode(value, what=what, limit_bytes=self._largest_value)
        except FlowcraftError as error:
            raise FatalError(error_info(move, error)) from error

    def _commit(self, move: Move, record: Record) -> Commit:
        guard = Cell(move.key, RECORD, self._ports.formats.encode(record))
        return Commit(move.run.run_id, guard, context=move.writes)

    # -- failure

    def fatal(self, move: Move, error: ErrorInfo) -> tuple[Record, Commit]:
        """The record of an activation that fails its run; the status goes with it."""
        record = Record(
            outcome="failed", attempt=move.attempt, via=move.via, token=move.token,
            winner=_winner(move), error=error, at=self._clock.now(),
        )  # fmt: skip
        guard = Cell(move.key, RECORD, self._ports.formats.encode(record))
        return record, Commit(move.run.run_id, guard, ends=("failed", error))

    def passed_over(self, move: Move, error: ErrorInfo, items: int) -> tuple[Record, Commit]:
        """The record of a failed item that its batch goes on past."""
        record = Record(
            outcome="failed", attempt=move.attempt, via=move.via, token=move.token,
            error=error, items=items, at=self._clock.now(),
        )  # fmt: skip
        guard = Cell(move.key, RECORD, self._ports.formats.encode(record))
        return record, Commit(move.run.run_id, guard, context=passed_over(move.key, error))

    def caught(self, move: Move, error: ErrorInfo, input_: bytes) -> tuple[Record, Commit]:
        """The record of a failed activation for which its fallback stands in."""
        record = Record(
            outcome="caught", attempt=move.attempt, via=move.via, token=move.token,
            winner=_winner(move), error=error, input=Raw(input_), at=self._clock.now(),
        )  # fmt: skip
        guard = Cell(move.key, RECORD, self._ports.formats.encode(record))
        note = {CATCH_ERROR: msgspec.json.encode(msgspec.to_builtins(error))}
        return record, Commit(move.run.run_id, guard, context=note)

    def retried(
        self, move: Move, error: BaseException, *, delay_ms: float
    ) -> tuple[FailedAttempt, Commit]:
        """The note of a failed attempt after which another one comes.

        Args:
            move: The activation.
            error: Why it failed.
            delay_ms: The delay after a first attempt; it doubles with each further one.
        """
        now = self._clock.now()
        if isinstance(error, RetryAfter) and math.isfinite(error.delay_seconds):
            delay = max(0.0, error.delay_seconds)
        else:
            config = msgspec.structs.replace(move.config, retry_delay_ms=delay_ms)
            delay = attempts.delay_seconds(config, move.attempt, chance=self._clock.chance())
        note = FailedAttempt(now + delay, now, move.via, move.token, error_info(move, error))
        guard = Cell(move.key, f"{FAILED}{move.attempt}", msgspec.json.encode(note))
        return note, Commit(move.run.run_id, guard, absent=(move.key, RECORD))


def _winner(move: Move) -> int | None:
    """The edge that started the activation, where it is an `any` join."""
    return int(move.loaded.winner) if move.loaded.winner is not None else None
