"""Commands about runs on a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flowcraft.cli.options import Adapter, App, AsJson, Number, Run, Text, Url, end, with_app

if TYPE_CHECKING:
    from flowcraft.app import Flowcraft


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

    end(with_app(app, do, adapter=adapter, url=url))


def show(
    app: App, run: Run, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Say where a run stands, and why it is where it is."""
    from flowcraft.cli import runs
    from flowcraft.clock import SystemClock

    async def do(found: Flowcraft) -> None:
        await runs.show(found, run, as_json=as_json, now=SystemClock().now())

    with_app(app, do, adapter=adapter, url=url)


def cancel(
    app: App, run: Run, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Cancel a run that is not over."""
    from flowcraft.cli import runs

    async def do(found: Flowcraft) -> None:
        await runs.cancel(found, run, as_json=as_json)

    with_app(app, do, adapter=adapter, url=url)


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

    end(with_app(app, do, adapter=adapter, url=url))


def reconcile(
    app: App, run: Run, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Repair a run from its records: send again what is ready, write an end that is due."""
    from flowcraft.cli import runs

    async def do(found: Flowcraft) -> None:
        await runs.reconcile(found, run, as_json=as_json)

    with_app(app, do, adapter=adapter, url=url)


def purge(
    app: App, run: Run, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Remove a run that has ended, and the runs below it, for good."""
    from flowcraft.cli import runs

    async def do(found: Flowcraft) -> None:
        await runs.purge(found, run, as_json=as_json)

    with_app(app, do, adapter=adapter, url=url)
