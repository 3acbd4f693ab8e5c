"""What the demo shows: its progress, and its report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

STEP_PERCENT = 10


class Display:
    """A live bar on a terminal, plain lines in a pipe. It shows what has been recorded."""

    def __init__(self) -> None:
        self._console = Console()
        self._progress: Progress | None = None
        self._task: Any = None
        self._next_percent = 0
        if sys.stdout.isatty():
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("files recorded"),
                TimeElapsedColumn(),
                console=self._console,
            )

    def __enter__(self) -> Display:
        if self._progress is not None:
            self._progress.start()
            self._task = self._progress.add_task("indexing", total=None)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, text: str) -> None:
        """Write a line."""
        if self._progress is not None:
            self._console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)

    def progress(self, recorded: int, files: int) -> None:
        """Show how far the run is."""
        if self._progress is not None:
            self._progress.update(self._task, completed=recorded, total=files or None)
            return
        if not files:
            return
        percent = 100 * recorded // files
        if percent >= self._next_percent:
            print(f"  {recorded:,} of {files:,} files recorded ({percent} %)", flush=True)
            self._next_percent = (percent // STEP_PERCENT + 1) * STEP_PERCENT


def report_lines(report: dict[str, Any]) -> Iterator[str]:
    """Tell the index of the library."""
    totals = report["totals"]
    share = 100 * totals["documented"] / totals["functions"] if totals["functions"] else 0.0
    yield f"The standard library of Python {sys.version.split()[0]}"
    yield ""
    yield f"  {totals['files']:>9,} files, {totals['broken']} of which do not parse"
    yield f"  {totals['lines']:>9,} lines"
    yield f"  {totals['functions']:>9,} functions, {share:.0f} % with a docstring"
    yield f"  {totals['classes']:>9,} classes"
    yield f"  {totals['import_statements']:>9,} import statements"
    yield ""
    yield "  The biggest files                                  lines  functions"
    for file in report["biggest"]:
        yield f"    {file['path']:<46} {file['lines']:>7,}  {file['functions']:>9,}"
    yield ""
    yield "  The most imported modules                          files"
    for module in report["most_imported"]:
        yield f"    {module['module']:<46} {module['files']:>7,}"
    yield ""
    for title, what in (("The deepest function", "deepest"), ("The longest function", "longest")):
        found = report[what]
        if found is not None:
            size = (
                f"{found['depth']} levels deep" if what == "deepest" else f"{found['lines']} lines"
            )
            yield f"  {title}: {found['name']}, {size}, {found['path']}:{found['line']}"
    if report["broken"]:
        yield ""
        yield "  What does not parse, and why"
        for file in report["broken"]:
            yield f"    {file['path']}"
            yield f"      {file['fault']}"
