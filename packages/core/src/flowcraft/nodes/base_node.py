"""`BaseNode`: a node as a class, for work that has phases and cleaning up."""

from __future__ import annotations

import inspect
import sys
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from flowcraft.errors import RegistrationError
from flowcraft.nodes.annotations import Unresolved, converter, names_of, resolve, signature_of
from flowcraft.nodes.binding import (
    Binding,
    Source,
    bind,
    input_source,
    params_source,
    resolved_annotations,
)
from flowcraft.nodes.result import Context, NodeResult, RunInfo

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")

_PHASES = ("prep", "exec", "post", "fallback", "recover")


class BaseNode(ABC, Generic[InputT, OutputT]):
    """A node in phases: `prep`, then `exec`, then `post`.

    Each attempt has an instance of its own and goes through all phases. Only a failure of
    `exec` is worth another attempt; one of another phase fails the node, unless it raises
    `RetryAfter`.

    The input is converted by the annotation of `prep`'s input or, where `prep` is left as
    it is, of `exec`'s first parameter. `params` is converted by its annotation in the class
    body. Dependencies are parameters of `__init__`, each one
    `Annotated[..., Depends(...)]`; there are no others.

    Attributes:
        params: The node's params, set before `prep`.
        run: Which run, node and attempt this is, set before `prep`.
    """

    params: Any
    run: RunInfo

    async def prep(self, ctx: Context, input: InputT) -> Any:
        """Gather what `exec` works on; the input itself if not overridden."""
        return input

    @abstractmethod
    async def exec(self, prepared: Any, ctx: Context) -> Any:
        """Do the work. The only phase whose failure is worth another attempt."""

    async def post(self, result: Any, ctx: Context) -> NodeResult[OutputT] | OutputT:
        """Turn the result of `exec` or `fallback` into the output, and name the action."""
        found: OutputT = result
        return found

    async def fallback(self, error: Exception, ctx: Context) -> Any:
        """Give a result in place of `exec`'s, once no attempt is left.

        Args:
            error: What the last `exec` raised, or a `NodeTimeoutError`. After a timeout the
                instance is a new one, and its `prep` was not called.
            ctx: The context.
        """
        raise error

    async def recover(self, error: BaseException, ctx: Context) -> None:
        """Clean up after an attempt that ends with an error, whichever phase raised it.

        Called at most once an attempt, also when it is cancelled or times out, so that what
        `prep` took can be given back. What is written to the context here vanishes with the
        attempt. An error in here is logged and changes nothing.
        """


class ClassBinding:
    """What an instance of a node class is built from and called with."""

    __slots__ = ("has_own_fallback", "init", "input", "params")

    def __init__(
        self,
        *,
        init: Binding,
        input: Source,
        params: Source,
        has_own_fallback: bool,
    ) -> None:
        self.init = init
        self.input = input
        self.params = params
        self.has_own_fallback = has_own_fallback


def class_binding(cls: type[BaseNode[Any, Any]]) -> ClassBinding:
    """Settle where the parameters of a node class come from.

    Raises:
        RegistrationError: A phase is not async, or a parameter gets nothing.
    """
    name = f"node {cls.__qualname__!r}"
    if inspect.isabstract(cls):
        raise RegistrationError(f"{name}: it has no exec. Write `async def exec`.")
    for phase in _PHASES:
        if not inspect.iscoroutinefunction(getattr(cls, phase)):
            raise RegistrationError(f"{name}: {phase} is not async. Write `async def {phase}`.")
    input_where, input_annotation = _input_annotation(cls, name=name)
    params_annotation = _params_annotation(cls)
    return ClassBinding(
        init=_init_binding(cls, name=name),
        input=input_source(converter(input_annotation, where=input_where)),
        params=params_source(converter(params_annotation, where=f"{name}, attribute 'params'")),
        has_own_fallback=cls.fallback is not BaseNode.fallback,
    )


def check_class(cls: type[BaseNode[Any, Any]]) -> None:
    """Check a class as `class_binding` does, unless an annotation names what is not known yet.

    Raises:
        RegistrationError: As `class_binding` does.
    """
    annotations = [_params_annotation(cls)]
    if cls.__init__ is not object.__init__:
        annotations += resolved_annotations(cls.__init__)
    for phase in _PHASES:
        annotations += resolved_annotations(getattr(cls, phase))
    if not any(isinstance(found, Unresolved) for found in annotations):
        class_binding(cls)


def _input_annotation(cls: type[BaseNode[Any, Any]], *, name: str) -> tuple[str, Any]:
    phase, position = ("exec", 1) if cls.prep is BaseNode.prep else ("prep", 2)
    method = getattr(cls, phase)
    parameters = list(signature_of(method, name=name).parameters.values())
    if len(parameters) != 3:
        wanted = "prep(self, ctx, input)" if phase == "prep" else "exec(self, prepared, ctx)"
        raise RegistrationError(f"{name}: {phase} is called as {wanted}; give it these parameters.")
    parameter = parameters[position]
    where = f"{name}, {phase}, parameter {parameter.name!r}"
    return where, resolve(parameter.annotation, names_of(method))


def _params_annotation(cls: type[BaseNode[Any, Any]]) -> Any:
    for base in cls.__mro__:
        declared = inspect.get_annotations(base)
        if base is not BaseNode and "params" in declared:
            return resolve(declared["params"], vars(sys.modules[base.__module__]))
    return Any


def _init_binding(cls: type[BaseNode[Any, Any]], *, name: str) -> Binding:
    if cls.__init__ is object.__init__:
        return bind(lambda: None)
    binding = bind(cls.__init__, skip_first=True)
    if binding.roles:
        raise RegistrationError(
            f"{name}: __init__ takes dependencies only, each as Annotated[..., Depends(...)]. "
            "The input and the context come with the phases; params and run are attributes."
        )
    return binding
