"""Everything that is wrong with a blueprint, at once, each fault with its place and its mend."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, Protocol

from flowcraft.blueprint.cycle_rules import cycle_problems
from flowcraft.blueprint.graph import Graph
from flowcraft.blueprint.graph_rules import (
    edge_problems,
    fallback_problems,
    pair_problems,
    reach_problems,
)
from flowcraft.blueprint.loop_rules import controller_problems, jump_problems
from flowcraft.blueprint.model import Blueprint, kind_of
from flowcraft.blueprint.node_rules import node_problems
from flowcraft.blueprint.parse import Reading, read, to_json
from flowcraft.blueprint.wording import edge_name
from flowcraft.errors import BlueprintError, ExpressionError


class ExpressionCompiler(Protocol):
    """What validation asks of `flowcraft.expressions.Expressions`."""

    def compile(self, source: str, /) -> object:
        """Compile an expression, or raise `ExpressionError` with what is wrong with it."""


def load_blueprint(
    source: str | bytes | Mapping[str, Any],
    *,
    uses: Container[str] | None = None,
    expressions: ExpressionCompiler | None = None,
    blueprints: Container[str] | None = None,
) -> Blueprint:
    """Read a blueprint's JSON form and check what it means.

    Args:
        source: JSON text, its UTF-8 bytes, or a mapping of the same shape.
        uses: The registered implementation keys; None leaves them unchecked.
        expressions: Compiles conditions and transforms; None leaves them unchecked.
        blueprints: The ids that a subflow may name; None leaves them unchecked.

    Raises:
        BlueprintError: It names every fault at once, each with its mend.
    """
    reading = read(source)
    problems = _all_problems(reading, uses=uses, expressions=expressions, blueprints=blueprints)
    if reading.blueprint is None or problems:
        raise BlueprintError(reading.blueprint_id, problems)
    return reading.blueprint


def validate(
    blueprint: Blueprint,
    *,
    uses: Container[str] | None = None,
    expressions: ExpressionCompiler | None = None,
    blueprints: Container[str] | None = None,
) -> list[str]:
    """List every problem of a blueprint, however it was made; none means that it can run.

    Args:
        blueprint: The blueprint, of any origin: types are checked as if it had been read.
        uses: The registered implementation keys; None leaves them unchecked.
        expressions: Compiles conditions and transforms; None leaves them unchecked.
        blueprints: The ids that a subflow may name; None leaves them unchecked.
    """
    reading = read(to_json(blueprint))
    return _all_problems(reading, uses=uses, expressions=expressions, blueprints=blueprints)


def _all_problems(
    reading: Reading,
    *,
    uses: Container[str] | None,
    expressions: ExpressionCompiler | None,
    blueprints: Container[str] | None,
) -> list[str]:
    problems = list(reading.problems)
    blueprint = reading.blueprint
    if blueprint is None:
        return problems
    problems.extend(node_problems(blueprint, uses=uses, blueprints=blueprints))
    if not reading.complete:
        # With a node or an edge missing, the rest of the graph would be blamed for it.
        return problems
    graph = Graph(blueprint)
    problems.extend(edge_problems(graph))
    problems.extend(fallback_problems(graph))
    problems.extend(pair_problems(graph))
    if -1 not in graph.sources and -1 not in graph.targets:
        problems.extend(controller_problems(graph))
        problems.extend(reach_problems(graph))
    problems.extend(jump_problems(graph))
    problems.extend(cycle_problems(graph))
    if expressions is not None:
        problems.extend(_expression_problems(blueprint, expressions))
    return problems


def _expression_problems(blueprint: Blueprint, expressions: ExpressionCompiler) -> Iterator[str]:
    for where, source in _expressions(blueprint):
        try:
            expressions.compile(source)
        except ExpressionError as error:
            yield f"{where}: {error}"


def _expressions(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    for node in blueprint.nodes:
        condition = node.params.get("condition")
        if kind_of(node.uses) == "loop" and isinstance(condition, str) and condition:
            yield f"node {node.id!r}: params: condition", condition
    for number, edge in enumerate(blueprint.edges):
        if edge.condition:
            yield f"{edge_name(number, edge)}: condition", edge.condition
        if edge.transform:
            yield f"{edge_name(number, edge)}: transform", edge.transform
