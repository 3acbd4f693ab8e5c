"""Commands about blueprints, which connect to nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from flowcraft.cli.options import AsJson, Text, end


def graph(
    target: Annotated[
        str, typer.Argument(metavar="APP", help="The application, or a blueprint's JSON file.")
    ],
    blueprint: Annotated[
        Text, typer.Argument(metavar="BLUEPRINT", help="Which one, if it has several.")
    ] = None,
) -> None:
    """Draw a blueprint as a Mermaid flowchart."""
    from flowcraft.blueprint import mermaid
    from flowcraft.cli.blueprints import find_blueprint

    print(mermaid(find_blueprint(target, blueprint)), end="")


def lint(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="APP|FILE...", help="An application, and blueprints as JSON files."),
    ],
    lifespan: Annotated[
        bool, typer.Option("--lifespan", help="Open the lifespan, to check what nodes depend on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check blueprints and what they name.

    Checks graphs, implementations, dependencies and expressions; exits with 1 if any is wrong.
    Files are checked as blueprints of the application. Without one, their graphs and expressions
    are checked, and not the names of implementations and subflows.
    """
    from flowcraft.cli.blueprints import lint as check
    from flowcraft.cli.output import write

    found = check(targets, opens_lifespan=lifespan)
    write(as_json, found, "\n".join(found.lines()))
    end(not found.problems)
