"""Performs the nodes that wait without a worker: waits, webhooks, sleeps, subflows.

Each returns None while it waits; a job comes when there is something to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from flowcraft import values
from flowcraft.adapter.adoption import Adopter
from flowcraft.adapter.outcome import decode_failed
from flowcraft.adapter.parts import Parts
from flowcraft.adapter.signals import open_wait, take_signal
from flowcraft.blueprint import duration_seconds
from flowcraft.engine.cells import CHILD, DUE, FAILED
from flowcraft.errors import NodeTimeoutError, ValueNotStorableError
from flowcraft.execution.built_in import check_child, write_output
from flowcraft.execution.limits import child_id
from flowcraft.execution.move import Move, subflow_inputs
from flowcraft.execution.performing import AttemptError, Performed, RunOverError
from flowcraft.status import ParentReference, RunHeader

if TYPE_CHECKING:
    from flowcraft.adapter.runs import Runs


class ChildNote(msgspec.Struct, frozen=True):
    """The child run of an attempt, and since when."""

    run_id: str
    at: float


class Suspensions:
    """Performs suspending nodes."""

    def __init__(self, parts: Parts, adopter: Adopter) -> None:
        self._parts = parts
        self._adopter = adopter

    @property
    def _runs(self) -> Runs:
        return self._parts.runs

    async def run(self, move: Move) -> Performed | None:
        """Perform the activation; None while it waits.

        Raises:
            AttemptError: It failed, or took too long.
            RunOverError: The run ended meanwhile.
        """
        if move.kind == "sleep":
            return await self._sleep(move)
        if move.kind == "subflow":
            return await self._subflow(move)
        if move.kind == "webhook" and move.node.plan.wait is not None:
            return Performed(await self._parts.reader.input_of(move))
        return await self._wait(move)

    # -- sleep

    async def _sleep(self, move: Move) -> Performed | None:
        """The due time is set once; whoever comes early sets the timer again."""
        due = move.loaded.cells.get(DUE)
        if due is None:
            at = self._parts.clock.now() + duration_seconds(move.params["duration"])
            due = await self._parts.note(move, DUE, repr(at).encode())
        left = float(due) - self._parts.clock.now()
        if left > 0:
            await self._parts.send_later(move, left)
            return None
        return Performed(await self._parts.reader.input_of(move))

    # -- wait and webhook

    async def _wait(self, move: Move) -> Performed | None:
        opened_at = await open_wait(self._parts, move)
        signal = await take_signal(self._parts, move)
        if signal is not None:
            return signal
        await self._limit(move, self._since(move, opened_at), "was not resumed")
        return None

    def _since(self, move: Move, first: float) -> float:
        """When the current attempt began."""
        if move.attempt == 1:
            return first
        return decode_failed(move.loaded.cells[f"{FAILED}{move.attempt - 1}"]).not_before

    async def _limit(self, move: Move, since: float, what: str) -> None:
        """Fail an attempt that waits too long; else see to it that somebody looks in time."""
        left = _left_seconds(move, since, self._parts.clock.now(), what)
        if left is not None:
            await self._parts.send_later(move, left)

    # -- subflow

    async def _subflow(self, move: Move) -> Performed | None:
        """Register the child, create it, look at the parent again, then start it."""
        parts = self._parts
        data = move.loaded.cells.get(f"{CHILD}{move.attempt}")
        if data is None:
            named = child_id(move.run.run_id, move.key, move.attempt)
            note = msgspec.json.encode(ChildNote(named, parts.clock.now()))
            await parts.write_down(move)
            data = await self._parts.note(move, f"{CHILD}{move.attempt}", note)
        child_note = msgspec.json.decode(data, type=ChildNote)
        (child,) = await parts.ports.headers([child_note.run_id])
        if child is None:
            child = await self._create(move, child_note.run_id)
        if not child.is_over:
            (parent,) = await parts.ports.headers([move.run.run_id])
            if parent is None or parent.is_over:
                await self._runs.cancel(child_note.run_id)
                raise RunOverError
            # Whoever created the child may have died before it was started, and then the job at
            # hand is as likely a fresh one as that which came back.
            await self._runs.start(
                child_note.run_id, origin="sweep" if move.origin == "sweep" else "edge"
            )
            try:
                await self._limit(move, child_note.at, "did not end")
            except AttemptError:
                await self._runs.cancel(child_note.run_id)
                raise
            return None
        if child.status == "cancelled" and child.ended_at is not None:
            # Who cancelled it because it took too long may have died before that was noted.
            _left_seconds(move, child_note.at, child.ended_at, "did not end")
        return await self._ended(move, child)

    async def _create(self, move: Move, child_id: str) -> RunHeader:
        params, run = move.params, move.run
        move.input = await self._parts.reader.input_of(move)
        mapping = subflow_inputs(run.program, params)
        payload: Any = values.decode(move.input)
        if mapping:
            payload = await self._parts.reader.mapping(move, mapping)
        parent = ParentReference(run.run_id, move.key, move.attempt)
        before = await self._child_before(move)
        try:
            return await self._runs.create_child(
                run.header, str(params["blueprintId"]), child_id, payload, parent, before=before
            )
        except ValueNotStorableError as error:
            raise AttemptError(error, is_retryable=False) from error

    async def _child_before(self, move: Move) -> str | None:
        """The last child that the retried run had here; a first attempt goes on from it."""
        if move.run.header.retry_of is None or move.attempt > 1:
            return None
        found = await self._adopter.before(move)
        cells = found.loaded.cells if found is not None else {}
        children = [name for name in cells if name.startswith(CHILD)]
        if not children:
            return None
        last = max(children, key=lambda name: int(name.removeprefix(CHILD)))
        return msgspec.json.decode(cells[last], type=ChildNote).run_id

    async def _ended(self, move: Move, child: RunHeader) -> Performed:
        check_child(
            move,
            blueprint_id=child.blueprint_id,
            run_id=child.run_id,
            status=child.status,
            error=child.error,
        )
        result = await self._runs.result_of(child.run_id)
        outputs = move.params.get("outputs") or {}
        for parent_key, child_name in outputs.items():
            value = await self._runs.named_value(child.run_id, child_name)
            write_output(move, parent_key, value)
        what = f"output of subflow {move.activation.node!r}"
        output = values.encode(result.output, what=what, limit_bytes=self._parts.largest_value)
        return Performed(output)


def _left_seconds(move: Move, since: float, now: float, what: str) -> float | None:
    """How much is left of an attempt's time; None if it has no limit.

    Raises:
        AttemptError: Nothing is left.
    """
    timeout_ms = move.config.timeout_ms
    if timeout_ms is None:
        return None
    left = since + timeout_ms / 1000 - now
    if left <= 0:
        late = NodeTimeoutError(f"node {move.activation.node!r} {what} within {timeout_ms:g} ms")
        raise AttemptError(late, is_retryable=True)
    return left
