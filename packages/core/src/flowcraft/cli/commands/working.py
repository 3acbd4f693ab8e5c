"""Commands that execute nodes."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from typing import Annotated

import typer

from flowcraft.cli.options import Adapter, App, Count, Text, Url


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
    asyncio.run(made.run())
    leave()


def leave() -> None:
    """End the process although a node's thread still runs, which nothing can end."""
    others = [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and not thread.daemon
    ]
    if any(thread.is_alive() and thread.name.startswith("flowcraft-node") for thread in others):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
