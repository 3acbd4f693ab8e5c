"""Moves one activation forward: the path of a node from its input to its record.

    load -> execute -> commit -> follow

What a node of each kind does is in `functions.py` and `suspensions.py`; here is what they
share: attempts, failures, and the answer that the message gets.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Literal

import msgspec

from flowcraft.adapter.adoption import Adopter
from flowcraft.adapter.deliveries import Deliveries
from flowcraft.adapter.functions import Functions
from flowcraft.adapter.outcome import decode_failed
from flowcraft.adapter.parts import Parts
from flowcraft.adapter.suspensions import Suspensions
from flowcraft.adapter.walk import Followed
from flowcraft.engine import attempts
from flowcraft.engine.cells import FAILED
from flowcraft.engine.record import Record
from flowcraft.errors import BackendError, ValueNotStorableError
from flowcraft.execution.evaluation import FatalError, error_info
from flowcraft.execution.move import Move
from flowcraft.execution.performing import (
    AttemptError,
    BeatenError,
    HandBackError,
    Performed,
    RunOverError,
)
from flowcraft.ports.queue import Delivery
from flowcraft.ports.store import Commit
from flowcraft.ports.transition import Target

logger = logging.getLogger(__name__)

Answer = Literal["ack", "acked", "keep"]
"""Acknowledge the message; it went with the last step; leave it to come back."""


@dataclass(slots=True)
class Moved:
    """What became of an activation: an answer for the message, or a target to go on with."""

    answer: Answer = "ack"
    next: Target | None = None
    is_over: bool = False


class Author(msgspec.Struct, frozen=True):
    """Who wrote a record or the note of a failed attempt."""

    via: str = ""
    token: str = ""


class Mover:
    """Moves activations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._deliveries = Deliveries(parts)
        self._functions = Functions(parts, self._deliveries)
        self._adopter = Adopter(parts)
        self._suspensions = Suspensions(parts, self._adopter)

    async def move(self, move: Move, *, hold: int, ack: Delivery | None) -> Moved:
        """Run an activation that has no record, as far as it can go now.

        Args:
            move: The activation.
            hold: How many ready successors to hand back instead of sending them.
            ack: The message, where the last step may acknowledge it.
        """
        try:
            return await self._move(move, hold=hold, ack=ack)
        except (BackendError, asyncio.CancelledError):
            await self._deliveries.take_back(move)
            raise

    async def _move(self, move: Move, *, hold: int, ack: Delivery | None) -> Moved:
        try:
            if move.attempt > 1 and await self._is_early(move):
                return Moved()
            outcome = await self._outcome(move)
            if outcome is None:
                await self._parts.write_down(move)
                return Moved()
            record, commit = outcome
        except FatalError as error:
            record, commit = self._parts.outcomes.fatal(move, error.info)
        except HandBackError as error:
            await self._parts.send_later(move, error.delay_seconds)
            return Moved()
        except RunOverError:
            return Moved(is_over=True)
        except BeatenError as error:
            return beaten(move, error.record)
        except AttemptError as error:
            return await self._failed(move, error, hold=hold, ack=ack)
        except ValueNotStorableError as error:
            failure = AttemptError(error, is_retryable=False)
            return await self._failed(move, failure, hold=hold, ack=ack)
        return await self._settle(move, record, commit, hold=hold, ack=ack)

    async def _outcome(self, move: Move) -> tuple[Record, Commit] | None:
        """Adopt the record of the run that is retried, or perform it; None while it waits."""
        if move.run.header.retry_of is not None and move.attempt == 1:
            adopted = await self._adopter.adopt(move)
            if adopted is not None:
                return adopted
        done = await self._perform(move)
        if done is None:
            return None
        items = await self._parts.reader.items_of(move) if move.is_item else done.items
        return await self._parts.outcomes.completed(
            move, done.output, done.action, items=items, gathered=done.gathered
        )

    async def _perform(self, move: Move) -> Performed | None:
        if move.kind in ("wait", "webhook", "sleep", "subflow"):
            return await self._suspensions.run(move)
        return await self._functions.run(move)

    async def _is_early(self, move: Move) -> bool:
        """Whether the attempt must wait still; then a job is sent for when it need not."""
        failed = decode_failed(move.loaded.cells[f"{FAILED}{move.attempt - 1}"])
        wait = failed.not_before - self._parts.clock.now()
        if wait <= 0:
            return False
        await self._parts.send_later(move, wait)
        return True

    async def _failed(
        self, move: Move, failure: AttemptError, *, hold: int, ack: Delivery | None
    ) -> Moved:
        """Another attempt, the fallback, the next item, or the end of the run."""
        outcomes = self._parts.outcomes
        info = error_info(move, failure.error)
        if attempts.may_retry(move.config, move.attempt, retryable=failure.is_retryable):
            return await self._retry(move, failure.error, hold=hold, ack=ack)
        if move.node.plan.fallback is not None:
            if move.input is None:
                move.input = await self._parts.reader.input_of(move)
            record, commit = outcomes.caught(move, info, move.input)
        elif move.is_item and move.node.goes_on_past_failed_items:
            items = await self._parts.reader.items_of(move)
            record, commit = outcomes.passed_over(move, info, items)
        else:
            record, commit = outcomes.fatal(move, info)
        return await self._settle(move, record, commit, hold=hold, ack=ack)

    async def _retry(
        self, move: Move, error: BaseException, *, hold: int, ack: Delivery | None
    ) -> Moved:
        """Note the failed attempt; only who noted it decides when the next one comes."""
        delay_ms = self._parts.retry_options(move.node.plan.node)["delay_ms"]
        note, commit = self._parts.outcomes.retried(move, error, delay_ms=delay_ms)
        result = await self._parts.ports.commit(commit)
        if not result.is_won:
            if result.is_over:
                return Moved(is_over=True)
            standing = result.existing or result.barred or b"{}"
            if msgspec.json.decode(standing, type=Author).token != move.token:
                return beaten(move, standing)
        self._parts.telling.retried(move, note.error, note.failed_at)
        delay = note.not_before - note.failed_at
        if not self._parts.retries_in_process(move.node.plan.node):
            await self._parts.send_later(move, delay)
            return Moved()
        await self._parts.clock.sleep(delay)
        failed = {f"{FAILED}{move.attempt}": commit.guard.value}
        move.loaded = move.loaded._replace(cells={**move.loaded.cells, **failed})
        move.attempt += 1
        move.writes.clear()
        return await self._move(move, hold=hold, ack=ack)

    async def _settle(
        self, move: Move, record: Record, commit: Commit, *, hold: int, ack: Delivery | None
    ) -> Moved:
        followed: Followed = await self._parts.walker.settle(
            move.run, move.activation, record, commit, hold=hold, ack=ack
        )
        if followed.lost is not None:
            return _beaten_by(move, followed.lost.via)
        answer: Answer = "acked" if followed.is_acked else "ack"
        return Moved(answer, followed.held, is_over=followed.is_over)


def beaten(move: Move, standing: bytes) -> Moved:
    """Stop where another worker was first.

    Its message may be the very one held here, come back; acknowledging that would delete the
    message under which the other one goes on. Nor is a message acknowledged that was sent for
    this very activation: it may be the only one left, if the other worker stood still until
    its own was followed and gone. It comes back, and follows the record.
    """
    return _beaten_by(move, msgspec.json.decode(standing, type=Author).via)


def _beaten_by(move: Move, via: str) -> Moved:
    logger.info("duplicate discarded", extra=_what(move))
    is_covered = via != move.via and move.key != move.via
    return Moved("ack" if is_covered else "keep")


def _what(move: Move) -> dict[str, object]:
    node, scope = move.activation
    return {"run": move.run.run_id, "node": node, "scope": scope, "attempt": move.attempt}
