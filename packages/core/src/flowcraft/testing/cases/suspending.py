"""Cases of waits, webhooks and sleeps."""

from __future__ import annotations

from typing import Any

from flowcraft.testing.cases.case import Case, End, Outside, act
from flowcraft.testing.graphs import graph, node

GO: dict[str, Any] = {"action": "continue"}
CALL = {"body": 1, "headers": {}, "method": "POST", "query": {}}
"""What a webhook is called with."""


async def _early_late_and_twice(outside: Outside) -> None:
    await outside.submit()
    await outside.until_open("late")
    await outside.resume("early", "e")
    await outside.resume("late", 1, action="yes")
    await outside.resume("late", 2, action="no")


def waits() -> Case:
    """Waits resumed early, late and twice."""
    nodes = [
        node("late", "wait"), act("yes", writes={"yes": 1}), act("no", writes={"no": 1}),
        node("early", "wait"), act("j"),
    ]  # fmt: skip
    edges = [
        ("late", "yes", {"action": "yes"}), ("late", "no", {"action": "no"}),
        ("yes", "early"), ("early", "j"), ("no", "j"),
    ]  # fmt: skip
    ends = (End("completed", {"early": "e"}, {"yes": 1}),)
    return Case(blueprints=(graph(nodes, *edges),), story=_early_late_and_twice, ends=ends)


async def _call(outside: Outside) -> None:
    await outside.submit()
    await outside.until_open("hook")
    await outside.resume("hook", CALL)
    await outside.until_open("pair")
    await outside.resume("pair", CALL)


def webhooks() -> Case:
    """A webhook by itself, and one with its wait."""
    nodes = [
        node("hook", "webhook"), node("of_pair", "webhook"),
        node("pair", "wait", eventName="webhook:of_pair"), act("e"),
    ]  # fmt: skip
    edges = [("hook", "of_pair"), ("of_pair", "pair"), ("pair", "e")]
    ends = (End("completed", CALL),)
    return Case(blueprints=(graph(nodes, *edges),), story=_call, ends=ends)


def sleep() -> Case:
    """A sleep beside a branch that goes on, and one behind it."""
    nodes = [
        act("a"), node("nap", "sleep", duration=300), act("b", writes={"b": 1}),
        node("more", "sleep", duration=200), act("j"),
    ]  # fmt: skip
    edges = [("a", "nap"), ("a", "b"), ("b", "j"), ("nap", "more"), ("more", "j")]
    ends = (End("completed", {"b": 6, "more": 6}, {"b": 1}),)
    return Case(blueprints=(graph(nodes, *edges),), payload=6, ends=ends)


async def _resume_each(outside: Outside) -> None:
    await outside.submit()
    for scope in ("/0", "/1"):
        await outside.until_open("w", scope=scope)
        await outside.resume("w", {"n": int(scope[1:]) + 1}, scope=scope)


def wait_in_a_loop() -> Case:
    """A wait in each iteration."""
    nodes = [
        act("a", value={"n": 0}), node("c", "loop-controller", condition="input.n < 2"),
        node("w", "wait"), act("e"),
    ]  # fmt: skip
    edges = [("a", "c"), ("c", "w", GO), ("w", "c"), ("c", "e")]
    ends = (End("completed", {"n": 2}),)
    return Case(blueprints=(graph(nodes, *edges),), story=_resume_each, ends=ends)


async def _resume_items(outside: Outside) -> None:
    await outside.submit()
    for scope in ("/#0", "/#1", "/#2"):
        await outside.until_open("b", scope=scope)
        await outside.resume("b", scope, scope=scope)


def wait_in_a_batch() -> Case:
    """A wait for each item, of which one is woken before others open."""
    nodes = [
        act("l", value=[0, 1, 2]),
        node("b", "batch-scatter", workerUsesKey="wait", gatherNodeId="r", chunkSize=2),
        node("r", "batch-gather"),
    ]
    blueprint = graph(nodes, ("l", "b"), ("b", "r"))
    ends = (End("completed", ["/#0", "/#1", "/#2"]),)
    return Case(blueprints=(blueprint,), story=_resume_items, ends=ends)


async def _resume_in_a_child(outside: Outside) -> None:
    await outside.submit()
    await outside.until_open("s/w")
    await outside.resume("s/w", "child")


def wait_in_a_child() -> Case:
    """A wait of a subflow, named by its path."""
    child = graph([node("w", "wait"), act("x")], ("w", "x"), name="child")
    nodes = [node("s", "subflow", blueprintId="child"), act("j")]
    ends = (End("completed", "child"),)
    return Case(blueprints=(graph(nodes, ("s", "j")), child), story=_resume_in_a_child, ends=ends)


def race() -> Case:
    """A sleep that overtakes a wait nobody resumes: the run ends with the wait still open."""
    nodes = [
        act("a"), node("nap", "sleep", duration=300), node("w", "wait"),
        act("j", config={"joinStrategy": "any"}),
    ]  # fmt: skip
    edges = [("a", "nap"), ("a", "w"), ("nap", "j"), ("w", "j")]
    ends = (End("completed", {"nap": 1}),)
    return Case(blueprints=(graph(nodes, *edges),), payload=1, ends=ends)


CASES = (
    waits, webhooks, sleep, wait_in_a_loop, wait_in_a_batch, wait_in_a_child, race,
)  # fmt: skip
