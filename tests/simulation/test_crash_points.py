"""A worker dies before and after every single call that a run makes to its backend.

For each of a dozen small graphs, that cover every construct between them, the calls of an
uninterrupted run are counted. Then the run is repeated, once for each call and each side of it,
with a death there; however it then goes on, the reference interpreter must allow the outcome.

    pytest tests/simulation/test_crash_points.py                                  a sample
    FLOWCRAFT_ALL_CRASH_POINTS=1 pytest tests/simulation/test_crash_points.py     all of them
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulation.case import BlueprintJson, Case, Signal
from tests.simulation.draw import MODES
from tests.simulation.faults import FaultPlan
from tests.simulation.graphs import generate
from tests.simulation.hand_written import LOOP, batch, counting, graph, node, through, value
from tests.simulation.judge import simulate
from tests.simulation.setup import Mode, Setup

SEED = 20
ALL = bool(os.environ.get("FLOWCRAFT_ALL_CRASH_POINTS"))
SAMPLE = 14
"""Points of each graph and mode, where not all are asked for."""

GO: dict[str, Any] = {"action": "continue"}

Enumerated = Counter[str]


def case(blueprint: BlueprintJson, *children: BlueprintJson, **more: Any) -> Case:
    """Write a case."""
    return Case(blueprint=blueprint, blueprints={c["id"]: c for c in children}, **more)


def branches() -> Case:
    """Conditions, actions, a branch not taken, transforms, two edges between the same nodes."""
    nodes = [
        value("a", {"n": 3}, action="go"),
        through("b"), through("c"), through("d"), through("e"),
        through("j", writes={"k": "$next"}),
    ]  # fmt: skip
    edges = [
        ("a", "b", {"action": "go"}),
        ("a", "c", {"action": "go", "condition": "result.output.n > 5"}),
        ("a", "d", {"action": "other"}),
        ("c", "e"), ("d", "e"),
        ("b", "j", {"transform": "result.output.n"}),
        ("b", "j", {"condition": "input.n == 3"}),
        ("e", "j"),
    ]  # fmt: skip
    return case(graph(nodes, *edges))


def fan() -> Case:
    """A fan-out and two joins, one of which takes the first arrival."""
    middle = [through(f"m{index}") for index in range(3)]
    nodes = [value("a", 1), *middle, through("all"), node("any", config={"joinStrategy": "any"})]
    edges = [("a", m["id"]) for m in middle]
    edges += [(m["id"], join) for m in middle for join in ("all", "any")]
    return case(graph(nodes, *edges))


def loop() -> Case:
    """A loop whose body has a branch of its own that delays the end."""
    blueprint = graph(counting(2), *LOOP)
    blueprint["nodes"].append(through("side"))
    blueprint["edges"].append({"source": "b", "target": "side"})
    return case(blueprint)


def nested_loop() -> Case:
    """A loop in a loop, with a join in the inner one."""
    nodes = [
        value("s", {"n": 0}),
        node("o", "loop-controller", condition="input.n < 2"),
        value("zero", {"n": 0}),
        node("i", "loop-controller", condition="input.n < 1"),
        node("x", emit="count"),
        node("y", emit="count"),
        node("j", "sim.node", emit="value", value={"n": 1}),
        node("back", emit="value", value={"n": 5}),
        through("e"),
    ]
    edges = [
        ("s", "o"), ("o", "zero", GO), ("zero", "i"), ("i", "x", GO), ("i", "y", GO),
        ("x", "j"), ("y", "j"), ("j", "i"), ("i", "back"), ("back", "o"), ("o", "e"),
    ]  # fmt: skip
    return case(graph(nodes, *edges))


def beyond_the_chunk() -> Case:
    """A batch whose lanes have several items, and one item is tried again."""
    params = {"emit": "input", "fail_attempts": 1, "fail_scopes": ["/#2"]}
    blueprint = batch(5, params, chunkSize=2)
    blueprint["nodes"][1]["config"] = {"maxRetries": 2, "retryDelay": 100}
    blueprint["nodes"].append(through("after"))
    blueprint["edges"].append({"source": "g", "target": "after"})
    return case(blueprint)


def past_failed_items() -> Case:
    """A batch that goes on past failed items, and one without items."""
    params = {"emit": "input", "fail_attempts": 9, "fail_scopes": ["/#1", "/#2"]}
    blueprint = batch(3, params, onItemError="continue")
    blueprint["nodes"] += [
        value("none", []),
        node("b0", "batch-scatter", workerUsesKey="sim.worker", gatherNodeId="g0"),
        node("g0", "batch-gather"),
    ]
    blueprint["edges"] += [{"source": "none", "target": "b0"}, {"source": "b0", "target": "g0"}]
    return case(blueprint)


def attempts() -> Case:
    """Attempts that raise, that take too long, and a run that fails in the end."""
    retry = {"maxRetries": 3, "retryDelay": 200}
    nodes = [
        value("a", 1),
        node("raises", config=retry, fail_attempts=2),
        node("hangs", config={**retry, "timeout": 2000}, hang_attempts=1),
        node("dies", config={"maxRetries": 2, "retryDelay": 100}, fail_attempts=9),
    ]
    return case(graph(nodes, ("a", "raises"), ("raises", "hangs"), ("hangs", "dies")))


def fallbacks() -> Case:
    """A fallback with edges of its own, a shared one, one that was not needed, and a chain."""
    nodes = [
        value("a", {"n": 1}),
        node("own", config={"fallback": "f1"}, fail_attempts=9),
        through("f1"), through("of_f1"),
        node("one", config={"fallback": "shared"}, fail_attempts=9),
        node("two", config={"fallback": "shared"}, fail_attempts=9),
        through("shared", config={"fallback": "last"}, fail_attempts=9, fail_scopes=["/!two"]),
        through("last"),
        node("fine", config={"fallback": "idle"}),
        through("idle"), through("of_idle"),
        through("j"),
    ]  # fmt: skip
    edges = [
        ("a", "own"), ("a", "one"), ("a", "two"), ("a", "fine"), ("f1", "of_f1"),
        ("idle", "of_idle"), ("own", "j"), ("one", "j"), ("two", "j"), ("fine", "j"),
        ("of_f1", "j"), ("of_idle", "j"),
    ]  # fmt: skip
    return case(graph(nodes, *edges))


def subflows() -> Case:
    """Three runs deep, with a child that fails at first, and outputs mapped."""
    lowest = graph([through("x", writes={"made": "$next"}), through("y")], ("x", "y"), name="low")
    shaky = node("s", "subflow", blueprintId="low", outputs={"up": "made"})
    middle = graph([through("m"), shaky], ("m", "s"), name="mid")
    failing = graph([node("f", fail_attempts=9)], name="bad")
    retry = {"maxRetries": 2, "retryDelay": 100, "fallback": "instead"}
    nodes = [
        value("a", {"n": 1}),
        node("down", "subflow", blueprintId="mid", inputs={"p": "a.n", "q": "a"}),
        node("no", "subflow", blueprintId="bad", config=retry),
        through("instead"),
        through("j"),
    ]
    top = graph(nodes, ("a", "down"), ("a", "no"), ("down", "j"), ("no", "j"))
    return case(top, lowest, middle, failing)


def waits() -> Case:
    """Waits woken early, late and twice, in a loop and in a child; a webhook; a sleep."""
    child = graph([node("w", "wait"), through("x")], ("w", "x"), name="child")
    nodes = [
        value("a", {"n": 0}),
        node("early", "wait"),
        node("late", "wait"),
        through("yes"), through("no"),
        node("hook", "webhook"),
        node("nap", "sleep", duration="2s"),
        node("sub", "subflow", blueprintId="child"),
        through("j"),
    ]  # fmt: skip
    edges = [
        ("a", "early"), ("a", "late"), ("a", "nap"), ("a", "sub"), ("nap", "hook"),
        ("late", "yes", {"action": "yes"}), ("late", "no", {"action": "no"}),
        ("early", "j"), ("yes", "j"), ("no", "j"), ("hook", "j"), ("sub", "j"),
    ]  # fmt: skip
    call = {"body": 1, "headers": {}, "method": "POST", "query": {}}
    signals = [
        Signal(node="early", output="early", early=True),
        Signal(node="late", action="yes", output=1),
        Signal(node="late", action="no", output=2),
        Signal(node="hook", output=call),
        Signal(node="sub/w", output="child"),
    ]
    return case(graph(nodes, *edges), child, signals=signals)


def waits_in_a_loop() -> Case:
    """A wait in each iteration, and one in each item of a batch."""
    nodes = [
        value("a", {"n": 0}),
        node("c", "loop-controller", condition="input.n < 2"),
        node("b", emit="count"),
        node("w", "wait"),
        node("k", inputs="b", emit="input"),
        node("l", emit="list:2"),
        node("s", "batch-scatter", workerUsesKey="wait", gatherNodeId="g"),
        node("g", "batch-gather"),
    ]
    edges = [
        ("a", "c"), ("c", "b", GO), ("b", "w"), ("w", "k"), ("k", "c"),
        ("c", "l"), ("l", "s"), ("s", "g"),
    ]  # fmt: skip
    signals = [Signal(node="w", output="each"), Signal(node="s", output="item")]
    return case(graph(nodes, *edges), signals=signals)


def race() -> Case:
    """A sleep that overtakes a wait nobody resumes; the run ends with something still open."""
    nodes = [
        value("a", 1),
        node("nap", "sleep", duration="1s"),
        node("w", "wait"),
        through("j", config={"joinStrategy": "any"}),
    ]
    edges = [("a", "nap"), ("a", "w"), ("nap", "j"), ("w", "j")]
    return case(graph(nodes, *edges))


CASES = {
    make.__name__: make()
    for make in (
        branches, fan, loop, nested_loop, beyond_the_chunk, past_failed_items, attempts,
        fallbacks, subflows, waits, waits_in_a_loop, race,
    )
}  # fmt: skip
CASES |= {f"drawn_{seed}": generate(seed) for seed in (11, 23)}


@pytest.fixture(scope="module")
def enumerated(request: pytest.FixtureRequest) -> Iterator[Enumerated]:
    """Counts the points, and says at the end how many there were."""
    counts: Enumerated = Counter()
    yield counts
    total = f"{counts['tried']} of {counts['points']} crash points, {counts['wrong']} wrong"
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{total}")


@pytest.mark.parametrize("mode", dict.fromkeys(MODES))
@pytest.mark.parametrize("name", CASES)
def test_a_death_at_any_call_changes_no_outcome(
    name: str, mode: Mode, enumerated: Enumerated
) -> None:
    logging.disable(logging.CRITICAL)
    try:
        calls = run(name, mode, FaultPlan())
        points = [(i, after) for i in range(1, calls + 1) for after in (False, True)]
        tried = points if ALL else sample(points, f"{name} {mode} {SEED}")
        enumerated["points"] += len(points)
        for call, after in tried:
            run(name, mode, FaultPlan(crash_at=call, crash_after=after))
            enumerated["tried"] += 1
    except AssertionError:
        enumerated["wrong"] += 1
        raise
    finally:
        logging.disable(logging.NOTSET)


def run(name: str, mode: Mode, plan: FaultPlan) -> int:
    """Run a case with one death or none; how many calls its workers made."""
    setup = Setup(case=CASES[name], seed=SEED, mode=mode, plan=plan, workers=2)
    ended, problems = simulate(setup)
    side = "after" if plan.crash_after else "before"
    where = f"a death {side} call {plan.crash_at}" if plan.crash_at else "no fault at all"
    assert problems == [], f"{name}, {mode}, {where}: {problems[0]}"
    assert ended is not None
    return ended.faults.calls


def sample(points: list[tuple[int, bool]], seed: str) -> list[tuple[int, bool]]:
    """Some points in even strides, beginning where the seed says."""
    stride = max(1, len(points) // SAMPLE)
    # An even stride would only ever meet one side of the calls.
    stride += 1 - stride % 2
    return points[random.Random(seed).randrange(stride) :: stride]
