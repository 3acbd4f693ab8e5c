"""A workflow graph as data: immutable, hashable by content, free of behaviour.

The field names of the JSON form are the reference's (`maxRetries`, `joinStrategy`, ...);
`parse.py` reads and writes it, `validate.py` says what is wrong with it, and `plan.py`
works out what the engine asks of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

JoinStrategy = Literal["all", "any"]

NodeKind = Literal[
    "function", "join", "wait", "webhook", "sleep", "subflow", "scatter", "gather", "loop"
]

BUILT_INS: Mapping[str, NodeKind] = MappingProxyType(
    {
        "join": "join",
        "wait": "wait",
        "webhook": "webhook",
        "sleep": "sleep",
        "subflow": "subflow",
        "batch-scatter": "scatter",
        "batch-gather": "gather",
        "loop-controller": "loop",
    }
)
"""The `uses` keys that the engine itself implements."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "SubflowNode": "subflow",
        "WaitNode": "wait",
        "SleepNode": "sleep",
        "WebhookNode": "webhook",
        "BatchScatterNode": "batch-scatter",
        "BatchGatherNode": "batch-gather",
    }
)
"""The class names under which the TypeScript framework knows some built-ins."""

CONTINUE = "continue"
"""The action of the edges by which a loop controller begins an iteration."""


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How often, how long and under which join a node runs.

    Args:
        attempts: Attempts in all, at least 1 (JSON: `maxRetries`).
        retry_delay_ms: Delay before the second attempt, doubled for each further one.
        timeout_ms: Bound of one attempt, or None.
        fallback: Id of the node that stands in after the last attempt.
        join_strategy: Whether all incoming edges or the first taken one start the node.
    """

    attempts: int = 1
    retry_delay_ms: float = 1000
    timeout_ms: float | None = None
    fallback: str | None = None
    join_strategy: JoinStrategy = "all"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node: `uses` names its implementation, `inputs` maps names to keys (or is one key)."""

    id: str
    uses: str
    params: Mapping[str, Any] = {}
    inputs: str | Mapping[str, str] | None = None
    config: NodeConfig = NodeConfig()


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """One edge; two edges between the same nodes are two edges."""

    source: str
    target: str
    action: str | None = None
    condition: str | None = None
    transform: str | None = None


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """A whole graph. The order of `edges` matters where two edges of one source meet again."""

    id: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()
    metadata: Mapping[str, Any] = {}


def kind_of(uses: str) -> NodeKind:
    """Tell which built-in a `uses` key names; every other key names a function."""
    return BUILT_INS.get(ALIASES.get(uses, uses), "function")
