"""The same blueprint in one process, beside the adapter: what G7 compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flowcraft.engine.program import Program
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeRegistry
from flowcraft.runtime import FlowRuntime, LocalRun
from flowcraft.testing.clock import LoopClock


class Signal(NamedTuple):
    """A resume that is given before anything of the run executes, so that it is kept."""

    node_id: str | None = None
    output: Any = None
    action: str | None = None
    scope: str = ""


def start_in_process(
    program: Program,
    payload: Any,
    *,
    run_id: str,
    registry: NodeRegistry,
    expressions: Expressions,
    programs: Mapping[str, Program],
    signals: Sequence[Signal] = (),
    largest_value_bytes: int | None = None,
) -> LocalRun:
    """Start a run in the running loop; arguments as for `FlowRuntime`."""
    runtime = FlowRuntime(
        registry=registry,
        expressions=expressions,
        clock=LoopClock("in process"),
        blueprints={name: each.blueprint for name, each in programs.items()},
        largest_value=largest_value_bytes,
    )
    run = runtime.start(program, payload, run_id=run_id)
    for signal in signals:
        outcome = run.resume(signal.action, signal.output, signal.node_id, signal.scope)
        assert outcome == "kept", f"{signal} was {outcome} in process"
    return run
