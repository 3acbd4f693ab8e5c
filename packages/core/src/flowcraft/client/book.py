"""The blueprints of an application, checked and ready to be submitted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from flowcraft.blueprint import Blueprint, load_blueprint, to_json, validate
from flowcraft.engine.program import Program
from flowcraft.errors import BlueprintError, UnknownBlueprintError
from flowcraft.expressions import Expressions


class BlueprintBook:
    """Blueprints by id.

    A blueprint may be added before the nodes that it uses and the subflows that it starts, so
    the graph and the expressions of each are checked when it is added, and the names that lead
    out of it when somebody first asks for it.

    Args:
        expressions: Compiles their conditions and transforms.
        uses: The keys that are registered.
    """

    def __init__(self, expressions: Expressions, uses: Container[str]) -> None:
        self._expressions = expressions
        self._uses = uses
        self._blueprints: dict[str, Blueprint] = {}
        self._programs: dict[str, Program] = {}

    def add(self, source: Blueprint | str | bytes | Mapping[str, Any], *, replace: bool) -> str:
        """Load a blueprint; its id.

        Raises:
            BlueprintError: It makes no sense, or its id is that of another one.
        """
        document = to_json(source) if isinstance(source, Blueprint) else source
        blueprint = load_blueprint(document, expressions=self._expressions)
        known = self._blueprints.get(blueprint.id)
        if known is not None and known != blueprint and not replace:
            raise BlueprintError(
                blueprint.id,
                [
                    "the id belongs to another blueprint of this application; "
                    "rename one of them, or add this one with replace=True"
                ],
            )
        self._blueprints[blueprint.id] = blueprint
        self._programs.pop(blueprint.id, None)
        return blueprint.id

    def program(self, blueprint_id: str) -> Program:
        """A blueprint made ready to run.

        Raises:
            UnknownBlueprintError: None of that id was added.
            BlueprintError: It names nodes or subflows that nobody registered.
        """
        found = self._programs.get(blueprint_id)
        if found is not None:
            return found
        blueprint = self.blueprint(blueprint_id)
        problems = validate(blueprint, uses=self._uses, blueprints=self._blueprints)
        if problems:
            raise BlueprintError(blueprint_id, problems)
        program = self._programs[blueprint_id] = Program(blueprint, self._expressions)
        return program

    def blueprint(self, blueprint_id: str) -> Blueprint:
        """A blueprint as it was added.

        Raises:
            UnknownBlueprintError: None of that id was added.
        """
        blueprint = self._blueprints.get(blueprint_id)
        if blueprint is None:
            raise UnknownBlueprintError(self._unknown(blueprint_id))
        return blueprint

    def problems(
        self, source: Blueprint | str | bytes | Mapping[str, Any], *, beside: Iterable[str]
    ) -> tuple[str, ...]:
        """List what is wrong with a blueprint, added or not; `beside` are further subflows."""
        document = to_json(source) if isinstance(source, Blueprint) else source
        try:
            load_blueprint(
                document,
                uses=self._uses,
                expressions=self._expressions,
                blueprints={*self._blueprints, *beside},
            )
        except BlueprintError as error:
            return error.problems
        return ()

    def reachable(self, blueprint_id: str) -> dict[str, Program]:
        """A blueprint and all that it can start as subflows, by id.

        Raises:
            UnknownBlueprintError: None of that id was added.
            BlueprintError: One of them names what nobody registered.
        """
        found: dict[str, Program] = {}
        pending = [blueprint_id]
        while pending:
            next_id = pending.pop()
            if next_id not in found:
                found[next_id] = self.program(next_id)
                pending.extend(sorted(found[next_id].subflows()))
        return found

    def check(self) -> None:
        """Check every blueprint, so that a worker finds at its start what is missing.

        Raises:
            BlueprintError: One of them names what nobody registered.
        """
        for blueprint_id in self._blueprints:
            self.program(blueprint_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._blueprints)

    def __contains__(self, blueprint_id: object) -> bool:
        return blueprint_id in self._blueprints

    def _unknown(self, blueprint_id: str) -> str:
        near = get_close_matches(str(blueprint_id)[:200], self._blueprints, n=1)
        if near:
            mend = f"Did you mean {near[0]!r}?"
        else:
            known = ", ".join(sorted(self._blueprints)) or "none; add one with app.add(...)"
            mend = f"Known here: {known}."
        return f"no blueprint {blueprint_id!r}. {mend}"
