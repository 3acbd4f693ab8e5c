"""Performs the nodes that wait and execute nothing: waits, webhooks, sleeps, subflows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from flowcraft import values
from flowcraft.blueprint import duration_seconds
from flowcraft.clock import Clock
from flowcraft.engine.names import Candidate, input_candidates
from flowcraft.engine.program import Program
from flowcraft.errors import NodeTimeoutError, ValueNotStorableError
from flowcraft.execution.built_in import check_child, write_output
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, Performed
from flowcraft.runtime.reading import Reader
from flowcraft.runtime.signals import Signals

if TYPE_CHECKING:
    from flowcraft.runtime.driver import Driver

SUSPENDING = frozenset(("wait", "webhook", "sleep", "subflow"))
"""The kinds of nodes that are performed here."""


class OpensChildren(Protocol):
    """Makes the child run of an attempt and starts it."""

    def __call__(self, move: Move, payload: Any, /) -> Driver: ...


class Suspender:
    """Performs suspending activations of one run.

    Attributes:
        suspended: What each activation that is suspended now waits for, by key: the time at
            which a sleep ends, a child, or None for a signal.
    """

    def __init__(
        self, clock: Clock, reader: Reader, signals: Signals, open_child: OpensChildren
    ) -> None:
        self._clock = clock
        self._reader = reader
        self._signals = signals
        self._open_child = open_child
        self.suspended: dict[str, float | Driver | None] = {}

    def is_idle(self, key: str) -> bool:
        """Whether a suspended activation has nothing to go on with."""
        what = self.suspended[key]
        if what is None:
            return not self._signals.is_woken(key)
        if isinstance(what, float):
            return what > self._clock.now()
        return what.status() == "waiting"

    async def perform(self, move: Move, reload: Callable[[Move], None]) -> Performed:
        """Perform an activation, however long that takes.

        Args:
            move: The activation.
            reload: Called when it is awake again, so that it sees the context as it is then.

        Raises:
            AttemptError: It failed, or took too long.
        """
        if move.kind == "webhook" and move.node.plan.wait is not None:
            return Performed(self._reader.input_of(move))
        try:
            if move.kind == "sleep":
                await self._sleep(move)
                reload(move)
                return Performed(self._reader.input_of(move))
            if move.kind == "subflow":
                child = await self._child(move)
                reload(move)
                return self._ended(move, child)
            done = await self._signal(move)
            reload(move)
            return done
        finally:
            self.suspended.pop(move.key, None)

    async def _sleep(self, move: Move) -> None:
        due = self._clock.now() + duration_seconds(move.params["duration"])
        self.suspended[move.key] = due
        while (left := due - self._clock.now()) > 0:
            await self._clock.sleep(left)

    async def _signal(self, move: Move) -> Performed:
        self._signals.open(move.activation)
        done = self._signals.take(move.activation)
        if done is None:
            self.suspended[move.key] = None
            await self._within(move, self._signals.waker(move.activation), "was not resumed")
            done = self._signals.take(move.activation)
            assert done is not None
        return done

    async def _within(self, move: Move, event: asyncio.Future[Any], what: str) -> None:
        """Wait for an event, within the timeout of the attempt."""
        timeout_ms = move.config.timeout_ms
        if timeout_ms is None:
            await asyncio.wait((event,))
            return
        alarm = asyncio.ensure_future(self._clock.sleep(timeout_ms / 1000))
        try:
            await asyncio.wait((event, alarm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        if not event.done():
            late = NodeTimeoutError(
                f"node {move.activation.node!r} {what} within {timeout_ms:g} ms"
            )
            raise AttemptError(late, is_retryable=True)

    # -- subflows

    async def _child(self, move: Move) -> Driver:
        """Run the child of this attempt to its end."""
        reader = self._reader
        move.input = reader.input_of(move)
        names = payload_names(move.run.program, move.params)
        payload = values.decode(move.input) if names is None else reader.mapping(move, names)
        try:
            child = self._open_child(move, payload)
        except ValueNotStorableError as error:
            raise AttemptError(error, is_retryable=False) from error
        self.suspended[move.key] = child
        try:
            await self._within(move, child.done, "did not end")
        except AttemptError:
            child.cancel()
            raise
        return child

    def _ended(self, move: Move, child: Driver) -> Performed:
        result = child.result()
        check_child(
            move,
            blueprint_id=child.blueprint_id,
            run_id=child.run_id,
            status=result.status,
            error=child.error,
        )
        for parent_key, child_name in (move.params.get("outputs") or {}).items():
            write_output(move, parent_key, child.named(child_name))
        what = f"output of subflow {move.activation.node!r}"
        return Performed(values.encode(result.output, what=what))


def payload_names(
    program: Program, params: Mapping[str, Any]
) -> dict[str, tuple[Candidate, ...]] | None:
    """The meanings of the names in a subflow's `params.inputs`, `""` for a bare one."""
    mapping = params.get("inputs")
    if mapping is None:
        return None
    if isinstance(mapping, str):
        return {"": input_candidates(mapping, program.nodes)}
    return {key: input_candidates(name, program.nodes) for key, name in mapping.items()}
