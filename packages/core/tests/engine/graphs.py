"""Random programs of nested blocks, with joins, loops, batches and fallbacks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from flowcraft.engine.program import Program
from packages.core.tests.engine.made import LOOP, edge, program, rescued_by, scatter

KINDS = ("node", "fork", "any", "loop", "side", "batch", "rescued", "chain", "shared")


@st.composite
def programs(draw: st.DrawFn, *, kinds: tuple[str, ...] = KINDS) -> Program:
    """Draw a program in which every kind of block may lie within or behind every other."""
    edges: list[dict[str, str]] = []
    nodes: dict[str, Any] = {}

    def node(given: Any = "f") -> str:
        name = f"n{len(nodes)}"
        nodes[name] = given
        return name

    def link(source: str, target: str) -> None:
        is_loop = nodes[source] is LOOP
        action = draw(st.sampled_from([None, "break"] if is_loop else [None, None, None, "go"]))
        condition = draw(st.sampled_from([None, None, None, "k"]))
        members = {"action": action, "condition": condition}
        edges.append(edge(source, target, **{k: v for k, v in members.items() if v is not None}))

    def block(before: str, depth: int) -> str:
        kind = draw(st.sampled_from(kinds if depth else ("node",)))
        if kind in ("fork", "any"):
            ends = [block(before, depth - 1) for _ in range(draw(st.integers(2, 3)))]
            last = node({"config": {"joinStrategy": "any"}} if kind == "any" else "f")
            for end in ends:
                link(end, last)
            return last
        if kind == "loop":
            loop = node(LOOP)
            link(before, loop)
            first = node()
            edges.append(edge(loop, first, action="continue"))
            link(block(first, depth - 1), loop)
            return loop
        if kind == "batch":
            gather = node("batch-gather")
            batch = node(scatter(gather, chunkSize=draw(st.integers(1, 4))))
            link(before, batch)
            edges.append(edge(batch, gather))
            return gather
        if kind == "side":
            block(before, depth - 1)
        if kind == "rescued":
            fallback = node()
            made = node(rescued_by(fallback))
            link(before, made)
            beside = node()
            link(fallback, beside)
            return made
        if kind == "chain":
            made = node(rescued_by(node(rescued_by(node()))))
            link(before, made)
            return made
        if kind == "shared":
            fallback = node()
            one, other = node(rescued_by(fallback)), node(rescued_by(fallback))
            link(before, one)
            link(one, other)
            return other
        after = node()
        link(before, after)
        return after

    last = node()
    for _ in range(draw(st.integers(2, 5))):
        last = block(last, 2)
    return program(*edges, **nodes)
