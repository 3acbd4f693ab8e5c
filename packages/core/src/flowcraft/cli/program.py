"""The program `flowcraft`: its commands, and how it ends."""

from __future__ import annotations

import sys

import typer

from flowcraft.cli.commands import backend, graphs, running, working

# Help and usage errors as plain text: quick to come up, and one line where one is meant.
program = typer.Typer(
    name="flowcraft",
    help="Durable workflow graphs on the queue and database you already have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# In the order in which the help lists them.
for command in (
    working.run,
    working.worker,
    running.submit,
    running.runs,
    running.show,
    running.cancel,
    running.resume,
    running.retry,
    running.reconcile,
    running.purge,
    graphs.graph,
    graphs.lint,
    backend.adapters,
    backend.setup,
    backend.doctor,
    backend.queue_depth,
    backend.dead_letters,
):
    program.command()(command)


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
