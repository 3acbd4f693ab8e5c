"""What the commands do with many runs: list them, and remove old ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import get_args

from flowcraft.app import Flowcraft
from flowcraft.cli.output import write
from flowcraft.cli.show import duration, moment
from flowcraft.clock import SystemClock
from flowcraft.errors import SettingsError
from flowcraft.status import FinalStatus, ListedStatus, RunPage, RunSummary

PAGE = 1000


async def list_runs(
    app: Flowcraft,
    *,
    status: str | None,
    blueprint_id: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """Write a page of runs.

    Raises:
        SettingsError: There is no such status.
        RunError: `after` is none.
    """
    known: tuple[ListedStatus, ...] = get_args(ListedStatus)
    asked = next((one for one in known if one == status), None)
    if status is not None and asked is None:
        raise SettingsError(f"--status {status!r}: runs are listed as {', '.join(known)}")
    page = await app.runs(status=asked, blueprint_id=blueprint_id, limit=limit, after=after)
    write(as_json, page, "\n".join(_lines(page)))


def _lines(page: RunPage) -> list[str]:
    if not page.runs:
        return ["no runs"]
    rows = [_row(run) for run in page.runs]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if page.next is not None:
        lines.append(f"... and more, with: --after {page.next}")
    return lines


def _row(run: RunSummary) -> tuple[str, ...]:
    took = duration(run.ended_at - run.created_at) if run.ended_at is not None else ""
    return (run.run_id, run.status, run.blueprint_id, moment(run.created_at), took)


async def purge_older(app: Flowcraft, age_seconds: float, *, as_json: bool) -> None:
    """Remove all runs that ended so long ago, with the runs below them."""
    adapter = await app.adapter()
    before = SystemClock().now() - age_seconds
    # Children go with their roots.
    old = [
        run.run_id
        async for run in _ended(app)
        if not run.parent and run.ended_at is not None and run.ended_at < before
    ]
    purged = [run_id for run_id in old if await adapter.runs.purge(run_id)]
    count = len(purged)
    write(as_json, {"purged": purged}, f"{count} run{'s' if count != 1 else ''} removed")


async def _ended(app: Flowcraft) -> AsyncIterator[RunSummary]:
    statuses: tuple[FinalStatus, ...] = get_args(FinalStatus)
    for status in statuses:
        page = await app.runs(status=status, limit=PAGE)
        while True:
            for run in page.runs:
                yield run
            if page.next is None:
                break
            page = await app.runs(status=status, limit=PAGE, after=page.next)
