"""Cases of attempts, fallbacks, subflows, and runs that go wrong."""

from __future__ import annotations

from flowcraft.testing.cases.case import ALWAYS, Case, End, Outside, act
from flowcraft.testing.graphs import graph, node


def attempts() -> Case:
    """Attempts that raise, one that takes too long, and a run that fails in the end."""
    again = {"maxRetries": 2, "retryDelay": 100}
    nodes = [
        act("raises", config={"maxRetries": 3, "retryDelay": 200}, fails=2, writes={"k": 1}),
        act("hangs", config={**again, "timeout": 500}, hangs=1),
        act("dies", config=again, fails=ALWAYS, writes={"no": 1}),
    ]
    blueprint = graph(nodes, ("raises", "hangs"), ("hangs", "dies"))
    return Case(blueprints=(blueprint,), ends=(End("failed", None, {"k": 1}),))


def timeouts() -> Case:
    """A wait and a subflow that take too long, each with a fallback."""
    slow = graph([node("w", "wait")], name="slow")
    nodes = [
        node("w", "wait", config={"timeout": 500, "fallback": "f"}), act("f", value="f"),
        node("s", "subflow", blueprintId="slow", config={"timeout": 500, "fallback": "t"}),
        act("t", value="t"), act("e"),
    ]  # fmt: skip
    blueprint = graph(nodes, ("w", "s"), ("s", "e"))
    return Case(blueprints=(blueprint, slow), ends=(End("completed", "t"),), sweeps=True)


def fallbacks() -> Case:
    """A fallback with edges of its own, one that was not needed, and a chain of them."""
    nodes = [
        act("a"),
        act("own", config={"fallback": "f"}, fails=ALWAYS), act("f", value=1), act("of_f"),
        act("fine", config={"fallback": "idle"}), act("idle"), act("of_idle"),
        act("j"),
    ]  # fmt: skip
    edges = [
        ("a", "own"), ("a", "fine"), ("f", "of_f"), ("idle", "of_idle"), ("own", "j"),
        ("fine", "j"), ("of_f", "j"), ("of_idle", "j"),
    ]  # fmt: skip
    ends = (End("completed", {"own": 1, "fine": 5, "of_f": 1}),)
    return Case(blueprints=(graph(nodes, *edges),), payload=5, ends=ends)


def shared_fallbacks() -> Case:
    """One fallback of two nodes, which has one itself that one of them needs."""
    nodes = [
        act("a"),
        act("one", config={"fallback": "shared"}, fails=ALWAYS),
        act("two", config={"fallback": "shared"}, fails=ALWAYS),
        act("shared", config={"fallback": "last"}, fails=ALWAYS, scopes=["/!two"], value="s"),
        act("last", value="l"), act("j"),
    ]  # fmt: skip
    edges = [("a", "one"), ("a", "two"), ("one", "j"), ("two", "j")]
    ends = (End("completed", {"one": "s", "two": "l"}),)
    return Case(blueprints=(graph(nodes, *edges),), ends=ends)


def subflows() -> Case:
    """Three runs deep, with an output mapped."""
    lowest = graph([act("x", writes={"made": 8}), act("y")], ("x", "y"), name="low")
    inner = node("s", "subflow", blueprintId="low", outputs={"up": "made"})
    middle = graph([inner, act("m", value="m")], ("s", "m"), name="mid")
    nodes = [
        act("a", value={"n": 1}),
        node("down", "subflow", blueprintId="mid", inputs={"p": "a.n"}, outputs={"q": "up"}),
        act("j"),
    ]
    blueprint = graph(nodes, ("a", "down"), ("down", "j"))
    ends = (End("completed", "m", {"q": 8}),)
    return Case(blueprints=(blueprint, middle, lowest), ends=ends)


def failing_subflows() -> Case:
    """Children that fail, a second attempt with a child of its own, and a fallback."""
    bad = graph([act("f", fails=ALWAYS)], name="bad")
    retry = {"maxRetries": 2, "retryDelay": 100, "fallback": "instead"}
    nodes = [
        node("no", "subflow", blueprintId="bad", config=retry), act("instead", value=1), act("j"),
    ]  # fmt: skip
    ends = (End("completed", 1),)
    return Case(blueprints=(graph(nodes, ("no", "j")), bad), ends=ends)


def batch_of_subflows() -> Case:
    """Each item is a child."""
    child = graph([act("x", counts=True)], name="child")
    nodes = [
        act("l", value=[{"n": 1}, {"n": 2}]),
        node(
            "b", "batch-scatter", workerUsesKey="subflow", workerParams={"blueprintId": "child"},
            gatherNodeId="r", chunkSize=1,
        ),
        node("r", "batch-gather"),
    ]  # fmt: skip
    ends = (End("completed", [{"n": 2}, {"n": 3}]),)
    return Case(blueprints=(graph(nodes, ("l", "b"), ("b", "r")), child), ends=ends)


async def _fail_and_retry(outside: Outside) -> None:
    await outside.submit()
    await outside.until_over()
    await outside.retry()


def retry_of_a_run() -> Case:
    """A run that fails in a child, and its retry, which goes on from there."""
    first = act("x", writes={"wrote": 1})
    child = graph([first, act("y", fails_first=True)], ("x", "y"), name="child")
    nodes = [
        act("a", writes={"k": 1}),
        node("s", "subflow", blueprintId="child", outputs={"made": "wrote"}),
        act("j"),
    ]
    blueprint = graph(nodes, ("a", "s"), ("s", "j"))
    ends = (End("failed", None, {"k": 1}), End("completed", 4, {"k": 1, "made": 1}))
    return Case(blueprints=(blueprint, child), payload=4, story=_fail_and_retry, ends=ends)


CASES = (
    attempts, timeouts, fallbacks, shared_fallbacks, subflows, failing_subflows,
    batch_of_subflows, retry_of_a_run,
)  # fmt: skip
