"""How a node function asks to be run: `NodeOptions`, and the `node` decorator that keeps them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

import msgspec

from flowcraft.errors import RegistrationError
from flowcraft.nodes.annotations import Unresolved
from flowcraft.nodes.base_node import BaseNode, check_class
from flowcraft.nodes.binding import bind, resolved_annotations

ImplementationT = TypeVar("ImplementationT", bound=Callable[..., Any])

_ATTRIBUTE = "__flowcraft_node__"


class NodeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's author says about running it.

    The builder writes `attempts`, `retry_delay_seconds` and `timeout_seconds` into the
    blueprint where the flow does not say otherwise. A blueprint written by hand says its
    own. Everything else goes with the code.

    Args:
        uses: Key under which blueprints name the node, or None for the qualified name.
        attempts: Attempts in all, at least 1.
        retry_delay_seconds: Delay before the second attempt, at least 0.
        timeout_seconds: Bound of one attempt, above 0.
        retry_on: Exception types that are worth another attempt; None means all.
        quick: The function is not async and so short that it runs on the event loop.
        cpu: The function is not async and computes, so that it runs in a process of its own.

    Raises:
        RegistrationError: An option does not fit.
    """

    uses: str | None = None
    attempts: int | None = None
    retry_delay_seconds: float | None = None
    timeout_seconds: float | None = None
    retry_on: tuple[type[BaseException], ...] | None = None
    quick: bool = False
    cpu: bool = False

    def __post_init__(self) -> None:
        """Refuse options outside their range, all of them by name."""
        if self.uses is not None and not self.uses.strip():
            raise RegistrationError(f"uses={self.uses!r}: the key of a node is non-empty text.")
        if self.attempts is not None and (type(self.attempts) is not int or self.attempts < 1):
            raise RegistrationError(
                f"attempts={self.attempts!r}: a whole number from 1 on; 1 means no retry."
            )
        if not _is_duration(self.retry_delay_seconds):
            raise RegistrationError(
                f"retry_delay_seconds={self.retry_delay_seconds!r}: a number of seconds, at least 0"
            )
        if not _is_duration(self.timeout_seconds) or self.timeout_seconds == 0:
            raise RegistrationError(
                f"timeout_seconds={self.timeout_seconds!r}: a number of seconds above 0."
            )
        if self.quick and self.cpu:
            raise RegistrationError("quick=True and cpu=True exclude each other; keep one.")


@overload
def node(implementation: ImplementationT, /) -> ImplementationT: ...


@overload
def node(
    *,
    uses: str | None = None,
    attempts: int | None = None,
    retry_delay_seconds: float | None = None,
    timeout_seconds: float | None = None,
    retry_on: type[BaseException] | Sequence[type[BaseException]] | None = None,
    quick: bool = False,
    cpu: bool = False,
) -> Callable[[ImplementationT], ImplementationT]: ...


def node(
    implementation: Any = None,
    /,
    *,
    uses: str | None = None,
    attempts: int | None = None,
    retry_delay_seconds: float | None = None,
    timeout_seconds: float | None = None,
    retry_on: type[BaseException] | Sequence[type[BaseException]] | None = None,
    quick: bool = False,
    cpu: bool = False,
) -> Any:
    """Attach options to a node function or class, and check its parameters at once.

    The function comes back as it went in: it can be called and tested like any other.
    A flow takes undecorated functions too; the decorator is for the options, and for
    errors that show when the module is imported.

    Args:
        implementation: The function or class, when the decorator is used bare.
        uses: Key under which blueprints name the node; the qualified name if not given.
        attempts: Attempts in all, at least 1.
        retry_delay_seconds: Delay before the second attempt, doubled for each further one.
        timeout_seconds: Bound of one attempt.
        retry_on: Exception types worth another attempt; all of them if not given.
        quick: Run a function that is not async on the event loop, without a thread.
        cpu: Run a function that is not async in a process of its own; it has to be at the top of
            a module.

    Raises:
        RegistrationError: An option or a parameter does not fit.
    """
    options = NodeOptions(
        uses=uses,
        attempts=attempts,
        retry_delay_seconds=retry_delay_seconds,
        timeout_seconds=timeout_seconds,
        retry_on=_exception_types(retry_on),
        quick=quick,
        cpu=cpu,
    )
    if implementation is None:
        return lambda decorated: _attach(decorated, options)
    return _attach(implementation, options)


def options_of(implementation: object) -> NodeOptions:
    """Give the options that `node` attached, or the defaults."""
    if isinstance(implementation, type):
        # A subclass is another node: it inherits neither the key nor the options.
        found = vars(implementation).get(_ATTRIBUTE)
    else:
        found = getattr(implementation, _ATTRIBUTE, None)
    return found if isinstance(found, NodeOptions) else NodeOptions()


def _attach(implementation: Any, options: NodeOptions) -> Any:
    if not callable(implementation):
        raise RegistrationError(
            f"node() decorates a function or a BaseNode class, not {implementation!r}. "
            "Options are keywords: @node(uses=...)."
        )
    # A name that the module defines further down is no mistake yet. What is still unknown
    # when the function is registered is one.
    if isinstance(implementation, type):
        if issubclass(implementation, BaseNode):
            check_class(implementation)
    elif not any(isinstance(it, Unresolved) for it in resolved_annotations(implementation)):
        bind(implementation)
    try:
        setattr(implementation, _ATTRIBUTE, options)
    except (AttributeError, TypeError) as error:
        raise RegistrationError(
            f"{implementation!r} takes no attributes. Decorate a function, or pass "
            "options=NodeOptions(...) to NodeRegistry.register."
        ) from error
    return implementation


def _is_duration(value: object) -> bool:
    if value is None:
        return True
    return type(value) in (int, float) and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]


def _exception_types(
    given: type[BaseException] | Sequence[type[BaseException]] | None,
) -> tuple[type[BaseException], ...] | None:
    if given is None:
        return None
    types: Sequence[object] = [given] if isinstance(given, type) else list(given)
    for item in types:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise RegistrationError(f"retry_on: {item!r} is no exception type.")
    return tuple(types)  # type: ignore[arg-type]
