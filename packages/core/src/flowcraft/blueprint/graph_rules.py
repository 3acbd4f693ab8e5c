"""What the edges, fallbacks and pairs of a blueprint must obey, loops apart."""

from __future__ import annotations

from collections.abc import Iterator

from flowcraft.blueprint.graph import UNREACHED, Graph
from flowcraft.blueprint.model import NodeKind
from flowcraft.blueprint.pairs import Pairs, gather_of, webhook_of
from flowcraft.blueprint.wording import Suggester, edge_name, listed, path

# None of these fails in a way for which another node's output could stand in.
_WITHOUT_FALLBACK: tuple[NodeKind, ...] = ("loop", "scatter", "gather", "sleep", "webhook")


def edge_problems(graph: Graph) -> Iterator[str]:
    """Yield unknown endpoints, and fields that are empty instead of absent."""
    near = Suggester(graph.index)
    for number, edge in enumerate(graph.blueprint.edges):
        for side, node_id, known in (
            ("source", edge.source, graph.sources[number]),
            ("target", edge.target, graph.targets[number]),
        ):
            if known < 0:
                yield (
                    f"{edge_name(number, edge)}: no node has the id of its {side}, "
                    f"{node_id!r}{near(node_id)}; correct it or add the node"
                )
        for field, value in (
            ("action", edge.action),
            ("condition", edge.condition),
            ("transform", edge.transform),
        ):
            if value == "":
                yield f"{edge_name(number, edge)}: {field} is empty; leave it out"


def fallback_problems(graph: Graph) -> Iterator[str]:
    """Yield stand-ins that are unknown, circular, of the wrong kind or in the wrong place."""
    nodes = graph.blueprint.nodes
    near = Suggester(graph.index)
    for number, node in enumerate(nodes):
        name = node.config.fallback
        if name is None:
            continue
        where = f"node {node.id!r}: fallback {name!r}"
        fallback = graph.index.get(name)
        if fallback is None:
            yield f"{where} is no node{near(name)}; correct it or add the node"
            continue
        for who, kind in ((node, graph.kinds[number]), (nodes[fallback], graph.kinds[fallback])):
            if kind in _WITHOUT_FALLBACK:
                yield (
                    f"{where}: {who.id!r} is a {who.uses!r}, which neither has a fallback nor is "
                    "one; put it in a blueprint of its own and let a 'subflow' have or be it"
                )
    yield from _fallback_cycles(graph)
    for number in _shared_fallbacks(graph):
        outs = graph.outs[number]
        if outs:
            yield (
                f"{edge_name(outs[0], graph.blueprint.edges[outs[0]])}: {nodes[number].id!r} is a "
                "fallback that may run for several nodes, and so has no edges of its own; remove "
                "them (it stands in on the failed node's edges), or add a fallback for each node"
            )
    for number, served in enumerate(graph.serves):
        if served and graph.ins[number]:
            edge = graph.ins[number][0]
            yield (
                f"{edge_name(edge, graph.blueprint.edges[edge])}: {nodes[number].id!r} is the "
                f"fallback of {listed([nodes[other].id for other in served])} and so has no "
                "incoming edges; remove the edge, or lead it to a node of its own with the same "
                "'uses'"
            )


def pair_problems(graph: Graph) -> Iterator[str]:
    """Yield scatters without their gather, and waits without their webhook."""
    blueprint = graph.blueprint
    pairs = Pairs(blueprint)
    near = Suggester(graph.index)
    for number, node in enumerate(blueprint.nodes):
        kind = graph.kinds[number]
        if kind == "scatter":
            yield from _scatter_problems(graph, number, near)
        elif kind == "gather":
            scatters = pairs.scatters_of.get(node.id, [])
            if not scatters:
                yield (
                    f"node {node.id!r}: no scatter names it; give a node with uses "
                    f"'batch-scatter' params.gatherNodeId {node.id!r}, or remove it"
                )
            elif len(scatters) > 1:
                yield (
                    f"node {node.id!r}: {listed(scatters)} all gather here; give each scatter a "
                    "gather of its own"
                )
        elif kind == "wait":
            yield from _wait_problems(graph, number, near)
    for webhook, waits in pairs.waits_of.items():
        if len(waits) > 1:
            yield (
                f"node {webhook!r}: {listed(waits)} all wait for this webhook; keep one, and lead "
                "edges from it to what the others lead to"
            )


def reach_problems(graph: Graph) -> Iterator[str]:
    """Yield that there is nothing to start from, or what no start node leads to."""
    nodes = graph.blueprint.nodes
    if not nodes:
        return
    loops = [
        nodes[number].id
        for number, kind in enumerate(graph.kinds)
        if kind == "loop" and graph.loop_of[number] == UNREACHED
    ]
    entry = ""
    if loops:
        entry = (
            f"; to enter the loop {loops[0]!r}, add an edge to it from a node outside of its body "
            "(one with uses 'join' passes its input on)"
        )
    if not graph.starts:
        yield (
            "blueprint: no node to start from, each has an incoming edge or is a fallback"
            + (entry or "; add one before the node that is to be the first")
        )
        return
    lost = [
        nodes[number].id for number in graph.index.values() if graph.loop_of[number] == UNREACHED
    ]
    if len(lost) == 1:
        yield f"node {lost[0]!r}: no start node leads to it; remove it, or add an edge to it{entry}"
    elif lost:
        yield (
            f"nodes {listed(lost)}: no start node leads to them; remove them, or add an edge to "
            f"the first of them{entry}"
        )


def _scatter_problems(graph: Graph, number: int, near: Suggester) -> Iterator[str]:
    blueprint = graph.blueprint
    node = blueprint.nodes[number]
    gather = gather_of(node)
    if not gather:
        return
    target = graph.index.get(gather)
    if target is None:
        yield (
            f"node {node.id!r}: gatherNodeId {gather!r} is no node{near(gather)}; correct it or "
            "add a node with uses 'batch-gather'"
        )
        return
    if graph.kinds[target] != "gather":
        yield (
            f"node {node.id!r}: gatherNodeId {gather!r} is a "
            f"{blueprint.nodes[target].uses!r}; name a node with uses 'batch-gather'"
        )
        return
    outs = graph.outs[number]
    if not any(graph.targets[edge] == target for edge in outs):
        yield (
            f"node {node.id!r}: no edge leads to its gather; add the edge {node.id!r} -> {gather!r}"
        )
    leads_there = False
    for out in outs:
        edge = blueprint.edges[out]
        if graph.targets[out] != target or leads_there:
            yield (
                f"{edge_name(out, edge)}: the only edge of a scatter leads to its gather "
                f"{gather!r}; let this one start at {gather!r}, or at the node before {node.id!r}"
            )
            continue
        leads_there = True
        if edge.action is not None or edge.condition is not None or edge.transform is not None:
            yield (
                f"{edge_name(out, edge)}: the edge from a scatter to its gather has no action, "
                f"condition or transform; move them to an edge into {node.id!r} or out of "
                f"{gather!r}"
            )


def _wait_problems(graph: Graph, number: int, near: Suggester) -> Iterator[str]:
    node = graph.blueprint.nodes[number]
    webhook = webhook_of(node)
    if webhook is None:
        return
    where = f"node {node.id!r}: eventName 'webhook:{webhook}'"
    target = graph.index.get(webhook)
    if target is None or graph.kinds[target] != "webhook":
        yield f"{where} names no node with uses 'webhook'{near(webhook)}; correct it or add one"
    elif graph.loop_of[target] != graph.loop_of[number]:
        yield f"{where}: that webhook is not in the same loop body; move one beside the other"


def _shared_fallbacks(graph: Graph) -> Iterator[int]:
    """Yield the fallbacks that may run for several nodes, also by way of another fallback."""
    shared = [number for number, served in enumerate(graph.serves) if len(served) > 1]
    seen = set(shared)
    for number in shared:
        yield number
        fallback = graph.fallback_of[number]
        if fallback >= 0 and fallback not in seen:
            seen.add(fallback)
            shared.append(fallback)


def _fallback_cycles(graph: Graph) -> Iterator[str]:
    # Each node names one fallback at most, so that following the names either ends or circles.
    seen_from = [-1] * len(graph.fallback_of)
    for first in range(len(seen_from)):
        node = first
        while node >= 0 and seen_from[node] < 0:
            seen_from[node] = first
            node = graph.fallback_of[node]
        if node >= 0 and seen_from[node] == first:
            yield _fallback_cycle(graph, node)


def _fallback_cycle(graph: Graph, first: int) -> str:
    nodes = graph.blueprint.nodes
    ids = [nodes[first].id]
    node = graph.fallback_of[first]
    while node != first:
        ids.append(nodes[node].id)
        node = graph.fallback_of[node]
    ids.append(ids[0])
    return (
        f"node {ids[0]!r}: its fallbacks lead back to itself, {path(ids)}; remove the fallback of "
        "one of them"
    )
