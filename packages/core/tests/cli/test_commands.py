"""The commands as a shell runs them: what they write, and with which code they exit."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest

PATIENCE_SECONDS = 60


def submitted(flowcraft, *arguments):
    found = flowcraft("submit", "orders:app", *arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def shown(flowcraft, run_id):
    return json.loads(flowcraft("show", "orders:app", run_id, "--json").stdout)


def wait_for_state(flowcraft, run_id, state):
    """Look until the run has an activation in that state; in vain if it ends before."""
    found = shown(flowcraft, run_id)
    until = time.monotonic() + PATIENCE_SECONDS
    while not any(one["state"] == state for one in found.get("activations", [])):
        assert found["status"] in ("running", "waiting"), found
        assert time.monotonic() < until, found
        found = shown(flowcraft, run_id)
    return found


def test_help_lists_the_commands(flowcraft):
    found = flowcraft("--help")
    assert found.returncode == 0
    for command in ("worker", "submit", "show", "cancel", "resume"):
        assert re.search(rf"^  {command} +\S", found.stdout, re.MULTILINE)


def test_a_run_goes_through_a_worker_that_drains_on_sigterm(flowcraft, worker):
    found = flowcraft("submit", "orders:app", "order", "--payload", '{"size": 4}', "--wait")
    assert found.returncode == 0, found.stderr
    head, output = found.stdout.splitlines()
    assert re.fullmatch(r"run \w+ completed", head)
    assert output == "8"
    worker.send_signal(signal.SIGTERM)
    _, log = worker.communicate(timeout=60)
    assert worker.returncode == 0
    run_id = head.split()[1]
    assert re.search(rf"^\S+Z INFO started run={run_id} node=work attempt=1$", log, re.MULTILINE)
    assert re.search(rf"^\S+Z INFO executed run={run_id} node=work attempt=1$", log, re.MULTILINE)
    assert "worker started worker=w1" in log
    assert log.splitlines()[-1].endswith("INFO worker stopped worker=w1")


def test_a_worker_whose_node_never_returns_hands_it_back_and_exits_with_0(flowcraft, start_worker):
    run_id = flowcraft("submit", "stuck:app", "stuck").stdout.strip()
    worker = start_worker("stuck:app")
    while f"started run={run_id}" not in worker.stderr.readline():
        assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    text = flowcraft("show", "stuck:app", run_id).stdout
    assert re.search(r"^  stuck +is ready or being executed$", text, re.MULTILINE)


def test_the_payload_may_come_from_stdin_and_the_result_be_json(flowcraft, worker):
    found = flowcraft(
        "submit", "orders:app", "order", "--payload", "-", "--wait", "--json", given='{"size": 1}'
    )
    result = json.loads(found.stdout)
    assert (result["status"], result["output"]) == ("completed", 2)


def test_waiting_for_a_run_that_fails_exits_with_1_and_says_why(flowcraft, worker):
    found = flowcraft("submit", "orders:app", "broken", "--wait")
    assert found.returncode == 1
    assert found.stdout.splitlines()[1] == (
        "error: node 'work': ValueError: not today (because of KeyError: 'why')"
    )


def test_waiting_for_a_run_that_nobody_works_on_ends_in_time(flowcraft):
    found = flowcraft("submit", "orders:app", "order", "--wait", "--timeout-seconds", "0")
    assert found.returncode == 1
    assert found.stderr.startswith("flowcraft: RunNotFinishedError: ")
    assert len(found.stderr.splitlines()) == 1


def test_submitting_again_with_a_key_gives_the_same_run(flowcraft):
    arguments = ("order", "--payload", '{"size": 4}', "--idempotency-key", "k")
    assert submitted(flowcraft, *arguments) == submitted(flowcraft, *arguments)
    found = flowcraft("submit", "orders:app", "order", "--idempotency-key", "k")
    assert found.returncode == 1
    assert "IdempotencyConflictError" in found.stderr


def test_show_says_where_a_run_stands_and_resume_lets_it_go_on(flowcraft, worker):
    run_id = submitted(flowcraft, "approval", "--payload", '{"size": 4}', "--run-id", "a-1")
    assert run_id == "a-1"
    assert wait_for_state(flowcraft, run_id, "waiting")["status"] == "waiting"
    text = flowcraft("show", "orders:app", run_id).stdout
    assert text.splitlines()[0] == "run a-1  waiting"
    assert re.search(r"^  work +completed$", text, re.MULTILINE)
    assert re.search(r"^  approve +waits for a resume$", text, re.MULTILINE)
    arguments = ("orders:app", run_id, "--node", "approve", "--output", '"yes"')
    assert flowcraft("resume", *arguments).stdout.strip() == "woke wait approve of run a-1"
    again = flowcraft("submit", "orders:app", "approval", "--payload", '{"size": 4}',
                      "--run-id", run_id, "--wait", "--json")  # fmt: skip
    assert json.loads(again.stdout)["output"] == "yes"
    refused = flowcraft("resume", *arguments, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout) == {"run_id": "a-1", "outcome": "refused"}


def test_show_says_when_a_node_is_tried_again_and_what_it_failed_with(flowcraft, worker):
    run_id = submitted(flowcraft, "patient")
    wait_for_state(flowcraft, run_id, "retrying")
    text = flowcraft("show", "orders:app", run_id).stdout
    assert re.search(r"work +tries again in \d+ min, attempt 2; .*ValueError: not today", text)


def test_a_run_is_cancelled(flowcraft):
    run_id = submitted(flowcraft, "order")
    assert flowcraft("cancel", "orders:app", run_id).stdout.strip() == f"run {run_id} is cancelled"
    found = flowcraft("cancel", "orders:app", run_id, "--json")
    assert json.loads(found.stdout) == {"run_id": run_id, "status": "cancelled"}


def test_a_run_that_was_cancelled_is_retried(flowcraft, worker):
    run_id = submitted(flowcraft, "approval", "--payload", '{"size": 4}')
    wait_for_state(flowcraft, run_id, "waiting")
    flowcraft("cancel", "orders:app", run_id)
    assert flowcraft("retry", "orders:app", run_id, "--run-id", "again").stdout.strip() == "again"
    wait_for_state(flowcraft, "again", "waiting")
    flowcraft("resume", "orders:app", "again", "--node", "approve", "--output", '"yes"')
    assert flowcraft("show", "orders:app", "again", "--follow").returncode == 0
    third = flowcraft("retry", "orders:app", "again", "--wait", "--json")
    assert json.loads(third.stdout)["output"] == "yes"


def test_a_run_may_start_later(flowcraft, worker):
    run_id = submitted(flowcraft, "approval", "--payload", "{}", "--delay-seconds", "3600")
    text = flowcraft("show", "orders:app", run_id).stdout
    assert re.search(r"^  starts .* in (60 min|1 h)$", text, re.MULTILINE)


@pytest.mark.parametrize("command", ["show", "cancel", "resume", "retry"])
def test_a_run_that_nobody_submitted_is_one_line_on_stderr(flowcraft, command):
    found = flowcraft(command, "orders:app", "nobody")
    assert (found.returncode, found.stdout) == (1, "")
    assert re.fullmatch(r"flowcraft: UnknownRunError: no run 'nobody'.*\n", found.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit",),
        ("submit", "orders:app", "order", "--nonsense"),
        ("submit", "orders:app", "order", "--payload", "{"),
        ("submit", "order:app", "order"),
        ("submit", "orders:nothing", "order"),
        ("submit", "orders:app", "order", "--adapter", "nonsense"),
        ("worker", "orders:app", "--url", "memory://"),
        ("worker", "orders:app", "--concurrency", "0"),
        ("worker", "orders:app", "--log-level", "loud"),
        ("nonsense",),
    ],
)
def test_what_is_not_understood_exits_with_2_and_writes_nothing_to_stdout(flowcraft, arguments):
    found = flowcraft(*arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr
    assert "Traceback" not in found.stderr


def test_an_adapter_that_other_processes_do_not_see_is_refused(flowcraft):
    found = flowcraft("submit", "orders:app", "order", "--adapter", "memory")
    assert found.returncode == 2
    assert "keeps its runs in one process" in found.stderr
