"""Conditions and transforms: CEL, without its surprises.

An expression sees `result` (`output` and `action` of the source node), `input` (that output),
`context`, then context keys by name, then node ids by name. A key that is no identifier is
reached as `context["foo-bar"]`, for `foo-bar` is a subtraction; `"foo-bar" in context` asks for it.

A plain path (`result.output.items[0].status`) is followed here, without CEL, and is null where it
leads nowhere. In anything else a member that is missing is an error, which `has(result.output.x)`
avoids. What JSON users should know about CEL:

* ints and decimals compare as numbers (`1 == 1.0`, `2.5 > 1`), but arithmetic does not mix them:
  where `price` may be 3 or 2.5, write `double(result.output.price) * 2.0`;
* `7 / 2` is 3; an int beyond 64 bits is refused, since CEL would round it;
* `&&`, `||`, `!` and `?:` take true and false only: write `result.output.name != ""`;
* `size(text)` counts the bytes of its UTF-8;
* an expression that calls `type` takes `int`, `list`, `string` ... for types; keys of such names
  are then read as `context["int"]`.

Blueprints may come from strangers, so comprehensions (`map`, `filter`, `all`, `exists`,
`exists_one`), which multiply work, are refused unless allowed, and length and depth are bounded:
the library's parser would otherwise overflow the stack of the process.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from flowcraft.errors import RegistrationError, ValueNotStorableError
from flowcraft.expression_syntax import (
    FUNCTIONS,
    LITERALS,
    MACROS,
    RESERVED,
    TYPES,
    Reading,
    Steps,
    Wanted,
    refuse,
)
from flowcraft.values import check, place

if TYPE_CHECKING:
    import cel

CACHE_SIZE: Final = 2048

_NOT_DEFINED: Final = re.compile(r"Undefined variable or function: '([^']*)'")
_UNCONVERTIBLE: Final = object()
_OPERAND_HINT: Final = (
    "Arithmetic takes two ints or two decimals (double(x) and int(x) convert); &&, ||, ! and ?: "
    "take true and false (x != null compares); x.y reads a mapping"
)


class _Missing(Enum):
    MISSING = "MISSING"


MISSING: Final = _Missing.MISSING
"""What a lookup returns for a name that has no value; None is a value."""


class Expressions:
    """Compiles the expressions of an application's blueprints.

    Args:
        functions: Python callables that expressions may call by name. They must be quick and
            free of effects: they run in the event loop, and again when a worker dies.
        allow_comprehensions: Whether `map`, `filter`, `all`, `exists` and `exists_one` may be
            used. Nested ones can hold a worker for minutes: allow them for trusted blueprints.
        max_length: The longest expression accepted, in characters.

    Raises:
        RegistrationError: A function has a name that CEL cannot call, or is async.
    """

    def __init__(
        self,
        *,
        functions: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
        allow_comprehensions: bool = False,
        max_length: int = 4096,
    ) -> None:
        for name, function in functions.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise RegistrationError(f"expression function {name!r}: no name that CEL can call")
            if name in FUNCTIONS | MACROS | TYPES | LITERALS | RESERVED:
                raise RegistrationError(f"expression function {name!r}: CEL has its own; rename it")
            if inspect.iscoroutinefunction(function):
                raise RegistrationError(f"expression function {name!r}: it must not be async")
        self._functions = dict(functions)
        self._allow_comprehensions = allow_comprehensions
        self._max_length = max_length
        self._compiled = lru_cache(maxsize=CACHE_SIZE)(self._compile)

    def compile(self, source: str) -> Expression:
        """Parse an expression, or return it as parsed before.

        Raises:
            ExpressionError: Says what is wrong with it, and the CEL spelling where there is one.
        """
        return self._compiled(source)

    def _compile(self, source: str) -> Expression:
        if len(source) > self._max_length:
            refuse(source, f"has {len(source)} characters, at most {self._max_length} are accepted")
        reading = Reading(
            source,
            registered=self._functions,
            allow_comprehensions=self._allow_comprehensions,
            literal=lambda text: _parse(text, source).execute(),
        )
        return Expression(
            source=source,
            path=reading.path,
            wanted=reading.wanted,
            functions={name: self._functions[name] for name in reading.calls - FUNCTIONS},
            program=None if reading.path else _program(source, reading),
        )


def _program(source: str, reading: Reading) -> cel.Program:
    program = _parse(source, source)
    # Both ways of reading must agree, or something would be evaluated that was never looked at.
    strange = set(program.variables()) - set(reading.wanted) - reading.bound - TYPES
    if strange:
        refuse(source, f"cannot tell what {', '.join(sorted(strange))} is; write it more plainly")
    return program


def _parse(text: str, source: str) -> cel.Program:
    import cel  # here, because it takes a quarter of a second that plain paths never need

    try:
        return cel.compile(text)
    except ValueError as error:
        message = str(error).partition("ERROR: ")[2] or str(error)
        refuse(source, f"not CEL: {message.splitlines()[0].removeprefix('<input>:')}", error)


@dataclass(frozen=True, kw_only=True, eq=False)
class Expression:
    """One compiled expression; immutable, and free to be shared.

    Args:
        source: The text it was compiled from.
        path: The steps of a plain path, else empty.
        wanted: The members it reads, by root name.
        functions: The registered functions that it calls.
        program: What CEL made of it, unless it is a plain path.
    """

    source: str
    path: Steps
    wanted: Wanted
    functions: Mapping[str, Callable[..., Any]]
    program: cel.Program | None

    @cached_property
    def names(self) -> frozenset[str]:
        """Context keys or node ids read by their bare name."""
        return frozenset(str(root) for root in self.wanted) - {"result", "input", "context"}

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys read as `context.key` or `context["key"]`."""
        return frozenset(str(key) for key in self.wanted.get("context") or ())

    @cached_property
    def reads(self) -> frozenset[str]:
        """Everything that `evaluate` may look up."""
        return self.names | self.keys

    @cached_property
    def uses_result(self) -> bool:
        """Whether it reads `result`."""
        return "result" in self.wanted

    @cached_property
    def uses_input(self) -> bool:
        """Whether it reads `input`."""
        return "input" in self.wanted

    @property
    def is_path(self) -> bool:
        """Whether it is a plain path, which is followed without CEL and never fails."""
        return self.program is None

    def evaluate(
        self,
        *,
        result: Mapping[str, Any],
        input: Any,
        lookup: Callable[[str], Any],
    ) -> Any:
        """Compute the expression's value.

        Args:
            result: `output` and `action` of the source.
            input: The same output.
            lookup: Gives the value of one of `reads`, or MISSING.

        Returns:
            Strict JSON. A plain path gives the very object it leads to, not a copy.

        Raises:
            ExpressionError: It failed, or its value is not JSON.
        """
        values = {"result": result, "input": input}
        try:
            if self.program is None:
                return self._walk(values, lookup)
            return self._run(self.program, self._bind(values, lookup))
        except ValueNotStorableError as error:
            refuse(self.source, f"{error} (string(x), int(x) and double(x) convert)", error)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            refuse(self.source, self._explain(error), error)

    def _walk(self, values: Mapping[str, Any], lookup: Callable[[str], Any]) -> Any:
        root, steps = str(self.path[0]), self.path[1:]
        if root == "context":
            root, steps = str(steps[0]), steps[1:]
            value = lookup(root)
        else:
            value = values[root] if root in values else lookup(root)
        for step in steps:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, Mapping) else None
            else:
                value = value[step] if isinstance(value, list) and step < len(value) else None
        return None if value is MISSING else value

    def _bind(self, values: Mapping[str, Any], lookup: Callable[[str], Any]) -> dict[str, Any]:
        # CEL copies what it is given, at some 150 ns a value, so it gets what is named, no more.
        bound: dict[str, Any] = {}
        for root, wanted in self.wanted.items():
            name = str(root)
            if name == "context":
                bound[name] = {
                    key: _narrow(value, inner, (name, key))
                    for key, inner in (wanted or {}).items()
                    if (value := lookup(str(key))) is not MISSING
                }
            elif (value := values[name] if name in values else lookup(name)) is not MISSING:
                bound[name] = _narrow(value, wanted, (name,))
            elif name in TYPES:
                # CEL would quietly take it for the type of that name.
                raise LookupError(f'there is no value named {name}; context["{name}"] reads a key')
        return bound

    def _run(self, program: cel.Program, variables: dict[str, Any]) -> Any:
        from cel import Context

        failures: list[tuple[str, BaseException]] = []
        functions = {
            name: _recording(name, function, failures) for name, function in self.functions.items()
        }
        try:
            value = program.execute(Context(variables=variables, functions=functions))
        finally:
            # Also where && or || absorbed it: whether a function raises must not depend on that.
            for name, failure in failures:
                if not isinstance(failure, Exception):
                    raise failure
                kind = type(failure).__name__
                refuse(self.source, f"{name}() raised {kind}: {failure}", failure)
        check(value, what="its value")
        return value

    def _explain(self, error: Exception) -> str:
        text = " ".join(str(error).partition(" Check ")[0].split()).rstrip(".")
        undefined = _NOT_DEFINED.match(text)
        if undefined and undefined[1] in self.names:
            name = undefined[1]
            return f"there is no value named {name}; has(context.{name}) asks for it"
        if undefined:
            return f"{undefined[1]}() does not take these arguments"
        if isinstance(error, KeyError):
            return f"there is no member {text}; has(a.b) asks for it"
        if isinstance(error, TypeError):
            return f"{text.partition('. ')[0]}. {_OPERAND_HINT}"
        return text


def truthy(value: Any) -> bool:
    """Say whether a condition of this value is satisfied.

    Null, false, 0 and "" do not satisfy it; everything else does, `[]` and `{}` too.
    """
    return not (value is None or value == "" or value == 0)  # False is 0


def _narrow(value: Any, wanted: Wanted | None, steps: Steps) -> Any:
    """Keep the named members; what is missing stays missing, so that CEL says so itself."""
    if wanted is None or not isinstance(value, Mapping | list):
        _refuse_wide_ints(value, steps)
        return value
    if isinstance(value, Mapping):
        return {
            step: _narrow(value[step], inner, (*steps, step))
            for step, inner in wanted.items()
            if isinstance(step, str) and step in value
        }
    last = max((step for step in wanted if isinstance(step, int)), default=-1)
    return [
        _narrow(item, wanted[index], (*steps, index)) if index in wanted else None
        for index, item in enumerate(value[: last + 1])
    ]


def _refuse_wide_ints(value: Any, steps: Steps) -> None:
    if type(value) is int:
        if not -(2**63) <= value < 2**63:
            where = f" at {place(steps).removeprefix('.')}" if steps else ""
            raise OverflowError(
                f"the int{where} is beyond 64 bits, which CEL cannot hold. Pass it as text, "
                "or compute with it in a node or a registered function"
            )
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_wide_ints(item, (*steps, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_wide_ints(item, (*steps, index))


def _recording(
    name: str, function: Callable[..., Any], failures: list[tuple[str, BaseException]]
) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            value = function(*arguments)
            check(value, what="its result")
            _refuse_wide_ints(value, ())
        except BaseException as failure:  # noqa: BLE001 - raised again after the evaluation
            failures.append((name, failure))
            # CEL cannot hold this, so it stops as it would for an exception, which it would
            # first write to the log, and then lose.
            return _UNCONVERTIBLE
        return value

    return call
