"""Handles one message: one activation, and those that it goes on to under it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from flowcraft.adapter.mover import Answer, Mover, beaten
from flowcraft.adapter.parts import Parts, timer_job
from flowcraft.engine.activation import Activation, parse_activation
from flowcraft.engine.cells import RECORD
from flowcraft.engine.names import is_slot
from flowcraft.engine.program import Program
from flowcraft.engine.record import ErrorInfo
from flowcraft.errors import (
    BackendError,
    BlueprintError,
    ExpressionError,
    MalformedMessageError,
    UnknownBlueprintError,
)
from flowcraft.execution.move import RunView, load_for, new_move
from flowcraft.ports.contract import JobPayload, decode_job
from flowcraft.ports.queue import Delivery
from flowcraft.ports.store import End, Load, Loaded
from flowcraft.ports.transition import Target

logger = logging.getLogger(__name__)


class Found(NamedTuple):
    """A run and what was loaded for an activation of it."""

    run: RunView
    loaded: Loaded


def _has(program: Program, activation: Activation) -> bool:
    return not activation.node or is_slot(program.plan, activation)


OnMove = Callable[[str, int], None]


def _ignore(activation: str, attempt: int) -> None:
    del activation, attempt


class Handler:
    """Handles messages; raises only what says that the backend is not there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._mover = Mover(parts)

    async def handle(self, delivery: Delivery, on_move: OnMove = _ignore) -> Answer:
        """Do what a message asks for; say how to answer it.

        Args:
            delivery: The message.
            on_move: Told of every activation that is moved under it.

        Raises:
            BackendUnavailableError: Nothing was lost; the message must come back.
            NewerFormatError: It is left to a newer worker, and must come back as well.
        """
        try:
            job = decode_job(delivery.body)
        except MalformedMessageError as error:
            return await self._bury(delivery, str(error))
        self._parts.ports.formats.check_job(job)
        activation = Activation(job.node_id, job.scope)
        if delivery.is_redelivered:
            what = {"run": job.run_id, "node": job.node_id, "scope": job.scope}
            logger.info("redelivered", extra=what)
        try:
            found = await self._find(job, activation)
        except ExpressionError as error:
            # This worker lacks a function that the blueprint calls; another one may have it.
            delay = await self._parts.patience(job.run_id, job.activation, None)
            if delay is None:
                return await self._cannot_be_handled(delivery, job, error)
            await self._parts.wake_later(job, delay)
            return "ack"
        except (KeyError, ValueError, BlueprintError, UnknownBlueprintError) as error:
            return await self._cannot_be_handled(delivery, job, error)
        if found is None:
            if not job.node_id or job.origin != "edge":
                # Sent by who knew the run, to look at it later: it was purged since.
                return "ack"
            return await self._bury(delivery, f"no run {job.run_id!r}")
        run, loaded = found
        if run.header.is_over or await self._is_late(run):
            if not run.header.is_announced:
                await self._parts.runs.announce(run.run_id)
            return "ack"
        if not job.node_id:
            await self._parts.runs.await_deadline(run)
            return "ack"
        early = run.header.starts_in(self._parts.clock.now())
        if early > 0:  # nothing of it starts before its time, whoever sent this
            await self._parts.wake_later(job, early)
            return "ack"
        record = loaded.cells.get(RECORD)
        if record is not None:
            return await self._repeat(run, activation, record)
        return await self._chain(delivery, job, found, activation, on_move)

    async def _find(self, job: JobPayload, activation: Activation) -> Found | None:
        """Load the run and the activation, in one read if its blueprint is known here."""
        parts = self._parts
        program = parts.programs.known(job.blueprint_hash)
        if program is not None and not _has(program, activation):
            program = None  # what the run says of its blueprint decides
        load = self._load(program, job.run_id, activation) if program else Load(job.run_id, "")
        loaded = await parts.ports.load(load)
        if loaded.header is None:
            return None
        if program is None or job.blueprint_hash != loaded.header.blueprint_hash:
            program = await parts.programs.get(loaded.header.blueprint_hash)
            if not _has(program, activation):
                raise ValueError(f"the blueprint has no activation {activation.key!r}")
            loaded = await parts.ports.load(self._load(program, job.run_id, activation))
        header = loaded.header
        return Found(parts.run_of(header, program), loaded) if header is not None else None

    @staticmethod
    def _load(program: Program, run_id: str, activation: Activation) -> Load:
        if not activation.node:
            return Load(run_id, "")
        return load_for(program, run_id, activation)

    async def _cannot_be_handled(
        self, delivery: Delivery, job: JobPayload, error: Exception
    ) -> Answer:
        """A message of a known run that means nothing fails the run, and is a dead letter."""
        why = f"{type(error).__name__}: {error}"
        info = ErrorInfo(
            node=job.node_id, scope=job.scope, type="MalformedMessageError",
            message=f"a job for {job.activation!r} cannot be handled: {why}",
        )  # fmt: skip
        now = self._parts.clock.now()
        try:
            header = await self._parts.ports.finish(End(job.run_id, "failed", info, now))
            if header is not None:
                await self._parts.runs.announce(job.run_id)
        except BackendError:
            raise
        except Exception:
            # The run itself cannot be read: its message would come back for ever.
            logger.exception("a run could not be failed", extra={"run": job.run_id})
        return await self._bury(delivery, info.message)

    async def _bury(self, delivery: Delivery, reason: str) -> Answer:
        """Make a message a dead letter; one that we do not hold is at least spoken of."""
        logger.warning("dead letter", extra={"reason": reason})
        if delivery.handle is None:
            return "ack"
        await self._parts.ports.queue.bury([delivery], reason)
        return "acked"

    async def _is_late(self, run: RunView) -> bool:
        """End a run whose deadline is over."""
        return await self._parts.runs.end_if_late(run.header)

    async def _repeat(self, run: RunView, activation: Activation, data: bytes) -> Answer:
        """The message came back: draw the consequences of its record again."""
        record = self._parts.ports.formats.decode(data)
        followed = await self._parts.walker.repeat(
            run, [(activation, record)], via=activation.key, token=self._parts.token()
        )
        if followed.is_over or record.outcome == "failed":
            await self._parts.runs.announce(run.run_id)
        return "ack"

    async def _chain(
        self,
        delivery: Delivery,
        job: JobPayload,
        found: Found,
        activation: Activation,
        on_move: OnMove,
    ) -> Answer:
        """Move the activation, and go on to one ready successor after another."""
        parts, options = self._parts, self._parts.options
        run, loaded = found
        via, token = activation.key, parts.token()
        is_counted = delivery.is_redelivered or job.origin in ("sweep", "timer")
        until = parts.clock.monotonic() + options.continue_seconds
        left = 0 if is_counted else options.continue_nodes
        move = new_move(
            run, activation, loaded, via=via, token=token, is_counted=is_counted,
            origin=job.origin,
        )  # fmt: skip
        lease = loaded.lease
        if move.kind == "function" and lease is not None and lease.attempt == move.attempt:
            left_seconds = lease.until - parts.clock.now()
            if left_seconds > 0:
                # Another worker is at it: this message waits until its word is over. What is
                # sent in its place counts as a delivery, so that a killer is found out.
                wait = min(left_seconds, parts.ports.queue.lease_seconds)
                await parts.wake_later(timer_job(job), wait)
                return "ack"
        while True:
            on_move(move.key, move.attempt)
            goes_on = left > 0 and parts.clock.monotonic() < until
            ack = delivery if delivery.handle is not None else None
            moved = await self._mover.move(move, hold=int(goes_on), ack=ack)
            if moved.is_over and (moved.answer == "ack" or parts.telling.is_heard):
                await parts.runs.announce(run.run_id)
            if moved.next is None:
                return moved.answer
            left -= 1
            activation = parse_activation(moved.next.arrival.target)
            loaded = await self._load_next(run, activation, moved.next)
            if loaded.header is None or loaded.header.is_over:
                await parts.runs.announce(run.run_id)
                return "ack"
            in_hand = moved.next.arrival if moved.next.arrival.need == 1 else None
            move = new_move(
                run, activation, loaded, via=via, token=token, is_counted=False,
                value_in_hand=in_hand.value if in_hand else None,
                member_in_hand=in_hand.member if in_hand else "",
            )  # fmt: skip
            record = loaded.cells.get(RECORD)
            if record is not None:
                return beaten(move, record).answer

    async def _load_next(self, run: RunView, activation: Activation, target: Target) -> Loaded:
        """Read what the next activation needs; nothing where its value is all it needs."""
        node = run.program.nodes[activation.node]
        if node.is_self_contained and target.arrival.need == 1:
            return Loaded(run.header)
        return await self._parts.ports.load(load_for(run.program, run.run_id, activation))
