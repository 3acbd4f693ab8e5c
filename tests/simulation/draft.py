"""A blueprint while it is being drawn: nodes, edges, and what may be read where.

Whatever is read must have been recorded before, whichever way the run goes, or else no oracle
could say what the reader sees. An `Env` keeps what is certain at one point of the graph.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.simulation.case import BlueprintJson

KINDS: Final = (
    *("function", "sleep", "wait", "webhook", "sequence", "double", "parallel", "by-action"),
    *("rescued-join", "shared-rescue", "loop", "batch", "early-end", "subflow"),
)
"""The kinds of blocks that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """What a node drawn here may rely on.

    Args:
        chain: The controllers around it.
        loose: Nothing may wait for what runs here while a loop around it goes on; then keys
            that this loop writes anew could change under it.
        nodes: Nodes certainly resolved before.
        keys: Context keys whose writer is certainly resolved before, with its loops.
    """

    chain: tuple[str, ...] = ()
    loose: bool = False
    nodes: tuple[str, ...] = ()
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def plus(self, *nodes: str) -> Env:
        """Give what is certain after these nodes."""
        return replace(self, nodes=self.nodes + nodes)

    def written(self, key: str) -> Env:
        """Give what is certain after a write of this key here."""
        return replace(self, keys=(*self.keys, (key, self.chain)))

    def detached(self) -> Env:
        """Give what is certain where the run goes on without waiting."""
        return replace(self, loose=self.loose or bool(self.chain))

    def inside(self, loop: str) -> Env:
        """Give what is certain in the body of a loop that is here."""
        return replace(self, chain=(*self.chain, loop))

    def outside(self, inner: Env) -> Env:
        """Give what is certain here after what is certain at the end of an inner place."""
        return replace(self, nodes=inner.nodes, keys=inner.keys)

    def together(self, others: list[Env]) -> Env:
        """Give what is certain here once all of several ways have come together."""
        nodes = list(self.nodes)
        keys = list(self.keys)
        for other in others:
            nodes += [name for name in other.nodes if name not in nodes]
            keys += [key for key in other.keys if key not in keys]
        return replace(self, nodes=tuple(nodes), keys=tuple(keys))

    def readable_keys(self) -> list[str]:
        """Name the context keys that a node here may read."""
        return [key for key, chain in self.keys if not (self.loose and chain[:1] == self.chain[:1])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A drawn part of the graph; `env` is what is certain once its exit is recorded."""

    entry: str
    exit: str
    env: Env


class Names:
    """Ids and keys that occur once in a whole case."""

    def __init__(self) -> None:
        self._last = 0

    def fresh(self, prefix: str) -> str:
        """Give the next name with this prefix."""
        self._last += 1
        return f"{prefix}{self._last}"


@dataclass(slots=True, kw_only=True)
class Draft:
    """One blueprint being drawn.

    Args:
        id: Its id.
        dice: All its chance.
        names: Shared by the blueprints of a case.
        constructs: Shared as well: the names of the constructs drawn.
        depth: How many subflows it is inside of.
        favoured: Kinds of blocks to draw more often, so that rare pairs of them meet.
        tags: Nodes whose output has `n`, `flag` and `at`.
        loops: Controllers.
        rescuers: The shared fallback drawn for each loop.
    """

    id: str
    dice: random.Random
    names: Names
    constructs: set[str]
    depth: int = 0
    favoured: frozenset[str] = frozenset()
    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    loops: set[str] = field(default_factory=set)
    rescuers: dict[tuple[str, ...], str] = field(default_factory=dict)

    def chance(self, share: float) -> bool:
        """Throw the dice."""
        return self.dice.random() < share

    def node(
        self,
        prefix: str,
        uses: str,
        *,
        params: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Add a node with a fresh id."""
        node: dict[str, Any] = {"id": self.names.fresh(prefix), "uses": uses}
        if params is not None:
            node["params"] = params
        if config:
            node["config"] = config
        self.nodes.append(node)
        return node

    def nodes_by_id(self, name: str) -> dict[str, Any]:
        """Give the node of this id."""
        return next(node for node in self.nodes if node["id"] == name)

    def edge(self, source: str, target: str, **members: Any) -> None:
        """Add an edge with those members that are not None."""
        given = {name: value for name, value in members.items() if value is not None}
        self.edges.append({"source": source, "target": target, **given})

    def link(
        self, source: str, target: str, env: Env, *, often: float = 0.15, keep_value: bool = False
    ) -> None:
        """Add an edge that has a condition or a transform now and then.

        Args:
            source: Where from.
            target: Where to.
            env: What is certain when the source runs.
            often: How likely a condition is, and half as likely a transform.
            keep_value: No transform.
        """
        action = None
        if source in self.loops:
            action = self.dice.choice([None, "break"])
        condition = transform = None
        if self.chance(often):
            condition = self._condition(source, env)
            self.constructs.add("condition")
        if not keep_value and self.chance(often / 2):
            transform = self._transform(source, env)
            self.constructs.add("transform")
        self.edge(source, target, action=action, condition=condition, transform=transform)

    def _condition(self, source: str, env: Env) -> str:
        forms = [
            "result.output",
            "input.nowhere.at.all",
            "result.output",
            *self._paths(source, env),
        ]
        if source in self.tags:
            forms += ["result.output.flag", "result.output.n >= 1", "result.output.n > 3"]
            forms += ["input.n != 2", "result.output.n", "result.output.n >= 0"] * 2
        if source not in self.loops:
            forms += ['result.action == "x"', 'result.action != "x"', "result.action"]
        return self.dice.choice(forms)

    def _transform(self, source: str, env: Env) -> str:
        forms = ["result.output", "input", "result.action", "input.at", *self._paths(source, env)]
        if source in self.tags:
            forms += ["result.output.n", "result.output.n + 1", "input.flag", "result.output.at"]
        return self.dice.choice(forms)

    def _paths(self, source: str, env: Env) -> Iterator[str]:
        for key in env.readable_keys()[-3:]:
            yield f"context.{key}"
            yield f'context["{key}"]'
            yield key
        for name in [name for name in env.nodes if name != source][-3:]:
            if name.isidentifier():
                yield f"{name}.n"
            yield f'context["{name}"].flag'
            yield f'context["_outputs.{name}"]'

    def blueprint(self) -> BlueprintJson:
        """Give the blueprint as JSON."""
        return {"id": self.id, "nodes": self.nodes, "edges": self.edges}
