"""Nodes: what users write, how it is bound, and how a driver calls it."""

from flowcraft.nodes.base_node import BaseNode
from flowcraft.nodes.binding import RunInThread
from flowcraft.nodes.dependencies import Depends
from flowcraft.nodes.implementation import Mode, NodeImplementation, thread_runner
from flowcraft.nodes.options import NodeOptions, node, options_of
from flowcraft.nodes.processes import ProcessPool, RunInProcess
from flowcraft.nodes.registry import BUILT_IN_KEYS, NodeRegistry, default_uses
from flowcraft.nodes.result import Context, NodeResult, RunInfo

__all__ = [
    "BUILT_IN_KEYS",
    "BaseNode",
    "Context",
    "Depends",
    "Mode",
    "NodeImplementation",
    "NodeOptions",
    "NodeRegistry",
    "NodeResult",
    "ProcessPool",
    "RunInProcess",
    "RunInThread",
    "RunInfo",
    "default_uses",
    "node",
    "options_of",
    "thread_runner",
]
