"""Plants a bug in a process of its own, and runs the check that must reject it there."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flowcraft.testing import Harness
from tests.planted.bug import Bug

WORKSPACE = Path(__file__).parents[2]
KIT = "packages.core.tests.conformance.test_{on}"
QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""What runs there has been imported before, so pytest cannot explain its assertions."""
LONGEST_SECONDS = 120.0
"""How long a check may take with a bug: reached only by one that makes it run for ever."""
PATIENCE_SECONDS = 2000.0
"""How long a check waits there for what does not come, in virtual time."""


class Verdict(NamedTuple):
    """What became of the check.

    Attributes:
        failed: Node ids that failed while they were called.
        passed: Node ids that passed.
        other: Whatever else was said: errors of set-up and collection.
    """

    failed: list[str]
    passed: list[str]
    other: list[str]


def node_id(bug: Bug) -> str:
    """Where pytest finds the check that must reject a bug.

    Raises:
        LookupError: There is no such check.
    """
    if "::" in bug.rejected_by:
        return bug.rejected_by
    suite, _, name = bug.rejected_by.partition(".")
    name, bracket, case = name.partition("[")
    module = importlib.import_module(KIT.format(on=bug.on))
    for class_name, found in vars(module).items():
        if not class_name.startswith("Test") or not inspect.isclass(found):
            continue
        if suite in (base.__name__ for base in found.__mro__) and hasattr(found, name):
            path = Path(inspect.getfile(module)).relative_to(WORKSPACE)
            return f"{path}::{class_name}::{name}{bracket}{case}"
    raise LookupError(f"test_{bug.on}.py has no check {bug.rejected_by}")


def try_bug(bug: Bug) -> Verdict:
    """Run the check of a bug with the bug planted, in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.planted.preload"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(bug, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(LONGEST_SECONDS):
            return Verdict([], [], [f"it ran for more than {LONGEST_SECONDS:g} s"])
        try:
            verdict: Verdict = receiver.recv()
        except EOFError:
            return Verdict([], [], ["its process died"])
        return verdict
    finally:
        receiver.close()
        process.kill()
        process.join()


class _Reports:
    """Collects what pytest says of each test."""

    def __init__(self) -> None:
        self.verdict = Verdict([], [], [])

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.failed:
            self.verdict.failed.append(report.nodeid)
        elif report.when == "call" and report.passed:
            self.verdict.passed.append(report.nodeid)
        elif report.failed:
            self.verdict.other.append(f"{report.nodeid}: {report.longreprtext}")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.verdict.other.append(report.longreprtext)


def _run(bug: Bug, sender: Connection) -> None:
    reports = _Reports()
    try:
        Harness.patience_seconds = PATIENCE_SECONDS
        bug.plant()
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            arguments = [str(WORKSPACE / node_id(bug)), "-p", "no:cacheprovider", "-s", *QUIET]
            code = pytest.main(arguments, plugins=[reports])
        if not (reports.verdict.failed or reports.verdict.passed):
            reports.verdict.other.append(f"pytest ended with {code}: {said.getvalue()[-2000:]}")
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        reports.verdict.other.append(f"{type(error).__name__}: {error}")
    sender.send(reports.verdict)
    sender.close()
