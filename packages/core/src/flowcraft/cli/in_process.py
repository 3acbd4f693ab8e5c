"""What `flowcraft run` does: a run in this process, followed to its end."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from flowcraft.app import Flowcraft
from flowcraft.cli.follow import show_events, view_of, write_followed
from flowcraft.clock import Clock, SystemClock
from flowcraft.runtime import LocalRun

LOOKS_APART_SECONDS = 0.5


async def run_here(app: Flowcraft, blueprint_id: str, payload: Any, *, as_json: bool) -> bool:
    """Run a blueprint and follow it; cancelled, it cancels the run. Whether it completed.

    Raises:
        UnknownBlueprintError: The application has none of that id.
        BlueprintError: A blueprint names what nobody registered.
        ValueNotStorableError: The payload is not strict JSON.
    """
    clock = SystemClock()
    blueprint = app.blueprint(blueprint_id)
    async with app.in_process() as runtime:
        run = runtime.start(blueprint, payload)
        nodes = [node.id for node in blueprint.nodes]
        try:
            with view_of(run.run_id, nodes, as_json=as_json, clock=clock) as view:
                waits = asyncio.ensure_future(_tell_waits(run, clock))
                try:
                    await show_events(run.events(), view)
                finally:
                    waits.cancel()
        except asyncio.CancelledError:
            run.cancel()
            write_followed(await run.result(), as_json=as_json)
            raise
        result = await run.result()
        write_followed(result, as_json=as_json)
        return result.status == "completed"


async def _tell_waits(run: LocalRun, clock: Clock) -> None:
    """Say once that the run waits for what nobody can give it here."""
    while not (run.status() == "waiting" and run.open_waits()):
        await clock.sleep(LOOKS_APART_SECONDS)
    names = ", ".join(run.open_waits())
    print(
        f"flowcraft: the run waits for a resume of {names}, which nobody can give it in this "
        "process. Ctrl-C ends it; submit it to a backend to resume it",
        file=sys.stderr,
    )
