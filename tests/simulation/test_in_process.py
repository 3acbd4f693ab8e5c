"""Random graphs through the in-process runtime, each checked by the reference interpreter."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from flowcraft.blueprint import load_blueprint
from flowcraft.clock import Clock
from flowcraft.engine.record import ErrorInfo, Record, carried_value, output_value
from flowcraft.errors import NonRetryableError
from flowcraft.expressions import Expressions
from flowcraft.nodes import Context, NodeRegistry, NodeResult, RunInfo
from flowcraft.runtime import FlowRuntime, LocalRun
from tests.simulation.behaviour import SimulatedError, decide
from tests.simulation.case import Case
from tests.simulation.check import Observed, ObservedRecord, check
from tests.simulation.graphs import generate
from tests.simulation.loop import run_virtually

GRAPHS = 400
EPOCH = 1_700_000_000.0


class VirtualClock(Clock):
    """Time of a virtual loop, and chance from a seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return self._dice.random()

    def fresh_id(self) -> str:
        return "run"


async def simulated(input: Any, ctx: Context, run: RunInfo, params: dict[str, Any]) -> Any:
    """Do what the behaviour of simulated nodes says."""
    decision = decide(
        params, node_id=run.node_id, scope=run.scope, attempt=run.attempt, input=input
    )
    for key, value in decision.writes.items():
        await ctx.set(key, value)
    await asyncio.sleep(decision.seconds if decision.kind != "hang" else 1e7)
    if decision.kind == "raise":
        raise (SimulatedError if decision.retryable else NonRetryableError)("simulated")
    return NodeResult(output=decision.output, action=decision.action)


def play(case: Case) -> Observed:
    """Run a case in this process, in virtual time, and answer its waits."""
    registry = NodeRegistry()
    registry.register(simulated, uses="sim.node")
    registry.register(simulated, uses="sim.worker")
    expressions = Expressions()
    runtime = FlowRuntime(
        registry=registry,
        expressions=expressions,
        clock=VirtualClock(case.seed),
        blueprints={
            name: load_blueprint(json, expressions=expressions)
            for name, json in case.blueprints.items()
        },
        concurrency=random.Random(case.seed).choice((None, 1, 3)),
    )
    blueprint = load_blueprint(case.blueprint, expressions=expressions)

    async def main() -> Observed:
        run = runtime.start(blueprint, case.payload)
        for signal in case.signals:
            if signal.early:
                run.resume(signal.action, signal.output, signal.node, signal.scope or "")
        answered: set[tuple[str, str]] = set()
        while run.status() in ("running", "waiting"):
            answer_waits(case, run, "", answered)
            await asyncio.sleep(0.5)
        await run.result()
        return await observe(run)

    return run_virtually(main())


def answer_waits(case: Case, run: LocalRun, path: str, answered: set[tuple[str, str]]) -> None:
    """Resume each wait that is open, with every signal that is for it."""
    for key in run.open_waits():
        node, slash, rest = key.partition("/")
        if (run.run_id, key) in answered:
            continue
        answered.add((run.run_id, key))
        for signal in case.signals:
            is_for_it = signal.node == path + node and signal.scope in (None, slash + rest)
            if is_for_it and not signal.early:
                run.resume(signal.action, signal.output, node, slash + rest)
    for (key, _), child in run.children().items():
        answer_waits(case, child, f"{path}{key.partition('/')[0]}/", answered)


async def observe(run: LocalRun) -> Observed:
    """Show an ended run to the check."""
    result = await run.result()
    return Observed(
        status=result.status,
        output=result.output,
        context=result.context,
        errors=[shown(error) for error in result.errors],
        records={key: recorded(run, record) for key, record in run.records().items()},
        children={place: await observe(child) for place, child in run.children().items()},
        run_id=run.run_id,
        retry_of=run.retry_of,
    )


def recorded(run: LocalRun, record: Record) -> ObservedRecord:
    return ObservedRecord(
        outcome=record.outcome,
        output=run.value(output_value(record)),
        action=record.action,
        taken={index: run.value(carried_value(record, index)) for index in record.taken},
        skipped=set(record.skipped),
        attempt=record.attempt,
        winner=record.winner,
        error=None if record.error is None else shown(record.error),
    )


def shown(error: ErrorInfo) -> dict[str, Any]:
    names = ("node", "scope", "attempt", "type", "message")
    return {name: getattr(error, name) for name in names}


def disagreements(first: int, count: int) -> dict[int, list[str]]:
    """Run cases of consecutive seeds; what is wrong with them, by seed."""
    found = {}
    for seed in range(first, first + count):
        case = generate(seed)
        problems = check(case, play(case))
        if problems:
            found[seed] = problems
    return found


@pytest.mark.parametrize("first", range(0, GRAPHS, 50))
def test_random_graphs_run_as_the_reference_interpreter_allows(first: int) -> None:
    assert disagreements(first, 50) == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(GRAPHS, 6000, 400))
def test_many_more_random_graphs_run_as_it_allows(first: int) -> None:
    assert disagreements(first, 400) == {}
