"""`Flowcraft`: an application's blueprints, nodes and settings, and the door to its runs.

    app = Flowcraft(url="sqlite:///orders.db")
    app.add(order_flow)

    async with app:
        run = await app.submit("order", {"id": 7}, idempotency_key="order-7")
        result = await run.result(timeout=30)

The same object is what a worker is started with: `flowcraft worker orders:app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flowcraft.blueprint import Blueprint
from flowcraft.builder import Flow
from flowcraft.client.book import BlueprintBook
from flowcraft.client.choice import AdapterChoice
from flowcraft.clock import Clock, SystemClock
from flowcraft.errors import SettingsError
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeRegistry
from flowcraft.nodes import node as attach_options

if TYPE_CHECKING:
    from flowcraft.client.connection import Connection
    from flowcraft.client.handle import RunHandle
    from flowcraft.worker import Worker

ImplementationT = TypeVar("ImplementationT", bound=Callable[..., Any])
Lifespan = Callable[["Flowcraft"], AbstractAsyncContextManager[Any]]
"""Opens what nodes share, once in each worker process; what it yields is what `Depends` finds."""
