"""What the engine asks of a blueprint, worked out once, so that no job analyses a graph."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec

from flowcraft.blueprint.graph import MAX_NESTING, TOP, UNREACHED, Graph
from flowcraft.blueprint.model import Blueprint, Node, NodeKind
from flowcraft.blueprint.pairs import Pairs, gather_of, webhook_of
from flowcraft.blueprint.parse import content_hash
from flowcraft.blueprint.validate import validate
from flowcraft.errors import BlueprintError

Leaving = Literal["plain", "continue", "exit"]
Entering = Literal["plain", "entry", "back"]


class EdgePlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One edge, with what it means to the controllers at its ends.

    Args:
        index: Its position in the blueprint, which is its name in records.
        source: The node that it leaves.
        target: The node at which it arrives.
        action: The action that takes it, or None for a default edge.
        condition: The expression that must be satisfied, or None.
        transform: The expression that makes its value, or None.
        leaving: How it leaves a loop controller; "plain" where its source is none.
        entering: Whether it enters a loop or closes an iteration; "plain" where its target is no
            controller. An exit of an inner loop may close an iteration of the outer one.
        member: Its name at a join.
        need: How many edges arrive at its target in the same way, itself included.
        any: Whether the first of them that is taken starts the target.
    """

    index: int
    source: str
    target: str
    action: str | None
    condition: str | None
    transform: str | None
    leaving: Leaving
    entering: Entering
    member: str
    need: int
    any: bool


class NodePlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One node, with everything about its place in the graph.

    Args:
        id: Its id.
        node: The node of the blueprint.
        kind: Which built-in it is, or "function".
        loops: The controllers of the loops around it, outermost first. A controller is not in
            its own loop.
        outs: Its outgoing edges, in the order of the blueprint.
        ins: Its incoming edges, in the order of the blueprint.
        continues: Of a controller: the edges that begin an iteration.
        exits: Of a controller: all its other edges.
        entries: Of a controller: the edges into the loop.
        backs: Of a controller: the edges that end an iteration.
        is_start: Whether a run begins with it.
        is_sink: Whether its output is part of the run's: outside of loops, without (exit) edges.
        is_body_sink: Whether it ends a branch of a loop's body.
        fallback: The node that stands in for it, or None.
        serves: The nodes that it stands in for.
        is_fallback: Whether there are any.
        is_shared_fallback: Whether there are several.
        gather: Of a scatter: its gather.
        scatter: Of a gather: its scatter.
        webhook: Of a wait: the webhook in whose stead it suspends.
        wait: Of a webhook: the wait that suspends in its stead.
    """

    id: str
    node: Node
    kind: NodeKind
    loops: tuple[str, ...]
    outs: tuple[EdgePlan, ...]
    ins: tuple[EdgePlan, ...]
    continues: tuple[EdgePlan, ...]
    exits: tuple[EdgePlan, ...]
    entries: tuple[EdgePlan, ...]
    backs: tuple[EdgePlan, ...]
    is_start: bool
    is_sink: bool
    is_body_sink: bool
    fallback: str | None
    serves: tuple[str, ...]
    is_fallback: bool
    is_shared_fallback: bool
    gather: str | None
    scatter: str | None
    webhook: str | None
    wait: str | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A blueprint made ready to run.

    Args:
        blueprint: The blueprint.
        hash: Its content hash.
        nodes: What is known of each node, by id, in the order of the blueprint.
        edges: All edges, in the order of the blueprint.
        starts: The nodes a run begins with.
        sinks: The nodes whose outputs are the run's; none of them is in a loop.
        body_sinks: For every controller, the nodes that end a branch directly in its loop's body;
            those of loops inside are under their own controllers.
        has_body_sinks: Whether there are any, in any loop.
    """

    blueprint: Blueprint
    hash: str
    nodes: dict[str, NodePlan]
    edges: tuple[EdgePlan, ...]
    starts: tuple[str, ...]
    sinks: tuple[str, ...]
    body_sinks: dict[str, tuple[str, ...]]
    has_body_sinks: bool


def compile_plan(blueprint: Blueprint, *, known_hash: str | None = None) -> Plan:
    """Work out what the engine needs to know, in time linear in the size of the blueprint.

    Args:
        blueprint: One that has been validated.
        known_hash: Its content hash, where it was read by that; it is not computed again.

    Raises:
        BlueprintError: The blueprint was not validated, and its graph makes no sense.
    """
    graph = Graph(blueprint)
    if _is_irregular(graph):
        raise BlueprintError(blueprint.id, validate(blueprint))
    entering = [_entering(graph, number) for number in range(len(blueprint.edges))]
    needs = Counter(zip(graph.targets, entering, strict=True))
    edges = tuple(
        _plan_edge(graph, number, way, needs[graph.targets[number], way])
        for number, way in enumerate(entering)
    )
    chains = _chains(graph)
    pairs = Pairs(blueprint)
    nodes = {
        node.id: _plan_node(graph, number, edges, chains, pairs)
        for number, node in enumerate(blueprint.nodes)
    }
    body_sinks: dict[str, list[str]] = {
        node.id: [] for node in nodes.values() if node.kind == "loop"
    }
    for node in nodes.values():
        if node.is_body_sink:
            body_sinks[node.loops[-1]].append(node.id)
    return Plan(
        blueprint=blueprint,
        hash=known_hash or content_hash(blueprint),
        nodes=nodes,
        edges=edges,
        starts=tuple(node.id for node in nodes.values() if node.is_start),
        sinks=tuple(node.id for node in nodes.values() if node.is_sink),
        body_sinks={loop: tuple(ids) for loop, ids in body_sinks.items()},
        has_body_sinks=any(body_sinks.values()),
    )


def _is_irregular(graph: Graph) -> bool:
    return (
        bool(graph.conflicts)
        or len(graph.index) != len(graph.kinds)
        or -1 in graph.sources
        or -1 in graph.targets
        or UNREACHED in graph.loop_of
        or max(graph.depth, default=0) > MAX_NESTING
    )


def _entering(graph: Graph, number: int) -> Entering:
    if graph.kinds[graph.targets[number]] != "loop":
        return "plain"
    return "back" if graph.closes_loop(number) else "entry"


def _plan_edge(graph: Graph, number: int, entering: Entering, need: int) -> EdgePlan:
    edge = graph.blueprint.edges[number]
    target = graph.blueprint.nodes[graph.targets[number]]
    leaving: Leaving = "plain"
    if graph.kinds[graph.sources[number]] == "loop":
        leaving = "continue" if graph.goes_on[number] else "exit"
    return EdgePlan(
        index=number,
        source=edge.source,
        target=edge.target,
        action=edge.action,
        condition=edge.condition,
        transform=edge.transform,
        leaving=leaving,
        entering=entering,
        member=str(number),
        need=need,
        any=need > 1 and target.config.join_strategy == "any",
    )


def _plan_node(
    graph: Graph,
    number: int,
    edges: tuple[EdgePlan, ...],
    chains: dict[int, tuple[str, ...]],
    pairs: Pairs,
) -> NodePlan:
    node = graph.blueprint.nodes[number]
    kind = graph.kinds[number]
    outs = tuple(edges[edge] for edge in graph.outs[number])
    ins = tuple(edges[edge] for edge in graph.ins[number])
    is_loop = kind == "loop"
    exits = tuple(edge for edge in outs if edge.leaving == "exit") if is_loop else ()
    serves = tuple(graph.blueprint.nodes[served].id for served in graph.serves[number])
    is_last = not (exits if is_loop else outs) and not serves and kind != "scatter"
    is_top = graph.loop_of[number] == TOP
    return NodePlan(
        id=node.id,
        node=node,
        kind=kind,
        loops=chains[graph.loop_of[number]],
        outs=outs,
        ins=ins,
        continues=tuple(edge for edge in outs if edge.leaving == "continue") if is_loop else (),
        exits=exits,
        entries=tuple(edge for edge in ins if edge.entering == "entry") if is_loop else (),
        backs=tuple(edge for edge in ins if edge.entering == "back") if is_loop else (),
        is_start=not ins and not serves,
        is_sink=is_last and is_top,
        is_body_sink=is_last and not is_top,
        fallback=node.config.fallback,
        serves=serves,
        is_fallback=bool(serves),
        is_shared_fallback=len(serves) > 1,
        gather=gather_of(node),
        scatter=_first(pairs.scatters_of, node.id),
        webhook=webhook_of(node),
        wait=_first(pairs.waits_of, node.id),
    )


def _first(ids_of: dict[str, list[str]], node_id: str) -> str | None:
    ids = ids_of.get(node_id)
    return ids[0] if ids else None


def _chains(graph: Graph) -> dict[int, tuple[str, ...]]:
    """Make the chain of each loop once, so that the nodes of a body share it."""
    ids = [node.id for node in graph.blueprint.nodes]
    chains: dict[int, tuple[str, ...]] = {TOP: ()}
    for loop, kind in enumerate(graph.kinds):
        if kind == "loop":
            chains[loop] = tuple(ids[around] for around in graph.loops_around(loop))
    return chains
