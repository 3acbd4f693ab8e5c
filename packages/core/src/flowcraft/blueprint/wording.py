"""How problems name things: nodes, edges, and the name that was perhaps meant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from flowcraft.blueprint.model import Edge

_SHOWN_NODES = 8

# Comparing a name with all others is slow, so a large blueprint or one with a thousand unknown
# names goes without: it must not take minutes to be refused.
_COMPARED_NAMES = 1000
_SUGGESTIONS = 20


def edge_name(number: int, edge: Edge) -> str:
    """Name an edge by its position and its ends."""
    return f"edge {number} {edge.source!r} -> {edge.target!r}"


def quoted(text: str) -> str:
    """Quote a text as JSON does, for what is to be written into a blueprint."""
    return json.dumps(text, ensure_ascii=False)


def listed(ids: Sequence[str]) -> str:
    """Name some nodes, and say how many more there are."""
    shown = ", ".join(repr(node_id) for node_id in ids[:_SHOWN_NODES])
    rest = len(ids) - _SHOWN_NODES
    return f"{shown} and {rest} more" if rest > 0 else shown


def path(ids: Sequence[str]) -> str:
    """Write a way through the graph; a long one without its middle."""
    names = [repr(node_id) for node_id in ids]
    if len(names) > _SHOWN_NODES:
        half = _SHOWN_NODES // 2
        names = [*names[:half], "...", *names[-half:]]
    return " -> ".join(names)


class Suggester:
    """Guesses which of the known names was meant."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._left = _SUGGESTIONS if len(self._names) <= _COMPARED_NAMES else 0

    def __call__(self, name: str) -> str:
        """Return " (did you mean 'x'?)", or nothing where no name is near."""
        if self._left == 0:
            return ""
        self._left -= 1
        near = get_close_matches(name[:200], self._names, n=1)
        return f" (did you mean {near[0]!r}?)" if near else ""
