"""The example that indexes the standard library: its nodes, routes and evidence, and all of it."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowcraft import Flowcraft

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "stdlib_index"
PATIENCE_SECONDS = 240
MODULES = ("demo", "display", "evidence", "flow", "workers")

GOOD = '''"""A module."""
import os, sys
from json import loads
from . import sibling


class Thing:
    """A class."""

    def outer(self):
        """A method."""
        def inner():
            async def innermost(): pass
'''


@pytest.fixture
def example(monkeypatch):
    """Import a module of the example; all of them are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def flow(example):
    return example("flow")


@pytest.fixture
def library(flow, tmp_path, monkeypatch):
    """A small library: one good file, one that does not parse, one that is no text."""
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "old.py").write_text("print 'hello'\n")
    (tmp_path / "torn.py").write_bytes(b"# coding: utf-8\nx = '\xf6'\n")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "foreign.py").write_text("")
    monkeypatch.setattr(flow, "root", lambda: tmp_path)
    return tmp_path


# -- nodes


def test_the_library_is_listed_without_what_was_installed_into_it(flow, library):
    assert flow.list_modules({}) == ["good.py", "old.py", "torn.py"]
    assert flow.list_modules({"limit": 1}) == ["good.py"]


def test_a_file_is_counted_with_its_nesting_and_its_docstrings(flow, library):
    found = flow.count(flow.parse(flow.read_source("good.py")))
    assert (found.lines, found.functions, found.documented, found.classes) == (13, 3, 1, 1)
    assert (found.import_statements, found.imports) == (3, ["json", "os", "sys"])
    assert (found.deepest.name, found.deepest.depth) == ("innermost", 3)
    assert (found.longest.name, found.longest.lines) == ("outer", 4)


def test_a_library_without_functions_has_no_record_of_them(flow):
    found = flow.rankings([flow.Summary("a.py", 1, fault="SyntaxError: no")])
    assert (found["deepest"], found["longest"]) == (None, None)
    assert found["broken"] == [{"path": "a.py", "fault": "SyntaxError: no"}]


# -- routes


@pytest.mark.parametrize(
    ("path", "skipped"),
    [
        ("good.py", {"note_broken"}),
        ("old.py", {"count"}),
        ("torn.py", {"parse", "count"}),
    ],
)
async def test_a_file_takes_the_route_that_fits_it(flow, library, path, skipped):
    app = Flowcraft(adapter="memory")
    app.add(flow.index_module)
    async with app:
        worker = app.worker()
        working = asyncio.create_task(worker.run())
        try:
            run = await app.submit("index_module", path)
            result = await run.result(timeout=30)
            states = {one.node: one.state for one in (await run.explain()).activations}
        finally:
            worker.stop()
            await working
    assert result.status == "completed"
    assert (result.output["fault"] is not None) == (path != "good.py")
    assert {node for node, state in states.items() if state == "skipped"} == skipped
    assert set(states) == {"read_source", "parse", "count", "note_broken", "summarise"}


async def test_the_whole_index_has_the_totals_of_a_plain_count(flow, library, example, monkeypatch):
    evidence = example("evidence")
    monkeypatch.setattr(evidence, "root", lambda: library)
    app = Flowcraft(adapter="memory")
    app.add(flow.index_module)
    app.add(flow.index_stdlib)
    async with app:
        worker = app.worker()
        working = asyncio.create_task(worker.run())
        try:
            run = await app.submit("index_stdlib", {})
            report = (await run.result(timeout=30)).output
        finally:
            worker.stop()
            await working
    assert report["totals"] == evidence.plain_count(None)
    assert [file["path"] for file in report["broken"]] == ["old.py", "torn.py"]


# -- evidence


class Told:
    """Evidence that says what a test wants it to say, of two files."""

    def __init__(self, items=(0, 1), children=("completed", "completed"), records=18):
        self.completed_items = lambda: list(items)
        self.children = lambda: list(children)
        self.records = lambda: records


@pytest.fixture
def workers_of(example, tmp_path):
    """Workers without processes, with these logs."""
    workers = example("workers")

    def make(*executed, is_killed=False):
        worker = workers.Worker.__new__(workers.Worker)
        worker.executed = list(executed)
        worker.is_killed = is_killed
        return worker

    return make


def test_a_run_that_went_well_speaks_for_itself(example, workers_of):
    assert example("evidence").problems(Told(), [workers_of()], set(), 2) == []


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"items": (0,)}, "not every file"),
        ({"items": (0, 1, 1)}, "not every file"),
        ({"children": ("completed", "failed")}, "their runs are"),
        ({"children": ("completed",) * 3}, "their runs are"),
        ({"records": 17}, "17 records, and 18 activations"),
    ],
)
def test_what_was_lost_or_doubled_is_found(example, workers_of, told, problem):
    (found,) = example("evidence").problems(Told(**told), [workers_of()], set(), 2)
    assert problem in found


def test_work_that_was_cut_off_must_have_been_done_by_another_worker(example, workers_of):
    execution = example("workers").Execution("r", "parse", "")
    problems = example("evidence").problems
    killed = workers_of(execution, is_killed=True)
    (found,) = problems(Told(), [killed, workers_of()], {execution}, 2)
    assert "never repeated" in found
    assert problems(Told(), [killed, workers_of(execution)], {execution}, 2) == []


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(example, tmp_path):
    workers = example("workers")
    worker = workers.Worker.__new__(workers.Worker)
    worker.log, worker.started, worker.executed = tmp_path / "log", [], []
    worker._read_until = 0
    line = "2026-01-01T00:00:00.000Z INFO started run=r node=parse attempt=1\n"
    worker.log.write_text(line + line[:40])
    assert worker.under_way() == {workers.Execution("r", "parse", "")}
    worker.log.write_text(line + line.replace("started", "executed"))
    assert worker.under_way() == set()


# -- all of it


@pytest.mark.slow
def test_the_demo_kills_a_worker_and_finds_everything_in_its_place():
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE / "demo.py"), "--limit", "60"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its workers can be ended with it
    )
    try:
        said, complained = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0, complained
    assert re.search(r"^  killed worker-2 \(pid \d+\) with SIGKILL, ", said, re.MULTILINE)
    assert re.search(r"^  60 of 60 files recorded \(100 %\)$", said, re.MULTILINE)
    assert re.search(r"^A plain count .* gives the same totals\.$", said, re.MULTILINE)
    assert said.splitlines()[-1] == (
        "Nothing was lost or doubled: 60 files, each with one run and one record."
    )
