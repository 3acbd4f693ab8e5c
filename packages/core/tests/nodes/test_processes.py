"""Nodes bound to the CPU: each executes in a process of its own, which its attempt ends with."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowcraft import create_flow, node
from flowcraft.errors import RegistrationError
from flowcraft.nodes import NodeOptions, NodeRegistry, ProcessPool
from flowcraft.runtime import FlowRuntime
from flowcraft.status import RunResult
from flowcraft.testing import covers
from packages.core.tests.nodes import cpu_nodes

PATIENCE_SECONDS = 60.0


def flow_of(function: Callable[..., Any], **settings: Any) -> Any:
    flow = create_flow("flow")
    flow.node(function, id="only", **settings)
    return flow


async def run(function: Callable[..., Any], payload: Any = None, **settings: Any) -> RunResult:
    flow = flow_of(function, **settings)
    runtime = FlowRuntime(registry=flow.registry, cpu_processes=1)
    try:
        return await runtime.run(flow.to_blueprint(), payload)
    finally:
        runtime.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.01)


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


# -- what it is given, and what it gives


@covers("S12.28")
async def test_it_executes_in_a_process_that_was_started_for_it() -> None:
    result = await run(cpu_nodes.whereabouts)
    assert result.output["process"] != os.getpid()
    assert result.output["parent"] == os.getpid()


@covers("S12.28")
async def test_it_gets_its_declared_input_the_run_and_params_and_names_an_action() -> None:
    flow = create_flow("flow")
    first = flow.node(cpu_nodes.describe, id="first", params={"more": [1]})
    flow.edge(first, flow.node(lambda value: value, uses="big", id="big"), action="big")
    flow.edge(first, flow.node(lambda value: value, uses="small", id="small"))
    runtime = FlowRuntime(registry=flow.registry, cpu_processes=1)
    result = await runtime.run(flow.to_blueprint(), {"id": 7, "tags": []}, run_id="r1")
    runtime.close()
    said = {"id": 7 * 10**30, "run": "r1", "node": "first", "more": [1]}
    assert result.output == {"big": said}


async def test_what_it_changes_nobody_else_sees() -> None:
    flow = create_flow("flow")
    start = flow.node(lambda value: value, uses="start", id="start")
    for name in ("a", "b"):
        flow.edge(start, flow.node(cpu_nodes.change, id=name, params={"of": name}))
    other = flow.node(lambda value: value, uses="other", id="other")
    flow.edge(start, other)
    runtime = FlowRuntime(registry=flow.registry, cpu_processes=1)
    blueprint = flow.to_blueprint()
    for _ in range(2):
        result = await runtime.run(blueprint, {})
        assert result.output == {"a": {"changed": True}, "b": {"changed": True}, "other": {}}
    runtime.close()
    assert [dict(it.params) for it in blueprint.nodes if it.params] == [{"of": "a"}, {"of": "b"}]


async def test_an_input_that_does_not_fit_fails_it_and_names_the_field() -> None:
    result = await run(cpu_nodes.describe, {"id": "x", "tags": []}, attempts=2)
    (error,) = result.errors
    assert (error.type, error.attempt) == ("InputError", 1)
    assert "id" in error.message


@pytest.mark.parametrize(
    ("value", "type", "message", "cause", "attempt"),
    [
        ("own", "OwnError", "1 and 2", "KeyError: 'why'", 2),
        ("other", "ValueError", "not worth it", "", 1),
        ("later", "RetryAfter", "in a moment", "", 2),
        ("exit", "NodeError", "raised SystemExit", "SystemExit: 3", 1),
        ("half", "ValueError", "caf\\udce9", "", 1),
        ("deep", "RecursionError", "maximum recursion depth", "", 1),
    ],
)
async def test_its_errors_read_as_they_do_in_a_thread(
    value: str, type: str, message: str, cause: str, attempt: int
) -> None:
    settings: dict[str, Any] = {"attempts": 2, "retry_delay_seconds": 0}
    (there,) = (await run(cpu_nodes.fail, value, **settings)).errors
    in_thread = node(retry_on=cpu_nodes.OwnError)(lambda value: cpu_nodes.fail(value))
    (here,) = (await run(in_thread, value, uses="in_thread", **settings)).errors
    assert (there.type, there.cause, there.attempt) == (type, cause, attempt)
    assert message in there.message
    assert there == here


@covers("S2.2", "S12.28")
@pytest.mark.parametrize(
    ("value", "named"), [("coroutine", "await it in the node"), ("set", "set")]
)
async def test_a_result_that_is_no_json_is_refused_by_name(value: str, named: str) -> None:
    (error,) = (await run(cpu_nodes.no_json, value)).errors
    assert error.type == "ValueNotStorableError"
    assert "output of node 'only'" in error.message
    assert named in error.message


def test_what_it_prints_comes_out_where_its_worker_prints(tmp_path: Path) -> None:
    done = run_script(tmp_path, SCRIPT)
    assert done.stdout.splitlines() == ["computing in __mp_main__", "14"]


# -- processes that die, and processes that are ended


@covers("S12.35")
@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("exit", "exited with code 7"),
        ("kill", "was ended by SIGKILL"),
        ("nameless", f"was ended by signal {signal.SIGRTMIN + 3}"),
    ],
)
async def test_a_process_that_dies_fails_the_attempt_and_says_how(how: str, named: str) -> None:
    (error,) = (await run(cpu_nodes.die, how)).errors
    assert (error.node, error.type, error.attempt) == ("only", "NodeProcessError", 1)
    assert named in error.message


async def test_what_is_no_text_in_the_path_of_modules_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [tmp_path, *sys.path])
    assert (await run(cpu_nodes.close_stdout, 1)).output == 1


async def test_an_answer_that_cannot_be_taken_fails_the_attempt_and_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("flowcraft.nodes.processes.receive", no_room)
    (error,) = (await run(cpu_nodes.whereabouts)).errors
    assert error.type == "NodeProcessError"
    assert "MemoryError" in error.message


@covers("S12.35")
async def test_after_a_process_died_the_next_attempt_gets_another_one(tmp_path: Path) -> None:
    marker = str(tmp_path / "died")
    result = await run(cpu_nodes.die_once, marker, attempts=2, retry_delay_seconds=0)
    assert result.output == "lived"


@covers("S12.35")
async def test_a_process_that_dies_takes_no_other_attempt_with_it(tmp_path: Path) -> None:
    marker = tmp_path / "computing"
    busy = flow_of(cpu_nodes.compute_for_ever)
    runtime = FlowRuntime(registry=busy.registry, cpu_processes=2)
    computing = runtime.start(busy.to_blueprint(), str(marker))
    await until(marker.exists)
    killer = flow_of(cpu_nodes.die)
    busy.registry.include(killer.registry)
    result = await runtime.run(killer.to_blueprint(), "kill")
    assert result.errors[0].type == "NodeProcessError"
    assert computing.status() == "running"
    computing.cancel()
    await until(lambda: is_gone(int(marker.read_text())))
    runtime.close()


@covers("S12.34")
async def test_a_process_whose_attempt_took_too_long_is_ended(tmp_path: Path) -> None:
    marker = tmp_path / "computing"
    flow = flow_of(cpu_nodes.compute_for_ever, timeout_seconds=3)
    runtime = FlowRuntime(registry=flow.registry)
    result = await runtime.run(flow.to_blueprint(), str(marker))
    assert [error.type for error in result.errors] == ["NodeTimeoutError"]
    await until(lambda: not marker.exists() or is_gone(int(marker.read_text())))
    runtime.close()


@covers("S12.34")
async def test_closing_ends_what_still_computes(tmp_path: Path) -> None:
    marker = tmp_path / "computing"
    flow = flow_of(cpu_nodes.compute_for_ever)
    runtime = FlowRuntime(registry=flow.registry)
    runtime.start(flow.to_blueprint(), str(marker))
    await until(marker.exists)
    runtime.close()
    assert is_gone(int(marker.read_text()))


async def test_a_signal_to_the_whole_group_does_not_end_what_the_worker_waits_for() -> None:
    assert (await run(cpu_nodes.survive_a_signal)).output == "lived"


async def test_no_more_processes_are_there_than_were_asked_for() -> None:
    flow = create_flow("flow")
    start = flow.node(lambda value: list(range(6)), uses="start", id="start")
    flow.map(cpu_nodes.whereabouts, over=start, id="each")
    runtime = FlowRuntime(registry=flow.registry, cpu_processes=2)
    result = await runtime.run(flow.to_blueprint())
    runtime.close()
    assert 1 <= len({found["process"] for found in result.output}) <= 2


async def test_who_waits_for_a_process_gets_the_one_that_becomes_free() -> None:
    pool = ProcessPool(1)
    entered: list[str] = []

    async def enter(name: str) -> None:
        async with pool.room():
            entered.append(name)

    async with pool.room():
        waiting = asyncio.create_task(enter("second"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert entered == []
    await waiting
    pool.close()


# -- where its code is found


def nested() -> Callable[..., Any]:
    def inside(value: Any) -> Any:
        return value

    return inside


class Callables:
    def method(self, value: Any) -> Any:
        return value


@covers("S12.28")
@pytest.mark.parametrize(
    "function",
    [nested(), lambda value: value, partial(cpu_nodes.die, "exit"), Callables().method],
    ids=["nested", "lambda", "partial", "method"],
)
def test_a_function_that_another_process_would_not_find_is_refused(function: Any) -> None:
    with pytest.raises(RegistrationError, match="top of a module"):
        NodeRegistry().register(function, uses="it", options=NodeOptions(cpu=True))


def test_an_exception_that_another_process_would_not_find_is_refused() -> None:
    class LocalError(Exception):
        pass

    options = NodeOptions(cpu=True, retry_on=(LocalError,))
    with pytest.raises(RegistrationError, match="top of a module"):
        NodeRegistry().register(cpu_nodes.die, uses="it", options=options)


async def test_a_function_that_another_one_stands_in_for_is_not_executed() -> None:
    (error,) = (await run(cpu_nodes.wrapped.__wrapped__, uses="it")).errors
    assert error.type == "RegistrationError"
    assert "outermost decorator" in error.message


SCRIPT = """
import asyncio
from flowcraft import create_flow, node
from flowcraft.runtime import FlowRuntime


@node(cpu=True)
def double(value: int) -> int:
    print("computing in", __name__)
    return value * 2


async def main() -> None:
    flow = create_flow("flow")
    flow.node(double)
    runtime = FlowRuntime(registry=flow.registry)
    result = await runtime.run(flow.to_blueprint(), 7)
    print(result.output or result.errors[0].message)


if __name__ == "__main__":
    asyncio.run(main())
"""


def run_script(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text)
    command = [sys.executable, *(options or ["script.py"])]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_script_run_as_a_module_is_found_by_the_modules_name(tmp_path: Path) -> None:
    done = run_script(tmp_path, SCRIPT, "-m", "script")
    assert done.stdout.splitlines() == ["computing in script", "14"]


def test_a_script_that_does_not_guard_its_start_is_told_to(tmp_path: Path) -> None:
    done = run_script(tmp_path, SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    inner, *outer = done.stdout.splitlines()
    assert 'put what it does behind `if __name__ == "__main__":`' in inner
    assert outer == ["computing in __mp_main__", "14"]
