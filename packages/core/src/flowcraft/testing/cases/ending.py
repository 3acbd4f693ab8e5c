"""Cases of how runs begin, end, and are removed."""

from __future__ import annotations

from flowcraft.testing.cases.case import Case, End, Outside, act
from flowcraft.testing.graphs import graph, node


async def _submit_once(outside: Outside) -> None:
    await outside.submit_once()


def submission() -> Case:
    """A submission that nobody repeats once the run is there."""
    ends = (End("completed", {"n": 1}, {"n": 1, "k": 1}),)
    blueprint = graph([act("a", writes={"k": 1})])
    return Case(
        blueprints=(blueprint,), payload={"n": 1}, story=_submit_once, ends=ends, sweeps=True
    )


async def _submit_two(outside: Outside) -> None:
    await outside.submit(name="-one")
    await outside.submit(name="-two")


def two_runs() -> Case:
    """Two runs of one blueprint at once."""
    nodes = [act("a"), act("b", writes={"b": 1}), act("c", writes={"c": 2}), act("j")]
    edges = [("a", "b"), ("a", "c"), ("b", "j"), ("c", "j")]
    end = End("completed", {"b": 3, "c": 3}, {"b": 1, "c": 2})
    return Case(blueprints=(graph(nodes, *edges),), payload=3, story=_submit_two, ends=(end, end))


async def _cancel(outside: Outside) -> None:
    await outside.submit()
    await outside.until_open("s/w")
    await outside.cancel()


def cancel() -> Case:
    """A run that is cancelled, and a child of it, while both are suspended."""
    child = graph([act("x", writes={"x": 1}), node("w", "wait")], ("x", "w"), name="child")
    nodes = [act("a", writes={"k": 1}), node("s", "subflow", blueprintId="child"), act("no")]
    blueprint = graph(nodes, ("a", "s"), ("s", "no"))
    ends = (End("cancelled", None, {"k": 1}),)
    return Case(blueprints=(blueprint, child), story=_cancel, ends=ends, sweeps=True)


async def _with_a_deadline(outside: Outside) -> None:
    await outside.submit(deadline_seconds=1.0)


def deadline() -> Case:
    """A run whose deadline comes while it waits, or before a worker does."""
    ends = (End("failed"),)
    blueprint = graph([node("w", "wait"), act("no")], ("w", "no"))
    return Case(blueprints=(blueprint,), story=_with_a_deadline, ends=ends)


async def _purge(outside: Outside) -> None:
    await outside.submit()
    await outside.until_over()
    await outside.purge()


def purge() -> Case:
    """A run that is purged at its end with its child, messages of it still under way."""
    child = graph([act("x")], name="child")
    nodes = [act("a"), node("s", "subflow", blueprintId="child"), act("j")]
    blueprint = graph(nodes, ("a", "s"), ("a", "j"), ("s", "j"))
    return Case(blueprints=(blueprint, child), story=_purge, ends=(End("gone"),), sweeps=True)


CASES = (submission, two_runs, cancel, deadline, purge)
