"""The few expression forms that generated blueprints use, evaluated without the engine's help.

A plain path (`result.output.n`, `context["k1"].x`, `items[0]`), a path compared with a literal
(`input.n < 3`, `result.action == "x"`), and an integer path plus an integer.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import Any, Final


class EvaluationError(Exception):
    """The expression has no value; the run fails."""


class Missing:
    """The type of `MISSING`, what a name that means nothing gives."""


MISSING: Final = Missing()

_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\]|\[\"[^\"]*\"\])*"
_FORM = re.compile(rf"({_PATH})(?:\s*(<=|>=|==|!=|<|>|\+)\s*(\S.*))?")
_MEMBER = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]|\[\"([^\"]*)\"\]")
_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(source: str, *, result: Any, input: Any, lookup: Callable[[str, bool], Any]) -> Any:
    """Evaluate one of the known forms.

    Args:
        source: The expression.
        result: `{output, action}` of the edge's source.
        input: What `input` means here.
        lookup: Gives the value of a name, or `MISSING`; its second argument is true for
            `context["name"]` and `context.name`, false for the bare name.

    Raises:
        EvaluationError: A comparison or sum met a value it is not defined for.
    """
    form = _FORM.fullmatch(source.strip())
    if form is None:
        raise ValueError(f"{source!r} is none of the forms that the interpreter knows")
    path, symbol, literal = form.groups()
    value = _follow(path, result=result, input=input, lookup=lookup)
    if symbol is None:
        return None if value is MISSING else value
    if value is MISSING:
        raise EvaluationError(f"{path} leads nowhere in {source}")
    other = json.loads(literal)
    if symbol in ("==", "!="):
        return (_typed(value) == _typed(other)) is (symbol == "==")
    if not (_is_number(value) and _is_number(other)):
        raise EvaluationError(f"{source} is not defined for {value!r}")
    if symbol != "+":
        return _ORDER[symbol](value, other)
    if isinstance(value, float):
        raise EvaluationError(f"{source} mixes a float and an integer")
    return value + other


def truthy(value: Any) -> bool:
    """Say whether a condition of this value is satisfied; `[]` and `{}` satisfy it."""
    if isinstance(value, list | dict):
        return True
    return value is not None and value is not False and value != 0 and value != ""


def member(value: Any, name: str | int) -> Any:
    """Take one step of a path, or give `MISSING`."""
    if isinstance(value, dict) and isinstance(name, str) and name in value:
        return value[name]
    if isinstance(value, list) and isinstance(name, int) and name < len(value):
        return value[name]
    return MISSING


def _follow(path: str, *, result: Any, input: Any, lookup: Callable[[str, bool], Any]) -> Any:
    root = re.match(r"\w+", path)
    assert root is not None
    steps: list[str | int] = [
        int(index) if index else name or key
        for name, index, key in _MEMBER.findall(path[root.end() :])
    ]
    if root.group() == "result":
        value = result
    elif root.group() == "input":
        value = input
    elif root.group() == "context":
        value = lookup(str(steps.pop(0)), True)
    else:
        value = lookup(root.group(), False)
    for step in steps:
        value = member(value, step)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _typed(value: Any) -> tuple[bool, Any]:
    # True equals 1 in Python, and is no number in JSON.
    return isinstance(value, bool), value
