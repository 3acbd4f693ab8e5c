"""What a view knows of a run: where each node stands, put together from events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from flowcraft.cli.show import duration, error_text
from flowcraft.events import RunEvent

RUNNING = ("running", "retrying")


class NodeProgress:
    """Where the activations of one node stand: one, or many in a loop or a batch.

    Attributes:
        began_at: When the first of them began, in seconds since the epoch; None if nobody said.
        ended_at: When the last of them that is over ended.
        error: What the last one that was heard of failed with; empty if it did not.
    """

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.attempt = 1
        self.began_at: float | None = None
        self.ended_at: float | None = None
        self.error = ""

    def take(self, event: RunEvent) -> None:
        """Note an event of this node; one that comes again changes nothing."""
        state = {"started": "running", "finished": "completed", "retried": "retrying"}.get(
            event.kind, event.kind
        )
        before = self._states.get(event.scope)
        if before is not None:
            self.counts[before] -= 1
        self._states[event.scope] = state
        self.counts[state] += 1
        self.attempt = event.attempt
        if event.kind == "started":
            self.began_at = event.at if self.began_at is None else self.began_at
        elif event.at is not None:
            self.ended_at = max(event.at, self.ended_at or 0.0)
        self.error = error_text(event.error) if event.error is not None else ""

    @property
    def is_running(self) -> bool:
        """Whether one of them is under way."""
        return any(self.counts[state] for state in RUNNING)

    @property
    def has_failed(self) -> bool:
        """Whether one of them failed."""
        return bool(self.counts["failed"])

    @property
    def is_over(self) -> bool:
        """Whether all that began are over."""
        return bool(self._states) and not self.is_running

    def state(self) -> str:
        """Where they stand, in words."""
        if not self._states:
            return "-"
        if len(self._states) == 1 and "" in self._states:
            (state,) = self._states.values()
            return state if self.attempt == 1 else f"{state}, attempt {self.attempt}"
        return ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)

    def took(self, now: float) -> str:
        """How long they took so far; empty where nobody said when they began."""
        if self.began_at is None:
            return ""
        until = now if self.is_running else self.ended_at or now
        return duration(until - self.began_at)


class Progress:
    """Where the nodes of a run stand.

    Args:
        nodes: The ids of its blueprint's nodes, in the order in which they are shown.

    Attributes:
        nodes: Where each of them stands.
        end: The event that the run ended.
    """

    def __init__(self, nodes: Iterable[str]) -> None:
        self.nodes = {node: NodeProgress() for node in nodes}
        self.end: RunEvent | None = None

    def take(self, event: RunEvent) -> None:
        """Note an event."""
        if event.kind == "ended":
            self.end = event
        else:
            self.nodes.setdefault(event.node, NodeProgress()).take(event)

    def summary(self) -> str:
        """How many nodes are over, under way and to come."""
        over = sum(node.is_over for node in self.nodes.values())
        running = sum(node.is_running for node in self.nodes.values())
        failed = sum(node.has_failed for node in self.nodes.values())
        parts = [f"{over} of {len(self.nodes)} nodes over"]
        parts += [f"{running} running"] if running else []
        parts += [f"{failed} failed"] if failed else []
        return ", ".join(parts)
