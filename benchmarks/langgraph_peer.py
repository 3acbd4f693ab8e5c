"""LangGraph with its memory saver, or with its SQLite saver on the file named in the arguments.

A peer: see `benchmarks.peer`.

Imports nothing of ours: it runs in an interpreter that may have LangGraph alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import operator
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from itertools import count
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

ORDER = {"id": 7, "count": 0, "lines": [1, 2.5, "three"], "note": ""}


class One(TypedDict):
    """What passes along a chain."""

    order: dict[str, Any]


class Many(TypedDict):
    """What the branches of a fan leave behind."""

    order: dict[str, Any]
    orders: Annotated[list[dict[str, Any]], operator.add]
    total: int


async def pass_on(state: One) -> dict[str, Any]:
    """Take a value, change it a little, hand it on."""
    return {"order": {**state["order"], "count": state["order"]["count"] + 1}}


async def branch(state: Many) -> dict[str, Any]:
    """Do the same beside others."""
    return {"orders": [{**state["order"], "count": state["order"]["count"] + 1}]}


async def collect(state: Many) -> dict[str, Any]:
    """Take the values of all branches."""
    return {"total": sum(order["count"] for order in state["orders"])}


def chain(length: int) -> Any:
    """One node after the other."""
    graph: Any = StateGraph(One)
    before = START
    for number in range(length):
        graph.add_node(f"n{number}", pass_on)
        graph.add_edge(before, f"n{number}")
        before = f"n{number}"
    graph.add_edge(before, END)
    return graph


def fan(width: int) -> Any:
    """One node, `width` side by side after it, and one that joins them."""
    graph: Any = StateGraph(Many)
    graph.add_node("first", pass_on)
    graph.add_node("last", collect)
    graph.add_edge(START, "first")
    names = [f"n{number}" for number in range(width)]
    for name in names:
        graph.add_node(name, branch)
        graph.add_edge("first", name)
    graph.add_edge(names, "last")
    graph.add_edge("last", END)
    return graph


@asynccontextmanager
async def saver(arguments: list[str]) -> AsyncIterator[Any]:
    """The saver that the arguments ask for."""
    if not arguments:
        yield InMemorySaver()
        return
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    _, path = arguments
    async with AsyncSqliteSaver.from_conn_string(path) as made:
        yield made


def runner(shape: str, size: int, keeper: Any) -> Callable[[], Awaitable[None]]:
    """Compile a graph, and give what runs it once."""
    graph = {"chain": chain, "fan": fan}[shape](size).compile(checkpointer=keeper)
    threads = count()

    async def run() -> None:
        thread = f"{shape} {size} {next(threads)}"
        config = {"configurable": {"thread_id": thread}, "recursion_limit": size + 10}
        payload = {"order": ORDER} if shape == "chain" else {"order": ORDER, "orders": []}
        result = await graph.ainvoke(payload, config)
        expected = (result["order"]["count"], size) if shape == "chain" else (
            result["total"], 2 * size)  # fmt: skip
        assert expected[0] == expected[1], result

    return run


async def main() -> None:
    """Answer one line after the other."""
    async with saver(sys.argv[1:]) as keeper:
        kind = sys.argv[1] if sys.argv[1:] else "memory"
        print(json.dumps({"name": f"LangGraph {version('langgraph')}, {kind} saver"}), flush=True)
        runners: dict[tuple[str, int], Callable[[], Awaitable[None]]] = {}
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            place = asked["shape"], asked["size"]
            if place not in runners:
                runners[place] = runner(*place, keeper)
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            await runners[place]()
            taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
