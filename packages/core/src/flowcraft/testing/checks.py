"""How checks of the kit are written: as methods that pytest collects from subclasses.

    class JoinScenarios:
        @check("S5.2")
        async def test_an_all_join_waits_for_every_edge(self, stage: Stage) -> None: ...

An adapter's module subclasses them, with a fixture `harness`:

    class TestJoins(JoinScenarios): ...

`covers` names the sentences of docs/semantics.md that a test holds; `check` does, too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from flowcraft.testing.stage import Stage

F = TypeVar("F", bound=Callable[..., Any])


def covers(*sentences: str) -> Callable[[F], F]:
    """Say which sentences of docs/semantics.md a test holds, by their numbers."""

    def mark(function: F) -> F:
        function.__covers__ = sentences  # type: ignore[attr-defined]
        return function

    return mark


def check(*sentences: str) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Make a coroutine a check of the kit; its `stage` stands on the fixture `harness`.

    Args:
        sentences: The sentences of docs/semantics.md, and the guarantees, that it holds.
    """

    def make(function: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def run(*self: Any, **given: Any) -> None:
            harness = given.pop("harness")

            async def main() -> None:
                async with Stage(harness) as stage:
                    await function(*self, stage=stage, **given)

            harness.run(main())

        named = (
            parameter.replace(name="harness", annotation=Any) if name == "stage" else parameter
            for name, parameter in signature.parameters.items()
        )
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=list(named), return_annotation=None
        )
        return covers(*sentences)(run)

    return make
