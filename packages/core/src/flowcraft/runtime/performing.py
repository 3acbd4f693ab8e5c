"""Performs the nodes that need no waiting: functions, joins, loops, scatters, gathers."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from flowcraft import values
from flowcraft.errors import (
    ImplementationMissingError,
)
from flowcraft.execution.attempt import (
    failure,
    in_time,
    is_last,
    late_for_good,
    run_info,
    written,
)
from flowcraft.execution.built_in import gathered, items_in, looped
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, Performed
from flowcraft.nodes import NodeImplementation, NodeResult, RunInProcess
from flowcraft.runtime.environment import Environment
from flowcraft.runtime.node_context import LocalContext
from flowcraft.runtime.reading import Reader
from flowcraft.runtime.state import RunState


class Performer:
    """Performs activations of one run."""

    def __init__(self, environment: Environment, state: RunState, reader: Reader) -> None:
        self._environment = environment
        self._state = state
        self._reader = reader

    def perform(self, move: Move) -> Performed:
        """Perform an activation that the engine itself implements, and that needs no waiting.

        Raises:
            AttemptError: It failed.
            FatalError: An expression of a controller failed, or its limit is reached.
        """
        if move.kind == "gather":
            return gathered(move, self._reader.items_of(move))
        input_ = move.input = self._reader.input_of(move)
        if move.kind == "loop":
            return looped(move, input_, self._reader.evaluator(move, input_, None))
        if move.kind == "scatter":
            return self._scatter(move, input_)
        return Performed(input_)

    # -- functions

    async def function(self, move: Move) -> Performed:
        """Call the node's implementation, once.

        Raises:
            AttemptError: It failed.
        """
        implementation = self._environment.registry.get(move.uses)
        if implementation is None:
            error = ImplementationMissingError(
                f"this process has no implementation of {move.uses!r}. Register one under that key"
            )
            raise AttemptError(error, is_retryable=False)
        move.input = self._reader.input_of(move)
        call = self._call if implementation.mode != "process" else self._call_in_process
        if self._environment.concurrency is None:
            return await call(move, implementation, move.input)
        async with self._environment.room():
            return await call(move, implementation, move.input)

    async def _call_in_process(
        self, move: Move, implementation: NodeImplementation, input_: bytes
    ) -> Performed:
        async with self._environment.processes.room() as run_in_process:
            return await self._call(move, implementation, input_, run_in_process)

    async def _call(
        self,
        move: Move,
        implementation: NodeImplementation,
        input_: bytes,
        run_in_process: RunInProcess | None = None,
    ) -> Performed:
        """Make one attempt; a class whose last one took too long may fall back by itself."""
        environment = self._environment
        info = run_info(move)
        try:
            return await self._guarded(
                move,
                implementation,
                implementation.call(
                    input=values.decode(input_),
                    ctx=self._context(move),
                    run=info,
                    params=move.params,
                    dependencies=environment.dependencies,
                    last_attempt=is_last(move),
                    run_in_thread=environment.run_in_thread,
                    run_in_process=run_in_process,
                ),
            )
        except AttemptError as failed:
            late = late_for_good(move, implementation, failed)
            if late is None:
                raise
            fall_back = implementation.fall_back(
                late,
                ctx=self._context(move),
                run=info,
                params=move.params,
                dependencies=environment.dependencies,
            )
            return await self._guarded(move, implementation, fall_back)

    def _context(self, move: Move) -> LocalContext:
        return LocalContext(
            move.activation.node,
            move.writes,
            self._state,
            self._reader,
            self._environment.largest_value,
        )

    async def _guarded(
        self,
        move: Move,
        implementation: NodeImplementation,
        code: Coroutine[Any, Any, NodeResult[Any]],
    ) -> Performed:
        """Run code of the node within its timeout; what it raises is an `AttemptError`."""
        timeout_ms = move.config.timeout_ms
        try:
            result = await (code if timeout_ms is None else in_time(move, timeout_ms, code))
            return written(move, result, self._environment.largest_value)
        except Exception as error:  # a node may raise anything: its failure, not ours
            move.writes = {}
            raise failure(implementation, error) from error

    # -- what the engine itself implements

    def _scatter(self, move: Move, input_: bytes) -> Performed:
        """Keep the items one by one, so that each worker gets its own."""
        items, node = items_in(move, input_), move.activation.node
        self._state.batches[move.key] = [values.encode(item, what=node) for item in items]
        return Performed(b"null", items=len(items))
