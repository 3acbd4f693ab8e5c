"""What the commands share: options, and the application that they are about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Optional, TypeVar

import typer

if TYPE_CHECKING:
    from flowcraft.app import Flowcraft

T = TypeVar("T")

# typer reads these annotations when the program starts; Optional is what all its versions know.
Text = Optional[str]  # noqa: UP045
Number = Optional[float]  # noqa: UP045
Count = Optional[int]  # noqa: UP045

App = Annotated[str, typer.Argument(metavar="APP", help="The application, as module:name.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
Adapter = Annotated[Text, typer.Option("--adapter", help="Adapter, such as sqlite.")]
Url = Annotated[Text, typer.Option("--url", help="Where it connects, as in sqlite:///flow.db.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]


def with_app(
    target: str,
    do: Callable[[Flowcraft], Awaitable[T]],
    *,
    adapter: str | None,
    url: str | None,
) -> T:
    """Do something with a connected application."""
    from flowcraft.cli.locate import locate
    from flowcraft.cli.runs import connect

    found = locate(target)

    async def whole() -> T:
        await connect(found, adapter=adapter, url=url)
        try:
            return await do(found)
        finally:
            await found.aclose()

    return asyncio.run(whole())


def end(is_well: bool) -> None:
    """Exit with 0, or with 1."""
    raise typer.Exit(0 if is_well else 1)
