"""The mutants of a file: mutmut's operators at every place where code executes.

mutmut itself leaves out what it cannot switch while a process runs: code outside of functions,
and functions with decorators. Whoever writes the whole file anew need not.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

# Types, imports and decorators say nothing that a run could do otherwise; the words of a message
# and of the log are no part of the protocol.
_LEFT_OUT = (cst.Annotation, cst.Import, cst.ImportFrom, cst.Decorator, cst.Raise)
_STATEMENTS = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
_LOGGER = "logger"


class Mutant(NamedTuple):
    """One change of one file, not yet written out.

    Attributes:
        lines: Those of the statement that it changes, or of its head if it has a body.
    """

    path: Path
    line: int
    lines: range
    module: cst.Module
    node: cst.CSTNode
    mutated: cst.CSTNode

    def source(self) -> str:
        """Write the changed file out."""
        return cast("cst.Module", self.module.deep_replace(self.node, self.mutated)).code

    def is_executable(self) -> bool:
        """Whether it says something else than before, and something that Python can read."""
        source = self.source()
        try:
            compile(source, str(self.path), "exec")
        except SyntaxError:
            return False
        return source != self.module.code

    def diff(self, root: Path) -> str:
        """Show what it changes."""
        before, after = self.module.code.splitlines(), self.source().splitlines()
        name = str(self.path.relative_to(root))
        return "\n".join(difflib.unified_diff(before, after, name, name, n=2, lineterm=""))


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yield the mutants of a file."""
    wrapper = MetadataWrapper(cst.parse_module(path.read_text()), unsafe_skip_copy=True)
    places = _Places()
    wrapper.visit(places)
    for line, lines, node in places.found:
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                for mutated in operator(node):
                    yield Mutant(path, line, lines, wrapper.module, node, mutated)


class _Places(cst.CSTVisitor):
    """Collects the nodes that may be mutated, each with its line and those of its statement."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, range, cst.CSTNode]] = []
        self._statements: list[range] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, _LEFT_OUT) or _is_log_call(node) or _is_type(node):
            return False
        position = self.get_metadata(PositionProvider, node, None)
        if isinstance(node, _STATEMENTS):
            self._statements.append(self._lines_of(node))
        if position is not None and self._statements:
            self.found.append((position.start.line, self._statements[-1], node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, _STATEMENTS):
            self._statements.pop()

    def _lines_of(self, statement: cst.CSTNode) -> range:
        position = self.get_metadata(PositionProvider, statement)
        body = getattr(statement, "body", None)
        if isinstance(body, cst.IndentedBlock):
            first = self.get_metadata(PositionProvider, body.body[0]).start.line
            return range(position.start.line, first)
        return range(position.start.line, position.end.line + 1)


def _is_type(node: cst.CSTNode) -> bool:
    """Whether it is the right side of `Kind = Literal["a", "b"]`."""
    return (
        isinstance(node, cst.Subscript)
        and isinstance(node.value, cst.Name)
        and node.value.value == "Literal"
    )


def _is_log_call(node: cst.CSTNode) -> bool:
    if not (isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)):
        return False
    owner = node.func.value
    return isinstance(owner, cst.Name) and owner.value == _LOGGER
