"""Durable workflow graphs on the queue and database you already have.

    from flowcraft import Flowcraft, create_flow

    def greet(name: str) -> str:
        return f"Hello, {name}"

    flow = create_flow("greeting")
    flow.node(greet)

    app = Flowcraft()
    app.add(flow)

What a client or a worker needs beyond that is imported when it is used.
"""

from typing import TYPE_CHECKING, Any

from flowcraft import errors
from flowcraft.app import Flowcraft
from flowcraft.blueprint import Blueprint, load_blueprint
from flowcraft.builder import Flow, NodeRef, create_flow
from flowcraft.errors import FlowcraftError, NonRetryableError, RetryAfter
from flowcraft.events import RunEvent
from flowcraft.nodes import BaseNode, Context, Depends, NodeResult, RunInfo, node
from flowcraft.status import RunPage, RunResult, RunSummary

if TYPE_CHECKING:
    from flowcraft.client.handle import RunHandle
    from flowcraft.worker import Worker

__all__ = [
    "BaseNode",
    "Blueprint",
    "Context",
    "Depends",
    "Flow",
    "Flowcraft",
    "FlowcraftError",
    "NodeRef",
    "NodeResult",
    "NonRetryableError",
    "RetryAfter",
    "RunEvent",
    "RunHandle",
    "RunInfo",
    "RunPage",
    "RunResult",
    "RunSummary",
    "Worker",
    "create_flow",
    "errors",
    "load_blueprint",
    "node",
]


def __getattr__(name: str) -> Any:
    """Import what drags the whole adapter base along only for those who ask for it."""
    if name == "RunHandle":
        from flowcraft.client.handle import RunHandle

        return RunHandle
    if name == "Worker":
        from flowcraft.worker import Worker

        return Worker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
