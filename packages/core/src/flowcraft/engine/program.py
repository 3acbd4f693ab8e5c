"""A blueprint made ready to run: its plan, and its expressions compiled once.

Workers keep a `Program` for each blueprint content they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowcraft.blueprint.model import Blueprint
from flowcraft.blueprint.plan import EdgePlan, NodePlan, Plan, compile_plan
from flowcraft.engine.names import Candidate, expression_candidates, input_candidates
from flowcraft.expressions import Expression, Expressions

DEFAULT_CHUNK_SIZE = 100
DEFAULT_MAX_ITERATIONS = 10_000


class NodeProgram:
    """What the drivers ask about one node, worked out once.

    Attributes:
        plan: The node in its graph.
        inputs: The meanings of each name in its `inputs` mapping; `""` for a bare one.
        names_context: Whether its `inputs` name what may be a context key.
        reads: The meanings of each name that its expressions read.
        is_self_contained: Whether its one incoming value is all it needs to run, so that a
            worker that holds this value need not read the store first.
        always_takes: The edges it takes whenever it completes, and then skips none; None where
            that has to be decided.
    """

    __slots__ = ("always_takes", "conditions", "controller", "inputs", "is_self_contained",
                 "names_context", "plan", "reads", "transforms", "uses")  # fmt: skip

    def __init__(
        self,
        plan: NodePlan,
        nodes: Mapping[str, NodePlan],
        compile_: Callable[[str], Expression],
        stood_for: tuple[NodePlan, ...],
    ) -> None:
        self.plan = plan
        self.uses: str = plan.node.uses
        mapping = plan.node.inputs
        if mapping is None:
            self.inputs: dict[str, tuple[Candidate, ...]] | None = None
        elif isinstance(mapping, str):
            self.inputs = {"": input_candidates(mapping, nodes)}
        else:
            self.inputs = {key: input_candidates(name, nodes) for key, name in mapping.items()}
        candidates = [one for group in (self.inputs or {}).values() for one in group]
        self.names_context = any(candidate.key is not None for candidate in candidates)
        edges = [edge for owner in (*stood_for, plan) for edge in owner.outs]
        self.conditions = {e.index: compile_(e.condition) for e in edges if e.condition is not None}
        self.transforms = {e.index: compile_(e.transform) for e in edges if e.transform is not None}
        self.controller = compile_(plan.node.params["condition"]) if plan.kind == "loop" else None
        expressions = [*self.conditions.values(), *self.transforms.values()]
        if self.controller is not None:
            expressions.append(self.controller)
        names = sorted({name for expression in expressions for name in expression.reads})
        self.reads = {name: expression_candidates(name, nodes) for name in names}
        self.is_self_contained = (
            plan.kind in ("function", "join")
            and len(plan.ins) == 1
            and not plan.is_fallback
            and self.inputs is None
            and not self.reads
        )
        # The edges of a scatter wait for its items; a controller has edges with an action.
        is_plain = plan.kind != "scatter" and not plan.is_fallback
        self.always_takes = (
            tuple(edge.index for edge in plan.outs)
            if is_plain and all(_is_bare(edge) for edge in plan.outs)
            else None
        )

    @property
    def chunk_size(self) -> int:
        """How many items of this scatter are in flight at once."""
        return int(self.plan.node.params.get("chunkSize") or DEFAULT_CHUNK_SIZE)

    @property
    def goes_on_past_failed_items(self) -> bool:
        """Whether a failed item of this scatter leaves null in its place."""
        return bool(self.plan.node.params.get("onItemError") == "continue")

    @property
    def worker_uses(self) -> str:
        """The implementation that each item of this scatter runs."""
        return str(self.plan.node.params["workerUsesKey"])


class Program:
    """A plan together with its compiled expressions."""

    def __init__(self, blueprint: Blueprint, expressions: Expressions) -> None:
        self.plan: Plan = compile_plan(blueprint)
        self.blueprint = blueprint
        self.hash = self.plan.hash
        nodes = self.plan.nodes
        self.nodes: dict[str, NodeProgram] = {
            id_: NodeProgram(plan, nodes, expressions.compile, _stood_for(nodes, plan))
            for id_, plan in nodes.items()
        }

    @property
    def edges(self) -> tuple[EdgePlan, ...]:
        """All edges, by index."""
        return self.plan.edges

    def subflows(self) -> set[str]:
        """Ids of the blueprints that this one starts as children, directly."""
        found: set[str] = set()
        for node in self.plan.nodes.values():
            params: Mapping[str, Any] = node.node.params
            if node.kind == "subflow":
                found.add(str(params["blueprintId"]))
            elif node.kind == "scatter" and params.get("workerUsesKey") == "subflow":
                found.add(str((params.get("workerParams") or {})["blueprintId"]))
        return found


def _is_bare(edge: EdgePlan) -> bool:
    return edge.action is None and edge.condition is None and edge.transform is None


def _stood_for(nodes: Mapping[str, NodePlan], plan: NodePlan) -> tuple[NodePlan, ...]:
    """The nodes whose edges this one decides when it stands in for them."""
    found: list[NodePlan] = []
    pending = list(plan.serves)
    while pending:
        owner = nodes[pending.pop()]
        found.append(owner)
        pending.extend(owner.serves)
    return tuple(found)
