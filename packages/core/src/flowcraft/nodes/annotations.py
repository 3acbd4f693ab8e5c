"""From a parameter's annotation to the conversion of its value, worked out once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import partial
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec.inspect

from flowcraft.errors import RegistrationError
from flowcraft.values import from_json_value

Converter = Callable[[Any, str], Any]
"""Takes a JSON value and the text that names it in errors; gives the declared type."""

_PLAIN: dict[object, type] = {
    dict: dict,
    dict[str, Any]: dict,
    list: list,
    list[Any]: list,
    str: str,
    int: int,
    float: float,
    bool: bool,
    None: NoneType,
    NoneType: NoneType,
}


class Unresolved:
    """An annotation whose names are not known where it was looked up."""

    __slots__ = ("reason", "text")

    def __init__(self, *, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason


def signature_of(function: Callable[..., Any], *, name: str) -> inspect.Signature:
    """Read a function's parameters.

    Raises:
        RegistrationError: It tells none, as some functions written in C do.
    """
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise RegistrationError(
            f"{name}: its parameters cannot be read ({error}). Wrap it in a function."
        ) from error
    except NameError as error:
        raise RegistrationError(f"{name}: {error}. {_MEND}") from error


def names_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the names among which a function's annotations are looked up: its module's."""
    target: Any = function
    while isinstance(target, partial):
        target = target.func
    target = inspect.unwrap(target)
    target = getattr(target, "__func__", target)
    if not hasattr(target, "__globals__") and not isinstance(target, type):
        target = inspect.unwrap(type(target).__call__)
    found = getattr(target, "__globals__", {})
    return found if isinstance(found, dict) else {}


def resolve(annotation: object, names: dict[str, Any]) -> Any:
    """Give the type that an annotation means, or `Unresolved`.

    Each parameter is resolved by itself, so that an import made for the type checker only
    does no harm where the type is not needed.
    """
    if annotation is inspect.Parameter.empty:
        return Any
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        hints = typing.get_type_hints(holder, globalns=names, include_extras=True)
    except Exception as error:  # noqa: BLE001 - an annotation may be any expression
        text = annotation if isinstance(annotation, str) else repr(annotation)
        return Unresolved(text=text, reason=f"{type(error).__name__}: {error}")
    found = hints["it"]
    return Any if isinstance(found, TypeVar) else found


def bare(annotation: Any) -> Any:
    """Strip `Annotated` and an `| None`, to see which class is meant."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        if len(members) == 1:
            return bare(members[0])
    return annotation


def converter(annotation: Any, *, where: str) -> Converter | None:
    """Work out how values become what the annotation says; None where they stay as they are.

    Args:
        annotation: The resolved annotation.
        where: The function and parameter, for errors.

    Raises:
        RegistrationError: No JSON value can become that type.
    """
    if isinstance(annotation, Unresolved):
        raise RegistrationError(
            f"{where}: its annotation {annotation.text!r} cannot be resolved "
            f"({annotation.reason}). {_MEND}"
        )
    if annotation is Any or annotation is object:
        return None
    try:
        exact = _PLAIN.get(annotation)
    except TypeError:  # an annotation that cannot be hashed is none of the plain ones
        exact = None
    if exact is not None:
        # The value already has the type in nearly every call; one comparison tells.
        def check(value: Any, what: str) -> Any:
            return value if type(value) is exact else from_json_value(value, annotation, what=what)

        return check
    _require_json_type(annotation, where=where)

    def convert(value: Any, what: str) -> Any:
        return from_json_value(value, annotation, what=what)

    return convert


_MEND = (
    "Define or import the type at the top of the module, outside of TYPE_CHECKING and of "
    "any function, or leave out `from __future__ import annotations`."
)


def _require_json_type(annotation: Any, *, where: str) -> None:
    target = bare(annotation)
    if hasattr(target, "model_validate"):
        return
    try:
        described = msgspec.inspect.type_info(target)
    except TypeError as error:
        raise RegistrationError(f"{where}: {error}.") from error
    except NameError:  # a field of it is of a class that its module defines further down
        return
    if isinstance(described, msgspec.inspect.CustomType):
        name = getattr(target, "__name__", repr(target))
        raise RegistrationError(
            f"{where}: {name} is no type that JSON converts to. The input is a dataclass, "
            "msgspec.Struct, TypedDict, Pydantic model or plain JSON type; for something that "
            f"the application provides write Annotated[{name}, Depends({name})]."
        )
