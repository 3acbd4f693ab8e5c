"""An index of Python's standard library, as two flows of plain functions.

    index_stdlib   list_modules --> index_module, for each file --+--> totals ----+--> report
                                                                  +--> rankings --+

    index_module   read_source --+--> parse --+--> count ----------------+--> summarise
                                 +------------+--> note_broken ----------+

A file that cannot be read as text, or does not parse, goes by `note_broken`; all others go by
`count`. Nothing in here knows of queues, workers or databases.
"""

from __future__ import annotations

import ast
import io
import sysconfig
import tokenize
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowcraft import Flowcraft, create_flow

LONGEST_LIST = 10
FILES_IN_FLIGHT = 24

# Old syntax in the library's own tests is what is being looked for, and no news to anybody.
warnings.filterwarnings("ignore", category=SyntaxWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning, message="invalid")


@dataclass
class Source:
    """A file as text, or why it is none."""

    path: str
    lines: int
    text: str = ""
    fault: str | None = None


@dataclass
class Function:
    """One function: its lines, and how many functions and classes are around it."""

    name: str
    line: int
    lines: int
    depth: int
    is_documented: bool


@dataclass
class Outline:
    """What a file consists of, or why it does not parse."""

    path: str
    lines: int
    functions: list[Function] = field(default_factory=list)
    classes: int = 0
    import_statements: int = 0
    imports: list[str] = field(default_factory=list)
    fault: str | None = None


@dataclass
class Summary:
    """What the index says of one file."""

    path: str
    lines: int
    functions: int = 0
    documented: int = 0
    classes: int = 0
    import_statements: int = 0
    imports: list[str] = field(default_factory=list)
    deepest: Function | None = None
    longest: Function | None = None
    fault: str | None = None


def root() -> Path:
    """Where the standard library of this Python is."""
    return Path(sysconfig.get_path("stdlib"))


def list_modules(request: dict[str, Any]) -> list[str]:
    """List the library's source files; with a limit, so many, evenly spread."""
    paths = sorted(
        path.relative_to(root()).as_posix()
        for path in root().rglob("*.py")
        if not {"site-packages", "dist-packages"} & set(path.parts)
    )
    limit = request.get("limit") or len(paths)
    return paths[:: max(1, len(paths) // limit)][:limit]


def read_source(path: str) -> Source:
    """Read a file in the encoding that it declares."""
    data = (root() / path).read_bytes()
    lines = len(data.splitlines())
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return Source(path, lines, text=data.decode(encoding))
    except (SyntaxError, UnicodeDecodeError) as error:
        return Source(path, lines, fault=f"{type(error).__name__}: {error}")


def parse(source: Source) -> Outline:
    """Find out what a file consists of."""
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError) as error:
        return Outline(source.path, source.lines, fault=f"{type(error).__name__}: {error}")
    outline = Outline(source.path, source.lines)
    imports: set[str] = set()
    pending: list[tuple[ast.AST, int]] = [(tree, 0)]
    while pending:
        around, depth = pending.pop()
        for node in ast.iter_child_nodes(around):
            inside = depth
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = depth + 1
                outline.functions.append(_function(node, depth))
            elif isinstance(node, ast.ClassDef):
                inside = depth + 1
                outline.classes += 1
            elif isinstance(node, ast.Import):
                outline.import_statements += 1
                imports.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                outline.import_statements += 1
                if node.level == 0 and node.module:
                    imports.add(node.module.partition(".")[0])
            pending.append((node, inside))
    outline.imports = sorted(imports)
    return outline


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, depth: int) -> Function:
    last = node.end_lineno or node.lineno
    is_documented = ast.get_docstring(node, clean=False) is not None
    return Function(node.name, node.lineno, last - node.lineno + 1, depth, is_documented)


def count(outline: Outline) -> Summary:
    """Count what a file consists of."""
    functions = outline.functions
    return Summary(
        outline.path,
        outline.lines,
        functions=len(functions),
        documented=sum(function.is_documented for function in functions),
        classes=outline.classes,
        import_statements=outline.import_statements,
        imports=outline.imports,
        deepest=max(functions, key=lambda found: (found.depth, -found.line), default=None),
        longest=max(functions, key=lambda found: (found.lines, -found.line), default=None),
    )


def note_broken(found: dict[str, Any]) -> Summary:
    """Note why a file is left out; it comes from `read_source` or from `parse`."""
    (broken,) = found.values()
    return Summary(broken["path"], broken["lines"], fault=broken["fault"])


def summarise(found: dict[str, Summary]) -> Summary:
    """Take the one summary that there is."""
    (summary,) = found.values()
    return summary


def totals(files: list[Summary]) -> dict[str, int]:
    """Add up the files."""
    parsed = [file for file in files if file.fault is None]
    return {
        "files": len(files),
        "broken": len(files) - len(parsed),
        "lines": sum(file.lines for file in files),
        "functions": sum(file.functions for file in parsed),
        "documented": sum(file.documented for file in parsed),
        "classes": sum(file.classes for file in parsed),
        "import_statements": sum(file.import_statements for file in parsed),
    }


def rankings(files: list[Summary]) -> dict[str, Any]:
    """Find what is remarkable about the files."""
    importers = Counter(name for file in files for name in file.imports)
    return {
        "biggest": [
            {"path": file.path, "lines": file.lines, "functions": file.functions}
            for file in sorted(files, key=lambda file: (-file.lines, file.path))[:LONGEST_LIST]
        ],
        "most_imported": [
            {"module": name, "files": number}
            for name, number in sorted(importers.items(), key=lambda item: (-item[1], item[0]))
        ][:LONGEST_LIST],
        "deepest": _record([(file.path, file.deepest) for file in files], "depth"),
        "longest": _record([(file.path, file.longest) for file in files], "lines"),
        "broken": [
            {"path": file.path, "fault": file.fault} for file in files if file.fault is not None
        ],
    }


def _record(found: list[tuple[str, Function | None]], what: str) -> dict[str, Any] | None:
    """The function with the most of something, and its file; the first of equals."""
    functions = [(path, function) for path, function in found if function is not None]
    if not functions:
        return None
    path, function = max(functions, key=lambda item: getattr(item[1], what))
    return {
        "path": path,
        "name": function.name,
        "line": function.line,
        "lines": function.lines,
        "depth": function.depth,
    }


def report(parts: dict[str, Any]) -> dict[str, Any]:
    """Put both branches together."""
    return {"totals": parts["totals"], **parts["rankings"]}


index_module = create_flow("index_module")
_read = index_module.node(read_source)
_parse = index_module.node(parse)
_count = index_module.node(count)
_broken = index_module.node(note_broken)
_summary = index_module.node(summarise)
index_module.edge(_read, _parse, when="result.output.fault == null")
index_module.edge(_read, "note_broken", when="result.output.fault != null")
index_module.edge(_parse, _count, when="result.output.fault == null")
index_module.edge(_parse, "note_broken", when="result.output.fault != null")
index_module.edge(_count, "summarise")
index_module.edge(_broken, "summarise")

index_stdlib = create_flow("index_stdlib")
_modules = index_stdlib.node(list_modules)
_files = index_stdlib.map(
    "subflow",
    over=_modules,
    id="files",
    params={"blueprintId": index_module.id},
    chunk_size=FILES_IN_FLIGHT,
)
for _branch in (index_stdlib.node(totals), index_stdlib.node(rankings)):
    index_stdlib.edge(_files, _branch.id)
    index_stdlib.edge(_branch.id, "report")
index_stdlib.node(report)

# A short lease, so that the work of a worker that dies is soon taken over.
app = Flowcraft(url="sqlite:///stdlib_index.db", concurrency=8, lease_seconds=5.0)
app.add(index_module)
app.add(index_stdlib)
