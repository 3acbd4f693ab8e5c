"""What a flow has collected so far, and how it becomes a blueprint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flowcraft.blueprint.model import Blueprint, Edge, JoinStrategy, Node, NodeConfig
from flowcraft.builder.refs import AnyRef, Inputs, NodeRef, id_of
from flowcraft.errors import BlueprintError
from flowcraft.nodes import NodeOptions
from flowcraft.nodes.binding import copy_json
from flowcraft.values import to_json_value

BREAK = "break"


class Draft:
    """Nodes and edges in the order in which they were added.

    Attributes:
        blueprint_id: Id of the blueprint to be.
        metadata: Its metadata.
    """

    __slots__ = ("_batches", "_edges", "_loops", "_nodes", "blueprint_id", "metadata")

    def __init__(self, blueprint_id: str, *, metadata: Mapping[str, Any]) -> None:
        self.blueprint_id = blueprint_id
        self.metadata = metadata
        self._nodes: dict[str, Node] = {}
        self._edges: list[Edge] = []
        self._batches: dict[str, NodeRef[Any, Any]] = {}
        self._loops: set[str] = set()

    def add_node(
        self,
        node_id: str,
        uses: str,
        *,
        params: object = None,
        inputs: Inputs | None = None,
        config: NodeConfig | None = None,
    ) -> NodeRef[Any, Any]:
        """Add a node.

        Raises:
            BlueprintError: The id is taken, or the params are no mapping.
            ValueNotStorableError: Something in the params has no JSON form.
        """
        self._refuse_taken(node_id)
        if isinstance(inputs, Mapping):
            sources: str | dict[str, str] | None = {k: id_of(ref) for k, ref in inputs.items()}
        else:
            sources = None if inputs is None else id_of(inputs)
        self._nodes[node_id] = Node(
            id=node_id,
            uses=uses,
            params=self.params(params, node_id=node_id),
            inputs=sources,
            config=NodeConfig() if config is None else config,
        )
        return NodeRef(node_id)

    def add_loop(
        self, node_id: str, *, params: Mapping[str, Any], config: NodeConfig
    ) -> NodeRef[Any, Any]:
        """Add a loop's controller, whose unnamed edges will be its exits."""
        ref = self.add_node(node_id, "loop-controller", params=params, config=config)
        self._loops.add(node_id)
        return ref

    def add_batch(
        self,
        batch_id: str,
        *,
        over: AnyRef,
        scatter_params: Mapping[str, Any],
        config: NodeConfig,
    ) -> NodeRef[Any, Any]:
        """Add a scatter, its gather, and the edge between them.

        Raises:
            BlueprintError: One of the ids is taken.
        """
        scatter_id, gather_id = f"{batch_id}_scatter", f"{batch_id}_gather"
        # All at once, so that a refusal leaves no half of a batch behind.
        self._refuse_taken(batch_id, scatter_id, gather_id)
        self.add_node(
            scatter_id,
            "batch-scatter",
            params={**scatter_params, "gatherNodeId": gather_id},
            # The list comes from `over`, whatever other edges the batch waits for.
            inputs=over,
            config=config,
        )
        self.add_node(gather_id, "batch-gather", params={"gatherNodeId": gather_id})
        self._edges.append(Edge(source=scatter_id, target=gather_id))
        ref = NodeRef[Any, Any](gather_id, entry_id=scatter_id)
        self._batches[batch_id] = ref
        return ref

    def add_edge(self, edge: Edge) -> None:
        """Add an edge; its ends need not exist yet."""
        self._edges.append(edge)

    def params(self, params: object, *, node_id: str) -> dict[str, Any]:
        """Turn the params of a node into a JSON mapping of their own."""
        if params is None:
            return {}
        # A copy, so that what the caller does with the mapping later changes no blueprint.
        found = copy_json(to_json_value(params, what=f"params of node {node_id!r}"))
        if isinstance(found, dict):
            return found
        problem = f"node {node_id!r}: its params are no mapping; give each of them a name"
        raise BlueprintError(self.blueprint_id, [problem])

    def finish(self) -> Blueprint:
        """Give the blueprint as it stands."""
        return Blueprint(
            id=self.blueprint_id,
            nodes=tuple(self._nodes.values()),
            edges=tuple(self._finished(edge) for edge in self._edges),
            metadata=dict(self.metadata),
        )

    def _refuse_taken(self, *node_ids: str) -> None:
        problems = [
            f"node {node_id!r}: the id is taken; give this one another: id=..."
            for node_id in node_ids
            if node_id in self._nodes or node_id in self._batches
        ]
        if problems:
            raise BlueprintError(self.blueprint_id, problems)

    def _finished(self, edge: Edge) -> Edge:
        """Settle what an edge means, now that every node is known."""
        source, target = self._batches.get(edge.source), self._batches.get(edge.target)
        # Were one exit named and another not, the evaluation that says "break" would leave
        # the unnamed one untaken.
        leaves_loop = edge.source in self._loops and edge.action is None
        return Edge(
            source=edge.source if source is None else source.id,
            target=edge.target if target is None else target.entry_id,
            action=BREAK if leaves_loop else edge.action,
            condition=edge.condition,
            transform=edge.transform,
        )


def node_config(
    *,
    attempts: int | None = None,
    retry_delay_seconds: float | None = None,
    timeout_seconds: float | None = None,
    fallback: AnyRef | None = None,
    join: JoinStrategy = "all",
    options: NodeOptions | None = None,
) -> NodeConfig:
    """Put together what the flow says and, where it says nothing, the function's options.

    Raises:
        RegistrationError: A number is out of its range.
    """
    # The same checks, and the same words, as for the decorator.
    NodeOptions(
        attempts=attempts, retry_delay_seconds=retry_delay_seconds, timeout_seconds=timeout_seconds
    )
    if options is not None:
        if attempts is None:
            attempts = options.attempts
        if retry_delay_seconds is None:
            retry_delay_seconds = options.retry_delay_seconds
        if timeout_seconds is None:
            timeout_seconds = options.timeout_seconds
    default = NodeConfig()
    return NodeConfig(
        attempts=default.attempts if attempts is None else attempts,
        retry_delay_ms=(
            default.retry_delay_ms
            if retry_delay_seconds is None
            else milliseconds(retry_delay_seconds)
        ),
        timeout_ms=None if timeout_seconds is None else milliseconds(timeout_seconds),
        fallback=None if fallback is None else id_of(fallback),
        join_strategy=join,
    )


def milliseconds(seconds: float) -> float:
    """Convert a duration, to whole milliseconds where that is what was meant."""
    exact = seconds * 1000
    if not math.isfinite(exact):
        return exact  # refused where it is stored, with the node's name
    whole = round(exact)
    # 0.29 s is 290.00000000000006 ms in floats.
    return whole if abs(exact - whole) < 1e-6 else exact
