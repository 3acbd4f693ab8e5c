"""The application that replays traces: one node function, and blueprints made from traces.

flowcraft worker app:app     runs any trace, because a run carries its blueprint
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from wfformat import TASK, digest_of

from flowcraft import Flowcraft

app = Flowcraft()


@app.node(uses=TASK)
async def replay_task(arrived: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Take the task's time; put out its digest, and when it ran."""
    started = time.monotonic()
    await asyncio.sleep(params["seconds"])
    parents = _parents(arrived)
    return {
        "digest": digest_of(params["task"], [parent["digest"] for parent in parents]),
        "started": started,
        "ended": time.monotonic(),
        "waited_for": max((parent["ended"] for parent in parents), default=0.0),
    }


def _parents(arrived: Any) -> list[dict[str, Any]]:
    """The parents' outputs: one comes bare, several by name, and a start node has none."""
    if not isinstance(arrived, dict) or not arrived:
        return []
    return [arrived] if "digest" in arrived else list(arrived.values())
