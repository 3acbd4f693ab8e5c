"""Which tests execute which lines, so that a mutant is tried with those alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from coverage import CoverageData

from tests.mutation.operators import Mutant

AT_IMPORT = ""
"""The name under which lines are noted that no test executed, but some import."""


class Reached:
    """What was noted while the tests ran once with nothing mutated.

    Args:
        data: What `likely_first` wrote.
        source: The folder of the package that was measured.
        original: The folder that mutants name, of which it is a copy.
    """

    def __init__(self, data: Path, *, source: Path, original: Path) -> None:
        self._data = CoverageData(str(data))
        self._data.read()
        self._source = source
        self._original = original
        self._lines: dict[Path, dict[int, list[str]]] = {}

    def tests_of(self, mutant: Mutant) -> list[str] | None:
        """Name the tests that execute what a mutant changes; None for all of them."""
        found = set(self._contexts(mutant))
        return None if AT_IMPORT in found else sorted(found)

    def _contexts(self, mutant: Mutant) -> Iterable[str]:
        if mutant.path not in self._lines:
            measured = self._source / mutant.path.relative_to(self._original)
            self._lines[mutant.path] = self._data.contexts_by_lineno(str(measured))
        for line in mutant.lines:
            yield from self._lines[mutant.path].get(line, ())
