"""Programs by content, fetched from the runs' own store and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from flowcraft.blueprint import parse_blueprint
from flowcraft.engine.program import Program
from flowcraft.errors import UnknownBlueprintError
from flowcraft.expressions import Expressions
from flowcraft.ports.store import RunStore

KEPT = 200
"""How many programs a worker keeps; the least recently used one goes."""


class Programs:
    """What a worker knows of the blueprints of its runs."""

    def __init__(self, store: RunStore, expressions: Expressions) -> None:
        self._store = store
        self._expressions = expressions
        self._coming: dict[str, asyncio.Event] = {}
        self._known: OrderedDict[str, Program] = OrderedDict()

    def known(self, content_hash: str) -> Program | None:
        """The program of a content, if this worker met it before."""
        program = self._known.get(content_hash)
        if program is not None:
            self._known.move_to_end(content_hash)
        return program

    async def get(self, content_hash: str) -> Program:
        """The program of a content.

        Raises:
            UnknownBlueprintError: The store does not hold it.
        """
        program = self.known(content_hash)
        while program is None:
            others = self._coming.get(content_hash)
            if others is None:
                return await self._fetch(content_hash)
            await others.wait()
            program = self.known(content_hash)
        return program

    async def _fetch(self, content_hash: str) -> Program:
        """Read and compile a blueprint, while all others who want it wait: it may be large."""
        self._coming[content_hash] = done = asyncio.Event()
        try:
            stored = await self._store.get_blueprint(content_hash)
            if stored is None:
                raise UnknownBlueprintError(
                    f"the store holds no blueprint of content {content_hash}"
                )
            program = self._compile(stored)
            self.keep(content_hash, program)
            return program
        finally:
            del self._coming[content_hash]
            done.set()

    def _compile(self, stored: bytes) -> Program:
        return Program(parse_blueprint(stored), self._expressions)

    def keep(self, content_hash: str, program: Program) -> None:
        """Remember a program under the hash by which runs name it."""
        self._known[content_hash] = program
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
