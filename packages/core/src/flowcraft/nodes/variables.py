"""The context variables of Python (`contextvars`) that the code of a node sets."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


@types.coroutine
def with_own_variables(
    function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> Generator[Any, Any, T]:
    """Call a function and await what it gives, all of it in a copy of the context variables.

    A driver moves many nodes in one task, and what one of them sets must not be seen by the
    next. A task for each would do the same, at many times the cost: so each step of the
    coroutine runs in the copy, as a task would run it.

    Raises:
        BaseException: Whatever the function raises, as it is.
    """
    run = copy_context().run
    steps: Any = run(function, *args, **kwargs).__await__()
    thrown: BaseException | None = None
    while True:
        try:
            waits_for = run(next, steps) if thrown is None else run(steps.throw, thrown)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            thrown = None  # an exception that knows this frame, and is known by it, stays longer
        try:
            yield waits_for
        except GeneratorExit:
            run(steps.close)
            raise
        except BaseException as error:  # noqa: BLE001 - for the code to handle
            thrown = error
