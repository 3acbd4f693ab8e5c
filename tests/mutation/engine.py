"""Every mutant of the engine that mutmut makes, against the tests in packages/core/tests/engine.

mutmut wants a project of its own layout and leaves its results beside it, so it gets a copy in a
temporary folder: the package under `src`, the tests where their imports expect them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).resolve().parents[2]
TESTS = "packages/core/tests/engine"
# Tests that no longer end, or that end the process, have noticed the mutant.
KILLED = ("killed", "timeout", "segfault")

SETTINGS = f"""
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/flowcraft/engine/*.py"]
pytest_add_cli_args_test_selection = ["{TESTS}"]
also_copy = ["packages"]
timeout_constant = 30

[tool.pytest.ini_options]
addopts = ["-q", "--import-mode=importlib", "-p", "no:cacheprovider"]
pythonpath = ["."]
"""


def mutate_engine(*, processes: int) -> bool:
    """Run mutmut, print each survivor and one line of figures; tell whether none survived."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        folder = Path(place)
        _make_project(folder)
        _mutmut(folder, "run", "--max-children", str(processes))
        outcomes = _outcomes(folder)
        survivors = [name for name, status in outcomes.items() if status not in KILLED]
        for name in survivors:
            print(_mutmut(folder, "show", name))
    for name in [name for name, status in outcomes.items() if status == "timeout"]:
        print(f"noticed because its tests did not end: {name}")
    counts = Counter(outcomes.values())
    killed = sum(counts[status] for status in KILLED)
    fates = ", ".join(f"{counts[status]} {status}" for status in sorted(counts))
    score = 100 * killed / len(outcomes)
    seconds = time.monotonic() - started
    print(
        f"mutation of the engine: {len(outcomes)} mutants ({fates}), "
        f"score {score:.1f} %, {seconds:.0f} s"
    )
    return not survivors


def _make_project(folder: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    core = ROOT / "packages" / "core" / "src" / "flowcraft"
    shutil.copytree(core, folder / "src" / "flowcraft", ignore=ignore)
    shutil.copytree(ROOT / TESTS, folder / TESTS, ignore=ignore)
    (folder / "pyproject.toml").write_text(SETTINGS)


def _mutmut(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"mutmut {' '.join(arguments)} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def _outcomes(folder: Path) -> dict[str, str]:
    """Say of each mutant what became of it."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("mutants/src/flowcraft/engine/*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        found |= {name: status_by_exit_code[code] for name, code in codes.items()}
    if not found:
        raise SystemExit("mutmut made no mutants; did the layout of the package change?")
    return found
