"""What proves that nothing was lost and nothing doubled: the file, the logs, a plain count."""

from __future__ import annotations

import ast
import json
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from flow import list_modules, root
from workers import Execution, Worker

NODES_OF_A_MODULE = 5
"""Records of one `index_module`: each of its nodes has one, executed or skipped."""
NODES_OF_THE_LIBRARY = 6
"""Records of `index_stdlib` beside those of its items."""


class Evidence:
    """Reads the file that the workers share, beside them and without writing to it."""

    def __init__(self, file: Path, run_id: str) -> None:
        self._file = file
        self._run_id = run_id

    def _read(self, query: str, *parameters: object) -> list[Any]:
        connection = sqlite3.connect(f"{self._file.as_uri()}?mode=ro", uri=True)
        with closing(connection):
            return connection.execute(query, parameters).fetchall()

    def runs_leased(self) -> set[str]:
        """Runs of which some worker holds a message right now."""
        # While a message is leased, it becomes visible when the lease ends.
        rows = self._read(
            "SELECT body FROM jobs WHERE is_leased & 1 AND visible_at > ?", time.time()
        )
        return {json.loads(body)["runId"] for (body,) in rows}

    def completed_items(self) -> list[int]:
        """The index of every file that has a record of success, once for each record."""
        rows = self._read(
            "SELECT key, value FROM cells JOIN runs ON runs.number = cells.run"
            " WHERE run_id = ? AND name = 'record' AND key LIKE 'files!_scatter/#%' ESCAPE '!'",
            self._run_id,
        )
        return sorted(
            int(key.rpartition("#")[2])
            for key, value in rows
            if json.loads(value)["outcome"] == "completed"
        )

    def children(self) -> list[str]:
        """The status of every run below the main one."""
        rows = self._read("SELECT status FROM runs WHERE parent = ?", self._run_id)
        return [status for (status,) in rows]

    def records(self) -> int:
        """How many activations of all runs have a record."""
        ((number,),) = self._read("SELECT count(*) FROM cells WHERE name = 'record'")
        return int(number)

    def outcomes(self) -> int:
        """How many of them are of nodes that code was executed for."""
        ((number,),) = self._read(
            "SELECT count(*) FROM cells WHERE name = 'record'"
            " AND key NOT LIKE 'files!_%' ESCAPE '!'"
            " AND json_extract(CAST(value AS TEXT), '$.outcome') = 'completed'"
        )
        return int(number)


def problems(
    evidence: Evidence, workers: Sequence[Worker], lost: set[Execution], files: int
) -> list[str]:
    """Everything that speaks against exactly one outcome for each activation."""
    found: list[str] = []
    if evidence.completed_items() != list(range(files)):
        found.append("not every file has exactly one record of success")
    children = Counter(evidence.children())
    if children != {"completed": files}:
        found.append(f"{files} files, and their runs are {dict(children)}")
    expected = files * (NODES_OF_A_MODULE + 1) + NODES_OF_THE_LIBRARY
    if evidence.records() != expected:
        found.append(f"{evidence.records()} records, and {expected} activations")
    survivors = {done for worker in workers if not worker.is_killed for done in worker.executed}
    missing = lost - survivors
    if missing:
        found.append(f"{len(missing)} executions were cut off and never repeated: {missing}")
    return found


def plain_count(limit: int | None) -> dict[str, int]:
    """Count the library again: one process, one loop, nothing of the engine or its nodes."""
    total = dict.fromkeys(
        ("files", "broken", "lines", "functions", "documented", "classes", "import_statements"), 0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in list_modules({"limit": limit}):
            data = (root() / path).read_bytes()
            total["files"] += 1
            total["lines"] += len(data.splitlines())
            try:
                tree = ast.parse(data)
            except (SyntaxError, ValueError, RecursionError):
                total["broken"] += 1
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    total["functions"] += 1
                    total["documented"] += ast.get_docstring(node, clean=False) is not None
                elif isinstance(node, ast.ClassDef):
                    total["classes"] += 1
                elif isinstance(node, ast.Import | ast.ImportFrom):
                    total["import_statements"] += 1
    return total
