"""Performs the nodes that need no waiting: functions, joins, loops, scatters, gathers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from flowcraft import values
from flowcraft.adapter.deliveries import Deliveries
from flowcraft.adapter.node_tasks import NODE
from flowcraft.adapter.parts import Parts
from flowcraft.engine.activation import item_scope, last_segment
from flowcraft.engine.cells import INPUT, MISSING
from flowcraft.engine.consequences import Cell
from flowcraft.engine.program import DEFAULT_MAX_ITERATIONS
from flowcraft.engine.record import GatherReference, encode_reference
from flowcraft.engine.routing import BREAK, CONTINUE
from flowcraft.errors import (
    BackendError,
    ImplementationMissingError,
    InputError,
    NodeError,
    NodeTimeoutError,
)
from flowcraft.execution.evaluation import FatalError, error_info
from flowcraft.execution.limits import check_key
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, HandBackError, Performed, RunOverError
from flowcraft.expressions import truthy
from flowcraft.nodes import Context, NodeImplementation, NodeResult, RunInfo, RunInProcess
from flowcraft.ports.store import Load, Propagation

CELL_PAGE = 500
"""How many items of a batch are written at once."""


class Functions:
    """Performs nodes on this worker."""

    def __init__(self, parts: Parts, deliveries: Deliveries) -> None:
        self._parts = parts
        self._deliveries = deliveries

    async def run(self, move: Move) -> Performed:
        """Perform the activation.

        Raises:
            AttemptError: It failed.
            HandBackError: Its implementation is not here.
            RunOverError: The run ended meanwhile.
            FatalError: An expression of a controller failed.
        """
        kind = move.kind
        if kind == "function":
            return await self._function(move)
        if kind == "gather":
            return await self._gather(move)
        if kind == "scatter":
            return await self._scatter(move)
        move.input = await self._parts.reader.input_of(move)
        if kind == "loop":
            return await self._controller(move, move.input)
        return Performed(move.input)

    async def _function(self, move: Move) -> Performed:
        parts = self._parts
        implementation = parts.options.registry.get(move.uses)
        if implementation is None:
            raise await self._missing(move)
        move.input = await parts.reader.input_of(move)
        if implementation.mode != "process":
            return await self._counted(move, implementation)
        # Before the delivery is counted: while it waits for a process, no code begins.
        async with parts.options.processes.room() as run_in_process:
            # That may have taken longer than the run.
            (header,) = await parts.ports.store.headers([move.run.run_id])
            if header is None or header.is_over:
                raise RunOverError
            return await self._counted(move, implementation, run_in_process)

    async def _counted(
        self,
        move: Move,
        implementation: NodeImplementation,
        run_in_process: RunInProcess | None = None,
    ) -> Performed:
        await self._deliveries.enter(move)
        try:
            return await self._call(move, implementation, run_in_process)
        finally:
            self._deliveries.leave()

    async def _call(
        self,
        move: Move,
        implementation: NodeImplementation,
        run_in_process: RunInProcess | None = None,
    ) -> Performed:
        parts = self._parts
        info = RunInfo(
            run_id=move.run.run_id,
            blueprint_id=move.run.job.blueprint_id,
            node_id=move.activation.node,
            scope=move.activation.scope,
            attempt=move.attempt,
        )

        async def call() -> NodeResult[Any]:
            return await implementation.call(
                input=values.decode(move.input or b"null"),
                ctx=StoreContext(move, parts),
                run=info,
                params=dict(move.params),
                dependencies=parts.options.dependencies,
                last_attempt=move.attempt >= move.config.attempts,
                run_in_thread=parts.options.run_in_thread,
                run_in_process=run_in_process,
            )

        try:
            return await self._guarded(move, implementation, call)
        except AttemptError as failure:
            late = failure.error
            if not (
                isinstance(late, NodeTimeoutError)
                and implementation.has_own_fallback
                and _is_last(move)
            ):
                raise
            return await self._guarded(
                move,
                implementation,
                lambda: implementation.fall_back(
                    late,
                    ctx=StoreContext(move, parts),
                    run=info,
                    params=dict(move.params),
                    dependencies=parts.options.dependencies,
                ),
            )

    async def _guarded(
        self,
        move: Move,
        implementation: NodeImplementation,
        call: Callable[[], Awaitable[NodeResult[Any]]],
    ) -> Performed:
        """Run code of the node: within its timeout, cancelled with its run, its errors caught."""
        what = f"output of node {move.activation.node!r}"
        leave = self._parts.running.enter(move.run.run_id)
        NODE.set(move.activation.node)
        is_cancelled = False
        try:
            try:
                result = await _in_time(move, call)
            finally:
                NODE.set("")
                is_cancelled = leave()
            # A type's own conversion is code of the node as well: it may raise anything.
            return Performed(
                values.encode_declared(
                    result.output, what=what, limit_bytes=self._parts.largest_value
                ),
                result.action,
            )
        except asyncio.CancelledError:
            if is_cancelled:
                raise RunOverError from None
            raise
        except BackendError:
            raise  # not the node's failure: the job is handed back
        except Exception as error:
            move.writes.clear()
            if is_cancelled:
                raise RunOverError from error
            retry = isinstance(error, NodeTimeoutError) or implementation.should_retry(error)
            raise AttemptError(error, is_retryable=retry) from error

    async def _missing(self, move: Move) -> Exception:
        """No implementation here: hand back, up to the bound since it was first missed."""
        parts = self._parts
        since = move.loaded.cells.get(MISSING)
        delay = await parts.patience(move.run.run_id, move.key, since)
        if delay is not None:
            return HandBackError(delay)
        bound = parts.options.missing_seconds
        error = ImplementationMissingError(
            f"no worker had an implementation of {move.uses!r} within {bound:g} s. "
            "Start a worker of the version that has it"
        )
        return AttemptError(error, is_retryable=False)

    async def _controller(self, move: Move, input_: bytes) -> Performed:
        """Decide whether another iteration begins."""
        move.attempt = 1
        controller = move.node.controller
        assert controller is not None
        evaluator = await self._parts.outcomes.evaluator(move, input_, None)
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

    async def _scatter(self, move: Move) -> Performed:
        """Write the items down, page by page, so that each can be read alone."""
        node, scope = move.activation
        count = 0
        async for page in self._items(move):
            cells = tuple(
                Cell(node + item_scope(scope, index), INPUT, item)
                for index, item in enumerate(page, count)
            )
            written = await self._parts.ports.propagate(Propagation(move.run.run_id, cells, ()))
            if written is None:
                raise RunOverError
            count += len(page)
        return Performed(b"null", items=count)

    async def _items(self, move: Move) -> AsyncIterator[list[bytes]]:
        """The items of a batch; what another batch gathered is never one list."""
        batch = self._parts.reader.batch_in(move)
        if batch is not None:
            async for page in self._parts.reader.pages(move.run.run_id, batch):
                yield page
            return
        items = values.decode(await self._parts.reader.input_of(move))
        if not isinstance(items, list):
            error = InputError(
                f"batch {move.activation.node!r} needs a list, got {type(items).__name__}"
            )
            raise AttemptError(error, is_retryable=False)
        for first in range(0, len(items), CELL_PAGE):
            some = items[first : first + CELL_PAGE]
            yield [values.encode(item, what=move.activation.node) for item in some]

    async def _gather(self, move: Move) -> Performed:
        """Its output is a reference to the items, never the list itself."""
        scatter = f"{move.node.plan.scatter}{move.activation.scope}"
        count = await self._parts.reader.items_of(move)
        reference = encode_reference(GatherReference(scatter, count))
        output_key = move.params.get("outputKey")
        if output_key:
            check_key(str(output_key))
            move.writes[str(output_key)] = reference
        return Performed(reference, items=count, gathered=scatter)


async def _in_time(move: Move, call: Callable[[], Awaitable[NodeResult[Any]]]) -> NodeResult[Any]:
    """Run code of the node within its timeout, if it has one."""
    timeout_ms = move.config.timeout_ms
    if timeout_ms is None:
        return await call()
    limit = asyncio.timeout(timeout_ms / 1000)
    try:
        async with limit:
            result = await call()
        if limit.expired():
            raise TimeoutError  # the node made nothing of being cancelled
    except TimeoutError as error:
        if not limit.expired():
            raise  # the node's own
        raise NodeTimeoutError(
            f"node {move.activation.node!r} took longer than {timeout_ms:g} ms"
        ) from error
    return result


def _is_last(move: Move) -> bool:
    return move.attempt >= move.config.attempts


class StoreContext(Context):
    """A node's view of the run's context: live, plus its own writes."""

    def __init__(self, move: Move, parts: Parts) -> None:
        self._move = move
        self._parts = parts

    async def _read(self, key: str) -> bytes | None:
        check_key(key)
        if key in self._move.writes:
            return self._move.writes[key]
        load = Load(self._move.run.run_id, "", context=(key,))
        loaded = await self._parts.ports.load(load)
        return loaded.context.get(key)

    async def get(self, key: str, default: Any = None) -> Any:
        stored = await self._read(key)
        if stored is None:
            return default
        return values.decode(await self._parts.reader.plain(self._move.run.run_id, stored))

    async def has(self, key: str) -> bool:
        return await self._read(key) is not None

    async def set(self, key: str, value: Any) -> None:
        check_key(key)
        what = f"context key {key!r} set by node {self._move.activation.node!r}"
        self._move.writes[key] = values.encode_declared(
            value, what=what, limit_bytes=self._parts.largest_value
        )

    async def delete(self, key: str) -> None:
        check_key(key)
        self._move.writes[key] = None
