"""One mutant after the other in a copy of the package, each against tests in a process of its own.

Tests that noticed a mutant before go first, so that most mutants cost seconds.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from tests.mutation.operators import Mutant

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "packages" / "core" / "src"
PASSED, FAILED = 0, 1  # exit codes of pytest

Fate = Literal["killed", "timeout", "broken", "survived"]


class Trial(NamedTuple):
    """What became of a mutant: `broken` is one with which no test could be collected."""

    fate: Fate
    killer: str = ""


class Likely:
    """The tests that killed mutants, most deadly first; shared by all copies."""

    def __init__(self) -> None:
        self._kills: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, test: str) -> None:
        """Note that the test killed a mutant."""
        with self._lock:
            self._kills[test] += 1

    def names(self) -> str:
        """Give their names, a line for each."""
        with self._lock:
            return "\n".join(test for test, _ in self._kills.most_common())


class Copy:
    """A copy of the package's source in which one mutant at a time is tried.

    Args:
        folder: Where to make it.
        tests: What pytest is to run.
        likely: Which of them to run first.
    """

    def __init__(self, folder: Path, tests: Sequence[str], likely: Likely) -> None:
        self._folder = folder
        self._tests = tests
        self._likely = likely
        self._source = folder / "src"
        shutil.copytree(SOURCE, self._source, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(self._source, quiet=2)

    def passes(self) -> bool:
        """Whether the tests pass with nothing mutated."""
        return self._run(limit_seconds=None) == PASSED

    def try_mutant(self, mutant: Mutant, *, limit_seconds: float) -> Trial:
        """Run the tests against a mutant; one that does not end within the limit is noticed."""
        path = self._source / mutant.path.relative_to(SOURCE)
        before = path.read_bytes()
        # Compiled code is told from its source by size and second, which a mutant may share.
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
        path.write_text(mutant.source())
        try:
            code = self._run(limit_seconds=limit_seconds)
        finally:
            path.write_bytes(before)
        if code is None:
            return Trial("timeout")
        if code == PASSED:
            return Trial("survived")
        killer = (self._folder / "killer").read_text()
        if code != FAILED or not killer:
            return Trial("broken")
        self._likely.add(killer)
        return Trial("killed", killer)

    def _run(self, *, limit_seconds: float | None) -> int | None:
        """Give the exit code of pytest, or None if it had to be ended."""
        (self._folder / "likely").write_text(self._likely.names())
        (self._folder / "killer").write_text("")
        flags = ["-x", "-q", "-p", "no:cacheprovider", "-p", "tests.mutation.likely_first"]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(self._source), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self._folder / "hypothesis"),
            "MUTATION_FOLDER": str(self._folder),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *flags, *self._tests],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # With the processes that the tests may have left.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
