"""For each rule of the protocol the simulated runs in which it matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tests.simulation.case import Case, Signal
from tests.simulation.draw import draw
from tests.simulation.faults import IDLE_CALLS, FaultPlan
from tests.simulation.hand_written import LOOP, batch, counting, graph, node
from tests.simulation.loop import run_virtually
from tests.simulation.setup import LEASE_SECONDS, Mode, Setup
from tests.simulation.world import World

IDLE = IDLE_CALLS | {"extend", "touch", "depth"}
"""Calls that a worker makes also when it does nothing for the run."""
SECONDS = 1500.0
SLOW = FaultPlan(pause_seconds=5.0)
"""A pause that is over before the lease is."""


def setup(case: Case, seed: int = 1, mode: Mode = "split", **members: Any) -> Setup:
    """Give a run of a case without faults, and with a bound that is far beyond its length."""
    members.setdefault("plan", FaultPlan())
    return Setup(case=case, seed=seed, mode=mode, longest_seconds=SECONDS, **members)


def case(blueprint: Any, *children: Any, **members: Any) -> Case:
    """Make a case of blueprints."""
    return Case(blueprint=blueprint, blueprints={c["id"]: c for c in children}, **members)


def faulty(
    base: Setup, *kinds: str, only: frozenset[str] | None = None, times: int = 1
) -> Iterator[Setup]:
    """Give the run again and again, with one fault each: at every call of its own.

    Args:
        base: The run, and in its plan how long a pause is.
        kinds: `pause`, `crash_before`, `crash_after`.
        only: The names of the calls; otherwise all but those of idle workers.
        times: How many times as many calls the broken rule makes.
    """
    calls = _calls(base)
    for name in sorted(calls.keys() - IDLE if only is None else calls.keys() & only):
        for number in range(1, times * calls[name] + 1):
            for kind in kinds:
                at = {"pause_at": number} if kind == "pause" else {"crash_at": number}
                is_after = kind == "crash_after"
                plan = replace(base.plan, at_call=name, crash_after=is_after, **at)
                yield replace(base, plan=plan)


def _calls(base: Setup) -> dict[str, int]:
    async def main() -> dict[str, int]:
        ended = await World(base).run()
        return dict(ended.faults.by_call)

    return run_virtually(main())


def chain(length: int, **params: Any) -> Any:
    """Write nodes one behind the other."""
    names = [f"n{index}" for index in range(length)]
    return graph([node(name, **params) for name in names], *pairwise(names))


def diamonds(count: int) -> Any:
    """Write diamonds one behind the other, and a slow node at the end."""
    nodes, edges = [node("j0")], []
    for index in range(count):
        top, left, right, low = f"j{index}", f"l{index}", f"r{index}", f"j{index + 1}"
        nodes += [node(left), node(right), node(low)]
        edges += [(top, left), (top, right), (left, low), (right, low)]
    nodes.append(node("last", takes_seconds=45))
    return graph(nodes, *edges, (f"j{count}", "last"))


def fan(count: int, **join: Any) -> Any:
    """Write nodes side by side between one and a join."""
    sides = [f"s{index}" for index in range(count)]
    edges: list[Any] = [("a", side) for side in sides] + [(side, "j") for side in sides]
    return graph([node("a"), *map(node, sides), node("j", **join), node("e")], *edges, ("j", "e"))


ANY: dict[str, Any] = {"config": {"joinStrategy": "any"}}


def rule_1() -> Iterator[Setup]:
    """One branch fails the run while another is under way."""
    blueprint = graph(
        [node("a", fatal=True, takes_seconds=0.5), node("b", takes_seconds=1), node("c")],
        ("b", "c"),
    )
    for mode in ("fused", "split"):
        yield setup(case(blueprint), mode=mode)


def rule_2_doubling() -> Iterator[Setup]:
    """Messages come twice, before diamonds behind which the run lives on."""
    for seed in range(6):
        plan = FaultPlan(duplicate=0.5, most=20)
        yield setup(case(diamonds(6)), seed, plan=plan, has_sweeper=False, most_messages=100)


def rule_2_chain() -> Iterator[Setup]:
    """A worker dies anywhere in a chain, which it may run under one message."""
    for mode in ("fused", "split"):
        yield from faulty(
            setup(case(chain(4)), 2, mode, has_sweeper=False), "crash_before", "crash_after"
        )


def rule_3() -> Iterator[Setup]:
    """The first worker commits just after its lease, goes on, and dies at the next node."""
    for seed in range(6):
        mode: Mode = ("fused", "split")[seed % 2]
        name = "transition" if mode == "fused" else "commit record"
        for crash_at in (3, 4):
            plan = FaultPlan(at_call=name, pause_at=1, pause_seconds=9.4, crash_at=crash_at)
            blueprint = chain(5, takes_seconds=1)
            yield setup(case(blueprint), seed, mode, plan=plan, workers=2, has_sweeper=False)


def rule_3_followed() -> Iterator[Setup]:
    """The first worker commits its second node when its message was followed and is gone."""
    for seed in range(6):
        plan = FaultPlan(at_call="commit record", pause_at=2, pause_seconds=8.6, crash_at=4)
        blueprint = chain(5, takes_seconds=1)
        yield setup(case(blueprint), seed, plan=plan, workers=2, has_sweeper=False)


def rule_4() -> Iterator[Setup]:
    """Several nodes become ready at once; a worker stands still while it tells of one."""
    for seed in range(4):
        yield setup(case(fan(4)), seed)
        base = setup(case(fan(2)), seed)
        yield from faulty(base, "pause", only=frozenset({"propagate"}), times=2)


def rule_5() -> Iterator[Setup]:
    """A skipped and a taken edge arrive at once."""
    blueprint = graph(
        [node("a"), node("b"), node("c"), node("j"), node("e")],
        ("a", "b"), ("a", "c"), ("b", "j", {"condition": "false"}), ("c", "j"), ("j", "e"),
    )  # fmt: skip
    for seed in range(4):
        base = setup(case(blueprint), seed, plan=SLOW)
        yield from faulty(base, "pause", only=frozenset({"propagate"}), times=2)


def rule_6() -> Iterator[Setup]:
    """A worker dies anywhere around an `any` join; there is a sweeper."""
    for mode in ("fused", "split"):
        yield from faulty(setup(case(fan(2, **ANY)), 1, mode), "crash_before", "crash_after")


def rule_7() -> Iterator[Setup]:
    """A worker dies when it has told of the end of one lane, and the other goes on."""
    for seed in range(3):
        base = setup(case(batch(5, {"takes_seconds": 15}, chunkSize=2)), seed)
        yield from faulty(base, "crash_after", only=frozenset({"propagate"}))


def rule_8() -> Iterator[Setup]:
    """The parent fails while a worker stands still over the making of its child."""
    child = graph([node("x", takes_seconds=3), node("y")], ("x", "y"), name="child")
    nodes = [node("a", fatal=True, takes_seconds=6), node("f", "subflow", blueprintId="child")]
    for seed in (6, 7):  # the child has to be with another worker than the failure
        yield from faulty(setup(case(graph(nodes), child), seed), "pause")


def rule_9_sleep() -> Iterator[Setup]:
    """A sleep, by delays of the queue and by timers."""
    blueprint = graph([node("s", "sleep", duration=2000), node("e")], ("s", "e"))
    for has_delays in (True, False):
        yield setup(case(blueprint), has_delays=has_delays)


def rule_9_attempts() -> Iterator[Setup]:
    """Two workers execute one attempt that fails."""
    trying = node("a", fail_attempts=1, config={"maxRetries": 3, "retryDelay": 120_000})
    for seed in range(4):
        base = setup(case(graph([trying, node("e")], ("a", "e"))), seed)
        yield from faulty(base, "pause", only=frozenset({"load", "commit failed"}))


def rule_10_early() -> Iterator[Setup]:
    """A signal comes while the waiter is slow, at any of its steps."""
    signals = [Signal(node="w", output=1, early=True)]
    blueprint = graph([node("a"), node("w", "wait"), node("e")], ("a", "w"), ("w", "e"))
    base = setup(case(blueprint, signals=signals), plan=SLOW, has_sweeper=False, early_at=2.0)
    yield from faulty(base, "pause")


def rule_10_claim() -> Iterator[Setup]:
    """A wait in a loop, and one early signal for it."""
    nodes = [*counting(2, maxIterations=4), node("w", "wait")]
    edges = [*LOOP[:2], ("b", "w"), ("w", "c"), LOOP[3]]
    signals = [Signal(node="w", output={"n": 1}, early=True), Signal(node="w", output={"n": 2})]
    for seed in range(4):
        yield setup(case(graph(nodes, *edges), signals=signals), seed)


def rule_11_deaths() -> Iterator[Setup]:
    """A node kills every worker that executes it."""
    for mode in ("fused", "split"):
        blueprint = graph([node("a"), node("k", kills=True)], ("a", "k"))
        yield setup(case(blueprint), 1, mode, max_deliveries=3)


def rule_11_hand_backs() -> Iterator[Setup]:
    """The store cannot be reached when the outcome is to be written, five times over."""
    plan = FaultPlan(at_call="commit record", failing=5)
    yield setup(case(chain(3)), plan=plan, max_deliveries=3)


def rule_12() -> Iterator[Setup]:
    """Messages are held for longer than the broker allows, and a worker dies meanwhile."""
    base = setup(
        case(chain(2, takes_seconds=25)), has_sweeper=False,
        longest_unacknowledged_seconds=LEASE_SECONDS,
    )  # fmt: skip
    held = frozenset({"set_timers", "ack"})
    yield from faulty(base, "crash_before", "crash_after", only=held)


def rule_13() -> Iterator[Setup]:
    """A node fails the run while another one makes it complete."""
    nodes = [node("a", fatal=True), node("b", takes_seconds=0.1), node("j", **ANY)]
    base = setup(case(graph(nodes, ("a", "j"), ("b", "j"))))
    for mode in ("fused", "split"):
        yield from faulty(replace(base, mode=mode), "crash_after", "pause")


def rule_14() -> Iterator[Setup]:
    """A loop with a slow sink in its body ends soon."""
    nodes = [*counting(1), node("side", takes_seconds=40)]
    blueprint = graph(nodes, *LOOP, ("c", "side", {"action": "continue"}))
    for seed in range(4):
        base = setup(case(blueprint), seed)
        yield from faulty(base, "pause", "crash_after", only=frozenset({"propagate", "send"}))


def rule_14_end() -> Iterator[Setup]:
    """A loop begins late, while a faster way to the end has brought it about."""
    nodes = [
        node("a"), node("j", **ANY), node("s0", takes_seconds=1), *counting(1),
        node("side", takes_seconds=40),
    ]  # fmt: skip
    begins = ("c", "side", {"action": "continue"})
    blueprint = graph(nodes, ("a", "j"), ("s0", "s"), *LOOP, ("e", "j"), begins)
    for seed in range(8):  # the loop has to be with another worker than the one that pauses
        base = setup(case(blueprint), seed, plan=SLOW)
        yield from faulty(base, "pause", only=frozenset({"finish"}))


def rule_15() -> Iterator[Setup]:
    """A worker dies anywhere around a join, over a store of five operations."""
    base = setup(case(fan(2)), 1, "contract", workers=2)
    yield from faulty(base, "crash_after", only=frozenset({"set_if_not_exist"}))


def rule_16() -> Iterator[Setup]:
    """Answers of commits are lost, and the driver commits again."""
    for seed in range(4):
        plan = FaultPlan(again=0.5, most=20)
        yield setup(case(chain(5)), seed, plan=plan, has_sweeper=False, is_calm=True)


def rule_17() -> Iterator[Setup]:
    """A worker stands still while its run fails and is purged."""
    nodes = [node("a", fatal=True, takes_seconds=2), *(node(f"b{i}") for i in range(5))]
    edges = [(f"b{i}", f"b{i + 1}") for i in range(4)] + [("b0", "b3")]
    base = setup(case(graph(nodes, *edges)), is_purged=True)
    yield from faulty(base, "pause")


def without_sweeper(seed: int) -> Setup:
    """Draw a run whose workers die, stand still and meet errors, and lose no message."""
    drawn = draw(seed)
    plan = replace(drawn.plan, lose=0.0)
    if plan == FaultPlan():
        plan = FaultPlan(crash=0.02, pause=0.02, duplicate=0.1, most=20)
    mode: Mode = ("fused", "split")[seed % 2] if drawn.mode == "contract" else drawn.mode
    # What a purge leaves behind of a child that was being made is for the sweeper to find. Where
    # workers die of faults, poison cannot be told from what is innocent.
    companions = tuple(one for one in drawn.companions if not one.is_poison)
    return replace(
        drawn, plan=plan, mode=mode, has_sweeper=False, is_purged=False, companions=companions,
        max_deliveries=60, most_waiting=None,
    )  # fmt: skip
