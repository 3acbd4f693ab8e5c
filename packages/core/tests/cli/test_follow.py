"""Following a run: lines, JSON, and the live view."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from flowcraft.cli.follow import event_line
from flowcraft.cli.live import LiveView
from flowcraft.cli.progress import Progress
from flowcraft.clock import SystemClock
from flowcraft.engine.record import ErrorInfo
from flowcraft.events import RunEvent

ERROR = ErrorInfo(node="a", message="not today", type="ValueError", attempt=2)


class HandClock(SystemClock):
    def now(self):
        return 105.0


def event(kind, node="a", **more):
    return RunEvent(run_id="r", kind=kind, node=node, **more)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (event("started", at=0.25), "1970-01-01T00:00:00.250Z started a"),
        (event("finished", scope="/#3", action="pay"), "finished a/#3, action pay"),
        (
            event("retried", attempt=2, error=ERROR),
            "retried a, attempt 2; node 'a', attempt 2: ValueError: not today",
        ),
        (RunEvent(run_id="r", kind="ended", status="completed"), "run r completed"),
    ],
)
def test_an_event_is_one_line(told, line):
    assert event_line(told) == line


# -- where nodes stand


def states(*events, nodes=("a", "b")):
    progress = Progress(nodes)
    for one in events:
        progress.take(one)
    return {id_: node.state() for id_, node in progress.nodes.items()}, progress


def test_a_node_stands_where_its_last_event_left_it():
    assert states()[0] == {"a": "-", "b": "-"}
    assert states(event("started"))[0]["a"] == "running"
    assert states(event("started"), event("retried"))[0]["a"] == "retrying"
    assert states(event("finished", attempt=2))[0]["a"] == "completed, attempt 2"
    assert states(event("skipped", node="b"))[0]["b"] == "skipped"


def test_many_activations_of_a_node_are_counted_once_each_however_often_they_are_told():
    told = [event("started", scope=f"/#{index}") for index in range(3)]
    told += [event("finished", scope="/#0")] * 2
    assert states(*told)[0]["a"] == "2 running, 1 completed"


def test_a_node_took_as_long_as_from_its_first_beginning_to_its_last_end():
    _, progress = states(event("started", at=100.0), event("started", scope="/1", at=101.0))
    assert progress.nodes["a"].took(105.0) == "5.0 s"
    for scope, at in (("", 102.0), ("/1", 103.0)):
        progress.take(event("finished", scope=scope, at=at))
    assert progress.nodes["a"].took(105.0) == "3.0 s"
    assert progress.nodes["b"].took(105.0) == ""


# -- the live view


def drawn(nodes, events, *, height):
    """What stands on the terminal after some events."""
    console = Console(file=io.StringIO(), width=60, height=height, force_terminal=True)
    view = LiveView("r", nodes, HandClock(), console=console)
    for one in events:
        view.take(one)
    with console.capture() as captured:
        console.print(view)
    return re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).splitlines()


def test_the_live_view_has_a_line_for_each_node():
    lines = drawn(["fetch", "pay"], [event("started", node="fetch", at=100.0)], height=20)
    assert lines[0] == "run r  running"
    assert re.fullmatch(r"  fetch +running +5\.0 s *", lines[1])
    assert re.fullmatch(r"  pay +- *", lines[2])


def test_the_live_view_of_many_nodes_shows_what_failed_and_what_runs_and_counts_the_rest():
    nodes = [f"n{index}" for index in range(1000)]
    events = [event("finished", node=node) for node in nodes[:500]]
    events += [event("started", node=node) for node in nodes[500:600]]
    events.append(event("failed", node="n700", error=ERROR))
    lines = drawn(nodes, events, height=12)
    assert len(lines) <= 12
    assert lines[1].startswith("  n700  failed")
    assert lines[2].startswith("  n500  running")
    assert lines[-1] == "  501 of 1000 nodes over, 100 running, 1 failed"


def test_an_id_that_looks_like_markup_is_shown_as_it_is():
    lines = drawn(["[red]x[/red]"], [], height=20)
    assert lines[1].startswith("  [red]x[/red]")


# -- as a shell runs it


def test_run_executes_a_blueprint_here_and_tells_each_event(flowcraft):
    found = flowcraft("run", "orders:app", "order", "--payload", '{"size": 4}')
    assert (found.returncode, found.stderr) == (0, "")
    lines = [line.partition(" ")[2] for line in found.stdout.splitlines()]
    assert lines[:2] == ["started work", "finished work"]
    assert lines[2].startswith("run ")
    assert found.stdout.splitlines()[-1] == "8"


def test_run_as_json_writes_an_object_an_event_and_the_result_last(flowcraft):
    found = flowcraft("run", "orders:app", "broken", "--json")
    assert found.returncode == 1
    *events, result = map(json.loads, found.stdout.splitlines())
    assert [one["kind"] for one in events] == ["started", "failed", "ended"]
    assert result["status"] == "failed"
    assert "kind" not in result


def test_run_of_a_blueprint_that_is_not_there_is_one_line_on_stderr(flowcraft):
    found = flowcraft("run", "orders:app", "ordre")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        "flowcraft: UnknownBlueprintError: no blueprint 'ordre'. Did you mean 'order'?\n"
    )


def test_submit_follows_a_run_on_a_worker_and_show_goes_on_from_a_cursor(flowcraft, worker):
    arguments = ("order", "--payload", '{"size": 4}', "--run-id", "a-1", "--follow", "--json")
    found = flowcraft("submit", "orders:app", *arguments)
    assert (found.returncode, found.stderr) == (0, "")
    *events, result = map(json.loads, found.stdout.splitlines())
    assert (events[-2]["kind"], events[-1]["kind"], result["output"]) == ("finished", "ended", 8)
    again = flowcraft("show", "orders:app", "a-1", "--follow", "--after", events[-2]["cursor"])
    assert re.fullmatch(r"\S+Z run a-1 completed\n8\n", again.stdout)


def test_following_a_run_that_nobody_works_on_ends_in_time(flowcraft):
    found = flowcraft("submit", "orders:app", "order", "--follow", "--timeout-seconds", "0.01")
    assert found.returncode == 1
    assert "RunNotFinishedError" in found.stderr
