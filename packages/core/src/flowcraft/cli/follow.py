"""Follows a run: a live view on a terminal, a line an event elsewhere, or JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Protocol

from flowcraft.cli.output import json_text
from flowcraft.cli.show import error_text
from flowcraft.clock import Clock
from flowcraft.events import RunEvent
from flowcraft.status import RunResult


class View(Protocol):
    """Shows events as they come."""

    def take(self, event: RunEvent) -> None:
        """Show an event."""


class LineView:
    """One line an event, at once: plain, or a JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def take(self, event: RunEvent) -> None:
        print(json_text(event) if self._as_json else event_line(event), flush=True)


def event_line(event: RunEvent) -> str:
    """An event as a line: when, what, where, and what it failed with."""
    at = ""
    if event.at is not None:
        time = datetime.fromtimestamp(event.at, tz=UTC)
        at = f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z "
    if event.kind == "ended":
        text = f"{at}run {event.run_id} {event.status}"
        return f"{text}; {error_text(event.error)}" if event.error is not None else text
    attempt = f", attempt {event.attempt}" if event.attempt > 1 else ""
    action = f", action {event.action}" if event.action else ""
    error = f"; {error_text(event.error)}" if event.error is not None else ""
    return f"{at}{event.kind} {event.node}{event.scope}{attempt}{action}{error}"


def view_of(
    run_id: str, nodes: Iterable[str], *, as_json: bool, clock: Clock
) -> AbstractContextManager[View]:
    """The view that fits to where the output goes.

    Args:
        run_id: The run.
        nodes: Its nodes, in the order in which a live view shows them.
        as_json: Whether a program reads.
        clock: Tells how long a node has been running.
    """
    if as_json or not sys.stdout.isatty():
        return nullcontext(LineView(as_json=as_json))
    from flowcraft.cli.live import LiveView

    return LiveView(run_id, nodes, clock)


def write_followed(result: RunResult, *, as_json: bool) -> None:
    """Write the result of a run whose events were shown: what these did not say."""
    if as_json:
        print(json_text(result), flush=True)
        return
    if result.status == "cancelled":
        print(f"run {result.run_id} is cancelled")
    # The error that ended a run is its last one, and was told with its end.
    for error in result.errors[:-1] if result.status == "failed" else result.errors:
        print(f"error: {error_text(error)}")
    if result.status == "completed":
        print(json_text(result.output))


async def show_events(events: AsyncIterator[RunEvent], view: View) -> None:
    """Show events until there are no more."""
    async for event in events:
        view.take(event)
