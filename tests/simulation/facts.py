"""What the interpreter needs to know of a graph, worked out from its JSON once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulation.case import BlueprintJson

_KINDS: Final = {
    "loop-controller": "loop",
    "join": "join",
    "wait": "wait",
    "webhook": "webhook",
    "sleep": "sleep",
    "subflow": "subflow",
    "batch-scatter": "scatter",
    "batch-gather": "gather",
    "WaitNode": "wait",
    "WebhookNode": "webhook",
    "SleepNode": "sleep",
    "SubflowNode": "subflow",
    "BatchScatterNode": "scatter",
    "BatchGatherNode": "gather",
}


def kind_of(uses: str) -> str:
    """Name the kind of node behind a `uses` key; all that is not built in is a function."""
    return _KINDS.get(uses, "function")


class Facts:
    """A blueprint's nodes and edges by name, its loops, starts and sinks.

    Attributes:
        chain: The controllers around each node, outermost first.
        starts: Nodes that a run begins with.
        sinks: Top-level nodes without a way on; they decide the end and the output.
        body_sinks: The same, directly inside each controller's body.
        serves: For each fallback, the nodes that name it.
    """

    def __init__(self, blueprint: BlueprintJson) -> None:
        self.nodes: dict[str, Mapping[str, Any]] = {n["id"]: n for n in blueprint["nodes"]}
        self.edges: list[Mapping[str, Any]] = list(blueprint.get("edges", []))
        self.outs: dict[str, list[int]] = {name: [] for name in self.nodes}
        self.ins: dict[str, list[int]] = {name: [] for name in self.nodes}
        for index, edge in enumerate(self.edges):
            self.outs[edge["source"]].append(index)
            self.ins[edge["target"]].append(index)
        self.kinds = {name: kind_of(node["uses"]) for name, node in self.nodes.items()}
        self.fallback: dict[str, str] = {}
        self.serves: dict[str, list[str]] = {}
        for name in self.nodes:
            fallback = self.config(name).get("fallback")
            if fallback is not None:
                self.fallback[name] = fallback
                self.serves.setdefault(fallback, []).append(name)
        self._bodies = {n: self._body(n) for n in self.nodes if self.kinds[n] == "loop"}
        self.chain: dict[str, tuple[str, ...]] = {name: self._chain(name) for name in self.nodes}
        self.starts = [
            n for n in self.nodes if n not in self.serves and not self.chain[n] and self._enters(n)
        ]
        ends = [n for n in self.nodes if self._is_end(n)]
        self.sinks = [n for n in ends if not self.chain[n]]
        self.body_sinks = {
            loop: [n for n in ends if self.chain[n][-1:] == (loop,)] for loop in self._bodies
        }

    def config(self, name: str) -> Mapping[str, Any]:
        """Give a node's `config`."""
        config: Mapping[str, Any] = self.nodes[name].get("config") or {}
        return config

    def params(self, name: str) -> Mapping[str, Any]:
        """Give a node's `params`."""
        params: Mapping[str, Any] = self.nodes[name].get("params") or {}
        return params

    def is_continue(self, edge: int) -> bool:
        """Say whether an edge leads from a controller into its body."""
        source = self.edges[edge]["source"]
        return source in self._bodies and self.edges[edge].get("action") == "continue"

    def begins(self, name: str, action: str | None) -> bool:
        """Say whether this action of this node is a controller's that begins an iteration."""
        return action == "continue" and name in self._bodies

    def is_back(self, edge: int) -> bool:
        """Say whether an edge leads from a body back to its controller."""
        body = self._bodies.get(self.edges[edge]["target"])
        return body is not None and self.edges[edge]["source"] in body

    def leaving(self, name: str, *, continuing: bool = False) -> list[int]:
        """Give a node's outgoing edges; a controller's are those into its body, or its exits."""
        if name not in self._bodies:
            return self.outs[name]
        return [edge for edge in self.outs[name] if self.is_continue(edge) is continuing]

    def entering(self, name: str, *, again: bool = False) -> list[int]:
        """Give a node's incoming edges; a controller's are its entries, or its back edges."""
        if name not in self._bodies:
            return self.ins[name]
        return [edge for edge in self.ins[name] if self.is_back(edge) is again]

    def _enters(self, name: str) -> bool:
        return not self.entering(name)

    def _is_end(self, name: str) -> bool:
        is_helper = name in self.serves or self.kinds[name] == "scatter"
        return not is_helper and not self.leaving(name)

    def _body(self, loop: str) -> set[str]:
        first = [e for e in self.outs[loop] if self.edges[e].get("action") == "continue"]
        waiting = [self.edges[edge]["target"] for edge in first]
        body: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name == loop or name in body:
                continue
            body.add(name)
            waiting.extend(self.edges[edge]["target"] for edge in self.outs[name])
            if name in self.fallback:
                waiting.append(self.fallback[name])
        return body

    def beside(self, name: str) -> set[str]:
        """Name the nodes of the innermost loop's body that a node is in, but for its controller."""
        loop = self.chain[name][-1]
        return self._bodies[loop] - {loop}

    def _chain(self, name: str) -> tuple[str, ...]:
        around = [loop for loop, body in self._bodies.items() if name in body]
        # The body of an outer loop holds the inner ones, so it is the larger.
        return tuple(sorted(around, key=lambda loop: -len(self._bodies[loop])))
