"""Workflow graphs as data: the model, its JSON form, its rules, and the plan made from it."""

from flowcraft.blueprint.durations import duration_seconds
from flowcraft.blueprint.mermaid import mermaid
from flowcraft.blueprint.model import (
    ALIASES,
    BUILT_INS,
    Blueprint,
    Edge,
    JoinStrategy,
    Node,
    NodeConfig,
    NodeKind,
    kind_of,
)
from flowcraft.blueprint.node_rules import id_fault
from flowcraft.blueprint.parse import canonical_bytes, content_hash, parse_blueprint, read, to_json
from flowcraft.blueprint.plan import EdgePlan, NodePlan, Plan, compile_plan
from flowcraft.blueprint.validate import ExpressionCompiler, load_blueprint, validate

__all__ = [
    "ALIASES",
    "BUILT_INS",
    "Blueprint",
    "Edge",
    "EdgePlan",
    "ExpressionCompiler",
    "JoinStrategy",
    "Node",
    "NodeConfig",
    "NodeKind",
    "NodePlan",
    "Plan",
    "canonical_bytes",
    "compile_plan",
    "content_hash",
    "duration_seconds",
    "id_fault",
    "kind_of",
    "load_blueprint",
    "mermaid",
    "parse_blueprint",
    "read",
    "to_json",
    "validate",
]
