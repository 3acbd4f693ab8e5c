"""Listing runs, page by page."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.errors import RunError
from flowcraft.ports.store import Place
from flowcraft.status import RunPage, RunSummary, Status

LARGEST_PAGE = 1000


async def list_runs(
    adapter: BaseDistributedAdapter,
    *,
    status: Status | None,
    blueprint_id: str | None,
    limit: int,
    after: str | None,
) -> RunPage:
    """List runs, newest first.

    Raises:
        RunError: The status is `waiting`, the limit is out of range, or `after` is none.
        NewerFormatError: A newer Flowcraft wrote one of them.
    """
    if status == "waiting":
        raise RunError(
            "a listing does not tell 'waiting' from 'running', for that is worked out from all"
            " that a run consists of. List status='running', and ask each run: run.status()"
        )
    if type(limit) is not int or not 1 <= limit <= LARGEST_PAGE:
        raise RunError(f"limit={limit!r}: a whole number from 1 to {LARGEST_PAGE}")
    before = _place(after) if after is not None else None
    found = await adapter.ports.store.list_runs(
        status=status, blueprint_id=blueprint_id, before=before, limit=limit + 1
    )
    for header in found:
        adapter.ports.formats.check(header)
    shown = found[:limit]
    has_more = len(found) > limit
    return RunPage(
        runs=tuple(RunSummary.of(header) for header in shown),
        next=_cursor(Place(shown[-1].created_at, shown[-1].run_id)) if has_more else None,
    )


def _cursor(place: Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _place(cursor: str) -> Place:
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor), type=Place)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise RunError(f"after={cursor!r}: not the `next` of a page") from error
