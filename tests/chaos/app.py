"""The application of the chaos test: simulated nodes that write down what they do.

Run as a module it is a worker: `python -m tests.chaos.app LOGFILE`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

from flowcraft import Flowcraft
from flowcraft.errors import NonRetryableError
from flowcraft.nodes import Context, NodeResult, RunInfo
from tests.simulation.behaviour import SimulatedError, decide

TIME_SCALE = 0.05
"""Simulated seconds are this much of a real one."""


class Journal:
    """One line for each thing that happens, on disk before it happens."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class JournalHandler(logging.Handler):
    """Keeps the protocol's own remarks on duplicates and redeliveries."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.INFO)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() in ("redelivered", "duplicate discarded"):
            self._journal.write(record.getMessage().replace(" ", "-"))
        if record.levelno >= logging.ERROR:
            self._journal.write("error", record.getMessage(), record.exc_text or "")


def make_app(url: str, journal: Journal | None) -> Flowcraft:
    """The application of both the workers and the driver."""
    app = Flowcraft(url=url, sweep_interval_seconds=2.0, concurrency=8, max_deliveries=40)

    async def simulated(
        input: Any, ctx: Context, run: RunInfo, params: dict[str, Any]
    ) -> NodeResult[Any]:
        where = f"{run.run_id} {run.node_id}{run.scope} {run.attempt}"
        if journal is not None:
            journal.write("start", where)
        decision = decide(
            params, node_id=run.node_id, scope=run.scope, attempt=run.attempt, input=input
        )
        await asyncio.sleep(0.01 + decision.seconds * TIME_SCALE)
        if journal is not None:
            journal.write("end", where)
        if decision.kind == "raise":
            raise (SimulatedError if decision.retryable else NonRetryableError)("simulated")
        for key, value in decision.writes.items():
            await ctx.set(key, value)
        return NodeResult(output=decision.output, action=decision.action)

    for uses in ("sim.node", "sim.worker"):
        app.node(uses=uses)(_copy(simulated))
    return app


def _copy(function: Any) -> Any:
    """A function may have one key; two keys need two."""

    async def simulated(
        input: Any, ctx: Context, run: RunInfo, params: dict[str, Any]
    ) -> NodeResult[Any]:
        result: NodeResult[Any] = await function(input, ctx, run, params)
        return result

    return simulated


def main() -> None:
    """Work until told to stop."""
    journal = Journal(sys.argv[1])
    root = logging.getLogger("flowcraft")
    root.setLevel(logging.INFO)
    root.addHandler(JournalHandler(journal))
    app = make_app(os.environ["FLOWCRAFT_URL"], journal)
    asyncio.run(app.worker().run())


if __name__ == "__main__":
    main()
