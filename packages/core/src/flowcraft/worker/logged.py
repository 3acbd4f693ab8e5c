"""Node implementations that say in the log what they do: which run, node, scope and attempt."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from flowcraft.errors import text_of
from flowcraft.nodes import (
    Context,
    NodeImplementation,
    NodeRegistry,
    NodeResult,
    RunInfo,
    RunInProcess,
)
from flowcraft.nodes.binding import RunInThread

logger = logging.getLogger("flowcraft.worker")


class LoggedImplementation(NodeImplementation):
    """An implementation that logs the beginning and the end of each of its executions.

    A line is written before code runs, so that the log of a worker that was killed says what
    it was doing.
    """

    __slots__ = ()

    def __init__(self, known: NodeImplementation) -> None:
        super().__init__(known.source, uses=known.uses, options=known.options)

    async def call(
        self,
        *,
        input: Any,
        ctx: Context,
        run: RunInfo,
        params: Mapping[str, Any],
        dependencies: object = None,
        last_attempt: bool = True,
        run_in_thread: RunInThread | None = None,
        run_in_process: RunInProcess | None = None,
    ) -> NodeResult[Any]:
        return await _logged(
            run,
            super().call(
                input=input,
                ctx=ctx,
                run=run,
                params=params,
                dependencies=dependencies,
                last_attempt=last_attempt,
                run_in_thread=run_in_thread,
                run_in_process=run_in_process,
            ),
        )

    async def fall_back(
        self,
        error: Exception,
        *,
        ctx: Context,
        run: RunInfo,
        params: Mapping[str, Any],
        dependencies: object = None,
    ) -> NodeResult[Any]:
        return await _logged(
            run,
            super().fall_back(error, ctx=ctx, run=run, params=params, dependencies=dependencies),
        )


async def _logged(run: RunInfo, execution: Awaitable[NodeResult[Any]]) -> NodeResult[Any]:
    what = {
        "run": run.run_id,
        "node": run.node_id,
        "scope": run.scope,
        "attempt": run.attempt,
    }
    logger.info("started", extra=what)
    try:
        result = await execution
    except Exception as error:
        why = f"{type(error).__name__}: {text_of(error)}"
        logger.warning("attempt failed", extra={**what, "error": why})
        raise
    except BaseException:
        logger.info("cancelled", extra=what)
        raise
    logger.info("executed", extra={**what, "action": result.action or ""})
    return result


def logged_registry(registry: NodeRegistry) -> NodeRegistry:
    """A registry of the same nodes, each of which logs what it does; as it is if nobody listens."""
    if not logger.isEnabledFor(logging.INFO):
        return registry
    return _LoggedRegistry(registry)


class _LoggedRegistry(NodeRegistry):
    def __init__(self, registry: NodeRegistry) -> None:
        super().__init__()
        self._implementations = {known.uses: LoggedImplementation(known) for known in registry}
