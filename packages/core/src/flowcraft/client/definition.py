"""What an application consists of: its blueprints, its nodes, and what they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar, overload

from flowcraft.blueprint import Blueprint
from flowcraft.builder import Flow
from flowcraft.client.book import BlueprintBook
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeRegistry
from flowcraft.nodes import node as with_options

ImplementationT = TypeVar("ImplementationT", bound=Callable[..., Any])
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]


class Definition:
    """Blueprints and the nodes that they use.

    Args:
        expressions: Compiles the conditions and transforms of blueprints.
        lifespan: Opens what nodes share.

    Attributes:
        registry: The nodes, by their `uses` key.
    """

    def __init__(self, expressions: Expressions, lifespan: Lifespan | None) -> None:
        self.registry = NodeRegistry()
        self._expressions = expressions
        self._lifespan = lifespan
        self._book = BlueprintBook(expressions, self.registry)

    def add(
        self, source: Flow | Blueprint | str | bytes | Mapping[str, Any], *, replace: bool = False
    ) -> str:
        """Add a flow with its nodes, or a blueprint as an object, a mapping or JSON.

        Names that lead out of it, of nodes and subflows, may be added later; they are checked
        when it is first submitted, and when a worker starts.

        Args:
            source: The flow or blueprint.
            replace: Take the place of another one of its id. Runs keep what they began with.

        Returns:
            Its id, under which it is submitted.

        Raises:
            BlueprintError: It makes no sense, or its id is taken; lists every problem.
            RegistrationError: A key of its nodes is taken.
        """
        if isinstance(source, Flow):
            blueprint_id = self._book.add(source.to_blueprint(), replace=replace)
            self.registry.include(source.registry)
            return blueprint_id
        return self._book.add(source, replace=replace)

    @overload
    def node(self, implementation: ImplementationT, /) -> ImplementationT: ...

    @overload
    def node(
        self,
        /,
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
        self,
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
        """Register a function or class as a node, for blueprints that name it by its key.

        A flow registers the functions it is built from by itself.

        Args:
            implementation: The function or class, when the decorator is used bare.
            uses: Key under which blueprints name it; the qualified name if not given.
            attempts: Attempts in all, at least 1.
            retry_delay_seconds: Delay before the second attempt, doubled for each further one.
            timeout_seconds: Bound of one attempt.
            retry_on: Exception types worth another attempt; all of them if not given.
            quick: Run a function that is not async on the event loop, without a thread.
            cpu: Run a function that is not async in a process of its own; it has to be at the top
                of a module.

        Raises:
            RegistrationError: The key is taken, or a parameter or option does not fit.
        """
        if implementation is not None:
            self.registry.register(implementation)
            return implementation
        attach = with_options(
            uses=uses,
            attempts=attempts,
            retry_delay_seconds=retry_delay_seconds,
            timeout_seconds=timeout_seconds,
            retry_on=retry_on,
            quick=quick,
            cpu=cpu,
        )

        def register(decorated: ImplementationT) -> ImplementationT:
            self.registry.register(attach(decorated))
            return decorated

        return register

    @property
    def blueprints(self) -> tuple[str, ...]:
        """The ids of the blueprints that were added."""
        return tuple(self._book)

    def blueprint(self, blueprint_id: str) -> Blueprint:
        """A blueprint that was added.

        Raises:
            UnknownBlueprintError: None of that id was.
        """
        return self._book.blueprint(blueprint_id)

    def problems(
        self, source: Blueprint | str | bytes | Mapping[str, Any], *, beside: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """List what keeps a blueprint from running here, whether it was added or not.

        Args:
            source: The blueprint, as an object, a mapping or JSON.
            beside: Ids of further blueprints that its subflows may name.
        """
        return self._book.problems(source, beside=beside)

    @property
    def has_lifespan(self) -> bool:
        """Whether its workers open something that nodes share."""
        return self._lifespan is not None

    async def check_dependencies(self) -> None:
        """Open the lifespan, and look for everything that nodes depend on.

        Raises:
            RegistrationError: Some are missing; lists them all.
        """
        async with (self._lifespan or nullcontext)() as provided:
            self.registry.check_dependencies(provided)
