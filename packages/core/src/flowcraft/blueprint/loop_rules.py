"""What loops must obey: a controller that goes round, and no other way in or out of a body."""

from __future__ import annotations

from collections.abc import Iterator

from flowcraft.blueprint.graph import MAX_NESTING, TOP, UNREACHED, Graph
from flowcraft.blueprint.wording import edge_name, listed

# Telling a jump in from a jump out means walking a loop backwards. A large tangle of wrong loops
# gets messages that name both sides instead, so that it is refused in seconds.
_STEPS = 2_000_000


def controller_problems(graph: Graph) -> Iterator[str]:
    """Yield controllers that begin no iteration or that none comes back to."""
    nodes = graph.blueprint.nodes
    for number, kind in enumerate(graph.kinds):
        if kind != "loop":
            continue
        node_id = nodes[number].id
        begins = [edge for edge in graph.outs[number] if graph.goes_on[edge]]
        if not begins:
            yield (
                f"node {node_id!r}: a loop-controller without a body; add an edge from it with "
                "action 'continue' to the first node of the body"
            )
        for edge in begins:
            if graph.targets[edge] == number:
                yield (
                    f"{edge_name(edge, graph.blueprint.edges[edge])}: the loop goes straight back "
                    "to its controller; put at least one node between (one with uses 'join' "
                    "passes its input on)"
                )
        is_reached = graph.loop_of[number] != UNREACHED
        # Past a jump one cannot tell what is in the body.
        if (
            begins
            and is_reached
            and not graph.conflicts
            and not any(map(graph.closes_loop, graph.ins[number]))
        ):
            yield (
                f"node {node_id!r}: no edge from its loop's body leads back to it; add one from "
                "the last node of the body"
            )
        if graph.depth[number] >= MAX_NESTING:
            yield (
                f"node {node_id!r}: loops are nested deeper than {MAX_NESTING}; move the inner "
                "ones to a blueprint of their own and use a 'subflow'"
            )


def jump_problems(graph: Graph) -> Iterator[str]:
    """Yield the edges that enter or leave a loop's body past its controller."""
    judge = _Judge(graph)
    for node in graph.conflicts:
        yield from judge.problems(node)


class _Judge:
    """Decides, where the edges of a node disagree about its loop, which of them are wrong."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._nodes = graph.blueprint.nodes
        self._upstream: dict[int, set[int]] = {}
        self._steps_left = _STEPS

    def problems(self, node: int) -> Iterator[str]:
        graph = self._graph
        served = graph.serves[node]
        if served:
            # With incoming edges it is refused anyway, for that reason.
            if not graph.ins[node] and len({graph.loop_of[other] for other in served}) > 1:
                yield (
                    f"node {self._id(node)!r}: it is the fallback of "
                    f"{listed([self._id(other) for other in served])}, which are not in the same "
                    "loop; give the nodes of each loop a fallback of their own"
                )
            return
        arriving = [
            edge
            for edge in graph.ins[node]
            if graph.loop_of[graph.sources[edge]] != UNREACHED and not graph.closes_loop(edge)
        ]
        loops = list(dict.fromkeys(graph.arrives_in(edge) for edge in arriving))
        begun = {graph.sources[edge] for edge in arriving if graph.goes_on[edge]}
        homes = {
            loop
            for loop in loops
            if loop in begun or (loop != TOP and node in self._leading_back_to(loop))
        }
        home = (
            max((loop for loop in loops if loop in homes), key=self._depth_inside)
            if homes
            else min(loops, key=self._depth_inside, default=TOP)
        )
        keeper = next((edge for edge in arriving if graph.arrives_in(edge) == home), None)
        for edge in arriving:
            loop = graph.arrives_in(edge)
            if loop != home:
                yield self._problem(edge, keeper, loop, home, is_overlap=loop in homes)

    def _problem(
        self, edge: int, keeper: int | None, loop: int, home: int, *, is_overlap: bool
    ) -> str:
        graph = self._graph
        blueprint = graph.blueprint
        source = self._id(graph.sources[edge])
        target = graph.targets[edge]
        where = edge_name(edge, blueprint.edges[edge])
        if max(self._depth_inside(loop), self._depth_inside(home)) > MAX_NESTING:
            return f"{where}: it does not enter and leave loops through their controllers"
        around_source = graph.loops_around(loop)
        around_target = graph.loops_around(home)
        left = [each for each in around_source if each not in around_target and each != target]
        entered = [each for each in around_target if each not in around_source]
        seen = "" if keeper is None else f" (see {edge_name(keeper, blueprint.edges[keeper])})"
        if left and entered:
            one, other = self._id(left[-1]), self._id(entered[0])
            if is_overlap:
                return (
                    f"{where}: the loops {one!r} and {other!r} overlap at {self._id(target)!r}"
                    f"{seen}; put one of them wholly inside the other, or give each its own nodes"
                )
            return (
                f"{where}: jumps out of the body of loop {one!r} and into that of loop "
                f"{other!r}{seen}; leave and enter loops through their controllers: lead this edge "
                f"to {one!r} and add an edge {one!r} -> {other!r} with action 'break'"
            )
        if entered:
            loop_id = self._id(entered[0])
            if graph.sources[edge] == entered[0]:
                return (
                    f"{where}: an edge by which loop {loop_id!r} ends leads into its own body"
                    f"{seen}; give it the action 'continue', or lead it to a node after the loop"
                )
            return (
                f"{where}: jumps into the body of loop {loop_id!r}{seen}; enter a loop through its "
                f"controller: lead this edge to {loop_id!r} instead"
            )
        if left:
            loop_id = self._id(left[-1])
            return (
                f"{where}: jumps out of the body of loop {loop_id!r}, {self._id(target)!r} being "
                f"outside{seen}; leave a loop through its controller: lead this edge to "
                f"{loop_id!r}, and add an edge {loop_id!r} -> {self._id(target)!r} with action "
                "'break' if there is none"
            )
        return (
            f"{where}: {source!r} and {self._id(target)!r} are not in the same loop{seen}; enter "
            "and leave a loop through its controller"
        )

    def _leading_back_to(self, loop: int) -> set[int]:
        """Find what leads to the controller without passing it or one around it."""
        known = self._upstream.get(loop)
        if known is not None:
            return known
        graph = self._graph
        if graph.depth[loop] > MAX_NESTING:
            return set()
        around = set(graph.loops_around(loop))
        found: set[int] = set()
        ready = [loop]
        while ready and self._steps_left > 0:
            for before in graph.waits_for(ready.pop()):
                self._steps_left -= 1
                if before not in found and before not in around:
                    found.add(before)
                    ready.append(before)
        self._upstream[loop] = found
        return found

    def _depth_inside(self, loop: int) -> int:
        return 0 if loop == TOP else self._graph.depth[loop] + 1

    def _id(self, node: int) -> str:
        return self._nodes[node].id
