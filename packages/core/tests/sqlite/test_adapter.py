"""Runs from their submission to their result, in a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flowcraft.adapter.options import RuntimeOptions
from flowcraft.blueprint import canonical_bytes, content_hash, load_blueprint
from flowcraft.errors import BackendError
from flowcraft.nodes import NodeRegistry
from flowcraft.sqlite import SqliteAdapter, SqliteBackend, SqliteSettings
from flowcraft.status import RunHeader, RunResult

DIAMOND = {
    "id": "diamond",
    "nodes": [{"id": node, "uses": "add"} for node in ("start", "left", "right")]
    + [{"id": "end", "uses": "total"}],
    "edges": [
        {"source": "start", "target": "left"},
        {"source": "start", "target": "right"},
        {"source": "left", "target": "end"},
        {"source": "right", "target": "end"},
    ],
}


async def add(value: int) -> int:
    return value + 1


async def total(values: dict[str, int]) -> int:
    return sum(values.values())


def options() -> RuntimeOptions:
    registry = NodeRegistry()
    registry.register(add, uses="add")
    registry.register(total, uses="total")
    return RuntimeOptions(registry=registry)


async def submit(adapter: SqliteAdapter, run_id: str, payload: Any) -> None:
    blueprint = load_blueprint(DIAMOND)
    hash_ = content_hash(blueprint)
    await adapter.ports.store.put_blueprint(hash_, canonical_bytes(blueprint))
    header = RunHeader(
        run_id=run_id,
        blueprint_id="diamond",
        blueprint_hash=hash_,
        blueprints={"diamond": hash_},
        created_at=adapter.parts.clock.now(),
    )
    await adapter.runs.create(header, payload)
    await adapter.runs.start(run_id)


async def result(adapter: SqliteAdapter, run_id: str) -> RunResult:
    async with asyncio.timeout(60):
        while True:
            (header,) = await adapter.ports.store.headers([run_id])
            assert header is not None
            if header.is_over:
                return await adapter.runs.result_of(run_id)
            await adapter.waker.wait(0.1)


@pytest.fixture
async def adapters(path: str) -> AsyncIterator[list[SqliteAdapter]]:
    """A client and two workers, each with the file open for itself."""
    made = [await SqliteAdapter.connect(options(), SqliteSettings(path=path)) for _ in range(3)]
    try:
        for worker in made[1:]:
            worker.start()
        yield made
    finally:
        for adapter in made:
            await adapter.stop(grace_seconds=5.0)
            await adapter.aclose()


async def test_runs_complete_whichever_worker_takes_them(adapters: list[SqliteAdapter]) -> None:
    client = adapters[0]
    runs = {f"run {i}": i for i in range(30)}
    await asyncio.gather(*(submit(client, run_id, i) for run_id, i in runs.items()))
    for run_id, i in runs.items():
        found = await result(client, run_id)
        assert (found.status, found.output) == ("completed", 2 * (i + 2))


async def test_a_run_outlives_the_process_that_submitted_it(path: str) -> None:
    client = SqliteAdapter(options(), SqliteSettings(path=path))
    await submit(client, "run", 1)
    await client.aclose()
    worker = SqliteAdapter(options(), SqliteSettings(path=path))
    worker.start()
    try:
        assert (await result(worker, "run")).output == 6
    finally:
        await worker.stop(grace_seconds=5.0)
        await worker.aclose()


async def test_adapters_may_share_a_file_that_stays_open(backend: SqliteBackend) -> None:
    one, two = (SqliteAdapter(options(), backend=backend) for _ in range(2))
    await submit(one, "run", 1)
    await one.aclose()
    (header,) = await two.ports.store.headers(["run"])
    assert header is not None


async def test_what_is_wrong_with_a_file_shows_when_it_is_connected(tmp_path: Any) -> None:
    settings = SqliteSettings(path=str(tmp_path / "nowhere" / "flow.db"))
    with pytest.raises(BackendError, match="Make it first"):
        await SqliteAdapter.connect(options(), settings)
