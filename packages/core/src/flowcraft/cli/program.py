"""The commands of `flowcraft`, and their options."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Optional, TypeVar

import typer

if TYPE_CHECKING:
    from flowcraft.app import Flowcraft

T = TypeVar("T")

# Help and usage errors as plain text: quick to come up, and one line where one is meant.
program = typer.Typer(
    name="flowcraft",
    help="Durable workflow graphs on the queue and database you already have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# typer reads these annotations when the program starts; Optional is what all its versions know.
Text = Optional[str]  # noqa: UP045
Number = Optional[float]  # noqa: UP045
Count = Optional[int]  # noqa: UP045

App = Annotated[str, typer.Argument(metavar="APP", help="The application, as module:name.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
Adapter = Annotated[Text, typer.Option("--adapter", help="Adapter, such as sqlite.")]
Url = Annotated[Text, typer.Option("--url", help="Where it connects, as in sqlite:///flow.db.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]


LEFT_BEHIND_SECONDS = 1.0
"""How long tasks that nodes left behind may take to end, when their worker has."""


@program.command()
def worker(
    app: App,
    adapter: Adapter = None,
    url: Url = None,
    concurrency: Annotated[
        Count, typer.Option(min=1, help="Activations in progress at once.")
    ] = None,
    name: Annotated[Text, typer.Option(help="How it calls itself in logs and leases.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Take jobs until SIGTERM or SIGINT, then finish or hand back what is held."""
    if log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise typer.BadParameter(f"{log_level!r} is no level", param_hint="--log-level")
    from flowcraft.cli.locate import locate
    from flowcraft.cli.log import log_to_stderr
    from flowcraft.cli.runs import refuse_private

    log_to_stderr(log_level)
    found = locate(app)
    refuse_private(found, adapter=adapter, url=url)
    made = found.worker(adapter=adapter, url=url, concurrency=concurrency, name=name)
    with asyncio.Runner() as runner:
        runner.run(made.run())
        # Here, for the runner would wait for tasks that do not end.
        leave(has_tasks=runner.run(_end_tasks()))


@program.command()
def submit(
    app: App,
    blueprint: Annotated[str, typer.Argument(metavar="BLUEPRINT", help="What it follows.")],
    payload: Annotated[Text, typer.Option(help="JSON, or - to read it from stdin.")] = None,
    run_id: Annotated[Text, typer.Option(help="Id of the run; a fresh one if left out.")] = None,
    idempotency_key: Annotated[
        Text, typer.Option(help="Submitting again with the same key gives the same run.")
    ] = None,
    deadline_seconds: Annotated[
        Number, typer.Option(help="When it fails if it has not ended.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end; fails if it does.")
    ] = False,
    timeout_seconds: Annotated[Number, typer.Option(help="The longest wait.")] = None,
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Start a run, and write its id, or with --wait its result."""
    from flowcraft.cli import runs

    value = runs.read_json(payload, "--payload")

    async def do(found: Flowcraft) -> bool:
        return await runs.submit(
            found,
            blueprint,
            value,
            run_id=run_id,
            idempotency_key=idempotency_key,
            deadline_seconds=deadline_seconds,
            wait=wait,
            timeout_seconds=timeout_seconds,
            as_json=as_json,
        )

    _exit(_with_app(app, do, adapter=adapter, url=url))


@program.command()
def show(
    app: App, run: Run, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Say where a run stands, and why it is where it is."""
    from flowcraft.cli import runs
    from flowcraft.clock import SystemClock

    async def do(found: Flowcraft) -> None:
        await runs.show(found, run, as_json=as_json, now=SystemClock().now())

    _with_app(app, do, adapter=adapter, url=url)


@program.command()
def cancel(
    app: App, run: Run, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Cancel a run that is not over."""
    from flowcraft.cli import runs

    async def do(found: Flowcraft) -> None:
        await runs.cancel(found, run, as_json=as_json)

    _with_app(app, do, adapter=adapter, url=url)


@program.command()
def resume(
    app: App,
    run: Run,
    node: Annotated[Text, typer.Option(help="The wait; SUBFLOW/WAIT inside a child.")] = None,
    action: Annotated[Text, typer.Option(help="Chooses the edges of the wait.")] = None,
    output: Annotated[Text, typer.Option(help="Its output: JSON, or - for stdin.")] = None,
    scope: Annotated[str, typer.Option(help="Which iteration or item: /3, /#7.")] = "",
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Wake a wait of a run, or keep the signal for one that is not open yet."""
    from flowcraft.cli import runs

    value = runs.read_json(output, "--output")

    async def do(found: Flowcraft) -> bool:
        return await runs.resume(
            found, run, action=action, output=value, node_id=node, scope=scope, as_json=as_json
        )

    _exit(_with_app(app, do, adapter=adapter, url=url))


def _with_app(
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


def _exit(is_well: bool) -> None:
    raise typer.Exit(0 if is_well else 1)


async def _end_tasks() -> bool:
    """Cancel what nodes left behind; whether something of it does not end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if not tasks:
        return False
    _, stuck = await asyncio.wait(tasks, timeout=LEFT_BEHIND_SECONDS)
    return bool(stuck)


def leave(*, has_tasks: bool) -> None:
    """End the process although a node's thread or task still runs, which nothing can end."""
    others = [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and not thread.daemon
    ]
    has_threads = any(it.is_alive() and it.name.startswith("flowcraft-node") for it in others)
    if has_tasks or has_threads:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def main() -> None:
    """Run a command; exit with 0, with 1 if it failed, with 2 if it was not understood."""
    from flowcraft.errors import FlowcraftError, SettingsError, UnknownAdapterError

    try:
        program(prog_name="flowcraft")
    except FlowcraftError as error:
        print(f"flowcraft: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsError | UnknownAdapterError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
