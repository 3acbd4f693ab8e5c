"""`FlowRuntime`: runs blueprints in this process, with nothing but an event loop.

    runtime = FlowRuntime(registry=flow.registry)
    result = await runtime.run(flow.to_blueprint(), {"id": 7})

    run = runtime.start(blueprint, payload)     # the same, with a handle
    run.resume("approve", {"by": "ann"})
    result = await run.result()

Everything means what it means on an adapter. Nothing is kept: when the process ends, so do its
runs. A node whose implementation is missing fails at once, for no other worker can have it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flowcraft.blueprint import Blueprint, validate
from flowcraft.clock import Clock, SystemClock
from flowcraft.engine.program import Program
from flowcraft.errors import BlueprintError, UnknownBlueprintError
from flowcraft.execution.limits import check_deadline, check_id
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeRegistry, ProcessPool, RunInThread
from flowcraft.runtime.driver import Driver
from flowcraft.runtime.environment import Environment
from flowcraft.runtime.local_run import LocalRun
from flowcraft.status import RunResult

KEPT = 200
"""How many programs are kept; the least recently used one goes."""


class FlowRuntime:
    """Runs blueprints in this process.

    Args:
        registry: Implementations by `uses` key.
        expressions: Compiles conditions and transforms.
        dependencies: What the application's lifespan yields, for nodes that ask for it.
        clock: Time and chance; the machine's own by default.
        run_in_thread: Runs a node that is not async; by default in the loop's own threads.
        cpu_processes: Most processes of nodes bound to the CPU; by default one for each CPU.
        blueprints: What subflows may name, by id.
        concurrency: Most node functions executing at once, over all runs; None for no limit.
        largest_value: Largest value in bytes, to meet the limit of an adapter; None for none.
    """

    def __init__(
        self,
        *,
        registry: NodeRegistry,
        expressions: Expressions | None = None,
        dependencies: Any = None,
        clock: Clock | None = None,
        run_in_thread: RunInThread | None = None,
        cpu_processes: int | None = None,
        blueprints: Mapping[str, Blueprint] = MappingProxyType({}),
        concurrency: int | None = None,
        largest_value: int | None = None,
    ) -> None:
        self._environment = Environment(
            registry=registry,
            clock=clock if clock is not None else SystemClock(),
            dependencies=dependencies,
            run_in_thread=run_in_thread,
            processes=ProcessPool(cpu_processes),
            concurrency=concurrency,
            largest_value=largest_value,
        )
        self._expressions = expressions if expressions is not None else Expressions()
        self._blueprints = blueprints
        # By identity, with the blueprint kept alive for it: to compare contents costs a hash.
        self._programs: OrderedDict[int, tuple[Blueprint, Program]] = OrderedDict()

    def close(self) -> None:
        """End the processes of nodes bound to the CPU. Not needed: they end with the runtime."""
        self._environment.processes.close()

    async def run(
        self,
        blueprint: Blueprint | Program,
        payload: Any = None,
        *,
        run_id: str | None = None,
        deadline_seconds: float | None = None,
    ) -> RunResult:
        """Run a blueprint to its end. Cancelling the caller cancels the run.

        Raises:
            BlueprintError: The blueprint, or one of its subflows', cannot be loaded.
            UnknownBlueprintError: A subflow names a blueprint that is not there.
            RunError: The run's id or its deadline does not fit.
            ValueNotStorableError: The payload is not strict JSON.
        """
        run = self.start(blueprint, payload, run_id=run_id, deadline_seconds=deadline_seconds)
        try:
            return await run.result()
        except asyncio.CancelledError:
            run.cancel()
            raise

    def start(
        self,
        blueprint: Blueprint | Program,
        payload: Any = None,
        *,
        run_id: str | None = None,
        deadline_seconds: float | None = None,
    ) -> LocalRun:
        """Start a run in the running event loop, and give its handle; raises as `run` does."""
        program = self.program(blueprint)
        run_id = run_id if run_id is not None else self._environment.clock.fresh_id()
        check_id(run_id)
        check_deadline(deadline_seconds)
        driver = Driver(
            self._environment,
            self._reachable(program),
            program,
            run_id=run_id,
            payload=payload,
            deadline_seconds=deadline_seconds,
        )
        driver.start()
        return LocalRun(driver)

    def program(self, blueprint: Blueprint | Program) -> Program:
        """Check a blueprint and make it ready to run; the same object is done once.

        Raises:
            BlueprintError: It cannot be loaded.
        """
        if isinstance(blueprint, Program):
            return blueprint
        known = self._programs.get(id(blueprint))
        if known is None:
            problems = validate(blueprint, expressions=self._expressions)
            if problems:
                raise BlueprintError(blueprint.id, problems)
            known = blueprint, Program(blueprint, self._expressions)
            self._programs[id(blueprint)] = known
            if len(self._programs) > KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(id(blueprint))
        return known[1]

    def _reachable(self, program: Program) -> dict[str, Program]:
        """The programs of all blueprints that a run can come to, as they are now."""
        own = program.blueprint.id
        found = {own: program}
        pending = [program]
        while pending:
            above = pending.pop()
            for blueprint_id in sorted(above.subflows() - found.keys()):
                blueprint = self._blueprints.get(blueprint_id)
                if blueprint is None:
                    raise UnknownBlueprintError(
                        f"blueprint {above.blueprint.id!r} has a subflow {blueprint_id!r}, and no "
                        "blueprint of that id is registered. Give it in blueprints"
                    )
                found[blueprint_id] = self.program(blueprint)
                pending.append(found[blueprint_id])
        return found
