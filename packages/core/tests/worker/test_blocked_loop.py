"""A node that blocks the event loop: its lease is kept for a time, and the log names it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from flowcraft import Flowcraft, create_flow
from flowcraft.adapter.holding import Holdings
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapter.watchdog import Watchdog
from flowcraft.memory.adapter import MemoryAdapter
from flowcraft.nodes import NodeRegistry
from flowcraft.testing import Stage, check, covers
from packages.core.tests.conformance.harnesses import MemoryHarness

LEASE_SECONDS = 3.0


class Heard(logging.Handler):
    """Remembers what the watchdog said, and lets a blocked loop wait for it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.blocked = threading.Event()
        self.given_up = threading.Event()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        if "is blocked;" in record.getMessage():
            self.blocked.set()
        if "given up" in record.getMessage():
            self.given_up.set()


@pytest.fixture
def heard():
    log = logging.getLogger("flowcraft.adapter.watchdog")
    handler, level = Heard(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


def memory_app(function, **settings) -> Flowcraft:
    app = Flowcraft(adapter="memory", lease_seconds=LEASE_SECONDS, **settings)
    flow = create_flow("flow")
    flow.node(function, id="only", uses="only")
    app.add(flow)
    return app


@covers("S12.29")
async def test_a_blocked_loop_keeps_its_lease_from_another_worker(
    make_app, start_process, tmp_path, until
):
    app = make_app(lease_seconds=LEASE_SECONDS)
    marker = tmp_path / "blocked"
    start_process("blocked", lease_seconds=LEASE_SECONDS)
    run = await app.submit("block_the_loop", str(marker))
    await until(marker.exists)
    started_at = time.time()
    start_process("idle", lease_seconds=LEASE_SECONDS)
    store = (await app.adapter()).ports.store
    async with asyncio.timeout(60):
        while True:
            leases = await store.leases(run.run_id, ["only"])
            if "only" in leases and leases["only"].until > started_at + 2 * LEASE_SECONDS:
                break
            await asyncio.sleep(0.05)
    marker.with_name("blocked.enough").touch()
    assert (await run.result(timeout=60)).output == "awake"
    assert len(marker.with_name("blocked.starts").read_text().splitlines()) == 1


@covers("S12.29", "S12.36")
async def test_a_loop_that_is_blocked_beyond_the_bound_loses_its_work_to_another_worker(
    make_app, start_process, tmp_path, until
):
    app = make_app()
    marker = tmp_path / "blocked"
    blocked = start_process("blocked", blocked_loop_seconds=1.0)
    run = await app.submit("block_the_loop", str(marker))
    await until(marker.exists)
    start_process("other")
    assert (await run.result(timeout=60)).output == "awake"
    starts = marker.with_name("blocked.starts").read_text().splitlines()
    assert starts[0] == str(blocked.pid)
    assert str(blocked.pid) not in starts[1:]
    log = tmp_path / "blocked.log"
    (line,) = [it for it in log.read_text().splitlines() if "given up" in it]
    assert " ERROR " in line
    for fact in (f"run={run.run_id}", "node=only", "attempt=1", "since=", "block_the_loop"):
        assert fact in line
    marker.with_name("blocked.enough").touch()
    await until(lambda: "the event loop runs again" in log.read_text())


@covers("S12.36")
async def test_a_blocked_loop_is_reported_once_with_the_node_that_blocks_it(heard, working):
    async def block(value):
        assert heard.blocked.wait(60)
        return "awake"

    app = memory_app(block)
    async with app, working(app) as worker:
        run = await app.submit("flow")
        assert (await run.result(timeout=60)).output == "awake"
    (record,) = [it for it in heard.records if it.levelno == logging.WARNING]
    what = (record.run, record.node, record.scope, record.attempt)
    assert what == (run.run_id, "only", "", 1)
    assert record.worker.startswith(f"{worker.name}.")
    assert record.blocked_seconds >= 1.0
    assert "block" in record.stack
    assert __file__ in record.stack


async def test_a_blocked_loop_is_traced_to_its_node_through_a_task_of_the_nodes_own(heard, working):
    async def block():
        assert heard.blocked.wait(60)

    async def gather(value):
        await asyncio.gather(block(), block())

    app = memory_app(gather)
    async with app, working(app):
        run = await app.submit("flow")
        await run.result(timeout=60)
    assert heard.records[0].node == "only"


@covers("S12.36")
async def test_a_blocked_loop_is_traced_to_its_node_among_others_that_wait(heard, working):
    waiting, release = asyncio.Event(), asyncio.Event()

    async def only(value):
        if value == "wait":
            waiting.set()
            await release.wait()
        else:
            assert heard.blocked.wait(60)
            release.set()

    app = memory_app(only)
    async with app, working(app):
        waits = await app.submit("flow", "wait")
        await waiting.wait()
        blocks = await app.submit("flow", "block")
        await blocks.result(timeout=60)
        await waits.result(timeout=60)
    (record,) = [it for it in heard.records if it.levelno == logging.WARNING]
    assert (record.run, record.held) == (blocks.run_id, 2)


async def test_the_memory_adapter_keeps_its_leases_as_well(heard, working):
    jobs = {}

    async def block(value):
        (job,) = jobs.values()
        taken_until, begun_at = job.visible_at, time.monotonic()
        while job.visible_at == taken_until:
            assert time.monotonic() < begun_at + 60
            time.sleep(0.01)
        return "awake"

    app = memory_app(block)
    async with app:
        adapter = await app.adapter()
        assert isinstance(adapter, MemoryAdapter)
        jobs = adapter.backend.tables.jobs
        async with working(app):
            run = await app.submit("flow")
            assert (await run.result(timeout=60)).output == "awake"


@covers("S12.37")
async def test_without_a_connection_for_another_thread_nothing_is_kept(heard, working, monkeypatch):
    asked = threading.Semaphore(0)
    jobs, seen = {}, []

    def no_ports(adapter):
        asked.release()

    async def block(value):
        (job,) = jobs.values()
        before = job.visible_at
        for _ in range(3):
            assert asked.acquire(timeout=60)
        seen.append(job.visible_at == before)

    monkeypatch.setattr(MemoryAdapter, "heartbeat_ports", no_ports)
    app = memory_app(block)
    async with app:
        jobs = (await app.adapter()).backend.tables.jobs
        async with working(app):
            await (await app.submit("flow")).result(timeout=60)
    assert seen[0] is True


@covers("S12.36")
def test_messages_are_kept_for_300_seconds_unless_set() -> None:
    assert RuntimeOptions(registry=NodeRegistry()).blocked_loop_seconds == 300.0


@covers("S12.29", "S12.36")
async def test_beyond_the_bound_nothing_is_kept(heard, working):
    starts = []

    async def block(value):
        starts.append(threading.get_ident())
        if len(starts) == 1:
            assert heard.given_up.wait(60)
        return "awake"

    app = memory_app(block, blocked_loop_seconds=0.0)
    async with app, working(app):
        run = await app.submit("flow")
        assert (await run.result(timeout=60)).output == "awake"
    (record,) = [it for it in heard.records if it.levelno == logging.ERROR]
    assert (record.run, record.node, record.attempt) == (run.run_id, "only", 1)
    assert record.held == 1


async def test_a_worker_that_stopped_leaves_no_thread(working):
    def watching():
        return [it for it in threading.enumerate() if it.name == "flowcraft-watchdog"]

    app = memory_app(lambda value: value)
    async with app:
        async with working(app):
            run = await app.submit("flow")
            await run.result(timeout=60)
            assert len(watching()) == 1
        assert watching() == []


@pytest.fixture
def harness():
    return MemoryHarness()


@check()
async def test_in_virtual_time_no_thread_is_started(stage: Stage) -> None:
    before = threading.active_count()
    worker = stage.worker()
    assert threading.active_count() == before
    await worker.adapter.stop()


def test_a_loop_that_was_closed_is_not_taken_for_a_blocked_one():
    loop = asyncio.new_event_loop()
    adapter = MemoryAdapter(RuntimeOptions(registry=NodeRegistry()), lease_seconds=0.3)

    async def make():
        return Watchdog(adapter.parts, Holdings(adapter.parts), lambda: None)

    watchdog = loop.run_until_complete(make())
    while watchdog._has_answered:  # until it has asked, and nobody will answer
        time.sleep(0.01)
    loop.close()
    watchdog._thread.join(60)
    assert not watchdog._thread.is_alive()
