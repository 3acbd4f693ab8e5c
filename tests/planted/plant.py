"""Plants bugs, each in a process of its own, and runs the checks that must reject them there.

To start pytest and to collect the kit takes longer than most checks. So that is done once, in a
process that never plants anything: it is forked for each bug.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import multiprocessing
import resource
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from flowcraft.testing import Harness
from flowcraft.testing.loop import VirtualLoop
from tests.planted.bug import Bug
from tests.planted.bugs import BUGS

WORKSPACE = Path(__file__).parents[2]
KIT = "packages.core.tests.conformance.test_{on}"
QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning", "-W", "ignore::DeprecationWarning")
LONGEST_CPU_SECONDS = 30
"""How long a check may compute with a bug: reached only by one that makes it run for ever."""
LONGEST_SECONDS = 300.0
"""How long an answer is waited for, on a machine that is busy with something else."""
PATIENCE_SECONDS = 1000.0
"""How long a check waits there for what does not come, in virtual time."""
MOST_TURNS = 50_000
"""How often its loop turns there while no time passes."""


class Verdict(NamedTuple):
    """What became of the check.

    Attributes:
        failed: Node ids that failed while they were called, each with what was said then.
        passed: Node ids that passed.
        other: Whatever else was said: errors of set-up and collection.
    """

    failed: dict[str, str]
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


class Planter:
    """Tries bugs, one after the other."""

    def __init__(self, bugs: Sequence[Bug]) -> None:
        """Start the process that collects the checks of these bugs."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, _files(bugs)))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    def verdict(self, name: str) -> Verdict:
        """Run the check of a bug with the bug planted."""
        self._connection.send(name)
        verdict: Verdict = self._connection.recv()
        return verdict


def _files(bugs: Sequence[Bug]) -> list[str]:
    return sorted({node_id(bug).partition("::")[0] for bug in bugs})


def _serve(connection: Connection, files: Sequence[str]) -> None:
    """Collect, then answer until killed."""
    paths = [str(WORKSPACE / file) for file in files]
    where = [f"--rootdir={WORKSPACE}", "-c", str(WORKSPACE / "pyproject.toml")]
    with contextlib.redirect_stdout(io.StringIO()):
        server = _Server(connection)
        pytest.main([*paths, *where, "-p", "no:cacheprovider", "-s", *QUIET], plugins=[server])


class _Server:
    """Takes the place of pytest's own loop over the tests."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._complaints: list[str] = []

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._complaints.append(report.longreprtext)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        while True:
            name = self._connection.recv()
            self._connection.send(self._verdict(session, BUGS[name]))

    def _verdict(self, session: pytest.Session, bug: Bug) -> Verdict:
        wanted = node_id(bug)
        items = [
            item for item in session.items if wanted in (item.nodeid, item.nodeid.partition("[")[0])
        ]
        if not items:
            return Verdict({}, [], [f"{wanted} was not collected", *self._complaints])
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_try, args=(bug, items, sender))
        process.start()
        sender.close()
        try:
            if not receiver.poll(LONGEST_SECONDS):
                return Verdict({}, [], [f"it ran for more than {LONGEST_SECONDS:g} s"])
            verdict: Verdict = receiver.recv()
            return verdict
        except EOFError:
            return Verdict({}, [], ["its process died, or computed for too long"])
        finally:
            receiver.close()
            process.kill()
            process.join()


def _try(bug: Bug, items: Sequence[pytest.Item], sender: Connection) -> None:
    reports = _Reports()
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_CPU_SECONDS, LONGEST_CPU_SECONDS))
        Harness.patience_seconds = PATIENCE_SECONDS
        VirtualLoop.most_turns = MOST_TURNS
        bug.plant()
        for item in items:
            item.config.pluginmanager.register(reports)
            try:
                item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            except (KeyboardInterrupt, SystemExit) as error:  # it would have ended pytest
                reports.verdict.failed[item.nodeid] = repr(error)
            item.config.pluginmanager.unregister(reports)
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        reports.verdict.other.append(f"{type(error).__name__}: {error}")
    sender.send(reports.verdict)
    sender.close()


class _Reports:
    """Collects what pytest says of each test."""

    def __init__(self) -> None:
        self.verdict = Verdict({}, [], [])

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.failed:
            self.verdict.failed[report.nodeid] = report.longreprtext
        elif report.when == "call" and report.passed:
            self.verdict.passed.append(report.nodeid)
        elif report.failed:
            self.verdict.other.append(f"{report.nodeid}: {report.longreprtext}")
