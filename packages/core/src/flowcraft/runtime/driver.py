"""Drives one run in this process: moves its activations, and ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from flowcraft import values
from flowcraft.engine import attempts
from flowcraft.engine.activation import parse_activation
from flowcraft.engine.program import NodeProgram, Program
from flowcraft.engine.record import ErrorInfo, Record
from flowcraft.errors import RetryAfter, RunDeadlineError
from flowcraft.events import RunEvent, ended
from flowcraft.execution.adoption import check_retry, first_context
from flowcraft.execution.evaluation import CATCH_ERROR, FatalError, error_info
from flowcraft.execution.limits import (
    check_id,
    child_id,
    deadline_at,
    passed_over,
    split_errors,
)
from flowcraft.execution.move import Move, RunView, new_move
from flowcraft.execution.payload import context_of, encode_payload
from flowcraft.execution.performing import AttemptError
from flowcraft.ports.store import Loaded
from flowcraft.runtime.adopting import Adopter, Past
from flowcraft.runtime.environment import Environment
from flowcraft.runtime.line import Line
from flowcraft.runtime.listening import Listeners
from flowcraft.runtime.performing import Performer
from flowcraft.runtime.reading import Reader
from flowcraft.runtime.recording import Recorder
from flowcraft.runtime.signals import Signals
from flowcraft.runtime.state import Ready, RunState
from flowcraft.runtime.suspending import SUSPENDING, Suspender, payload_names
from flowcraft.status import (
    FinalStatus,
    ParentReference,
    ResumeOutcome,
    RunHeader,
    RunResult,
    Status,
)

_NOTHING_LOADED = Loaded(None)


class Driver:
    """One run.

    Args:
        environment: What all runs share.
        programs: The program of every blueprint that the run may start as a child, by id.
        program: The run's own.
        run_id: Its id.
        payload: Its payload.
        deadline_seconds: How long it may take; None leaves that to its blueprint.
        parent: The attempt whose subflow it is.
        past: What a run of the same program left. If that had the same payload, this one goes
            on from it.

    Raises:
        ValueNotStorableError: The payload is not strict JSON, or too large.

    Attributes:
        done: Is done when the run has ended.
        error: Why it failed.
        children: Child runs, by activation key and attempt.
        listeners: Those who are told what happens.
    """

    def __init__(
        self,
        environment: Environment,
        programs: Mapping[str, Program],
        program: Program,
        *,
        run_id: str,
        payload: Any,
        deadline_seconds: float | None,
        parent: ParentReference | None = None,
        past: Past | None = None,
    ) -> None:
        self._environment = environment
        self._programs = programs
        self._clock = environment.clock
        encoded = encode_payload(payload, run_id, environment.largest_value)
        context = context_of(payload)
        if past is not None and past.state.payload != encoded:
            past = None
        if past is not None:
            context = first_context(past.state.context)
        now = self._clock.now()
        self._run = RunView.of(
            RunHeader(
                run_id=run_id,
                blueprint_id=program.blueprint.id,
                blueprint_hash=program.hash,
                created_at=now,
                deadline_at=deadline_at(program.blueprint.metadata, now, deadline_seconds),
                parent=parent,
                retry_of=past.run_id if past is not None else None,
            ),
            program,
        )
        self._state = state = RunState(program, encoded, context)
        self._reader = Reader(state)
        self.signals = Signals(run_id, state)
        self._recorder = Recorder(program, self._reader, self._clock)
        self._performer = Performer(environment, state, self._reader)
        self._adopter = Adopter(past, state, self.signals, self._clock) if past else None
        self._suspender = Suspender(self._clock, self._reader, self.signals, self._open_child)
        self._keys: dict[tuple[str, str], tuple[str, ...]] = {}
        self._line = Line(self._clock, self._move, self._stopped)
        self._deadline: asyncio.Task[None] | None = None
        self._ended_at: float | None = None
        self._final: FinalStatus | None = None
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.error: ErrorInfo | None = None
        self.listeners = Listeners(run_id, state)
        self.children: dict[tuple[str, int], Driver] = {}

    # -- what others ask

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._run.run_id

    @property
    def retry_of(self) -> str | None:
        """Id of the run that it goes on from."""
        return self._run.header.retry_of

    @property
    def blueprint_id(self) -> str:
        """Id of its blueprint."""
        return self._run.header.blueprint_id

    @property
    def records(self) -> Mapping[str, Record]:
        """What is recorded, by activation key."""
        return self._state.records

    def status(self) -> Status:
        """The status, with `waiting` told from `running` exactly."""
        if self._final is not None:
            return self._final
        suspended = self._suspender.suspended
        if not self._line.is_empty or len(suspended) < max(1, self._line.under_way):
            return "running"
        is_idle = all(self._suspender.is_idle(key) for key in suspended)
        return "waiting" if is_idle else "running"

    def result(self) -> RunResult:
        """How the ended run ended; equal each time, and the caller's own."""
        assert self._final is not None
        _, errors = split_errors(self._state.context)
        if self.error is not None:
            errors.append(self.error)
        return RunResult(
            run_id=self.run_id,
            status=self._final,
            output=self._reader.run_output() if self._final == "completed" else None,
            context=self._reader.whole_context(),
            errors=errors,
        )

    def end_event(self) -> RunEvent | None:
        """The event that the run ended; None if it has not."""
        if self._final is None:
            return None
        return ended(self.run_id, self._final, at=self._ended_at, error=self.error)

    def value(self, stored: bytes) -> Any:
        """What a stored value says."""
        return values.decode(self._reader.plain(stored))

    def named(self, name: str) -> bytes:
        """What a name means in the ended run, as JSON."""
        return self._reader.named(name)

    def resume(
        self, action: str | None, output: Any, node_id: str | None, scope: str
    ) -> ResumeOutcome:
        """Wake a wait of this run, or keep the signal."""
        is_over = self._final is not None
        return self.signals.resume(action, output, node_id, scope, is_over=is_over)

    @property
    def past(self) -> Past:
        """What this run leaves to one that retries it."""
        earlier = self._adopter.past if self._adopter is not None else None
        return Past(self.run_id, self._state, self.children, earlier)

    def retry(self, run_id: str | None) -> Driver:
        """Make a run that goes on from this one; not started.

        Raises:
            RunError: This one has not ended, or is a child; or the id does not fit.
        """
        header = self._run.header
        check_retry(header.run_id, header.parent, is_over=self._final is not None)
        run_id = run_id if run_id is not None else self._clock.fresh_id()
        check_id(run_id)
        return Driver(
            self._environment,
            self._programs,
            self._run.program,
            run_id=run_id,
            payload=values.decode(self._state.payload),
            deadline_seconds=None,
            past=self.past,
        )

    # -- start and end

    def start(self) -> None:
        """Make the start nodes ready."""
        at = self._run.header.deadline_at
        if at is not None:
            self._deadline = self._loop.create_task(self._expire(at))
        self._line.start(Ready(node) for node in self._run.program.plan.starts)

    async def _expire(self, at: float) -> None:
        while (left := at - self._clock.now()) > 0:
            await self._clock.sleep(left)
        allowed = at - self._run.header.created_at
        message = f"the run took longer than its {allowed:g} s"
        self._end("failed", ErrorInfo("", message, type=RunDeadlineError.__name__))

    def cancel(self) -> Status:
        """Cancel the run unless it is over; the status that then stands."""
        self._end("cancelled", None)
        return self.status()

    def _end(self, status: FinalStatus, error: ErrorInfo | None) -> None:
        """Write the final status if none is; stop what executes, and the children."""
        if self._final is not None:
            return
        self._final = status
        self._ended_at = self._clock.now()
        self.error = error
        self.listeners.ended()
        if self._deadline is not None:
            self._deadline.cancel()
        self._line.stop()
        for child in self.children.values():
            child.cancel()
        if not self.done.done():
            self.done.set_result(None)

    # -- moving

    def _stopped(self, why: BaseException | None) -> None:
        """A task was cancelled or failed, or the line is empty and no task is left."""
        if isinstance(why, asyncio.CancelledError):
            self._end("cancelled", None)  # where it was not the end that cancelled the task
        elif isinstance(why, Exception):
            self._give_up(why)
        elif self._final is None:
            self._give_up(RuntimeError(f"run {self.run_id!r}: nothing is ready, and no end"))

    def _give_up(self, fault: Exception) -> None:
        """A fault of ours, not of a node: whoever waits for the run gets it."""
        if not self.done.done():
            self.done.set_exception(fault)
        self._end("failed", ErrorInfo("", str(fault), type=type(fault).__name__))

    async def _move(self, ready: Ready) -> list[Ready]:
        """Move one activation to its record; what is ready by it."""
        move = self._new_move(ready)
        if self._adopter is not None:
            adopted = await self._adopter.adopt(move)
            if adopted is not None:
                return self._settle(move, adopted.record, adopted.writes)
        while self._final is None:
            if self.listeners.are_there:
                self.listeners.started(move, self._clock.now())
            try:
                if move.kind == "function":
                    done = await self._performer.function(move)
                elif move.kind in SUSPENDING:
                    done = await self._suspender.perform(move, self._reload)
                else:
                    done = self._performer.perform(move)
                if self._final is not None:
                    break
                return self._settle(move, self._recorder.completed(move, done), move.writes)
            except FatalError as error:
                if self._final is None:
                    self._fail(move, self._recorder.failed(move, error.info))
                break
            except AttemptError as failure:
                if self._final is not None:
                    break
                if not attempts.may_retry(
                    move.config, move.attempt, retryable=failure.is_retryable
                ):
                    return self._failed(move, failure)
                self.listeners.retried(move, error_info(move, failure.error), self._clock.now())
                await self._clock.sleep(self._delay(move, failure.error))
                move.attempt += 1
                move.writes = {}
                self._reload(move)
        return []

    def _new_move(self, ready: Ready) -> Move:
        activation = parse_activation(ready.target)
        loaded = _NOTHING_LOADED
        if ready.slots:
            loaded = loaded._replace(slots=ready.slots, winner=ready.winner)
        move = new_move(
            self._run, activation, loaded, via="", token="", is_counted=False,
            value_in_hand=ready.value, member_in_hand=ready.member,
        )  # fmt: skip
        if not move.node.is_self_contained:
            self._reload(move)
        return move

    def _reload(self, move: Move) -> None:
        """Look at the context that the activation reads by name, as it is now."""
        # A batch's items read other names than the batch itself: their kind tells them apart.
        place = (move.activation.node, move.kind)
        keys = self._keys.get(place)
        if keys is None:
            keys = self._keys[place] = _context_keys(move.node, move)
        if keys:
            move.loaded = move.loaded._replace(context=self._reader.snapshot(keys))

    def _open_child(self, move: Move, payload: Any) -> Driver:
        child = Driver(
            self._environment,
            self._programs,
            self._programs[str(move.params["blueprintId"])],
            run_id=child_id(self.run_id, move.key, move.attempt),
            payload=payload,
            deadline_seconds=None,
            parent=ParentReference(self.run_id, move.key, move.attempt),
            past=self._adopter.child(move) if self._adopter is not None else None,
        )
        self.children[move.key, move.attempt] = child
        child.start()
        return child

    # -- recording

    def _settle(
        self, move: Move, record: Record, writes: Mapping[str, bytes | None]
    ) -> list[Ready]:
        state = self._state
        state.write(move.key, record, writes)
        ready = state.follow(move.activation, record)
        if state.is_complete:
            self._end("completed", None)
            return []
        return ready

    # -- failing

    def _delay(self, move: Move, error: BaseException) -> float:
        """How long to wait before the next attempt."""
        if isinstance(error, RetryAfter):
            return max(0.0, error.delay_seconds)
        chance = self._clock.chance()
        return attempts.delay_seconds(move.config, move.attempt, chance=chance)

    def _failed(self, move: Move, failure: AttemptError) -> list[Ready]:
        """After the last attempt: the fallback, the next item, or the end of the run."""
        error = error_info(move, failure.error)
        if move.node.plan.fallback is not None:
            note = msgspec.json.encode(msgspec.to_builtins(error))
            return self._settle(move, self._recorder.caught(move, error), {CATCH_ERROR: note})
        record = self._recorder.failed(move, error)
        if move.is_item and move.node.goes_on_past_failed_items:
            return self._settle(move, record, passed_over(move.key, error))
        self._fail(move, record)
        return []

    def _fail(self, move: Move, record: Record) -> None:
        """Write down a failure that nobody catches, and end the run with it."""
        self._state.write(move.key, record, {})
        self._end("failed", record.error)


def _context_keys(node: NodeProgram, move: Move) -> tuple[str, ...]:
    """The context keys that an activation may read by name."""
    groups = [*(node.inputs or {}).values(), *node.reads.values()]
    if move.kind == "subflow":
        groups += (payload_names(move.run.program, move.params) or {}).values()
    keys = (candidate.key for group in groups for candidate in group)
    return tuple(dict.fromkeys(key for key in keys if key is not None))
