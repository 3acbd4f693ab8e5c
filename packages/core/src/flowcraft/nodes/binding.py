"""Which parameter of a node function gets what, settled once, at registration.

The context and the run are known by their types, `Context` and `RunInfo`, or by the names
`ctx` and `run`; `params` by its name; a dependency by `Annotated[..., Depends(...)]`. The
one parameter left is the input. A call then only fetches values and passes them on.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, get_args, get_origin

import msgspec

from flowcraft.errors import RegistrationError
from flowcraft.nodes.annotations import (
    Converter,
    Unresolved,
    bare,
    converter,
    names_of,
    resolve,
    signature_of,
)
from flowcraft.nodes.dependencies import REQUIRED, Dependency, Depends, dependency_key
from flowcraft.nodes.result import Context, RunInfo

RunInThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a function in a thread and gives what it returns."""


class NodeCall(msgspec.Struct, kw_only=True):
    """Everything that one attempt of a node can be given."""

    input: Any
    ctx: Context
    run: RunInfo
    params: Mapping[str, Any]
    dependencies: object
    last_attempt: bool
    run_in_thread: RunInThread | None


Source = Callable[[NodeCall], Any]
"""Fetches the value of one parameter."""


class Binding:
    """A function's parameters and where each comes from."""

    __slots__ = ("_keywords", "_positional", "dependencies", "roles")

    def __init__(
        self,
        *,
        positional: tuple[Source, ...],
        keywords: tuple[tuple[str, Source], ...],
        roles: frozenset[str],
        dependencies: tuple[Dependency, ...],
    ) -> None:
        """Keep where each parameter comes from.

        Args:
            positional: Sources of what is passed by position, in order.
            keywords: Sources of what is passed by name.
            roles: Which of `input`, `context`, `run` and `params` the function takes.
            dependencies: What it takes from the application.
        """
        self._positional = positional
        self._keywords = keywords
        self.roles = roles
        self.dependencies = dependencies

    @property
    def takes_context(self) -> bool:
        """Whether the function can read and write the run's keys."""
        return "context" in self.roles

    def prepare(self, function: Callable[..., Any], call: NodeCall) -> Callable[[], Any]:
        """Fetch all values now; the function itself can be called later, in a thread.

        Raises:
            InputError: The input or the params do not fit their declared types.
            NodeError: A dependency is missing.
        """
        values = [source(call) for source in self._positional]
        return partial(function, *values, **{name: fetch(call) for name, fetch in self._keywords})

    def caller(self, function: Callable[..., Any]) -> Callable[[NodeCall], Any]:
        """Give a closure that fetches the values and calls the function with them.

        The common shapes get their own closures: this is on the path of every node.
        """
        positional, keywords = self._positional, self._keywords
        if keywords or len(positional) > 2:
            return lambda call: self.prepare(function, call)()
        if not positional:
            return lambda call: function()
        if len(positional) == 2:
            first, second = positional
            return lambda call: function(first(call), second(call))
        (only,) = positional
        if only is _raw_input:
            return lambda call: function(call.input)
        return lambda call: function(only(call))


def bind(function: Callable[..., Any], *, skip_first: bool = False) -> Binding:
    """Settle where each parameter of a node function comes from.

    Args:
        function: Any callable whose parameters can be read.
        skip_first: Leave out the first parameter, the `self` of a method.

    Raises:
        RegistrationError: Two parameters would get the same thing, one would get nothing, or
            an annotation means nothing; names the function and the parameter.
    """
    name = describe(function)
    names = names_of(function)
    found: dict[str, str] = {}
    positional: list[Source] = []
    keywords: list[tuple[str, Source]] = []
    dependencies: list[Dependency] = []
    for parameter in _open_parameters(function, name=name, skip_first=skip_first):
        where = f"{name}, parameter {parameter.name!r}"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            star = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise RegistrationError(
                f"{where}: {star}{parameter.name} leaves open what is passed. Name each "
                "parameter; a decorator keeps them with functools.wraps."
            )
        role, source = _bind_one(parameter, resolve(parameter.annotation, names), where=where)
        if isinstance(source, Dependency):
            dependencies.append(source)
            source = _dependency_source(source)
        elif role in found:
            raise RegistrationError(f"{where}: {_twice(role, first=found[role])}")
        else:
            found[role] = parameter.name
        if parameter.kind is parameter.KEYWORD_ONLY:
            keywords.append((parameter.name, source))
        else:
            positional.append(source)
    return Binding(
        positional=tuple(positional),
        keywords=tuple(keywords),
        roles=frozenset(found),
        dependencies=tuple(dependencies),
    )


def resolved_annotations(function: Callable[..., Any]) -> list[Any]:
    """Give what each parameter's annotation means, `Unresolved` where that is not known yet."""
    names = names_of(function)
    parameters = signature_of(function, name=describe(function)).parameters.values()
    return [resolve(parameter.annotation, names) for parameter in parameters]


def describe(function: object) -> str:
    """Name a function the way errors do."""
    while isinstance(function, partial):
        function = function.func
    named = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"node {named!r}"


def params_source(convert: Converter | None) -> Source:
    """Fetch the params, as the caller's own copy."""

    def fetch(call: NodeCall) -> Any:
        # The blueprint is shared by every run; a node that changes its params must not be.
        own = copy_json(call.params)
        return own if convert is None else convert(own, f"params of node {call.run.node_id!r}")

    return fetch


def input_source(convert: Converter | None) -> Source:
    """Fetch the input, converted where its annotation asks for it."""
    if convert is None:
        return _raw_input
    return lambda call: convert(call.input, f"input of node {call.run.node_id!r}")


def _raw_input(call: NodeCall) -> Any:
    return call.input


def _context(call: NodeCall) -> Context:
    return call.ctx


def _run(call: NodeCall) -> RunInfo:
    return call.run


def _dependency_source(dependency: Dependency) -> Source:
    return lambda call: dependency.find(call.dependencies)


def _open_parameters(
    function: Callable[..., Any], *, name: str, skip_first: bool
) -> list[inspect.Parameter]:
    parameters = list(signature_of(function, name=name).parameters.values())
    if skip_first:
        parameters = parameters[1:]
    # What a partial has already filled in is not ours to pass.
    filled = function.keywords if isinstance(function, partial) else {}
    return [parameter for parameter in parameters if parameter.name not in filled]


def _bind_one(
    parameter: inspect.Parameter, annotation: Any, *, where: str
) -> tuple[str, Source | Dependency]:
    marker = _marker(annotation)
    if isinstance(parameter.default, Depends):
        raise RegistrationError(
            f"{where}: Depends is part of the annotation, not a default. "
            f"Write Annotated[..., {parameter.default!r}]."
        )
    target = bare(annotation)
    if marker is not None:
        default = parameter.default
        return "dependency", Dependency(
            key=dependency_key(marker, target, where=where),
            where=where,
            default=REQUIRED if default is parameter.empty else default,
        )
    if isinstance(target, type) and issubclass(target, Context):
        return "context", _context
    if target is RunInfo:
        return "run", _run
    if parameter.name in ("ctx", "run"):
        # An annotation imported for the type checker only is unresolved; the name tells.
        if annotation is not Any and not isinstance(annotation, Unresolved):
            wanted = "Context" if parameter.name == "ctx" else "RunInfo"
            raise RegistrationError(
                f"{where}: the name stands for the {wanted}, and the annotation says "
                f"{getattr(target, '__name__', target)}. Annotate it {wanted}, or rename it."
            )
        return ("context", _context) if parameter.name == "ctx" else ("run", _run)
    convert = converter(annotation, where=where)
    if parameter.name == "params":
        return "params", params_source(convert)
    return "input", input_source(convert)


def _marker(annotation: Any) -> Depends | None:
    if get_origin(annotation) is not Annotated:
        return None
    for extra in get_args(annotation)[1:]:
        if isinstance(extra, Depends):
            return extra
        if extra is Depends:
            return Depends()
    return None


def _twice(role: str, *, first: str) -> str:
    if role == "input":
        return (
            f"a node has one input, and {first!r} is it. Take one dataclass or mapping with "
            "both, or mark what the application provides: Annotated[..., Depends(...)]."
        )
    return f"it would get the {role} again, which {first!r} gets already. Leave one out."


def copy_json(value: Any) -> Any:
    """Copy a JSON value, so that changes to the copy stay with its owner."""
    if isinstance(value, Mapping):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [copy_json(item) for item in value]
    return value
