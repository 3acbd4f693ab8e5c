"""What nodes take from the application: `Depends`, and how it is found.

An application's lifespan yields, once per worker process, what its nodes share: a mapping
such as `{"pool": pool}`, or an object with attributes. A node names what it wants of it:

    async def charge(order: Order, pool: Annotated[Pool, Depends("pool")]) -> Receipt: ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_origin

from flowcraft.errors import NodeError, RegistrationError


class Depends:
    """Mark a parameter as a dependency: `Annotated[Pool, Depends("pool")]`.

    Args:
        key: Name in what the lifespan yields, or a type, of which it must then hold exactly
            one instance. None stands for the annotated type.
    """

    __slots__ = ("key",)

    def __init__(self, key: str | type | None = None) -> None:
        self.key = key

    def __repr__(self) -> str:
        return f"Depends({'' if self.key is None else _name(self.key)})"


class Dependency:
    """One dependency of one parameter, ready to be looked up."""

    __slots__ = ("default", "key", "where")

    def __init__(self, *, key: str | type, where: str, default: Any) -> None:
        """Keep what to look for.

        Args:
            key: Name, or type of the only instance.
            where: The function and parameter, for errors.
            default: Value where there is none; `REQUIRED` makes that an error.
        """
        self.key = key
        self.where = where
        self.default = default

    def find(self, provided: object) -> Any:
        """Look the dependency up in what the lifespan yielded.

        Raises:
            NodeError: It is not there, or its type fits several.
        """
        members = _members(provided)
        key = self.key
        if isinstance(key, str):
            if key in members:
                return members[key]
            # Attributes that are properties or class attributes are not among the members.
            value = REQUIRED if isinstance(provided, Mapping) else getattr(provided, key, REQUIRED)
            return self._missing(members) if value is REQUIRED else value
        if isinstance(provided, key):
            return provided
        if key in members:
            return members[key]
        fitting = [name for name, value in members.items() if isinstance(value, key)]
        if not fitting:
            return self._missing(members)
        if len({id(members[name]) for name in fitting}) > 1:
            raise NodeError(
                f"{self.where}: {_name(key)} fits several of what the lifespan yields "
                f"({_listed(fitting)}). Name one: Depends({_name(fitting[0])})."
            )
        return members[fitting[0]]

    def _missing(self, members: Mapping[Any, Any]) -> Any:
        if self.default is not REQUIRED:
            return self.default
        raise NodeError(
            f"{self.where}: the lifespan yields no {_name(self.key)}. "
            f"It yields: {_listed(list(members))}."
        )


class _Required:
    """Type of the mark that says that a parameter has no default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


def dependency_key(marker: Depends, annotated: object, *, where: str) -> str | type:
    """Work out what a `Depends` looks for.

    Raises:
        RegistrationError: It is neither text nor a type that instances can be tested for.
    """
    key: object = annotated if marker.key is None else marker.key
    if isinstance(key, str):
        if key:
            return key
        raise RegistrationError(f"{where}: Depends('') names nothing; give the name.")
    origin = get_origin(key)
    key = key if origin is None else origin
    if isinstance(key, type) and key is not object:
        protocol = getattr(key, "_is_protocol", False)
        if not protocol or getattr(key, "_is_runtime_protocol", False):
            return key
    raise RegistrationError(
        f"{where}: {_name(key)} is no type to look for. Name the dependency: Depends('name')."
    )


def _members(provided: object) -> Mapping[Any, Any]:
    if provided is None:
        return {}
    if isinstance(provided, Mapping):
        return provided
    members = dict(getattr(provided, "__dict__", {}))
    for cls in type(provided).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(provided, name):
                members.setdefault(name, getattr(provided, name))
    return members


def _name(key: object) -> str:
    return key.__name__ if isinstance(key, type) else repr(key)


def _listed(names: list[Any]) -> str:
    return ", ".join(_name(name) for name in names) or "nothing"
