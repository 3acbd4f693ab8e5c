"""The graphs that are run everywhere, of functions that do next to nothing.

What passes from node to node is a small mapping, so that reading, checking and writing a value
is part of each figure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from flowcraft import Flow, create_flow, node

ORDER = {"id": 7, "count": 0, "lines": [1, 2.5, "three"], "note": ""}
"""The payload."""


async def pass_on(order: dict[str, Any]) -> dict[str, Any]:
    """Take a value, change it a little, hand it on."""
    return {**order, "count": order["count"] + 1}


async def pass_on_after_others(order: dict[str, Any]) -> dict[str, Any]:
    """Do as `pass_on`, after the event loop gave others their turn."""
    await asyncio.sleep(0)
    return {**order, "count": order["count"] + 1}


async def collect(orders: dict[str, Any]) -> int:
    """Take the values of all branches."""
    return sum(order["count"] for order in orders.values())


async def listed(count: int) -> list[int]:
    """Make a list for a batch."""
    return list(range(count))


async def add_one(number: int) -> int:
    """Work on an item of a batch."""
    return number + 1


def pass_on_in_thread(order: dict[str, Any]) -> dict[str, Any]:
    """Do as `pass_on`, in a thread, as functions that are not async do."""
    return {**order, "count": order["count"] + 1}


@node(quick=True)
def pass_on_inline(order: dict[str, Any]) -> dict[str, Any]:
    """Do as `pass_on`, on the event loop, though it is not async."""
    return {**order, "count": order["count"] + 1}


def chain(length: int, function: Callable[..., Any] = pass_on) -> Flow:
    """One node after the other."""
    flow = create_flow(f"chain-{length}")
    before = flow.node(function, id="n0")
    for number in range(1, length):
        after = flow.node(function, id=f"n{number}")
        flow.edge(before, after)
        before = after
    return flow


def fan(width: int, function: Callable[..., Any] = pass_on) -> Flow:
    """One node, `width` side by side after it, and one that joins them; two make a diamond."""
    flow = create_flow(f"fan-{width}")
    first, last = flow.node(pass_on, id="first"), flow.node(collect, id="last")
    for number in range(width):
        branch = flow.node(function, id=f"n{number}")
        flow.edge(first, branch)
        flow.edge(branch, last)
    return flow


def batch() -> Flow:
    """As many items as the payload says."""
    flow = create_flow("batch")
    flow.map(add_one, over=flow.node(listed, id="listed"), id="items")
    return flow
