"""Evaluates the expressions of one activation, and says what is kept of its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from flowcraft.blueprint.plan import EdgePlan
from flowcraft.engine.record import ErrorInfo
from flowcraft.errors import ExpressionError, text_of
from flowcraft.execution.move import Move
from flowcraft.expressions import Expression

CATCH_ERROR = "_catch_error"
"""The context key at which a fallback finds the error."""


class FatalError(Exception):
    """The run has to fail, whatever attempts or fallback are left."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message)
        self.info = info


class Evaluator:
    """Evaluates the expressions of one activation over what was read for it."""

    def __init__(
        self, move: Move, output: Any, action: str | None, found: Mapping[str, Any]
    ) -> None:
        self._move = move
        self._output = output
        self._result = {"output": output, "action": action}
        self._found = found

    def __call__(self, expression: Expression, edge: EdgePlan | None) -> Any:
        try:
            return expression.evaluate(
                result=self._result, input=self._output, lookup=self._found.__getitem__
            )
        except ExpressionError as error:
            where = edge_name(edge) if edge is not None else f"node {self._move.activation.node!r}"
            info = error_info(self._move, error)
            raise FatalError(
                msgspec.structs.replace(info, message=f"{where}: {info.message}")
            ) from error


def edge_name(edge: EdgePlan) -> str:
    """An edge as messages name it."""
    return f"edge {edge.index} {edge.source!r} -> {edge.target!r}"


def error_info(move: Move, error: BaseException) -> ErrorInfo:
    """What is kept of an error."""
    cause = error.__cause__
    return ErrorInfo(
        node=move.activation.node,
        message=text_of(error) or type(error).__name__,
        type=type(error).__name__,
        scope=move.activation.scope,
        attempt=move.attempt,
        cause=f"{type(cause).__name__}: {text_of(cause)}" if cause is not None else "",
    )
