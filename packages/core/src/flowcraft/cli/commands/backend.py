"""Commands about adapters and what they connect to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from flowcraft.cli.options import Adapter, App, AsJson, Url, end, with_app

if TYPE_CHECKING:
    from flowcraft.app import Flowcraft

Ids = Optional[list[str]]  # noqa: UP045 - typer reads it


def adapters(as_json: AsJson = False) -> None:
    """List the adapters that are installed.

    Says what they can do, and which of them are broken and why.
    """
    from flowcraft.cli.backend import list_adapters

    list_adapters(as_json=as_json)


def setup(app: App, adapter: Adapter = None, url: Url = None) -> None:
    """Make what the backend needs.

    Tables and queues, for example; doing so again changes nothing.
    """
    from flowcraft.cli import backend

    async def do(found: Flowcraft) -> None:
        await backend.set_up(found, adapter=adapter, url=url)

    with_app(app, do, adapter=adapter, url=url)


def queue_depth(
    app: App, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Write how many messages wait.

    Exits with 1 if the backend cannot say.
    """
    from flowcraft.cli import backend

    async def do(found: Flowcraft) -> bool:
        return await backend.queue_depth(found, as_json=as_json)

    end(with_app(app, do, adapter=adapter, url=url))


def dead_letters(
    app: App,
    limit: Annotated[int, typer.Option(min=1, help="How many to list.")] = 100,
    requeue: Annotated[
        Ids, typer.Option(metavar="ID", help="Put one back on the queue; may be repeated.")
    ] = None,
    drop: Annotated[
        Ids, typer.Option(metavar="ID", help="Remove one for good; may be repeated.")
    ] = None,
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List messages that nobody could handle.

    Or put some back on the queue, or remove them; exits with 1 if one is not there.
    """
    from flowcraft.cli import backend

    async def do(found: Flowcraft) -> bool:
        if requeue or drop:
            return await backend.answer_letters(found, requeue or [], drop or [], as_json=as_json)
        return await backend.list_letters(found, limit, as_json=as_json)

    end(with_app(app, do, adapter=adapter, url=url))


def doctor(app: App, adapter: Adapter = None, url: Url = None, as_json: AsJson = False) -> None:
    """Say what is used, and what is wrong.

    Says who gave each setting, whether the backend works, and how to mend what does not; exits
    with 1 if anything is wrong.
    """
    from flowcraft.cli.doctor import diagnose
    from flowcraft.cli.locate import locate
    from flowcraft.cli.output import write

    found = asyncio.run(diagnose(locate(app), adapter=adapter, url=url))
    write(as_json, found, "\n".join(found.lines()))
    end(found.is_well)
