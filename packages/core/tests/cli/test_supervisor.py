"""`worker --processes`: real processes that are drained, killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time

import pytest

from flowcraft.cli.supervisor import Supervisor, how_it_ended
from flowcraft.clock import SystemClock

PATIENCE_SECONDS = 60


@pytest.fixture
def supervise(start_worker):
    """Start a supervisor; what it and its processes say comes line by line."""

    def start(app="orders:app", processes="2"):
        return start_worker(app, "--processes", processes, "--log-format", "json")

    late = threading.Timer(PATIENCE_SECONDS, end_all)
    late.start()
    yield start
    late.cancel()
    end_all()


PIDS = set()


def end_all():
    """End the processes that nobody else does if their supervisor fails to."""
    while PIDS:
        pid = PIDS.pop()
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline") as file:
            if "--supervised" in file.read():  # it is still the one that said so
                os.kill(pid, signal.SIGKILL)


def said(supervisor, message, count=1):
    """Read what it says until a message came so often; those lines."""
    found = []
    while len(found) < count:
        line = supervisor.stderr.readline()
        assert line, "it has nothing more to say"
        told = json.loads(line)
        if told["message"] == "worker started":
            PIDS.add(told["pid"])
        if told["message"] == message:
            found.append(told)
    return found


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # nobody may have asked how it ended
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_all_processes_drain_on_sigterm(supervise, flowcraft):
    supervisor = supervise()
    workers = said(supervisor, "worker started", 2)
    assert {one["worker"] for one in workers} == {"w1-1", "w1-2"}
    found = flowcraft("submit", "orders:app", "order", "--payload", '{"size": 4}', "--wait")
    assert found.stdout.endswith("8\n")
    supervisor.send_signal(signal.SIGTERM)
    said(supervisor, "worker stopped", 2)
    supervisor.communicate(timeout=PATIENCE_SECONDS)
    assert supervisor.returncode == 0
    assert all(is_gone(one["pid"]) for one in workers)


def test_a_process_that_dies_is_reported_and_started_again(supervise):
    supervisor = supervise()
    first, _ = said(supervisor, "worker started", 2)
    os.kill(first["pid"], signal.SIGKILL)
    (ended,) = said(supervisor, "worker process ended")
    assert (ended["pid"], ended["how"]) == (first["pid"], "signal SIGKILL")
    (again,) = said(supervisor, "worker started")
    assert again["worker"] == first["worker"]
    supervisor.send_signal(signal.SIGINT)
    supervisor.communicate(timeout=PATIENCE_SECONDS)
    assert supervisor.returncode == 0


def test_processes_that_never_come_up_end_the_supervisor(supervise):
    supervisor = supervise("nowhere:app")
    _, log = supervisor.communicate(timeout=PATIENCE_SECONDS)
    assert supervisor.returncode == 1
    assert "no module 'nowhere'" in log
    assert json.loads(log.splitlines()[-1])["level"] == "ERROR"


def test_processes_drain_when_their_supervisor_is_killed(supervise):
    supervisor = supervise()
    workers = said(supervisor, "worker started", 2)
    supervisor.kill()
    said(supervisor, "worker stopped", 2)
    until = time.monotonic() + PATIENCE_SECONDS
    while not all(is_gone(one["pid"]) for one in workers):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_second_signal_kills_what_does_not_drain(supervise, flowcraft):
    run_id = flowcraft("submit", "patient_drain:app", "stuck").stdout.strip()
    supervisor = supervise("patient_drain:app", "1")
    (started,) = said(supervisor, "started")
    assert started["run"] == run_id
    supervisor.send_signal(signal.SIGTERM)
    said(supervisor, "worker drains")
    supervisor.send_signal(signal.SIGTERM)
    (ended,) = said(supervisor, "worker process ended")
    assert ended["how"] == "signal SIGKILL"
    supervisor.communicate(timeout=PATIENCE_SECONDS)
    assert supervisor.returncode == 1


def test_a_signal_that_each_process_gets_for_itself_too_leaves_them_time_to_drain(
    supervise, flowcraft, folder
):
    run_id = flowcraft("submit", "in_time:app", "stuck").stdout.strip()
    supervisor = supervise("in_time:app", "1")
    (worker,) = said(supervisor, "worker started")
    said(supervisor, "started")
    os.kill(worker["pid"], signal.SIGTERM)  # as a service manager does
    said(supervisor, "worker drains")
    supervisor.send_signal(signal.SIGTERM)
    said(supervisor, "worker processes drain")
    (folder / "enough").touch()
    said(supervisor, "worker stopped")
    supervisor.communicate(timeout=PATIENCE_SECONDS)
    assert supervisor.returncode == 0
    assert "completed" in flowcraft("show", "in_time:app", run_id).stdout


async def test_processes_that_cannot_be_started_for_a_while_do_not_end_the_others():
    def no_room(number, descriptor):
        raise BlockingIOError

    supervisor = Supervisor(no_room, processes=2, clock=SystemClock())
    assert await supervisor.run() == 1  # at last, for none ever came up


@pytest.fixture
def folder(folder):
    text = (folder / "stuck.py").read_text().replace("drain_seconds=0", "drain_seconds=3600")
    (folder / "patient_drain.py").write_text(text)
    enough = "while not os.path.exists('enough'): time.sleep(0.01)"
    text = text.replace("threading.Event().wait()", enough)
    (folder / "in_time.py").write_text(text.replace("import threading", "import os\nimport time"))
    return folder


@pytest.mark.parametrize(
    ("code", "text"), [(0, "exit code 0"), (-9, "signal SIGKILL"), (-250, "signal 250")]
)
def test_an_end_is_told_in_words(code, text):
    assert how_it_ended(code) == text
