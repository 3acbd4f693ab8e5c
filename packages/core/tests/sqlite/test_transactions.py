"""What work costs in transactions of the file, counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from flowcraft.adapter.options import RuntimeOptions
from flowcraft.blueprint import canonical_bytes, content_hash, load_blueprint
from flowcraft.engine.program import Program
from flowcraft.expressions import Expressions
from flowcraft.nodes import NodeRegistry
from flowcraft.sqlite import SqliteAdapter, SqliteSettings
from flowcraft.status import RunHeader

LENGTH = 50
NAMES = [f"n{number}" for number in range(LENGTH)]
CHAIN = {
    "id": "chain",
    "nodes": [{"id": name, "uses": "add"} for name in NAMES],
    "edges": [{"source": source, "target": target} for source, target in pairwise(NAMES)],
}


async def add(value: int) -> int:
    return value + 1


def options() -> RuntimeOptions:
    registry = NodeRegistry()
    registry.register(add, uses="add")
    # Nothing that comes by the clock is counted.
    return RuntimeOptions(registry=registry, poll_seconds=600.0, sweep_interval_seconds=600.0)


@pytest.fixture
async def adapters(path: str) -> AsyncIterator[list[SqliteAdapter]]:
    """A client and a worker."""
    made = [await SqliteAdapter.connect(options(), SqliteSettings(path=path)) for _ in range(2)]
    try:
        yield made
    finally:
        for adapter in made:
            await adapter.stop(grace_seconds=5.0)
            await adapter.aclose()


async def submit(client: SqliteAdapter, run_ids: list[str]) -> None:
    """Submit chains at once."""
    program = Program(load_blueprint(CHAIN), Expressions())
    content = content_hash(program.blueprint)
    await client.ports.store.put_blueprint(content, canonical_bytes(program.blueprint))
    headers = [
        RunHeader(run_id=run_id, blueprint_id="chain", blueprint_hash=content) for run_id in run_ids
    ]
    await asyncio.gather(*(client.runs.begin(header, 0, program) for header in headers))


async def until_over(client: SqliteAdapter, run_ids: list[str]) -> None:
    async with asyncio.timeout(60):
        while True:
            since = client.waker.wakes
            headers = await client.ports.store.headers(run_ids)
            if all(header is not None and header.is_over for header in headers):
                return
            if client.waker.wakes == since:
                await client.waker.wait(0.1)


async def test_runs_that_are_submitted_together_are_one_transaction(
    adapters: list[SqliteAdapter],
) -> None:
    client, _ = adapters
    before = client.backend.transactions
    await submit(client, [f"r{number}" for number in range(100)])
    assert client.backend.transactions == before + 2  # the blueprint's, and theirs


async def test_a_chain_costs_a_transaction_a_node(adapters: list[SqliteAdapter]) -> None:
    client, worker = adapters
    await submit(client, ["r"])
    before = worker.backend.transactions
    worker.start()
    await until_over(client, ["r"])
    # Beside these: to take the job, to meet the blueprint, and at each news to find no other job.
    assert worker.backend.transactions - before <= LENGTH + 20


async def test_many_chains_share_their_transactions(adapters: list[SqliteAdapter]) -> None:
    client, worker = adapters
    run_ids = [f"r{number}" for number in range(40)]
    await submit(client, run_ids)
    before = worker.backend.transactions
    worker.start()
    await until_over(client, run_ids)
    assert worker.backend.transactions - before <= 4 * LENGTH
