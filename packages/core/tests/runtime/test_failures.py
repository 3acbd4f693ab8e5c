"""Attempts, timeouts, fallbacks, deadlines, cancelling, and what fails a run in one process."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from flowcraft.errors import (
    BlueprintError,
    NonRetryableError,
    RetryAfter,
    RunError,
    UnknownBlueprintError,
    ValueNotStorableError,
)
from flowcraft.nodes import BaseNode, Context, RunInfo
from flowcraft.testing import covers


def fails(times: int, error: type[Exception] = ValueError) -> Any:
    """Write a node that raises in its first attempts."""

    async def flaky(input: Any, run: RunInfo, ctx: Context) -> str:
        await ctx.set("attempt", run.attempt)
        if run.attempt <= times:
            raise error(f"attempt {run.attempt}")
        return f"attempt {run.attempt}"

    return flaky


# --- attempts ---------------------------------------------------------------------------------


@covers("S7.3", "S7.26")
def test_a_node_is_tried_again_after_growing_delays(lab, graph):
    lab.register("flaky", fails(2))
    blueprint = graph({"a": {"uses": "flaky", "config": {"maxRetries": 3, "retryDelay": 100}}})
    result = lab.run(blueprint)
    assert (result.output, result.context) == ("attempt 3", {"attempt": 3})
    assert lab.seconds == pytest.approx(0.3)


def test_a_node_that_always_fails_fails_the_run_after_its_attempts(lab, graph):
    lab.register("flaky", fails(9))
    result = lab.run(graph({"a": {"uses": "flaky", "config": {"maxRetries": 2}}}))
    (error,) = result.errors
    assert (result.status, result.output, result.context) == ("failed", None, {})
    assert (error.node, error.attempt, error.type) == ("a", 2, "ValueError")
    assert error.message == "attempt 2"


def test_an_error_that_must_not_be_retried_is_final(lab, graph):
    lab.register("flaky", fails(9, NonRetryableError))
    result = lab.run(graph({"a": {"uses": "flaky", "config": {"maxRetries": 5}}}))
    assert (result.errors[0].attempt, lab.seconds) == (1, 0)


def test_a_node_names_its_own_delay(lab, graph):
    async def busy(run: RunInfo) -> int:
        if run.attempt == 1:
            raise RetryAfter(timedelta(minutes=7))
        return run.attempt

    lab.register("busy", busy)
    result = lab.run(graph({"a": {"uses": "busy", "config": {"maxRetries": 2}}}))
    assert (result.output, lab.seconds) == (2, 420)


def test_an_attempt_beyond_its_timeout_has_failed(lab, graph):
    async def hangs(run: RunInfo) -> int:
        await asyncio.sleep(100 if run.attempt == 1 else 0)
        return run.attempt

    lab.register("hangs", hangs)
    config = {"timeout": 2000, "maxRetries": 2, "retryDelay": 500}
    assert lab.run(graph({"a": {"uses": "hangs", "config": config}})).output == 2
    assert lab.seconds == 2.5
    result = lab.run(graph({"a": {"uses": "hangs", "config": {"timeout": 2000}}}))
    assert result.errors[0].message == "node 'a' took longer than 2000 ms"
    assert result.errors[0].type == "NodeTimeoutError"


def test_a_node_that_makes_nothing_of_its_timeout_has_failed_all_the_same(lab, graph):
    async def deaf() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(100)
        return "too late"

    lab.register("deaf", deaf)
    result = lab.run(graph({"a": {"uses": "deaf", "config": {"timeout": 2000}}}))
    assert [error.type for error in result.errors] == ["NodeTimeoutError"]


def test_a_class_falls_back_by_itself_after_a_timeout(lab, graph):
    class Careful(BaseNode):
        async def exec(self, prepared: Any, ctx: Context) -> str:
            await asyncio.sleep(100)
            return "never"

        async def fallback(self, error: Exception, ctx: Context) -> str:
            await ctx.set("fell", True)
            return type(error).__name__

    lab.register("careful", Careful)
    result = lab.run(graph({"a": {"uses": "careful", "config": {"timeout": 10}}}))
    assert (result.output, result.context) == ("NodeTimeoutError", {"fell": True})


def test_system_exit_is_a_failure_of_its_node(lab, graph):
    async def leave() -> None:
        raise SystemExit(3)

    lab.register("leave", leave)
    result = lab.run(graph({"a": "leave"}))
    assert (result.status, result.errors[0].cause) == ("failed", "SystemExit: 3")


def test_a_missing_implementation_fails_at_once_and_names_the_key(lab, graph):
    result = lab.run(graph({"a": {"uses": "nobody.has", "config": {"maxRetries": 4}}}))
    assert result.errors[0].type == "ImplementationMissingError"
    assert "'nobody.has'" in result.errors[0].message
    assert lab.seconds == 0


# --- fallbacks --------------------------------------------------------------------------------


def test_a_fallback_stands_in_with_the_input_and_the_error(lab, graph):
    async def rescue(input: Any, ctx: Context) -> Any:
        return [input, (await ctx.get("_catch_error"))["message"]]

    lab.register("flaky", fails(9))
    lab.register("rescue", rescue)
    blueprint = graph(
        {"a": {"uses": "flaky", "config": {"fallback": "r"}}, "r": "rescue", "b": "echo"},
        ("a", "b"),
    )
    assert lab.run(blueprint, 7).output == [7, "attempt 1"]


def test_the_last_of_a_chain_of_fallbacks_stands_in_for_all(lab, graph):
    lab.register("flaky", fails(9))
    blueprint = graph(
        {
            "a": {"uses": "flaky", "config": {"fallback": "r"}},
            "r": {"uses": "flaky", "config": {"fallback": "q"}},
            "q": "echo",
            "b": {"inputs": {"a": "a", "r": "r", "q": "q"}},
        },
        ("a", "b"),
    )
    assert lab.run(blueprint, 7).output == {"a": 7, "r": 7, "q": 7}


def test_a_shared_fallback_runs_once_for_each_that_failed(lab, graph):
    async def rescue(run: RunInfo) -> str:
        return run.scope

    lab.register("flaky", fails(9))
    lab.register("rescue", rescue)
    failing = {"uses": "flaky", "config": {"fallback": "r"}}
    blueprint = graph(
        {"a": failing, "b": failing, "r": "rescue", "j": "join"}, ("a", "j"), ("b", "j")
    )
    assert lab.run(blueprint).output == {"a": "/!a", "b": "/!b"}


def test_a_fallback_that_was_not_needed_skips_its_edges(lab, graph):
    blueprint = graph(
        {"a": {"config": {"fallback": "r"}}, "r": "echo", "b": "echo", "c": "echo"},
        ("a", "b"),
        ("r", "c"),
    )

    async def course(run: Any) -> Any:
        result = await run.result()
        return result.output, {key: record.outcome for key, record in run.records().items()}

    output, outcomes = lab.drive(blueprint, course, 1)
    assert output == {"b": 1}
    assert outcomes == {"a": "completed", "b": "completed", "r": "skipped", "c": "skipped"}


# --- the end of a run -------------------------------------------------------------------------


def test_the_first_failure_ends_the_run_and_cancels_what_executes(lab, graph):
    seen: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            seen.append("cancelled")

    async def soon() -> None:
        await asyncio.sleep(1)
        raise ValueError("no")

    lab.register("slow", slow)
    lab.register("soon", soon)
    blueprint = graph({"a": "slow", "b": "soon", "j": "join"}, ("a", "j"), ("b", "j"))

    async def course(run: Any) -> Any:
        result = await run.result()
        await asyncio.sleep(200)
        return result.status, list(run.records()), run.status()

    assert lab.drive(blueprint, course) == ("failed", ["b"], "failed")
    assert seen == ["cancelled"]


def test_a_node_that_ignores_the_end_leaves_no_record(lab, graph):
    async def stubborn(ctx: Context) -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await ctx.set("late", True)
        return "late"

    lab.register("stubborn", stubborn)
    blueprint = graph({"a": "stubborn", "b": "echo"}, ("a", "b"))

    async def course(run: Any) -> Any:
        await asyncio.sleep(1)
        assert run.cancel() == "cancelled"
        await asyncio.sleep(1)
        result = await run.result()
        return result.status, result.output, result.context, run.records()

    assert lab.drive(blueprint, course) == ("cancelled", None, {}, {})


def test_cancelling_an_ended_run_changes_nothing(lab, graph):
    async def course(run: Any) -> Any:
        first = await run.result()
        return run.cancel(), first == await run.result()

    assert lab.drive(graph({"a": "echo"}), course, 1) == ("completed", True)


def test_cancelling_the_caller_cancels_the_run(lab, graph):
    seen: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            seen.append("cancelled")

    lab.register("slow", slow)

    async def course(_: Any) -> None:
        task = asyncio.create_task(lab.runtime().run(graph({"a": "slow"})))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait((task,))
        await asyncio.sleep(0)
        assert task.cancelled()

    lab.drive(graph({"a": "echo"}), course)
    assert seen == ["cancelled"]


@pytest.mark.parametrize(
    ("metadata", "how"), [({"timeout": 9000}, {"deadline_seconds": 5}), ({"timeout": 5000}, {})]
)
def test_a_deadline_fails_the_run_suspended_or_not(lab, graph, metadata, how):
    blueprint = graph({"a": "wait"}, metadata=metadata)
    result = lab.run(blueprint, **how)
    (error,) = result.errors
    assert (result.status, error.type, error.node) == ("failed", "RunDeadlineError", "")
    assert error.message == "the run took longer than its 5 s"
    assert lab.seconds == 5


def test_a_limit_of_concurrency_holds_over_all_runs(lab, graph):
    under_way: list[int] = []
    most: list[int] = []

    async def work() -> None:
        under_way.append(1)
        most.append(len(under_way))
        await asyncio.sleep(1)
        under_way.pop()

    lab.register("work", work)
    lab.settings["concurrency"] = 2
    blueprint = graph(dict.fromkeys("abc", "work"))

    async def course(_: Any) -> float:
        runtime = lab.runtime()
        await asyncio.gather(runtime.run(blueprint), runtime.run(blueprint))
        return asyncio.get_running_loop().time()

    assert lab.drive(graph({"a": "echo"}), course) == 3
    assert max(most) == 2


# --- refused at the start ---------------------------------------------------------------------


def test_what_cannot_run_is_refused_at_the_start(lab, graph):
    with pytest.raises(RunError, match="run id 'a/b'"):
        lab.run(graph({"a": "echo"}), run_id="a/b")
    with pytest.raises(ValueNotStorableError, match="payload of run 'r'"):
        lab.run(graph({"a": "echo"}), {1, 2}, run_id="r")
    with pytest.raises(BlueprintError, match="edge 0"):
        lab.run(graph({"a": "echo", "b": "echo"}, ("a", "b", {"condition": "x ==="})))
    with pytest.raises(UnknownBlueprintError, match="'nowhere'"):
        lab.run(graph({"a": {"uses": "subflow", "params": {"blueprintId": "nowhere"}}}))
