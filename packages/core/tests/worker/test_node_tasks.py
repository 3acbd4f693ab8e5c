"""Two workers on one event loop: the tasks of their nodes stay contained until both are gone."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.adapter.node_tasks import NODE, contain_node_tasks
from flowcraft.errors import NodeError


async def leave() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("first_to_end", [0, 1])
async def test_the_tasks_of_nodes_stay_contained_until_the_last_worker_ends(first_to_end):
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    releases = [contain_node_tasks(loop), contain_node_tasks(loop)]
    releases.pop(first_to_end)()
    NODE.set("n")
    try:
        with pytest.raises(NodeError, match="'n'"):
            await loop.create_task(leave())
    finally:
        NODE.set("")
        releases.pop()()
    assert loop.get_task_factory() is before
