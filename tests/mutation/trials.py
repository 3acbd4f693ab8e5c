"""One mutant after the other in a copy of the package, each against tests in a process of its own.

Only tests that execute what the mutant changes are run, and those that noticed a mutant before go
first, so that most mutants cost seconds.
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
from tests.mutation.reached import Reached

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "packages" / "core" / "src"
PASSED, FAILED = 0, 1  # exit codes of pytest
# For tests that wait for what never comes, which takes nothing of the processor.
PATIENCE_SECONDS = 600

Fate = Literal["killed", "timeout", "broken", "survived", "unreached"]


class Trial(NamedTuple):
    """What became of a mutant.

    With a `broken` one the tests cannot be collected; an `unreached` one is executed by no test,
    and so survives.
    """

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

    def names(self) -> list[str]:
        """Give their names."""
        with self._lock:
            return [test for test, _ in self._kills.most_common()]


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
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False
        shutil.copytree(SOURCE, self._source, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(self._source, quiet=2)

    def measure(self) -> tuple[Reached, float]:
        """Run the tests with nothing mutated.

        Returns:
            Which lines they reach, and how many seconds of the processor they took.
        """
        if self._run(None, MUTATION_MEASURED=str(self._source)) != PASSED:
            raise SystemExit(f"the tests fail without any mutant: {' '.join(self._tests)}")
        reached = Reached(self._folder / "reached", source=self._source, original=SOURCE)
        return reached, float((self._folder / "seconds").read_text())

    def try_mutant(self, mutant: Mutant, tests: list[str] | None, *, limit_seconds: float) -> Trial:
        """Run these of the tests, or all, against a mutant; not to end in time is to notice it.

        Args:
            mutant: What to try.
            tests: Names of the tests that reach it; None for all.
            limit_seconds: How much of the processor they may take.
        """
        if tests == []:
            return Trial("unreached")
        path = self._source / mutant.path.relative_to(SOURCE)
        before = path.read_bytes()
        # Compiled code is told from its source by size and second, which a mutant may share.
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
        path.write_text(mutant.source())
        try:
            code = self._run(tests, MUTATION_SECONDS=str(round(limit_seconds)))
        finally:
            path.write_bytes(before)
        if code in (None, -signal.SIGXCPU):
            return Trial("timeout")
        if code == PASSED:
            return Trial("survived")
        killer = (self._folder / "killer").read_text()
        if code != FAILED or not killer:
            return Trial("broken")
        self._likely.add(killer)
        return Trial("killed", killer)

    def close(self) -> None:
        """End what runs, and run nothing more."""
        self._is_closed = True
        self._end()

    def _run(self, wanted: list[str] | None, **environment: str) -> int | None:
        """Give the exit code of pytest, or None if it had to be ended."""
        (self._folder / "likely").write_text("\n".join(self._likely.names()))
        (self._folder / "killer").write_text("")
        (self._folder / "wanted").unlink(missing_ok=True)
        if wanted is not None:
            (self._folder / "wanted").write_text("\n".join(wanted))
        is_measuring = "MUTATION_MEASURED" in environment
        environment |= {
            "PYTHONPATH": os.pathsep.join([str(self._source), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self._folder / "hypothesis"),
            "MUTATION_FOLDER": str(self._folder),
        }
        flags = ["-x", "-q", "-p", "no:cacheprovider", "-p", "tests.mutation.likely_first"]
        if self._is_closed:
            return None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *flags, *self._tests],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return self._process.wait(None if is_measuring else PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._end()

    def _end(self) -> None:
        """End pytest, with the processes that the tests may have left."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
