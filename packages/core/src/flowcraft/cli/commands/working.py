"""Commands that execute nodes."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from flowcraft.cli.leaving import end_tasks, leave
from flowcraft.cli.options import Adapter, App, AsJson, Count, Text, Url, end

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("plain", "json")


def run(
    app: App,
    blueprint: Annotated[str, typer.Argument(metavar="BLUEPRINT", help="What it follows.")],
    payload: Annotated[Text, typer.Option(help="JSON, or - to read it from stdin.")] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Run again whenever a source file here changes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a blueprint in this process.

    It needs no backend and keeps nothing. What happens is shown: live on a terminal, a line an
    event elsewhere. Exits with 1 if the run fails; Ctrl-C cancels it.
    """
    from flowcraft.cli.runs import read_json

    value = read_json(payload, "--payload")
    if reload:
        from flowcraft.cli.output import json_text
        from flowcraft.cli.reload import run_and_reload

        options = ["--json"] if as_json else []
        options += [] if payload is None else [f"--payload={json_text(value)}"]
        run_and_reload(["run", *options, "--", app, blueprint])
    from flowcraft.cli.in_process import run_here
    from flowcraft.cli.locate import locate

    try:
        is_well = asyncio.run(run_here(locate(app), blueprint, value, as_json=as_json))
    except KeyboardInterrupt:
        leave(130)
        raise
    leave(0 if is_well else 1)
    end(is_well)


def worker(
    app: App,
    adapter: Adapter = None,
    url: Url = None,
    concurrency: Annotated[
        Count, typer.Option(min=1, help="Activations in progress at once, in each process.")
    ] = None,
    processes: Annotated[
        Count, typer.Option(min=1, help="Start so many workers, and again those that die.")
    ] = None,
    name: Annotated[Text, typer.Option(help="How it calls itself in logs and leases.")] = None,
    log_level: Annotated[str, typer.Option(help=f"{', '.join(LEVELS)}.")] = "info",
    log_format: Annotated[str, typer.Option(help="plain, or json: one object a line.")] = "plain",
    supervised: Annotated[Count, typer.Option(hidden=True)] = None,
) -> None:
    """Take jobs until SIGTERM or SIGINT.

    Then it finishes or hands back what it holds, and exits with 0. A second signal ends it at
    once.
    """
    if log_level.lower() not in LEVELS:
        raise typer.BadParameter(f"{log_level!r} is no level", param_hint="--log-level")
    if log_format not in FORMATS:
        raise typer.BadParameter(f"{log_format!r} is no format", param_hint="--log-format")
    from flowcraft.cli.locate import locate
    from flowcraft.cli.log import log_to_stderr
    from flowcraft.cli.runs import refuse_private

    log_to_stderr(log_level, as_json=log_format == "json")
    if processes is not None:
        options = {
            "--adapter": adapter,
            "--url": url,
            "--concurrency": concurrency,
            "--log-level": log_level,
            "--log-format": log_format,
        }
        _supervise(app, options, name, processes)
    found = locate(app)
    refuse_private(found, adapter=adapter, url=url)
    made = found.worker(adapter=adapter, url=url, concurrency=concurrency, name=name)
    if supervised is None:
        main = made.run()
    else:
        from flowcraft.cli.supervisor import run_supervised

        main = run_supervised(made, supervised)
    with asyncio.Runner() as runner:
        runner.run(main)
        # Here, for the runner would wait for tasks that do not end.
        leave(has_tasks=runner.run(end_tasks()))


def _supervise(
    app: str, options: dict[str, str | int | None], name: str | None, processes: int
) -> None:
    """Keep worker processes alive, and exit."""
    from flowcraft.cli.supervisor import Supervisor
    from flowcraft.clock import SystemClock

    given = [f"{option}={value}" for option, value in options.items() if value is not None]

    def arguments(number: int, descriptor: int) -> list[str]:
        own = [f"--name={name}-{number}"] if name is not None else []
        return ["worker", *given, *own, f"--supervised={descriptor}", "--", app]

    supervisor = Supervisor(arguments, processes=processes, clock=SystemClock())
    raise typer.Exit(asyncio.run(supervisor.run()))
