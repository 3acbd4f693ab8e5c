"""`NodeRegistry`: which code stands behind which `uses` key."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flowcraft.blueprint.model import ALIASES, BUILT_INS
from flowcraft.errors import RegistrationError
from flowcraft.nodes.binding import describe
from flowcraft.nodes.implementation import NodeImplementation
from flowcraft.nodes.options import NodeOptions, options_of

BUILT_IN_KEYS = frozenset((*BUILT_INS, *ALIASES))
"""Keys that the engine itself implements, under both of their names."""

# A child process that was spawned knows the script it belongs to under the second name.
_MAIN_MODULES = frozenset(("__main__", "__mp_main__"))


class NodeRegistry:
    """Node functions and classes by their keys.

    A key is the same in every process that loads the code, so a blueprint stored by one
    is run by another.
    """

    def __init__(self) -> None:
        self._implementations: dict[str, NodeImplementation] = {}

    def register(
        self,
        implementation: Callable[..., Any],
        *,
        uses: str | None = None,
        options: NodeOptions | None = None,
    ) -> NodeImplementation:
        """Bind a function or class, and keep it under its key.

        Registering the same function under the same key again changes nothing.

        Args:
            implementation: A function, async or not, or a `BaseNode` class.
            uses: The key; else that of the options, else the qualified name.
            options: Instead of those that `node` attached.

        Raises:
            RegistrationError: The key is taken, built in or cannot be derived, or
                a parameter or option does not fit.
        """
        if not callable(implementation):
            raise RegistrationError(
                f"{implementation!r} cannot be called. Register a function or a BaseNode class."
            )
        options = options_of(implementation) if options is None else options
        key = uses or options.uses or default_uses(implementation)
        if key in BUILT_IN_KEYS:
            raise RegistrationError(
                f"{describe(implementation)}: {key!r} is built in. Give it another key: uses=..."
            )
        known = self._implementations.get(key)
        if known is not None:
            return self._again(known, implementation, options)
        found = NodeImplementation(implementation, uses=key, options=options)
        self._implementations[key] = found
        return found

    def include(self, other: NodeRegistry) -> None:
        """Take over what another registry holds.

        Raises:
            RegistrationError: A key means something else there; nothing is taken over then.
        """
        taken = dict(self._implementations)
        for implementation in other:
            known = taken.setdefault(implementation.uses, implementation)
            self._again(known, implementation.source, implementation.options)
        self._implementations = taken

    def get(self, uses: str) -> NodeImplementation | None:
        """Give what stands behind a key, or None."""
        return self._implementations.get(uses)

    def check_dependencies(self, provided: object) -> None:
        """Look up every node's dependencies in what the lifespan yielded.

        Raises:
            RegistrationError: Some are missing; lists them all.
        """
        problems: list[str] = []
        for implementation in self:
            try:
                implementation.check_dependencies(provided)
            except RegistrationError as error:
                problems.append(str(error))
        if problems:
            raise RegistrationError("\n".join(problems))

    def __contains__(self, uses: object) -> bool:
        return uses in self._implementations

    def __iter__(self) -> Iterator[NodeImplementation]:
        return iter(tuple(self._implementations.values()))

    def __len__(self) -> int:
        return len(self._implementations)

    @staticmethod
    def _again(
        known: NodeImplementation, source: Callable[..., Any], options: NodeOptions
    ) -> NodeImplementation:
        # Equality and not identity: a method is a new object each time it is looked up.
        if known.source != source:
            raise RegistrationError(
                f"{describe(source)}: the key {known.uses!r} belongs to another function, "
                f"{describe(known.source)}. Give one of them another key: uses=..."
            )
        if known.options != options:
            raise RegistrationError(
                f"{describe(source)}: it is registered as {known.uses!r} already, with other "
                "options. Give this one another key: uses=..."
            )
        return known


def default_uses(implementation: Callable[..., Any]) -> str:
    """Derive the key of a function or class: its module and qualified name.

    In a script, the module is called what others would import it as: the name given to
    `python -m`, else the file's name without its suffix. So `python orders.py` and a worker
    that imports `orders` mean the same.

    Raises:
        RegistrationError: The name would not be the same, or not be found, in another process.
    """
    name = getattr(implementation, "__qualname__", None)
    module = getattr(implementation, "__module__", None)
    if isinstance(implementation, partial) or not name or not module:
        raise RegistrationError(
            f"{describe(implementation)}: a {type(implementation).__name__} has no name of its "
            "own. Give it a key: uses=..."
        )
    if "<" in name:
        raise RegistrationError(
            f"{describe(implementation)}: a function inside a function, or a lambda, has no "
            "stable name. Move it to the top of the module, or give it a key: uses=..."
        )
    if module in _MAIN_MODULES:
        module = _script_name(module)
        if module is None:
            raise RegistrationError(
                f"{describe(implementation)}: it was entered interactively, in no file. "
                "Give it a key: uses=..."
            )
    return f"{module}.{name}"


def _script_name(module: str) -> str | None:
    main = sys.modules.get(module)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name: str = spec.name
        return name
    file = getattr(main, "__file__", None)
    return None if file is None else os.path.splitext(os.path.basename(file))[0]
