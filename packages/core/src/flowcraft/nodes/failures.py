"""What of all that node code can raise is a failure of the node, and which is worth a retry."""

from __future__ import annotations

import asyncio

from flowcraft.errors import NodeError, NonRetryableError, RetryAfter, text_of


def failure_of(error: BaseException, *, node_id: str) -> Exception | None:
    """Give the failure that an error means for its node, or None where it must go on its way.

    A node that calls `sys.exit()` fails, it does not end the worker. The same goes for
    a cancellation that the node made up by itself, say by awaiting a task that it cancelled;
    one that came from outside passes.
    """
    if isinstance(error, Exception):
        return error
    if isinstance(error, GeneratorExit):
        return None
    if isinstance(error, asyncio.CancelledError):
        if _may_come_from_outside():
            return None
        return NodeError(
            f"node {node_id!r} raised CancelledError, although nobody cancelled it. "
            "It may have awaited a task or future that was cancelled."
        )
    return NodeError(
        f"node {node_id!r} raised {type(error).__name__}({text_of(error)}). "
        "Raise an Exception in a node, or return; the worker goes on."
    )


def _may_come_from_outside() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop, so nobody who could cancel: a process of the node's own
        return False
    return task is None or task.cancelling() > 0


def is_worth_a_retry(
    error: BaseException, retry_on: tuple[type[BaseException], ...] | None
) -> bool:
    """Tell whether another attempt may end better.

    In this order: `NonRetryableError` never, `RetryAfter` always; an exception class with
    a boolean attribute `retryable` decides for itself, as all of Flowcraft's do; then
    `retry_on`; without it, every error is.
    """
    if isinstance(error, NonRetryableError):
        return False
    if isinstance(error, RetryAfter):
        return True
    own = getattr(type(error), "retryable", None)
    if isinstance(own, bool):
        return own
    return retry_on is None or isinstance(error, retry_on)
