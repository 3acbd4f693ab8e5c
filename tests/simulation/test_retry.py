"""Random graphs that are cancelled in the middle and retried: in process, and by dying workers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from flowcraft.blueprint import load_blueprint
from flowcraft.expressions import Expressions
from flowcraft.nodes import Context, NodeRegistry, RunInfo
from flowcraft.runtime import FlowRuntime, LocalRun
from tests.simulation.check import Observed, check
from tests.simulation.draw import draw
from tests.simulation.faults import FaultPlan
from tests.simulation.graphs import generate
from tests.simulation.judge import simulate
from tests.simulation.loop import run_virtually
from tests.simulation.retried import Executions, not_taken_over, together, unused
from tests.simulation.test_in_process import VirtualClock, answer_waits, observe, simulated

GRAPHS = 300
SIMULATED = 150
MOST_CANCELS = 3


def disagreements(seed: int) -> list[str]:
    """Run a case, cancel it now and then, and retry it until it ends by itself."""
    case = generate(seed)
    executions: Executions = Counter()
    dice = random.Random(case.seed)

    async def counted(input: Any, ctx: Context, run: RunInfo, params: dict[str, Any]) -> Any:
        executions[f"{run.run_id} {run.node_id}{run.scope} {run.attempt}"] += 1
        await asyncio.sleep(dice.choice((0, 0, 0.2)))
        return await simulated(input, ctx, run, params)

    registry = NodeRegistry()
    for uses in ("sim.node", "sim.worker"):
        registry.register(counted, uses=uses)
    expressions = Expressions()
    runtime = FlowRuntime(
        registry=registry,
        expressions=expressions,
        clock=VirtualClock(case.seed),
        blueprints={
            name: load_blueprint(json, expressions=expressions)
            for name, json in case.blueprints.items()
        },
    )

    async def end(run: LocalRun, cancel_at: float | None) -> Observed:
        answered: set[tuple[str, str]] = set()
        while run.status() in ("running", "waiting"):
            if cancel_at is not None and asyncio.get_running_loop().time() >= cancel_at:
                run.cancel()
            answer_waits(case, run, "", answered)
            await asyncio.sleep(0.1)
        return await observe(run)

    async def main() -> list[str]:
        before: Observed | None = None
        problems: list[str] = []
        run = runtime.start(load_blueprint(case.blueprint, expressions=expressions), case.payload)
        signals = [signal for signal in case.signals if signal.early]
        for retry in range(MOST_CANCELS + 1):
            for signal in signals:
                run.resume(signal.action, signal.output, signal.node, signal.scope or "")
            now = asyncio.get_running_loop().time()
            soon = now + dice.choice((0.0, 0.1, 0.3, 1.0, 3.0, 40.0))
            observed = await end(run, soon if retry < MOST_CANCELS else None)
            if before is not None:
                problems += not_taken_over(case, before, observed, executions)
                observed = together(before, observed)
            problems += check(case, observed, may_be_cancelled=True)
            before = observed
            signals = unused(case, observed)
            run = run.retry(f"retry{retry}")
        run.cancel()
        return problems

    return run_virtually(main())


@pytest.mark.parametrize("first", range(0, GRAPHS, 50))
def test_what_is_retried_makes_an_allowed_run_and_executes_nothing_again(first: int) -> None:
    seeds = range(first, first + 50)
    assert {seed: found for seed in seeds if (found := disagreements(seed))} == {}


def faults(seed: int) -> list[str]:
    """Simulate a seed whose run is cancelled and retried, among all that goes wrong there."""
    setup = draw(seed)
    dice = random.Random(seed)
    cancel_at = dice.choice((None, dice.random(), dice.random() * 10, dice.random() * 40))
    if setup.mode == "contract" and setup.plan != FaultPlan():
        return []  # a run that is ended early may lack context writes there
    setup = replace(setup, is_purged=False, is_retried=True, cancel_at=cancel_at)
    _, problems = simulate(setup)
    return problems


@pytest.mark.parametrize("first", range(0, SIMULATED, 50))
def test_the_same_holds_while_workers_die_and_messages_are_lost(first: int) -> None:
    logging.disable(logging.CRITICAL)
    try:
        seeds = range(first, first + 50)
        assert {seed: found for seed in seeds if (found := faults(seed))} == {}
    finally:
        logging.disable(logging.NOTSET)
