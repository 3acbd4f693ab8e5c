"""Nodes on a bad day, and the application that worker processes execute them with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowcraft import Flowcraft, create_flow, node


def make_app(folder: str, **settings: Any) -> Flowcraft:
    """The application over a file in a folder; its flows have one node each, called `only`."""
    quick = {"lease_seconds": 1.0, "sweep_interval_seconds": 0.5, "drain_seconds": 0.0}
    app = Flowcraft(adapter="sqlite", path=f"{folder}/flow.db", **{**quick, **settings})
    for function in NODES:
        flow = create_flow(function.__name__)
        flow.node(function, id="only", uses=function.__name__)
        app.add(flow)
    return app


def tell(marker: str) -> None:
    """Write this process's id where a test looks for it, all of it at once."""
    draft = Path(f"{marker}.{os.getpid()}")
    draft.write_text(str(os.getpid()))
    draft.rename(marker)


def answer(value: Any) -> Any:
    return value


@node(cpu=True)
def compute_for_ever(marker: str) -> None:
    tell(marker)
    while True:
        pass


@node(cpu=True)
def compute_at_last(marker: str) -> str:
    """Compute for ever, unless a test says that it has been long enough."""
    tell(marker)
    while not Path(f"{marker}.enough").exists():
        pass
    return "computed"


def note_start(marker: str) -> int:
    """Note that code begins here; how often it has by now."""
    with open(f"{marker}.starts", "a") as starts:
        starts.write(f"{os.getpid()}\n")
    return len(Path(f"{marker}.starts").read_text().splitlines())


async def block_the_loop(marker: str) -> str:
    """Block the loop until a test says that it has been long enough; only at its first start."""
    if note_start(marker) == 1:
        tell(marker)
        while not Path(f"{marker}.enough").exists():
            time.sleep(0.01)
    return "awake"


async def exit_the_process(marker: str) -> None:
    note_start(marker)
    os._exit(3)


async def never_end(marker: str) -> None:
    """Make nothing of being cancelled, and leave a task behind that does not either."""
    behind = asyncio.create_task(swallow())
    tell(marker)
    await swallow()
    await behind


async def swallow() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


def print_much(value: Any) -> str:
    for _ in range(100):
        print("much " * 20_000)
    return "printed"


NODES: tuple[Callable[..., Any], ...] = (
    answer,
    compute_for_ever,
    compute_at_last,
    block_the_loop,
    exit_the_process,
    never_end,
    print_much,
)

if "BAD_DAYS" in os.environ:
    app = make_app(os.environ["BAD_DAYS"], **json.loads(os.environ.get("BAD_DAYS_SETTINGS", "{}")))
