"""A folder with an application in it, and commands that are run there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

PATIENCE_SECONDS = 60

ORDERS = """
from flowcraft import Flowcraft, create_flow


def double(order: dict) -> int:
    return order["size"] * 2


def fail(order) -> int:
    raise ValueError("not today") from KeyError("why")


def flow_of(id, function, wait=None, **settings):
    flow = create_flow(id)
    node = flow.node(function, id="work", **settings)
    if wait:
        flow.edge(node, flow.wait(wait))
    return flow


app = Flowcraft(url="sqlite:///orders.db")
app.add(flow_of("order", double))
app.add(flow_of("approval", double, wait="approve"))
app.add(flow_of("broken", fail))
app.add(flow_of("patient", fail, attempts=2, retry_delay_seconds=3600))
flow = flow_of("not_an_app", double)
"""


STUCK = """
import threading
from flowcraft import Flowcraft, create_flow


def stuck(value) -> None:
    threading.Event().wait()


app = Flowcraft(url="sqlite:///stuck.db", drain_seconds=0)
flow = create_flow("stuck")
flow.node(stuck)
app.add(flow)
"""


def environment() -> dict[str, str]:
    """This environment without settings for Flowcraft."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FLOWCRAFT_")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "orders.py").write_text(ORDERS)
    (tmp_path / "stuck.py").write_text(STUCK)
    return tmp_path


@pytest.fixture
def flowcraft(folder):
    """Run a command to its end."""

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flowcraft.cli", *arguments],
            cwd=folder,
            env=environment(),
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    return run


@pytest.fixture
def start_worker(folder):
    """Start worker processes, ended by their handles whatever becomes of the test."""
    started: list[subprocess.Popen[str]] = []
    # A test that waits for a line which never comes gets the end of the file instead.
    late = threading.Timer(PATIENCE_SECONDS, lambda: [process.kill() for process in started])
    late.start()

    def start(app: str, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "flowcraft.cli", "worker", app, "--name", "w1", *options],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        late.cancel()
        for process in started:
            process.kill()
            process.communicate()


@pytest.fixture
def worker(start_worker):
    """A worker of the orders."""
    return start_worker("orders:app")
