"""Commands about runs on a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flowcraft.cli.options import Adapter, App, AsJson, Number, Run, Text, Url, end, with_app

if TYPE_CHECKING:
    from flowcraft.app import Flowcraft

Wait = Annotated[bool, typer.Option("--wait", help="Wait for its end; fails if it does.")]
Follow = Annotated[
    bool, typer.Option("--follow", help="The same, and show what happens meanwhile.")
]
Timeout = Annotated[Number, typer.Option(help="The longest wait.")]


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
    delay_seconds: Annotated[float, typer.Option(help="Nothing of it starts before.")] = 0.0,
    wait: Wait = False,
    follow: Follow = False,
    timeout_seconds: Timeout = None,
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Start a run, and write its id.

    With --wait or --follow it writes the result too, and exits with 1 if the run fails.
    """
    from flowcraft.cli import runs

    value = runs.read_json(payload, "--payload")

    async def do(found: Flowcraft) -> bool:
        run = await runs.submit(
            found,
            blueprint,
            value,
            run_id=run_id,
            idempotency_key=idempotency_key,
            deadline_seconds=deadline_seconds,
            delay_seconds=delay_seconds,
        )
        return await runs.attend(
            found,
            run,
            wait=wait,
            follow=follow,
            timeout_seconds=timeout_seconds,
            as_json=as_json,
        )

    end(with_app(app, do, adapter=adapter, url=url))


def runs(
    app: App,
    status: Annotated[
        Text, typer.Option(help="Only running, completed, failed or cancelled ones.")
    ] = None,
    blueprint: Annotated[Text, typer.Option(help="Only those that follow it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    after: Annotated[Text, typer.Option(help="Where the page before ended.")] = None,
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from flowcraft.cli import listing

    async def do(found: Flowcraft) -> None:
        await listing.list_runs(
            found, status=status, blueprint_id=blueprint, limit=limit, after=after, as_json=as_json
        )

    with_app(app, do, adapter=adapter, url=url)


def show(
    app: App,
    run: Run,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show what happens in it until its end.")
    ] = False,
    after: Annotated[
        Text, typer.Option(help="With --follow: go on after the event of this cursor.")
    ] = None,
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say where a run stands, and why.

    With --follow it shows what happens until the end, and exits with 1 if the run fails.
    """
    from flowcraft.cli import runs
    from flowcraft.clock import SystemClock

    if after is not None and not follow:
        raise typer.BadParameter("goes with --follow only", param_hint="--after")

    async def do(found: Flowcraft) -> bool:
        if follow:
            return await runs.follow_run(found, run, after=after, as_json=as_json)
        await runs.show(found, run, as_json=as_json, now=SystemClock().now())
        return True

    end(with_app(app, do, adapter=adapter, url=url))


def cancel(
    app: App, run: Run, adapter: Adapter = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Cancel a run that is not over."""
    from flowcraft.cli import runs

    async def do(found: Flowcraft) -> None:
        await runs.cancel(found, run, as_json=as_json)

    with_app(app, do, adapter=adapter, url=url)


def retry(
    app: App,
    run: Run,
    run_id: Annotated[
        Text, typer.Option(help="Id of the new run; a fresh one if left out.")
    ] = None,
    wait: Wait = False,
    follow: Follow = False,
    timeout_seconds: Timeout = None,
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Go on from a run that ended, in a new one.

    It writes the new run's id. What completed does not execute again. With --wait or --follow it
    writes the result too, and exits with 1 if the run fails.
    """
    from flowcraft.cli import runs

    async def do(found: Flowcraft) -> bool:
        return await runs.attend(
            found,
            await found.run(run).retry(run_id),
            wait=wait,
            follow=follow,
            timeout_seconds=timeout_seconds,
            as_json=as_json,
        )

    end(with_app(app, do, adapter=adapter, url=url))


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
    """Wake a wait of a run.

    The signal is kept for one that is not open yet. Exits with 1 if it is refused.
    """
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
    """Repair a run from its records.

    What is ready is sent again, and an end that is due is written. Workers do so by themselves.
    """
    from flowcraft.cli import runs

    async def do(found: Flowcraft) -> None:
        await runs.reconcile(found, run, as_json=as_json)

    with_app(app, do, adapter=adapter, url=url)


def purge(
    app: App,
    run: Annotated[Text, typer.Argument(metavar="RUN", help="Id of the run.")] = None,
    older_than: Annotated[
        Text, typer.Option(metavar="AGE", help="All that ended longer ago, as in 7d or 12h.")
    ] = None,
    adapter: Adapter = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Remove runs that ended, for good.

    One by its id, or all that ended longer ago than an age; with the runs below them.
    """
    from flowcraft.blueprint import duration_seconds
    from flowcraft.cli import listing, runs

    if (run is None) == (older_than is None):
        raise typer.BadParameter("give one of RUN and --older-than")
    try:
        age = duration_seconds(older_than) if older_than is not None else 0.0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older-than") from error

    async def do(found: Flowcraft) -> None:
        if run is not None:
            await runs.purge(found, run, as_json=as_json)
        else:
            await listing.purge_older(found, age, as_json=as_json)

    with_app(app, do, adapter=adapter, url=url)
