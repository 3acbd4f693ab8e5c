"""Values to evaluate expressions over, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.errors import ExpressionError
from flowcraft.expressions import MISSING, Expression, Expressions

RESULT = {
    "output": {"total": 4, "price": 2.5, "name": "bo", "tags": ["x", "y"], "none": None},
    "action": "go",
}
KEYS = {
    "user": {"isAdmin": True, "name": "bo"},
    "k.ey": {"x": 5},
    "foo-bar": {"total": 9},
    "_outputs.a": 7,
    "it's": 1,
    "é": 2,
    "flag": True,
    "one": 1,
    "items": [1, 2, 3],
    "result": "not the result",
    "type": "premium",
}


def rate(amount: float) -> float:
    return amount * 2


def explode(*_: Any) -> Any:
    raise ZeroDivisionError("on purpose")


def run(expression: Expression, **known: Any) -> Any:
    def lookup(name: str) -> Any:
        assert name in expression.reads, "it looked up what it had not declared"
        return (KEYS | known).get(name, MISSING)

    return expression.evaluate(result=RESULT, input=RESULT["output"], lookup=lookup)


def refusal(expressions: Expressions, source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        expressions.compile(source)
    assert str(caught.value).startswith("expression "), "the error does not name the expression"
    return str(caught.value)


def failure(expressions: Expressions, source: str, **known: Any) -> str:
    expression = expressions.compile(source)
    with pytest.raises(ExpressionError) as caught:
        run(expression, **known)
    assert repr(source) in str(caught.value)
    return str(caught.value)
