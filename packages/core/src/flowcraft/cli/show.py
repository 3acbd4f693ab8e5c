"""How a run is shown to a person: where it stands, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from flowcraft.client.explain import Explanation
from flowcraft.client.standing import Standing
from flowcraft.engine.record import ErrorInfo

SHOWN_PER_NODE = 20
"""How many activations of one node are told one by one; the rest is counted."""

OVER = ("completed", "skipped", "failed", "caught")


def run_lines(run: Explanation, *, now: float) -> Iterator[str]:
    """Tell a run, line by line."""
    yield f"run {run.run_id}  {run.status}"
    yield f"  blueprint  {run.blueprint_id}"
    yield f"  submitted  {moment(run.created_at)}, {duration(now - run.created_at)} ago"
    if run.ended_at is None and run.starts_at is not None and now < run.starts_at:
        yield f"  starts     {moment(run.starts_at)}, in {duration(run.starts_at - now)}"
    if run.ended_at is not None:
        took = duration(run.ended_at - run.created_at)
        yield f"  ended      {moment(run.ended_at)}, after {took}"
    elif run.deadline_at is not None:
        yield f"  deadline   {moment(run.deadline_at)}, in {duration(run.deadline_at - now)}"
    if run.parent:
        yield f"  child of   {run.parent}"
    if run.error is not None:
        yield f"  error      {error_text(run.error)}"
    by_node: dict[str, list[Standing]] = {}
    for standing in run.activations:
        by_node.setdefault(standing.node, []).append(standing)
    width = max((len(node) for node in by_node), default=0)
    for node, standings in by_node.items():
        yield from node_lines(node.ljust(width), standings, now=now)
    if not run.is_complete:
        yield f"  ... and more; these are the first {len(run.activations)}"


def node_lines(node: str, standings: list[Standing], *, now: float) -> Iterator[str]:
    """Tell the activations of a node: what is over in one line, what is not one by one."""
    over = [standing for standing in standings if standing.state in OVER]
    troubled = [standing for standing in over if standing.state in ("failed", "caught")]
    if len(over) == 1 and not over[0].scope:
        yield f"  {node}  {over[0].state}{_attempt(over[0])}{_error(over[0])}"
    elif over:
        counts = Counter(standing.state for standing in over)
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        yield f"  {node}  {told}"
        yield from _each(node, troubled, now=now)
    yield from _each(node, [one for one in standings if one.state not in OVER], now=now)


def _each(node: str, standings: list[Standing], *, now: float) -> Iterator[str]:
    for standing in standings[:SHOWN_PER_NODE]:
        scope = f" {standing.scope}" if standing.scope else ""
        yield f"  {node} {scope} {reason(standing, now=now)}".rstrip()
    left = Counter(standing.state for standing in standings[SHOWN_PER_NODE:])
    if left:
        told = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in left.items())
        yield f"  {node}  and {told}"


def reason(standing: Standing, *, now: float) -> str:
    """Say in words where an activation stands."""
    match standing.state:
        case "ready":
            text = f"is ready or being executed{_attempt(standing)}"
        case "retrying":
            at = standing.until if standing.until is not None else now
            text = f"tries again in {duration(at - now)}{_attempt(standing)}"
        case "stranded":
            since = standing.since if standing.since is not None else now
            text = f"found no worker with {standing.uses!r} for {duration(now - since)}"
        case "joining":
            text = f"waits for {', '.join(standing.waits_for) or 'its edges'}"
        case "waiting":
            text = "waits for a resume"
        case "sleeping":
            at = standing.until if standing.until is not None else now
            text = f"sleeps until {moment(at)}, {duration(at - now)} more"
        case "in_subflow":
            text = f"waits for its child run {standing.child}{_attempt(standing)}"
        case _:
            text = f"{standing.state}{_attempt(standing)}"
    return text + _error(standing)


def _attempt(standing: Standing) -> str:
    return f", attempt {standing.attempt}" if standing.attempt > 1 else ""


def _error(standing: Standing) -> str:
    return f"; {error_text(standing.error)}" if standing.error is not None else ""


def error_text(error: ErrorInfo) -> str:
    """An error with its place and its cause, in one line."""
    place = f"node {error.node!r}" if error.node else "the run"
    if error.scope:
        place += f" in scope {error.scope}"
    if error.attempt > 1:
        place += f", attempt {error.attempt}"
    cause = f" (because of {error.cause})" if error.cause else ""
    return " ".join(f"{place}: {error.type}: {error.message}{cause}".split())


def moment(at: float) -> str:
    """A time as text."""
    return f"{datetime.fromtimestamp(at, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """A length of time, as exact as a person wants it."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"
