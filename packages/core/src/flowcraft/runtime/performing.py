"""Performs the nodes that need no waiting: functions, joins, loops, scatters, gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from flowcraft import values
from flowcraft.engine.activation import last_segment
from flowcraft.engine.program import DEFAULT_MAX_ITERATIONS
from flowcraft.engine.record import GatherReference, encode_reference
from flowcraft.engine.routing import BREAK, CONTINUE
from flowcraft.errors import (
    ImplementationMissingError,
    InputError,
    NodeError,
    NodeTimeoutError,
)
from flowcraft.execution.evaluation import FatalError, error_info
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, Performed
from flowcraft.expressions import truthy
from flowcraft.nodes import NodeImplementation, NodeResult, RunInfo
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
            return self._gather(move)
        input_ = move.input = self._reader.input_of(move)
        if move.kind == "loop":
            return self._controller(move, input_)
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
        if self._environment.concurrency is None:
            return await self._call(move, implementation, move.input)
        async with self._environment.room():
            return await self._call(move, implementation, move.input)

    async def _call(
        self, move: Move, implementation: NodeImplementation, input_: bytes
    ) -> Performed:
        """Make one attempt; a class whose last one took too long may fall back by itself."""
        environment, activation = self._environment, move.activation
        is_last = move.attempt >= move.config.attempts
        info = RunInfo(
            run_id=move.run.run_id,
            blueprint_id=move.run.job.blueprint_id,
            node_id=activation.node,
            scope=activation.scope,
            attempt=move.attempt,
        )
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
                    last_attempt=is_last,
                    run_in_thread=environment.run_in_thread,
                ),
            )
        except AttemptError as failure:
            late = failure.error
            if not (
                is_last and isinstance(late, NodeTimeoutError) and implementation.has_own_fallback
            ):
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
        node, timeout_ms = move.activation.node, move.config.timeout_ms
        limit: asyncio.Timeout | None = None
        try:
            if timeout_ms is None:
                result = await code
            else:
                async with asyncio.timeout(timeout_ms / 1000) as limit:
                    result = await code
            # The conversion of a declared type is code of the node too, and may raise anything.
            output = values.encode_declared(
                result.output,
                what=f"output of node {node!r}",
                limit_bytes=self._environment.largest_value,
            )
        except Exception as error:  # a node may raise anything: its failure, not ours
            move.writes = {}
            if limit is not None and isinstance(error, TimeoutError) and limit.expired():
                late = NodeTimeoutError(f"node {node!r} took longer than {timeout_ms:g} ms")
                raise AttemptError(late, is_retryable=True) from error
            raise AttemptError(error, is_retryable=implementation.should_retry(error)) from error
        return Performed(output, result.action)

    # -- what the engine itself implements

    def _controller(self, move: Move, input_: bytes) -> Performed:
        """Decide whether another iteration begins."""
        controller = move.node.controller
        assert controller is not None
        evaluator = self._reader.evaluator(move, input_, None)
        if not truthy(evaluator(controller, None)):
            return Performed(input_, BREAK)
        evaluation = int(last_segment(move.activation.scope))
        limit = int(move.params.get("maxIterations") or DEFAULT_MAX_ITERATIONS)
        if evaluation >= limit:
            error = NodeError(
                f"loop {move.activation.node!r} would begin iteration {evaluation + 1} of at most "
                f"{limit}. Raise params.maxIterations, or mend its condition"
            )
            raise FatalError(error_info(move, error))
        return Performed(input_, CONTINUE)

    def _scatter(self, move: Move, input_: bytes) -> Performed:
        """Keep the items one by one, so that each worker gets its own."""
        items = values.decode(input_)
        node = move.activation.node
        if not isinstance(items, list):
            error = InputError(f"batch {node!r} needs a list, got {type(items).__name__}")
            raise AttemptError(error, is_retryable=False)
        self._state.batches[move.key] = [values.encode(item, what=node) for item in items]
        return Performed(b"null", items=len(items))

    def _gather(self, move: Move) -> Performed:
        """Its output is a reference to the items, never the list itself."""
        scatter = f"{move.node.plan.scatter}{move.activation.scope}"
        count = self._reader.items_of(move)
        reference = encode_reference(GatherReference(scatter, count))
        output_key = move.params.get("outputKey")
        if output_key:
            move.writes[str(output_key)] = reference
        return Performed(reference, items=count, gathered=scatter)
