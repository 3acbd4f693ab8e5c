"""What a node may do wrong: it costs its own run, and neither the worker nor anybody else's."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flowcraft import Flowcraft, create_flow
from flowcraft.testing import covers


@pytest.fixture
async def sqlite_app(tmp_path):
    app = Flowcraft(
        adapter="sqlite",
        path=str(tmp_path / "flow.db"),
        drain_seconds=0.0,
        largest_value_bytes=5000,
    )
    async with app:
        yield app


def add(app: Flowcraft, function: Callable[..., Any], id: str = "bad", **settings: Any) -> None:
    flow = create_flow(id)
    flow.node(function, id="only", uses=id, **settings)
    app.add(flow)


async def answer(value: Any) -> Any:
    return value


# -- what it raises and returns


async def exit_in_a_task(value: Any) -> None:
    async def leave() -> None:
        sys.exit(3)

    await asyncio.gather(leave())


async def interrupt_in_a_task(value: Any) -> None:
    async def interrupt() -> None:
        await asyncio.sleep(0)
        raise KeyboardInterrupt

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(interrupt())


async def exit_at_once(value: Any) -> None:
    sys.exit(3)


def exit_in_a_thread(value: Any) -> None:
    sys.exit(3)


def recurse(value: Any) -> Any:
    return recurse(value)


async def give_an_open_file(value: Any) -> Any:
    with open(__file__) as file:
        return file


async def give_a_generator(value: Any) -> Any:
    return (it for it in [1])


async def give_too_much(value: Any) -> Any:
    return "x" * 6000


async def give_nothing_finite(value: Any) -> Any:
    return {"price": [1.0, float("nan")]}


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        (exit_in_a_task, "NodeError", ["node 'only' raised SystemExit(3)"]),
        (interrupt_in_a_task, "ExceptionGroup", ["unhandled errors in a TaskGroup"]),
        (exit_at_once, "NodeError", ["node 'only' raised SystemExit(3)"]),
        (exit_in_a_thread, "NodeError", ["node 'only' raised SystemExit(3)"]),
        (recurse, "RecursionError", ["maximum recursion depth"]),
        (give_an_open_file, "ValueNotStorableError", ["output of node 'only'", "TextIOWrapper"]),
        (give_a_generator, "ValueNotStorableError", ["generator", "make it a list"]),
        (give_too_much, "PayloadTooLargeError", ["output of node 'only'", "5.9 KiB", "4.9 KiB"]),
        (give_nothing_finite, "ValueNotStorableError", ["output of node 'only'", "price[1]"]),
    ],
)
async def test_it_fails_its_run_and_says_why_and_the_worker_goes_on(
    sqlite_app, working, function, kind, words
):
    add(sqlite_app, function)
    add(sqlite_app, answer, "good")
    async with working(sqlite_app):
        result = await (await sqlite_app.submit("bad")).result(timeout=60)
        good = await (await sqlite_app.submit("good", 7)).result(timeout=60)
    assert (good.status, good.output) == ("completed", 7)
    (error,) = result.errors
    assert (result.status, error.node, error.type, error.attempt) == ("failed", "only", kind, 1)
    for word in words:
        assert word in error.message


async def test_a_forgotten_await_is_named(sqlite_app, working):
    forgotten: list[Any] = []

    async def forget(value: Any) -> Any:
        forgotten.append(answer(value))
        return forgotten[-1]

    add(sqlite_app, forget)
    async with working(sqlite_app):
        result = await (await sqlite_app.submit("bad")).result(timeout=60)
    forgotten[0].close()
    assert "coroutine" in result.errors[0].message
    assert "await it in the node" in result.errors[0].message


async def test_a_node_that_changes_its_input_changes_it_for_nobody_else(sqlite_app, working):
    async def spoil(value: Any) -> Any:
        value["list"].append("spoilt")
        return value

    flow = create_flow("flow")
    first = flow.node(answer, uses="answer", id="first")
    for name in ("a", "b"):
        flow.edge(first, flow.node(spoil, uses="spoil", id=name))
    flow.edge(flow.node(spoil, uses="spoil", id="also_first"), flow.node(answer, uses="answer"))
    sqlite_app.add(flow)
    async with working(sqlite_app):
        run = await sqlite_app.submit("flow", {"list": []})
        result = await run.result(timeout=60)
    assert result.output == {name: {"list": ["spoilt"]} for name in ("a", "b", "answer")}
    assert result.context == {"list": []}


# -- what it leaves behind


async def test_the_error_of_a_task_that_it_left_behind_is_logged_with_its_name(
    sqlite_app, working, caplog
):
    failed = asyncio.Event()

    async def fail_later() -> None:
        failed.set()
        raise ValueError("left behind")

    async def leave(value: Any) -> str:
        asyncio.get_running_loop().create_task(fail_later())
        return "done"

    add(sqlite_app, leave)
    with caplog.at_level(logging.ERROR, "asyncio"):
        async with working(sqlite_app):
            result = await (await sqlite_app.submit("bad")).result(timeout=60)
            await failed.wait()
            await asyncio.sleep(0)
            gc.collect()
    assert result.output == "done"
    said = [record.getMessage() for record in caplog.records if record.name == "asyncio"]
    assert any("fail_later of node 'only'" in text for text in said)


async def test_tasks_that_are_not_a_nodes_are_made_as_before(sqlite_app, working):
    loop = asyncio.get_running_loop()
    async with working(sqlite_app):
        task = loop.create_task(asyncio.sleep(0))
        assert asyncio.iscoroutine(task.get_coro())
        assert "of node" not in repr(task)
        await task
    assert loop.get_task_factory() is None


@covers("S12.14", "S12.38")
async def test_a_worker_ends_with_0_although_a_node_and_its_task_never_end(
    app, start_process, tmp_path, until
):
    marker = tmp_path / "started"
    worker = start_process("w1")
    run = await app.submit("never_end", str(marker))
    await until(marker.exists)
    worker.send_signal(signal.SIGTERM)
    await until(lambda: worker.poll() is not None)
    assert worker.returncode == 0
    log = (tmp_path / "w1.log").read_text()
    (line,) = [it for it in log.splitlines() if "does not end" in it]
    assert f"run={run.run_id} node=only attempt=1" in line
    assert await run.status() == "running"


async def test_what_it_prints_harms_nobody(app, start_process):
    start_process("w1")
    run = await app.submit("print_much")
    assert (await run.result(timeout=60)).output == "printed"


# -- when it takes the process with it


async def test_a_node_that_exits_the_process_fails_at_last_and_other_runs_finish(
    app, start_process, tmp_path
):
    killer = await app.submit("exit_the_process", str(tmp_path / "exit"))
    others = [await app.submit("answer", number) for number in range(5)]
    ending = asyncio.create_task(killer.result(timeout=60))
    worker = None
    while not ending.done():
        if worker is None or worker.poll() is not None:
            worker = start_process("w1", max_deliveries=2)
        await asyncio.wait([ending], timeout=0.05)
    result = await ending
    (error,) = result.errors
    assert (error.node, error.type) == ("only", "DeliveryLimitError")
    assert "no worker lived to record an outcome" in error.message
    # The first delivery is not counted: it may be anybody's. A sweeper may have sent one more.
    assert 3 <= len((tmp_path / "exit.starts").read_text().splitlines()) <= 4
    outputs = [(await run.result(timeout=60)).output for run in others]
    assert outputs == list(range(5))
