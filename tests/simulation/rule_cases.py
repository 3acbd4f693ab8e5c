"""For each rule of the protocol the simulated runs in which it matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.simulation.case import Case, Signal
from tests.simulation.faults import FaultPlan
from tests.simulation.hand_written import LOOP, batch, counting, graph, node, value
from tests.simulation.loop import run_virtually
from tests.simulation.world import LEASE_SECONDS, Mode, Setup, World

IDLE = frozenset(
    {"_take", "take", "due_timers", "stalled", "context.to_dict", "extend", "touch", "depth"}
)
"""Calls that a worker makes also when it does nothing for the run."""
SECONDS = 1500.0


def setup(case: Case, seed: int = 1, mode: Mode = "split", **members: Any) -> Setup:
    """Give a run of a case without faults, and with a bound that is far beyond its length."""
    members.setdefault("plan", FaultPlan())
    return Setup(case=case, seed=seed, mode=mode, longest_seconds=SECONDS, **members)


def case(blueprint: Any, *children: Any, **members: Any) -> Case:
    """Make a case of blueprints."""
    return Case(blueprint=blueprint, blueprints={c["id"]: c for c in children}, **members)


def faulty(base: Setup, *kinds: str, only: frozenset[str] | None = None) -> Iterator[Setup]:
    """Give the run again and again, with one fault each: at every call of its own."""
    calls = _calls(base)
    for name in sorted(calls.keys() - IDLE if only is None else calls.keys() & only):
        for number in range(1, calls[name] + 1):
            for kind in kinds:
                at = {"pause_at": number} if kind == "pause" else {"crash_at": number}
                is_after = kind == "crash_after"
                yield replace(base, plan=FaultPlan(at_call=name, crash_after=is_after, **at))


def _calls(base: Setup) -> dict[str, int]:
    async def main() -> dict[str, int]:
        ended = await World(base).run()
        return dict(ended.faults.by_call)

    return run_virtually(main())


def chain(length: int, **params: Any) -> Any:
    """Write nodes one behind the other."""
    names = [f"n{index}" for index in range(length)]
    edges = zip(names, names[1:], strict=False)
    return graph([node(name, **params) for name in names], *edges)


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
    """Write nodes side by side between one and a join; of two, one takes an edge not taken."""
    sides = [f"s{index}" for index in range(count)]
    edges: list[Any] = [("a", side) for side in sides] + [(side, "j") for side in sides]
    return graph([node("a"), *map(node, sides), node("j", **join), node("e")], *edges, ("j", "e"))


ANY = {"config": {"joinStrategy": "any"}}


def rule_1() -> Iterator[Setup]:
    """One branch fails the run while another is under way."""
    blueprint = graph(
        [node("a", fatal=True, takes_seconds=0.5), node("b", takes_seconds=1), node("c")],
        ("b", "c"),
    )
    for mode in ("fused", "split"):
        yield setup(case(blueprint), mode=mode)


def rule_2_doubling() -> Iterator[Setup]:
    for seed in range(6):
        plan = FaultPlan(duplicate=0.5, most=20)
        yield setup(
            case(diamonds(6)), seed, "fused" if seed % 2 else "split", plan=plan,
            has_sweeper=False, most_messages=150,
        )  # fmt: skip


def rule_2_chain() -> Iterator[Setup]:
    for mode in ("fused", "split"):
        yield from faulty(
            setup(case(chain(4)), 2, mode, has_sweeper=False), "crash_before", "crash_after"
        )


def rule_3() -> Iterator[Setup]:
    for seed in range(40):
        plan = FaultPlan(crash=0.06, pause=0.06)
        yield setup(
            case(chain(6, takes_seconds=1)), seed, "split", plan=plan, workers=2, has_sweeper=False
        )


def rule_4() -> Iterator[Setup]:
    for seed in range(4):
        yield setup(case(fan(4)), seed)
    yield from faulty(setup(case(fan(2))), "pause", only=frozenset({"propagate"}))


def rule_5() -> Iterator[Setup]:
    blueprint = graph(
        [node("a"), node("b"), node("c"), node("j"), node("e")],
        ("a", "b"), ("a", "c"), ("b", "j", {"condition": "false"}), ("c", "j"), ("j", "e"),
    )  # fmt: skip
    yield from faulty(setup(case(blueprint)), "pause", only=frozenset({"propagate"}))


def rule_6() -> Iterator[Setup]:
    for mode in ("fused", "split"):
        yield from faulty(setup(case(fan(2, **ANY)), 1, mode), "crash_before", "crash_after")


def rule_7() -> Iterator[Setup]:
    base = setup(case(batch(5, {"takes_seconds": 15}, chunkSize=2)))
    yield from faulty(base, "crash_after", only=frozenset({"propagate", "send", "load"}))


def rule_8() -> Iterator[Setup]:
    child = graph([node("x", takes_seconds=3), node("y")], ("x", "y"), name="child")
    nodes = [node("a", fatal=True, takes_seconds=6), node("f", "subflow", blueprintId="child")]
    base = setup(case(graph(nodes), child))
    yield from faulty(base, "pause")


def rule_9_sleep() -> Iterator[Setup]:
    blueprint = graph([node("s", "sleep", duration=2000), node("e")], ("s", "e"))
    for has_delays in (True, False):
        yield setup(case(blueprint), has_delays=has_delays)


def rule_9_attempts() -> Iterator[Setup]:
    trying = node("a", fail_attempts=1, config={"maxRetries": 3, "retryDelay": 120_000})
    base = setup(case(graph([trying, node("e")], ("a", "e"))))
    yield from faulty(base, "pause")


def rule_10_early() -> Iterator[Setup]:
    signals = [Signal(node="w", output=1, early=True)]
    blueprint = graph([node("a"), node("w", "wait"), node("e")], ("a", "w"), ("w", "e"))
    for moment in range(20):
        yield setup(
            case(blueprint, signals=signals), has_sweeper=False, early_at=0.2 + moment / 50
        )


def rule_10_claim() -> Iterator[Setup]:
    nodes = [*counting(2, maxIterations=4), node("w", "wait")]
    edges = [*LOOP[:2], ("b", "w"), ("w", "c"), LOOP[3]]
    signals = [Signal(node="w", output={"n": 1}, early=True), Signal(node="w", output={"n": 2})]
    for seed in range(4):
        yield setup(case(graph(nodes, *edges), signals=signals), seed)


def rule_11_deaths() -> Iterator[Setup]:
    for mode in ("fused", "split"):
        blueprint = graph([node("a"), node("k", kills=True)], ("a", "k"))
        yield setup(case(blueprint), 1, mode, max_deliveries=3)


def rule_11_hand_backs() -> Iterator[Setup]:
    for seed in range(20):
        plan = FaultPlan(error=0.2, most=100)
        yield setup(case(chain(3)), seed, plan=plan, max_deliveries=3)


def rule_12() -> Iterator[Setup]:
    base = setup(
        case(chain(2, takes_seconds=25)), has_sweeper=False,
        longest_unacknowledged_seconds=LEASE_SECONDS,
    )  # fmt: skip
    held = frozenset({"set_timers", "ack"})
    yield from faulty(base, "crash_before", "crash_after", only=held)


def rule_13() -> Iterator[Setup]:
    nodes = [node("a", fatal=True), node("b", takes_seconds=0.1), node("j", **ANY)]
    base = setup(case(graph(nodes, ("a", "j"), ("b", "j"))))
    for mode in ("fused", "split"):
        yield from faulty(replace(base, mode=mode), "crash_after", "pause")


def rule_14() -> Iterator[Setup]:
    nodes = [*counting(1), node("side", takes_seconds=40)]
    blueprint = graph(nodes, *LOOP, ("c", "side", {"action": "continue"}))
    for seed in range(4):
        base = setup(case(blueprint), seed)
        yield from faulty(base, "pause", "crash_after", only=frozenset({"propagate", "send"}))


def rule_15() -> Iterator[Setup]:
    base = setup(case(fan(2)), 1, "contract", workers=2)
    yield from faulty(base, "crash_after", only=frozenset({"set_if_not_exist"}))


def rule_16() -> Iterator[Setup]:
    for seed in range(8):
        plan = FaultPlan(again=0.3, most=20)
        mode = "fused" if seed % 2 else "split"
        yield setup(case(fan(2)), seed, mode, plan=plan, has_sweeper=False, is_calm=True)


def rule_17() -> Iterator[Setup]:
    nodes = [node("a", fatal=True, takes_seconds=2), *(node(f"b{i}") for i in range(5))]
    edges = [(f"b{i}", f"b{i + 1}") for i in range(4)] + [("b0", "b3")]
    base = setup(case(graph(nodes, *edges)), is_purged=True)
    yield from faulty(base, "pause")
