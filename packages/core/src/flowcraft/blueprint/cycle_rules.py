"""Cycles that no loop controller drives: finding them, and showing how to write them as loops."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from flowcraft.blueprint.graph import Graph
from flowcraft.blueprint.wording import edge_name, path, quoted


def cycle_problems(graph: Graph) -> Iterator[str]:
    """Yield one problem for each knot of nodes that wait for each other.

    A loop is begun by a `continue` edge, so what is circular without those edges is circular
    without a controller. A fallback waits for the node that it stands in for.
    """
    waiting = _waiting(graph)
    points = graph.blueprint.metadata.get("cycleEntryPoints")
    named = {
        graph.index.get(point, -1)
        for point in (points if isinstance(points, list) else ())
        if isinstance(point, str)
    }
    for knot in _knots(waiting):
        cycle = _shortest_cycle(waiting, knot, first=_entrance(graph, knot, named))
        edges = [_edge_between(graph, one, other) for one, other in pairwise(cycle)]
        drawn = [edge for edge in edges if edge is not None]
        if not drawn:
            # Fallbacks that lead back to themselves are reported as such.
            continue
        leaving = next((edge for edge in drawn if graph.kinds[graph.sources[edge]] == "loop"), None)
        if leaving is not None and graph.targets[leaving] in graph.conflicts:
            # An exit into the own body is reported as that.
            continue
        if leaving is not None:
            yield _describe_exit(graph, cycle, leaving)
        elif len(drawn) < len(edges):
            yield (
                f"node {_ids(graph, cycle)[0]!r}: it waits for itself, "
                f"{path(_ids(graph, cycle))}, since a fallback waits for the node it stands in "
                "for; lead the fallback's edges to nodes after it"
            )
        else:
            yield _describe_cycle(graph, cycle, closing=drawn[-1])


def _describe_cycle(graph: Graph, cycle: list[int], *, closing: int) -> str:
    ids = _ids(graph, cycle)
    loop = f"{ids[0]}_loop"
    while loop in graph.index:
        loop += "_"
    node = (
        f'{{"id": {quoted(loop)}, "uses": "loop-controller", '
        '"params": {"condition": "<satisfied while it goes on>"}}'
    )
    return (
        f"node {ids[0]!r}: cycle without a loop-controller, {path(ids)}. Write it as a loop: add "
        f"the node {node}; lead {edge_name(closing, graph.blueprint.edges[closing])}, and every "
        f"edge that enters the cycle, to {loop!r}; add the edge "
        f'{{"source": {quoted(loop)}, "target": {quoted(ids[0])}, "action": "continue"}}; '
        f"let what comes after the cycle start at {loop!r}, with the action 'break'"
    )


def _describe_exit(graph: Graph, cycle: list[int], leaving: int) -> str:
    edge = graph.blueprint.edges[leaving]
    return (
        f"node {edge.source!r}: cycle by an edge on which its loop ends, "
        f"{path(_ids(graph, cycle))}. Give {edge_name(leaving, edge)} the action 'continue' if it "
        "begins the loop's body, or write a second loop around this one, with a loop-controller "
        "of its own"
    )


def _ids(graph: Graph, numbers: list[int]) -> list[str]:
    return [graph.blueprint.nodes[number].id for number in numbers]


def _edge_between(graph: Graph, source: int, target: int) -> int | None:
    """Return an edge that draws this step of a cycle; None where it is a fallback's."""
    for edge in graph.outs[source]:
        if graph.targets[edge] == target and not graph.goes_on[edge]:
            return edge
    return None


def _waiting(graph: Graph) -> list[list[int]]:
    """List, for each node, those that wait for it."""
    waiting: list[list[int]] = []
    for node, outs in enumerate(graph.outs):
        after = [graph.targets[edge] for edge in outs if not graph.goes_on[edge]]
        if graph.fallback_of[node] >= 0:
            after.append(graph.fallback_of[node])
        waiting.append(after)
    return waiting


def _knots(waiting: list[list[int]]) -> Iterator[list[int]]:
    """Yield the strongly connected parts that have a cycle (Tarjan, without recursion)."""
    count = len(waiting)
    order = [-1] * count
    lowest = [0] * count
    is_open = [False] * count
    opened: list[int] = []
    met = 0
    for root in range(count):
        if order[root] >= 0:
            continue
        walk = [(root, 0)]
        while walk:
            node, position = walk.pop()
            if position == 0:
                order[node] = lowest[node] = met
                met += 1
                opened.append(node)
                is_open[node] = True
            elif is_open[waiting[node][position - 1]]:
                lowest[node] = min(lowest[node], lowest[waiting[node][position - 1]])
            if position < len(waiting[node]):
                walk.append((node, position + 1))
                after = waiting[node][position]
                if order[after] < 0:
                    walk.append((after, 0))
                elif is_open[after]:
                    lowest[node] = min(lowest[node], order[after])
                continue
            if lowest[node] != order[node]:
                continue
            part: list[int] = []
            while True:
                member = opened.pop()
                is_open[member] = False
                part.append(member)
                if member == node:
                    break
            if len(part) > 1 or node in waiting[node]:
                part.sort()
                yield part


def _entrance(graph: Graph, knot: list[int], named: set[int]) -> int:
    """Choose the node at which a reader would say that the cycle begins."""
    for node in knot:
        if node in named:
            return node
    inside = set(knot)
    for node in knot:
        if any(before not in inside for before in graph.waits_for(node)):
            return node
    return knot[0]


def _shortest_cycle(waiting: list[list[int]], knot: list[int], *, first: int) -> list[int]:
    inside = set(knot)
    came_from: dict[int, int] = {}
    ready = [first]
    for here in ready:
        for after in waiting[here]:
            if after == first:
                node = here
                cycle = [first]
                while node != first:
                    cycle.append(node)
                    node = came_from[node]
                cycle.append(first)
                cycle.reverse()
                return cycle
            if after in inside and after not in came_from:
                came_from[after] = here
                ready.append(after)
    return [first, first]
