"""The shape of a blueprint in numbers: edges, stand-ins, and which loop a node is in.

Planning and validation both start from here. Nothing here recurses and every step is linear, so
that a chain of 100,000 nodes, or a hostile tangle, costs seconds and no stack.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowcraft.blueprint.model import CONTINUE, Blueprint, NodeKind, kind_of

TOP = -1
"""The loop of a node that is in none."""

UNREACHED = -2
"""The loop of a node that no start node leads to."""

MAX_NESTING = 100
"""How deep loops may lie inside each other; each one lengthens the scope of what is inside."""


class Graph:
    """The numbered graph of a blueprint, right or wrong.

    Nodes are numbered as in the blueprint; of several with one id the first one counts. Edges are
    numbered as in the blueprint, too; one with an unknown endpoint is in no list.

    A loop is named by the number of its controller. Which loop a node is in follows from the edge
    by which it is reached: a `continue` edge leads into the loop of its source, every other edge
    stays in the loop that its source is in, and an edge that arrives from a loop at that loop's
    own controller closes it. In a regular graph all the edges of a node agree. Where they do not,
    the node is in `conflicts`: somebody jumps into a loop or out of one, or two loops overlap.

    Attributes:
        loop_of: The innermost loop around each node, or TOP, or UNREACHED.
        depth: How many loops are around each node.
        fallback_of: The stand-in of each node, or -1.
        serves: The nodes that each node is a stand-in for.
        conflicts: Nodes whose edges disagree about the loop, in the order they were met.
    """

    __slots__ = (
        "blueprint",
        "conflicts",
        "depth",
        "fallback_of",
        "goes_on",
        "index",
        "ins",
        "kinds",
        "loop_of",
        "outs",
        "serves",
        "sources",
        "starts",
        "targets",
    )

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        nodes = blueprint.nodes
        count = len(nodes)
        self.kinds: list[NodeKind] = [kind_of(node.uses) for node in nodes]
        self.index: dict[str, int] = {}
        for number, node in enumerate(nodes):
            self.index.setdefault(node.id, number)
        self.sources: list[int] = []
        self.targets: list[int] = []
        self.goes_on: list[bool] = []
        self.outs: list[list[int]] = [[] for _ in range(count)]
        self.ins: list[list[int]] = [[] for _ in range(count)]
        self.fallback_of: list[int] = [-1] * count
        self.serves: list[list[int]] = [[] for _ in range(count)]
        self._read_edges()
        self._read_fallbacks()
        self.starts: list[int] = [
            number
            for number in self.index.values()
            if not self.ins[number] and not self.serves[number]
        ]
        self.loop_of: list[int] = [UNREACHED] * count
        self.depth: list[int] = [0] * count
        self.conflicts: dict[int, None] = {}
        self._find_loops()

    def arrives_in(self, edge: int) -> int:
        """Tell the loop in which an edge leaves its source: the edge's target should be in it."""
        source = self.sources[edge]
        return source if self.goes_on[edge] else self.loop_of[source]

    def closes_loop(self, edge: int) -> bool:
        """Tell whether the edge comes from the loop whose controller it leads to."""
        return self.arrives_in(edge) == self.targets[edge]

    def loops_around(self, loop: int) -> list[int]:
        """List a loop and those around it, outermost first; nothing for TOP."""
        chain: list[int] = []
        while loop >= 0:
            chain.append(loop)
            loop = self.loop_of[loop]
        chain.reverse()
        return chain

    def waits_for(self, node: int) -> Iterator[int]:
        """Yield the nodes whose end the node waits for: its sources, or those it stands in for."""
        for edge in self.ins[node]:
            yield self.sources[edge]
        yield from self.serves[node]

    def _read_edges(self) -> None:
        lookup = self.index.get
        for number, edge in enumerate(self.blueprint.edges):
            source = lookup(edge.source, -1)
            target = lookup(edge.target, -1)
            self.sources.append(source)
            self.targets.append(target)
            known = source >= 0 and target >= 0
            self.goes_on.append(known and edge.action == CONTINUE and self.kinds[source] == "loop")
            if known:
                self.outs[source].append(number)
                self.ins[target].append(number)

    def _read_fallbacks(self) -> None:
        for number in self.index.values():
            name = self.blueprint.nodes[number].config.fallback
            fallback = -1 if name is None else self.index.get(name, -1)
            if fallback >= 0:
                self.fallback_of[number] = fallback
                self.serves[fallback].append(number)

    def _find_loops(self) -> None:
        ready = list(reversed(self.starts))
        for start in ready:
            self.loop_of[start] = TOP
        while ready:
            node = ready.pop()
            for edge in self.outs[node]:
                self._arrive(self.targets[edge], self.arrives_in(edge), ready)
            fallback = self.fallback_of[node]
            if fallback >= 0:
                self._arrive(fallback, self.loop_of[node], ready)

    def _arrive(self, node: int, loop: int, ready: list[int]) -> None:
        if loop == node:
            return
        before = self.loop_of[node]
        if before == UNREACHED:
            self.loop_of[node] = loop
            self.depth[node] = 0 if loop == TOP else self.depth[loop] + 1
            ready.append(node)
        elif before != loop:
            self.conflicts[node] = None
