"""A run on a terminal, live: a line a node, or counts and what is under way if there are many."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flowcraft.cli.progress import NodeProgress, Progress
from flowcraft.clock import Clock
from flowcraft.events import RunEvent

REFRESHES_PER_SECOND = 8
OTHER_LINES = 3
"""Lines of the screen that are not nodes."""

_STYLES = {"failed": "red", "running": "cyan", "over": "green", "to come": "dim"}


class LiveView:
    """Draws a run again and again in the same place, at a bounded rate.

    Args:
        run_id: The run.
        nodes: Its nodes, in the order in which they are shown.
        clock: Tells how long a node has been running.
        console: Where to draw; standard output if not given.
    """

    def __init__(
        self,
        run_id: str,
        nodes: Iterable[str],
        clock: Clock,
        *,
        console: Console | None = None,
    ) -> None:
        self._run_id = run_id
        self._progress = Progress(nodes)
        self._clock = clock
        self._lock = threading.Lock()  # rich draws in a thread of its own
        self._live = Live(self, console=console, refresh_per_second=REFRESHES_PER_SECOND)

    def take(self, event: RunEvent) -> None:
        """Note an event; it is seen with the next drawing."""
        with self._lock:
            self._progress.take(event)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, traceback)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            drawn = list(self._drawn(options))
        yield from drawn

    def _drawn(self, options: ConsoleOptions) -> Iterator[RenderableType]:
        progress = self._progress
        end = progress.end
        status = str(end.status) if end is not None else "running"
        yield Text(f"run {self._run_id}  {status}", "bold")
        nodes = list(progress.nodes.items())
        room = max(1, options.max_height - OTHER_LINES)
        shown = nodes if len(nodes) <= room else _most_telling(nodes)[:room]
        now = self._clock.now()
        table = Table.grid(padding=(0, 2))
        for node_id, node in shown:
            table.add_row(
                Text(f"  {node_id}", no_wrap=True, overflow="ellipsis"),
                Text(node.state(), _STYLES[_kind(node)], no_wrap=True),
                Text(node.took(now), "dim", justify="right", no_wrap=True),
                Text(node.error, "red", no_wrap=True, overflow="ellipsis"),
            )
        if shown:
            yield table
        if len(shown) < len(nodes):
            yield Text(f"  {progress.summary()}")


def _kind(node: NodeProgress) -> str:
    if node.has_failed:
        return "failed"
    if node.is_running:
        return "running"
    return "over" if node.is_over else "to come"


def _most_telling(nodes: list[tuple[str, NodeProgress]]) -> list[tuple[str, NodeProgress]]:
    """What failed and what is under way; of the rest the counts say enough."""
    order = ("failed", "running")
    telling = [(order.index(kind), one) for one in nodes if (kind := _kind(one[1])) in order]
    return [one for _, one in sorted(telling, key=lambda pair: pair[0])]
