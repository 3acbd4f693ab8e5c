"""One attempt of a node's code, whoever executes it: its timeout, its output, its failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from flowcraft import values
from flowcraft.errors import NodeTimeoutError
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, Performed
from flowcraft.nodes import NodeImplementation, NodeResult, RunInfo


def run_info(move: Move) -> RunInfo:
    """What the node is told about the attempt."""
    return RunInfo(
        run_id=move.run.run_id,
        blueprint_id=move.run.job.blueprint_id,
        node_id=move.activation.node,
        scope=move.activation.scope,
        attempt=move.attempt,
    )


def is_last(move: Move) -> bool:
    """Whether no further attempt follows."""
    return move.attempt >= move.config.attempts


async def in_time(
    move: Move, timeout_ms: float, code: Awaitable[NodeResult[Any]]
) -> NodeResult[Any]:
    """Run code of the node within its timeout.

    Raises:
        NodeTimeoutError: It took longer.
        Exception: Whatever the node raises, its own TimeoutError too.
    """
    limit = asyncio.timeout(timeout_ms / 1000)
    try:
        async with limit:
            result = await code
        if limit.expired():
            raise TimeoutError  # the node made nothing of being cancelled
    except TimeoutError as error:
        if not limit.expired():
            raise  # the node's own
        raise NodeTimeoutError(
            f"node {move.activation.node!r} took longer than {timeout_ms:g} ms"
        ) from error
    return result


def written(move: Move, result: NodeResult[Any], largest_value: int | None) -> Performed:
    """The node's result, ready to be recorded.

    Raises:
        Exception: The conversion of a declared type is code of the node too.
    """
    what = f"output of node {move.activation.node!r}"
    output = values.encode_declared(result.output, what=what, limit_bytes=largest_value)
    return Performed(output, result.action)


def failure(implementation: NodeImplementation, error: Exception) -> AttemptError:
    """What an exception of the node makes of the attempt."""
    retry = isinstance(error, NodeTimeoutError) or implementation.should_retry(error)
    return AttemptError(error, is_retryable=retry)


def late_for_good(
    move: Move, implementation: NodeImplementation, failed: AttemptError
) -> NodeTimeoutError | None:
    """The timeout of the last attempt, where the class has a `fallback` that stands in for it."""
    late = failed.error
    if isinstance(late, NodeTimeoutError) and is_last(move) and implementation.has_own_fallback:
        return late
    return None
