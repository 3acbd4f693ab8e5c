"""Replays a recorded workflow and checks that it went as it had to.

python examples/wfformat/replay.py TRACE.json                       in this process
python examples/wfformat/replay.py TRACE.json --adapter memory      through the whole protocol
python examples/wfformat/replay.py TRACE.json --url sqlite:///x.db  on workers started elsewhere
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from app import app
from wfformat import Trace, expected_digests, load_trace, node_id, to_blueprint

from flowcraft.blueprint import load_blueprint
from flowcraft.engine.activation import Activation
from flowcraft.runtime import FlowRuntime


async def replay_in_process(trace: Trace, scale: float) -> dict[str, Any]:
    """Run the trace here; every task's output, by node."""
    runtime = FlowRuntime(registry=app.registry)
    run = runtime.start(load_blueprint(to_blueprint(trace, scale=scale)), {})
    result = await run.result()
    if result.status != "completed":
        raise RuntimeError(f"the run {result.status}: {result.errors}")
    return {key: run.value(bytes(r.output)) for key, r in run.records().items()}


async def replay_distributed(
    trace: Trace, scale: float, *, adapter: str | None, url: str | None, timeout: float
) -> dict[str, Any]:
    """Run the trace on an adapter's workers; every task's output, by node."""
    await app.connect(adapter=adapter, url=url)
    worker = app.worker(adapter=adapter, url=url) if adapter == "memory" else None
    working = asyncio.create_task(worker.run()) if worker is not None else None
    try:
        app.add(to_blueprint(trace, scale=scale), replace=True)
        run = await app.submit(trace.name, {})
        result = await run.result(timeout)
        if result.status != "completed":
            raise RuntimeError(f"the run {result.status}: {result.errors}")
        return await _outputs(run.run_id, trace)
    finally:
        if worker is not None and working is not None:
            worker.stop()
            await working
        await app.aclose()


async def _outputs(run_id: str, trace: Trace) -> dict[str, Any]:
    backend = await app.adapter()
    view = await backend.parts.view(run_id)
    assert view is not None
    found = {}
    for task in trace.parents:
        activation = Activation(node_id(task))
        data = await backend.parts.reader.peek(run_id, activation.key, "record")
        stored = await backend.parts.reader.output_of(view, activation, data)
        found[activation.key] = _decode(stored)
    return found


def _decode(stored: bytes) -> Any:
    from flowcraft import values

    return values.decode(stored)


def faults(trace: Trace, outputs: dict[str, Any]) -> list[str]:
    """What did not go as it had to."""
    expected = expected_digests(trace)
    found = []
    for task, above in trace.parents.items():
        output = outputs.get(node_id(task))
        if not isinstance(output, dict):
            found.append(f"task {task!r} has no record")
        elif output["digest"] != expected[task]:
            found.append(f"task {task!r} got other values than its parents'")
        elif any(outputs[node_id(parent)]["ended"] > output["started"] for parent in above):
            found.append(f"task {task!r} started before a parent ended")
    extra = len(outputs) - len(trace.parents)
    if extra:
        found.append(f"{extra} records belong to no task")
    return found


def main() -> int:
    """Replay as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--scale", type=float, default=0.0, help="replayed seconds a recorded one")
    parser.add_argument("--adapter")
    parser.add_argument("--url")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds")
    options = parser.parse_args()
    trace = load_trace(options.trace)
    started = time.monotonic()
    if options.adapter is None and options.url is None:
        outputs = asyncio.run(replay_in_process(trace, options.scale))
    else:
        outputs = asyncio.run(
            replay_distributed(
                trace, options.scale, adapter=options.adapter, url=options.url,
                timeout=options.timeout,
            )
        )  # fmt: skip
    wrong = faults(trace, outputs)
    for fault in wrong[:10]:
        print("WRONG", fault)
    seconds = time.monotonic() - started
    print(f"{trace.name}: {len(trace.parents)} tasks, {len(wrong)} wrong, {seconds:.2f} s")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
