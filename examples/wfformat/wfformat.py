"""Real executions as blueprints: a loader for WfFormat 1.5, the traces of WfCommons.

Each task of a trace becomes a node that takes as long as the task did, scaled, and whose output
is a digest of its own name and of its parents' digests. So the last outputs prove that every
task ran after its parents, with their values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TASK = "wfformat.task"
"""The implementation that every node names."""


@dataclass(frozen=True)
class Trace:
    """One recorded execution.

    Args:
        name: What the trace calls itself.
        parents: The parents of each task, by id.
        runtimes: Seconds, by id.
    """

    name: str
    parents: dict[str, tuple[str, ...]]
    runtimes: dict[str, float]


def load_trace(path: Path) -> Trace:
    """Read a trace.

    Raises:
        ValueError: It is no WfFormat 1.5, or names a task that it does not have.
    """
    try:
        document = json.loads(path.read_text())
        specified = document["workflow"]["specification"]["tasks"]
        executed = document["workflow"].get("execution", {}).get("tasks", [])
        parents = {task["id"]: tuple(task["parents"]) for task in specified}
        runtimes = {task["id"]: float(task["runtimeInSeconds"]) for task in executed}
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no WfFormat 1.5: {type(error).__name__}: {error}") from error
    for task, above in parents.items():
        unknown = [parent for parent in above if parent not in parents]
        if unknown:
            raise ValueError(f"{path}: task {task!r} names parents that are not there: {unknown}")
    return Trace(path.stem, parents, runtimes)


def to_blueprint(trace: Trace, *, scale: float) -> dict[str, Any]:
    """Make a blueprint of a trace.

    Args:
        trace: What happened.
        scale: Replayed seconds for each recorded one; 0 takes no time at all.
    """
    nodes = [
        {
            "id": node_id(task),
            "uses": TASK,
            "params": {"task": task, "seconds": round(trace.runtimes.get(task, 0.0) * scale, 6)},
        }
        for task in trace.parents
    ]
    edges = [
        {"source": node_id(parent), "target": node_id(task)}
        for task, above in trace.parents.items()
        for parent in above
    ]
    return {"id": trace.name, "nodes": nodes, "edges": edges}


def node_id(task: str) -> str:
    """A task's id as a node's: they hold no slash."""
    return task.replace("/", "_")


def digest_of(task: str, parents: list[str]) -> str:
    """What a task puts out: its name and what its parents put out, in 16 digits."""
    text = "\n".join([task, *sorted(parents)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def expected_digests(trace: Trace) -> dict[str, str]:
    """What every task has to put out, worked out in one loop without any engine."""
    found: dict[str, str] = {}
    waiting = dict(trace.parents)
    while waiting:
        ready = [task for task, above in waiting.items() if all(p in found for p in above)]
        if not ready:
            raise ValueError(f"{trace.name} has a cycle through {sorted(waiting)[:5]}")
        for task in ready:
            found[task] = digest_of(task, [found[parent] for parent in waiting.pop(task)])
    return found
