"""Nodes on a bad day, and the application that worker processes execute them with."""

from __future__ import annotations

import os
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


NODES: tuple[Callable[..., Any], ...] = (answer, compute_for_ever, compute_at_last)

if "BAD_DAYS" in os.environ:
    app = make_app(os.environ["BAD_DAYS"])
