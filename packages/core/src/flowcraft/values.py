"""What a run can store: strict JSON, checked before it is encoded.

A value is null, a bool, an int, a finite float, text, a list of values, or a mapping from text
to values. The encoder alone would turn NaN into null and a set into a list; here each of those
is refused with the place where it was found. `to_json_value` and `from_json_value` carry
declared types (dataclasses, Structs, Pydantic models, datetimes, ...) across that border.

Corners:

* an int has up to 4,000 digits;
* subclasses of dict and list (OrderedDict, defaultdict, Counter) are stored as plain ones; those
  of str, int and float (enums, numpy scalars) are refused, for their meaning would be lost;
* a tuple is refused, since it would come back as a list, except in a field of a declared type,
  whose annotation turns it back;
* values nest at most `MAX_DEPTH` levels.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from flowcraft.errors import (
    InputError,
    PayloadTooLargeError,
    RegistrationError,
    ValueNotStorableError,
)

# Well under Python's recursion limit, which the encoder and every reader of the value share.
MAX_DEPTH: Final = 200

_Steps: TypeAlias = tuple[str | int, ...]

# The JSON reader takes numbers of at most 4,300 characters, and Python's own default is the same.
_MAX_DIGITS: Final = 4000
_TOO_LONG: Final = 10**_MAX_DIGITS

_PLAIN: Final = frozenset({str, bool, type(None)})
_CONVERTED: Final = (msgspec.Struct, Enum, datetime, date, time, timedelta, UUID, Decimal)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PLACE_IN_ERROR: Final = re.compile(r" - at `(?:key in )?\$?([^`]*)`\Z")
_STACK_TOO_SHORT: Final = "nested deeper than the rest of the stack allows"
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()


def check(value: Any, *, what: str) -> None:
    """Refuse a value that is not strict JSON.

    Args:
        value: Any object.
        what: What the value is, as the error should name it: `output of node 'a'`.

    Raises:
        ValueNotStorableError: Names `what`, the place inside and the reason.
    """
    # Encoding is the cheapest complete look at text, and keeps `check` and `encode` of one mind.
    _strict_bytes(value, what)


def encode(value: Any, *, what: str, limit_bytes: int | None = None) -> bytes:
    """Check a value and write it as JSON.

    Args:
        value: Any object.
        what: What the value is, as an error should name it.
        limit_bytes: The most that the store takes, or None.

    Raises:
        ValueNotStorableError: The value is not strict JSON.
        PayloadTooLargeError: Its JSON is larger than `limit_bytes`.
    """
    return _within(limit_bytes, _strict_bytes(value, what), what)


def encode_declared(value: Any, *, what: str, limit_bytes: int | None = None) -> bytes:
    """Write a value as JSON, declared types as `to_json_value` converts them.

    What a node gave is written with this: one look at a value that is JSON already.

    Raises:
        ValueNotStorableError: Something inside has no JSON form.
        PayloadTooLargeError: Its JSON is larger than `limit_bytes`.
    """
    return _within(limit_bytes, _strict_bytes(value, what, converts=True), what)


def decode(data: bytes, *, what: str = "stored value") -> Any:
    """Read JSON that `encode` wrote, as a fresh copy.

    Raises:
        ValueNotStorableError: The bytes are not strict JSON.
    """
    try:
        return _DECODER.decode(data)
    except (ValueError, RecursionError) as error:
        raise ValueNotStorableError(f"{what}: not strict JSON: {error}") from error


def to_json_value(value: Any, *, what: str) -> Any:
    """Turn declared types, however nested, into strict JSON.

    Converted are dataclasses, Structs, Pydantic models (by alias), enums (their value),
    datetimes, dates, times and durations (ISO 8601), UUIDs, and Decimals (as text, so that no
    digit is lost). Parts that are JSON already are not copied unless something inside changes.

    Raises:
        ValueNotStorableError: Something inside has no JSON form.
    """
    try:
        if not _is_strict(value, MAX_DEPTH):
            value = _convert(value, (), what)
    except RecursionError as error:
        raise ValueNotStorableError(f"{what}: {_STACK_TOO_SHORT}") from error
    check(value, what=what)
    return value


def from_json_value(value: Any, annotation: Any, *, what: str) -> Any:
    """Validate a JSON value against an annotation and build what it declares.

    Nothing is coerced: "1" is no int and 1 is no bool, though an int serves as a float.
    Pydantic models validate by their own rules. Unknown fields are ignored.

    Args:
        value: Strict JSON, as `decode` gives it.
        annotation: The type to build, such as `list[Order]`.
        what: What the value is, as an error should name it: `input of node 'a'`.

    Raises:
        InputError: The value does not fit; names `what`, each field and the reason.
        RegistrationError: No JSON value fits the annotation.
    """
    if annotation is Any:
        return value
    try:
        return msgspec.convert(value, annotation, str_keys=True, dec_hook=_build_model)
    except msgspec.ValidationError as error:
        raise InputError(f"{what}: {_explain_misfit(error)}") from error
    except (TypeError, NotImplementedError, RecursionError) as error:
        raise RegistrationError(
            f"{what}: the type {annotation!r} cannot be read from JSON: {error}. "
            "Use a dataclass, msgspec.Struct, TypedDict, Pydantic model or plain JSON types."
        ) from error


def place(steps: Iterable[str | int]) -> str:
    """Write a path of keys and indexes as errors show it: `.items[3]["k.ey"]`."""
    return "".join(
        f"[{step}]"
        if isinstance(step, int)
        else f".{step}"
        if _IDENTIFIER.match(step)
        else f"[{json.dumps(step)}]"
        for step in steps
    )


def _strict_bytes(value: Any, what: str, *, converts: bool = False) -> bytes:
    try:
        if _is_strict(value, MAX_DEPTH):
            return _ENCODER.encode(value)
        if converts:
            return _strict_bytes(_convert(value, (), what), what)
        cause: Exception | None = None
    except (ValueError, RecursionError) as error:  # a lone surrogate, a full stack
        cause = error
    try:
        fault = _find_fault(value, (), ())
    except RecursionError:
        fault = None
    if fault is None:
        fault = ((), _STACK_TOO_SHORT)
    steps, reason = fault
    where = f"at {place(steps)}: " if steps else ""
    raise ValueNotStorableError(f"{what}: {where}{reason}") from cause


def _is_strict(value: Any, levels: int) -> bool:
    """Say whether types, keys and floats are strict; the encoder sees to text."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is int:
        return bool(-_TOO_LONG < value < _TOO_LONG)
    if kind is float:
        return math.isfinite(value)
    if levels == 0:
        return False
    # Scalars are let through here rather than by a call each: that halves the cost.
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                return False
            kind = type(item)
            if kind is int:
                if not -_TOO_LONG < item < _TOO_LONG:
                    return False
            elif kind not in _PLAIN and not _is_strict(item, levels - 1):
                return False
        return True
    if kind is list:
        for item in value:
            kind = type(item)
            if kind is int:
                if not -_TOO_LONG < item < _TOO_LONG:
                    return False
            elif kind not in _PLAIN and not _is_strict(item, levels - 1):
                return False
        return True
    # The encoder reads the storage of a subclass and none of its methods, and so do we.
    if isinstance(value, dict):
        return _is_strict(dict(dict.items(value)), levels)
    if isinstance(value, list):
        return _is_strict(list(list.__iter__(value)), levels)
    return False


def _find_fault(value: Any, steps: _Steps, parents: tuple[int, ...]) -> tuple[_Steps, str] | None:
    """Find the first thing that is not strict, with its place; slow, for errors only."""
    kind = type(value)
    if kind is str:
        return (steps, f"text {_surrogate(value)}") if _surrogate(value) else None
    if kind is int:
        if -_TOO_LONG < value < _TOO_LONG:
            return None
        return steps, f"the int has more than {_MAX_DIGITS} digits; store it as text"
    if kind is bool or value is None:
        return None
    if kind is float:
        return None if math.isfinite(value) else (steps, f"float {value} is not finite")
    if not isinstance(value, dict | list):
        return steps, _why_not_json(value)
    if id(value) in parents:
        return steps, "the value contains itself"
    if len(parents) == MAX_DEPTH:
        # The whole path would fill a screen.
        return steps[:3], f"nested deeper than {MAX_DEPTH} levels"
    parents = (*parents, id(value))
    items: Iterable[tuple[Any, Any]] = (
        dict.items(value) if isinstance(value, dict) else enumerate(list.__iter__(value))
    )
    for key, item in items:
        if isinstance(value, dict):
            if type(key) is not str:
                return steps, f"the key {key!r} is {_kind(key)}, and keys are text; use str(key)"
            if _surrogate(key):
                return steps, f"the key {key!r} {_surrogate(key)}"
        fault = _find_fault(item, (*steps, key), parents)
        if fault is not None:
            return fault
    return None


def _surrogate(text: str) -> str:
    for index, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            return f"has the lone surrogate {character!r} at index {index}, which is no character"
    return ""


def _why_not_json(value: object) -> str:
    if isinstance(value, Enum):
        hint = "use its .value, or declare the type"
    elif isinstance(value, str | int | float):
        base = next(base for base in (str, int, float) if isinstance(value, base))
        hint = f"convert it with {base.__name__}(x)"
    elif isinstance(value, tuple | set | frozenset):
        hint = "make it a list"
    elif isinstance(value, bytes | bytearray | memoryview):
        hint = "make it text, for example as base64"
    elif _is_convertible(value):
        hint = "declare the type, so that it is converted, or convert it yourself"
    else:
        hint = "use null, bool, int, float, text, list and dict"
    return f"a value {_kind(value)} is not JSON; {hint}"


def _kind(value: object) -> str:
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"of type {module}{kind.__qualname__}"


def _is_convertible(value: object) -> bool:
    return (
        isinstance(value, _CONVERTED)
        or dataclasses.is_dataclass(type(value))
        or callable(getattr(type(value), "model_dump", None))
    )


def _convert(value: Any, steps: _Steps, what: str) -> Any:
    if type(value) in _PLAIN or type(value) in (int, float):
        return value
    if isinstance(value, dict | list):
        if len(steps) == MAX_DEPTH:
            raise ValueNotStorableError(
                f"{what}: nested deeper than {MAX_DEPTH} levels, or the value contains itself"
            )
        if isinstance(value, dict):
            return {key: _convert(item, (*steps, str(key)), what) for key, item in value.items()}
        return [_convert(item, (*steps, index), what) for index, item in enumerate(value)]
    if not _is_convertible(value):
        return value
    try:
        return _without_tuples(msgspec.to_builtins(value, str_keys=True, enc_hook=_dump_model))
    except (ValueError, TypeError, RecursionError) as error:
        at = f"at {place(steps)}: " if steps else ""
        kind = type(value).__name__
        raise ValueNotStorableError(f"{what}: {at}{kind} has no JSON form: {error}") from error


def _without_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_tuples(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_tuples(item) for item in value]
    return value


def _dump_model(value: Any) -> Any:
    dump = getattr(type(value), "model_dump", None)
    if not callable(dump):
        raise TypeError(f"a field holds {_why_not_json(value)}")
    # By alias, because that is what the model reads back.
    return dump(value, mode="json", by_alias=True)


class _ModelMisfitError(ValueError):
    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__(str(problems))


def _build_model(kind: type, value: Any) -> Any:
    validate = getattr(kind, "model_validate_json", None)
    if not callable(validate):
        raise NotImplementedError(f"{kind.__qualname__} is no type that JSON can be read into")
    try:
        # Through JSON rather than through objects: a strict model then still takes a datetime
        # or a UUID from text, as JSON has to write them.
        return validate(_ENCODER.encode(value))
    except ValueError as error:
        details = getattr(error, "errors", None)
        if not callable(details):
            raise
        raise _ModelMisfitError(
            [(place(one["loc"]), str(one["msg"])) for one in details()]
        ) from error


def _explain_misfit(error: msgspec.ValidationError) -> str:
    text = str(error)
    found = _PLACE_IN_ERROR.search(text)
    outer = found[1] if found else ""
    if isinstance(error.__cause__, _ModelMisfitError):
        problems = [(outer + inner, reason) for inner, reason in error.__cause__.problems]
    else:
        problems = [(outer, text[: found.start()] if found else text)]
    return "; ".join(
        f"at {at}: {reason[:1].lower()}{reason[1:]}" if at else reason[:1].lower() + reason[1:]
        for at, reason in problems
    )


def _within(limit_bytes: int | None, data: bytes, what: str) -> bytes:
    if limit_bytes is not None and len(data) > limit_bytes:
        raise PayloadTooLargeError(
            f"{what} is {_kib(len(data))}, the store takes at most {_kib(limit_bytes)}. Keep the "
            "data elsewhere and return a reference to it, or split it over several nodes."
        )
    return data


def _kib(size_bytes: int) -> str:
    # Rounded up, so that a value one byte too large never reads as being at the limit.
    tenths = math.ceil(size_bytes * 10 / 1024)
    return f"{tenths / 10:.1f} KiB".replace(".0 KiB", " KiB")
