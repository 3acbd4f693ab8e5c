"""Runs the engine's own tests and asks that they reach all of it, every line and every branch.

python -m tests.coverage.run

Nothing can be left out: a comment that would exclude a line has no meaning here.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "packages" / "core" / "src" / "flowcraft" / "engine"
TESTS = ROOT / "packages" / "core" / "tests" / "engine"


def main() -> int:
    """Print one line of figures, after a table if something is missed; 1 if something is."""
    started = time.monotonic()
    measured = coverage.Coverage(
        branch=True, config_file=False, data_file=None, source=[str(ENGINE)]
    )
    for excluding in ("report:exclude_lines", "report:partial_branches"):
        measured.set_option(excluding, [])
    with measured.collect():
        code = pytest.main(["-q", "-p", "no:cacheprovider", str(TESTS)])
    if code != 0:
        return int(code)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        measured.json_report(outfile=file.name)
        totals = json.loads(Path(file.name).read_text())["totals"]
    lines, branches = totals["num_statements"], totals["num_branches"]
    is_whole = totals["covered_lines"] == lines and totals["covered_branches"] == branches
    if not is_whole:
        measured.report(show_missing=True, skip_covered=True)
    print(
        f"coverage of the engine: {totals['covered_lines']} of {lines} lines, "
        f"{totals['covered_branches']} of {branches} branches, "
        f"{time.monotonic() - started:.0f} s"
    )
    return 0 if is_whole and lines > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
