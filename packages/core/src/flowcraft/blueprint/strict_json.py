"""Read JSON strictly, and gather every fault with its place instead of stopping at the first."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 100
"""How many lists and mappings may lie inside each other in a blueprint."""

_INT_MIN = -(2**63)
_INT_MAX = 2**64 - 1


class _RepeatedKeys(dict[str, Any]):
    """A JSON object that names some key twice; `repeated` says which."""

    repeated: tuple[str, ...] = ()


def decode(source: str | bytes | bytearray, problems: list[str]) -> Any:
    """Decode a JSON text; None, and a problem, where it is no JSON at all.

    NaN, infinities and repeated keys survive decoding so that `copy` can name their place.
    """
    try:
        text = source if isinstance(source, str) else bytes(source).decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_pairs)
    except UnicodeDecodeError as error:
        problems.append(f"the document is not UTF-8 (byte {error.start}); save it as UTF-8")
    except json.JSONDecodeError as error:
        problems.append(
            f"the document is not JSON at line {error.lineno}, column {error.colno}: {error.msg}; "
            "mend it there, or export it again if it was cut short"
        )
    except RecursionError:
        problems.append(_too_deep("the document"))
    except ValueError:
        # The interpreter refuses to parse integers of several thousand digits.
        problems.append("the document has an integer of more digits than can be read; use a text")
    return None


def copy(value: Any, *, where: str, problems: list[str]) -> Any:
    """Return a copy made of plain dicts and lists, and report what is not strict JSON.

    Args:
        value: Any Python value.
        where: The place of the value, for the messages.
        problems: Takes one message for each fault; the copy has null in its place.
    """
    return _copy(value, where, problems, ())


def repeated_keys(mapping: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the keys that the JSON text had more than once in this very object."""
    return mapping.repeated if isinstance(mapping, _RepeatedKeys) else ()


def repetitions(value: Any, *, where: str) -> Iterator[str]:
    """Say what `decode` found repeated, one message for each key.

    Where the other limits of a blueprint do not hold; `copy` says this and the rest.
    """
    if isinstance(value, dict):
        for key in repeated_keys(value):
            yield _appears_twice(key, where)
        for key, item in value.items():
            yield from repetitions(item, where=f"{where}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from repetitions(item, where=f"{where}[{number}]")


def text_fault(text: str) -> str | None:
    """Say why a text cannot be written as UTF-8, or None where it can."""
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "has half of a surrogate pair, which is no character; remove it"
    return None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    again: dict[str, None] = {}
    for key, _ in pairs:
        if key in seen:
            again[key] = None
        seen.add(key)
    marked = _RepeatedKeys(made)
    marked.repeated = tuple(again)
    return marked


def _copy(value: Any, where: str, problems: list[str], around: tuple[int, ...]) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        fault = text_fault(value)
        if fault is not None:
            problems.append(f"{where}: text {fault}")
            return None
        return value
    if kind is int:
        if not _INT_MIN <= value <= _INT_MAX:
            problems.append(f"{where}: the integer does not fit in 64 bits; use a text")
            return None
        return value
    if kind is float:
        if not math.isfinite(value):
            problems.append(f"{where}: {value} is not JSON; use null or a text")
            return None
        return value
    if isinstance(value, Mapping):
        if _is_too_deep(value, where, problems, around):
            return None
        return _copy_mapping(value, where, problems, (*around, id(value)))
    if isinstance(value, list | tuple):
        if _is_too_deep(value, where, problems, around):
            return None
        inside = (*around, id(value))
        return [
            _copy(item, f"{where}[{number}]", problems, inside) for number, item in enumerate(value)
        ]
    problems.append(
        f"{where}: {kind.__name__} is not JSON; use null, a boolean, a number, a text, a list or "
        "a mapping"
    )
    return None


def _copy_mapping(
    value: Mapping[Any, Any], where: str, problems: list[str], around: tuple[int, ...]
) -> dict[str, Any]:
    problems.extend(_appears_twice(key, where) for key in repeated_keys(value))
    made: dict[str, Any] = {}
    for key, item in value.items():
        if type(key) is not str:
            problems.append(f"{where}: the key {key!r} is not a text; make it one")
        elif (fault := text_fault(key)) is not None:
            problems.append(f"{where}: the key {key!r} {fault}")
        else:
            made[key] = _copy(item, f"{where}.{key}", problems, around)
    return made


def _is_too_deep(value: object, where: str, problems: list[str], around: tuple[int, ...]) -> bool:
    if id(value) in around:
        problems.append(f"{where}: the value contains itself; JSON cannot say that")
        return True
    if len(around) >= MAX_DEPTH:
        # The whole place would be a hundred names long.
        problems.append(_too_deep(where if len(where) <= 80 else f"{where[:77]}..."))
        return True
    return False


def _appears_twice(key: str, where: str) -> str:
    return f"{where}: the key {key!r} appears twice; keep one"


def _too_deep(where: str) -> str:
    return f"{where}: nested deeper than {MAX_DEPTH} levels; make it flatter"
