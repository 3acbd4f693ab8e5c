"""`run` interrupted and run again, `runs`, and old runs removed."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from flowcraft.cli.reload import stamps
from packages.core.tests.cli.conftest import PATIENCE_SECONDS, environment

WAITING = """
import threading
from flowcraft import Flowcraft, create_flow


def held(value) -> None:
    threading.Event().wait()


app = Flowcraft()
flow = create_flow("held")
flow.node(held, id="held")
app.add(flow)
flow = create_flow("wait")
flow.wait("approve")
app.add(flow)
"""

COUNTED = """
from flowcraft import Flowcraft, create_flow


def count(value) -> int:
    return 1


app = Flowcraft()
flow = create_flow("count")
flow.node(count)
app.add(flow)
"""


@pytest.fixture
def folder(folder):
    (folder / "waiting.py").write_text(WAITING)
    (folder / "counted.py").write_text(COUNTED)
    return folder


@pytest.fixture
def start(folder):
    """Start a command, ended whatever becomes of the test."""
    started = []
    # A test that waits for a line which never comes gets the end of the file instead.
    late = threading.Timer(PATIENCE_SECONDS, lambda: [process.kill() for process in started])
    late.start()

    def run(*arguments, **streams):
        process = subprocess.Popen(
            [sys.executable, "-m", "flowcraft.cli", *arguments],
            cwd=folder,
            env={**environment(), "TERM": "xterm", "COLUMNS": "80"},
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
            text=True,
        )
        started.append(process)
        return process

    yield run
    late.cancel()
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("blueprint", ["held", "wait"])
def test_ctrl_c_cancels_the_run_and_exits_with_130_though_a_thread_never_returns(start, blueprint):
    process = start("run", "waiting:app", blueprint)
    assert "started" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert out.endswith("is cancelled\n")


def test_a_run_that_waits_says_that_nobody_can_resume_it_here(start):
    process = start("run", "waiting:app", "wait")
    assert "waits for a resume of approve, which nobody can give" in process.stderr.readline()


def test_on_a_terminal_the_run_is_drawn_and_its_output_stands_below(start):
    ours, theirs = pty.openpty()
    process = start("run", "counted:app", "count", stdout=theirs)
    os.close(theirs)
    drawn = b""
    with open(ours, "rb", buffering=0) as terminal:
        try:
            while data := terminal.read(65536):
                drawn += data
        except OSError:  # nobody has the other end open any more
            pass
    assert process.wait(PATIENCE_SECONDS) == 0
    text = drawn.decode()
    assert "\x1b[" in text
    assert "completed" in text
    assert text.rstrip().endswith("1")


def test_run_goes_again_when_a_source_changes(start, folder):
    process = start("run", "counted:app", "count", "--reload", "--json")

    def output():
        while True:
            told = json.loads(process.stdout.readline())
            if "output" in told:
                return told["output"]

    assert output() == 1
    (folder / "counted.py").write_text(COUNTED.replace("return 1", "return 1 + 1"))
    assert output() == 2
    assert process.stderr.readline() == "flowcraft: counted.py changed; here it goes again\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130


def test_sources_of_environments_are_not_watched(tmp_path):
    for place in ("app", "venv/lib", ".hidden", "__pycache__"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "m.py").write_text("")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "data.txt").write_text("")
    assert list(stamps(str(tmp_path))) == [str(tmp_path / "app" / "m.py")]


def test_runs_are_listed_newest_first_page_by_page(flowcraft):
    for run_id in ("a-1", "a-2", "a-3"):
        flowcraft("submit", "orders:app", "order", "--run-id", run_id)
    flowcraft("submit", "orders:app", "broken", "--run-id", "b-1")
    flowcraft("cancel", "orders:app", "a-2")
    first = flowcraft("runs", "orders:app", "--blueprint", "order", "--limit", "2").stdout
    rows = [line.split()[:3] for line in first.splitlines()]
    assert rows[:2] == [["a-3", "running", "order"], ["a-2", "cancelled", "order"]]
    after = first.splitlines()[-1].rpartition("--after ")[2]
    second = flowcraft("runs", "orders:app", "--blueprint", "order", "--after", after, "--json")
    page = json.loads(second.stdout)
    assert [run["run_id"] for run in page["runs"]] == ["a-1"]
    assert page["next"] is None
    assert flowcraft("runs", "orders:app", "--status", "failed").stdout == "no runs\n"


def test_a_status_that_no_run_is_listed_under_is_refused(flowcraft):
    found = flowcraft("runs", "orders:app", "--status", "waiting")
    assert (found.returncode, found.stdout) == (2, "")
    assert "running, completed, failed, cancelled" in found.stderr


def test_runs_that_ended_long_ago_are_removed_and_no_others(flowcraft, folder):
    for run_id in ("old", "new", "open"):
        flowcraft("submit", "orders:app", "order", "--run-id", run_id)
    for run_id in ("old", "new"):
        flowcraft("cancel", "orders:app", run_id)
    with sqlite3.connect(folder / "orders.db") as connection:
        (header,) = connection.execute("SELECT header FROM runs WHERE run_id = 'old'").fetchone()
        changed = json.loads(header)
        changed["ended_at"] -= 8 * 86_400
        connection.execute(
            "UPDATE runs SET header = ? WHERE run_id = 'old'", (json.dumps(changed).encode(),)
        )
    found = flowcraft("purge", "orders:app", "--older-than", "7d", "--json")
    assert json.loads(found.stdout) == {"purged": ["old"]}
    page = json.loads(flowcraft("runs", "orders:app", "--json").stdout)
    assert {run["run_id"] for run in page["runs"]} == {"new", "open"}


@pytest.mark.parametrize(
    "arguments", [("purge", "orders:app"), ("purge", "orders:app", "r", "--older-than", "7d"),
                  ("purge", "orders:app", "--older-than", "soon"),
                  ("show", "orders:app", "r", "--after", "1"),
                  ("worker", "orders:app", "--processes", "0"),
                  ("worker", "orders:app", "--log-format", "xml")],
)  # fmt: skip
def test_options_that_do_not_go_together_exit_with_2(flowcraft, arguments):
    found = flowcraft(*arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert "Traceback" not in found.stderr
