"""Recorded workflows, replayed in process, on memory, and on SQLite with three workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "wfformat"
FOLDER = os.environ.get("FLOWCRAFT_WFINSTANCES")
TRACES = sorted(Path(FOLDER).glob("*.json")) if FOLDER else []
LARGEST = "montage-chameleon-2mass-04d-001"

needs_traces = pytest.mark.skipif(
    not TRACES,
    reason="FLOWCRAFT_WFINSTANCES names no folder of WfFormat traces; the PyPI package wfcommons "
    "makes some",
)

FORK_AND_JOIN = """{"schemaVersion": "1.5", "workflow": {"specification": {"tasks": [
    {"id": "a", "parents": [], "children": ["b/1", "b/2"]},
    {"id": "b/1", "parents": ["a"], "children": ["c"]},
    {"id": "b/2", "parents": ["a"], "children": ["c"]},
    {"id": "c", "parents": ["b/1", "b/2"], "children": []}]},
    "execution": {"tasks": [{"id": "a", "runtimeInSeconds": 1.5}]}}}"""


def replay(trace: Path, *options: str) -> str:
    """Run the example's own command; what it printed last."""
    command = [sys.executable, str(EXAMPLE / "replay.py"), str(trace), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@contextmanager
def worker_process(url: str, log: Path) -> Iterator[None]:
    """A worker of the example's application, gone at the end on every path."""
    command = [sys.executable, "-m", "flowcraft.cli", "worker", "app:app", "--url", url]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=EXAMPLE, stdout=output, stderr=output)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()
                process.wait()


@pytest.fixture
def small_trace(tmp_path: Path) -> Path:
    path = tmp_path / "fork-and-join.json"
    path.write_text(FORK_AND_JOIN)
    return path


@pytest.mark.parametrize("options", [(), ("--adapter", "memory")])
def test_a_small_trace_replays_with_every_value_in_place(
    small_trace: Path, options: tuple[str, ...]
) -> None:
    assert "4 tasks, 0 wrong" in replay(small_trace, *options, "--scale", "0.01")


def test_a_file_that_is_no_trace_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"workflow": {}}')
    command = [sys.executable, str(EXAMPLE / "replay.py"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "other.json is no WfFormat 1.5" in done.stderr


@needs_traces
@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_a_recorded_workflow_replays_in_process(trace: Path) -> None:
    assert " 0 wrong" in replay(trace)


@needs_traces
@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_a_recorded_workflow_replays_on_the_memory_adapter(trace: Path) -> None:
    assert " 0 wrong" in replay(trace, "--adapter", "memory")


@needs_traces
@pytest.mark.parametrize(
    "trace", [t for t in TRACES if t.stem in (LARGEST, TRACES[0].stem)], ids=lambda path: path.stem
)
def test_a_recorded_workflow_replays_on_three_workers_over_sqlite(
    trace: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'replay.db'}"
    with ExitStack() as stack:
        for number in range(3):
            stack.enter_context(worker_process(url, tmp_path / f"worker-{number}.log"))
        assert " 0 wrong" in replay(trace, "--url", url, "--scale", "0.0005")
