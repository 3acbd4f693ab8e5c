"""What an adapter may decide about attempts: the rest every adapter is asked by the kit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.parts import RetryOptions
from flowcraft.blueprint.model import Node
<<<<<<< HEAD
from flowcraft.errors import NonRetryableError, RetryAfter
from flowcraft.nodes import Context, RunInfo
from flowcraft.testing import covers
from packages.core.tests.adapter.stage import EPOCH, Stage, virtually
from tests.simulation.hand_written import graph, node
=======
from flowcraft.testing import Stage, check
from flowcraft.testing.scenarios.attempts import add_failing, failing
>>>>>>> h-scena


class TestHooksOfAttempts:
    @check("S7.3")
    async def test_a_worker_told_so_tries_again_under_the_same_message(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def in_process(adapter: BaseDistributedAdapter, asked_for: Node) -> bool:
            asked.append(asked_for.id)
            return True

        monkeypatch.setattr(BaseDistributedAdapter, "should_retry_in_process", in_process)
        times = add_failing(stage)
        result = await stage.run(failing(maxRetries=3, retryDelay=1000))
        assert (result.status, result.errors[0].attempt) == ("failed", 3)
        assert asked == ["f", "f"]
        gaps = [after - before for before, after in pairwise(times.values())]
        assert [0.5 <= gap <= 2.1 for gap in gaps] == [True, True]

    @check("S7.26")
    async def test_an_adapter_may_have_attempts_follow_each_other_more_slowly(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def options(adapter: BaseDistributedAdapter, asked_for: Node) -> RetryOptions:
            return {"delay_ms": 10 * asked_for.config.retry_delay_ms}

<<<<<<< HEAD
    return times


@covers("S7.3", "S7.26")
@virtually
async def test_each_delay_doubles_and_chance_takes_at_most_half(stage: Stage) -> None:
    times = add_failing(stage)
    result = await stage.run(graph([node("f", "fail", **config(maxRetries=5, retryDelay=4000))]))
    (error,) = result.errors
    assert (error.node, error.type, error.attempt, error.message) == (
        "f",
        "RuntimeError",
        5,
        "again",
    )
    assert len(times) == 5
    for full, (before, after) in zip((4.0, 8.0, 16.0, 32.0), pairwise(times), strict=True):
        assert full / 2 - 0.1 <= after - before <= full + stage.slack_seconds


@virtually
async def test_no_delay_is_longer_than_five_minutes(stage: Stage) -> None:
    times = add_failing(stage)
    await stage.run(graph([node("f", "fail", **config(maxRetries=3, retryDelay=4_000_000))]))
    assert [
        149.9 <= after - before <= 300.0 + stage.slack_seconds for before, after in pairwise(times)
    ] == [True, True]


@virtually
async def test_a_node_names_its_own_delay_and_that_uses_up_an_attempt(stage: Stage) -> None:
    times: list[float] = []

    @stage.node("later")
    async def later(input: Any) -> None:
        times.append(asyncio.get_running_loop().time())
        raise RetryAfter(1000.0)

    result = await stage.run(graph([node("f", "later", **config(maxRetries=3, retryDelay=1))]))
    assert [e.attempt for e in result.errors] == [3]
    assert [
        999.9 <= after - before <= 1000.0 + stage.slack_seconds for before, after in pairwise(times)
    ] == [True, True]


@pytest.mark.parametrize("delay", [float("inf"), float("nan"), -5.0])
@virtually
async def test_a_delay_that_is_none_ends_no_run_in_limbo(stage: Stage, delay: float) -> None:
    @stage.node("odd")
    async def odd(input: Any) -> None:
        raise RetryAfter(delay)

    result = await stage.run(graph([node("f", "odd", **config(maxRetries=2, retryDelay=1))]))
    assert [(e.type, e.attempt) for e in result.errors] == [("RetryAfter", 2)]


@virtually
async def test_a_non_retryable_error_has_no_further_attempt(stage: Stage) -> None:
    times = add_failing(stage, NonRetryableError)
    result = await stage.run(graph([node("f", "fail", **config(maxRetries=5, retryDelay=1))]))
    assert len(times) == 1
    assert [(e.type, e.attempt) for e in result.errors] == [("NonRetryableError", 1)]


@pytest.mark.parametrize(("error", "attempts"), [(KeyError, 3), (ValueError, 1)])
@virtually
async def test_a_node_says_which_errors_are_worth_another_attempt(
    stage: Stage, error: type[Exception], attempts: int
) -> None:
    times = add_failing(stage, error, retry_on=(KeyError,))
    await stage.run(graph([node("f", "fail", **config(maxRetries=3, retryDelay=1))]))
    assert len(times) == attempts


@virtually
async def test_a_timeout_bounds_each_attempt(stage: Stage) -> None:
    starts: list[float] = []

    @stage.node("slow")
    async def slow(input: Any, run: RunInfo) -> str:
        starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1000.0 if run.attempt < 3 else 1.0)
        return "in time"

    settings = config(maxRetries=3, retryDelay=0, timeout=40_000)
    result = await stage.run(graph([node("f", "slow", **settings)]))
    assert result.output == "in time"
    assert [
        39.9 <= after - before <= 40.0 + stage.slack_seconds for before, after in pairwise(starts)
    ] == [True, True]


@virtually
async def test_a_node_that_makes_nothing_of_its_timeout_has_failed_all_the_same(
    stage: Stage,
) -> None:
    @stage.node("deaf")
    async def deaf(input: Any) -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000.0)
        return "too late"

    result = await stage.run(graph([node("f", "deaf", **config(timeout=50))]))
    assert [(e.node, e.type) for e in result.errors] == [("f", "NodeTimeoutError")]


@virtually
async def test_the_last_timeout_fails_the_run_and_names_the_node(stage: Stage) -> None:
    @stage.node("slow")
    async def slow(input: Any) -> None:
        await asyncio.sleep(1000.0)

    result = await stage.run(graph([node("f", "slow", **config(timeout=50))]))
    assert [(e.node, e.type) for e in result.errors] == [("f", "NodeTimeoutError")]


@virtually
async def test_an_attempt_that_failed_leaves_no_writes(stage: Stage) -> None:
    seen: list[bool] = []

    @stage.node("write")
    async def write(input: Any, ctx: Context, run: RunInfo) -> None:
        seen.append(await ctx.has("k"))
        await ctx.set("k", run.attempt)
        if run.attempt < 3:
            raise RuntimeError("again")

    result = await stage.run(graph([node("w", "write", **config(maxRetries=3, retryDelay=1))]))
    assert seen == [False] * 3
    assert result.context == {"k": 3}


@virtually
async def test_attempts_survive_the_worker_that_made_them(stage: Stage) -> None:
    attempts: list[int] = []

    @stage.node("fail")
    async def fail(input: Any, run: RunInfo) -> None:
        attempts.append(run.attempt)
        raise RuntimeError("again")

    stage.add(graph([node("f", "fail", **config(maxRetries=3, retryDelay=60_000))]))
    first = stage.worker()
    await stage.submit("g")
    await asyncio.sleep(10.0)
    first.abandon()
    stage.worker()
    await stage.result(within=400.0)
    assert attempts == [1, 2, 3]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@virtually
async def test_what_would_end_a_process_ends_the_attempt(stage: Stage, error: Any) -> None:
    @stage.node("exit")
    async def leave(input: Any, run: RunInfo) -> str:
        if run.attempt == 1:
            raise error
        return "still here"

    # Such an error is the engine's own and says that it is final.
    result = await stage.run(
        graph([node("x", "exit", **config(fallback="f")), node("f", "echo")]), 1
    )
    assert (result.status, result.output) == ("completed", 1)


@virtually
async def test_a_delay_of_hours_is_kept_by_one_message_and_one_timer(stage: Stage) -> None:
    @stage.node("later")
    async def later(input: Any, run: RunInfo) -> str:
        if run.attempt == 1:
            raise RetryAfter(5 * 3600.0)
        return "done"

    stage.add(graph([node("s", "later", **config(maxRetries=2))]))
    stage.worker()
    stage.worker()
    await stage.submit("g")
    most = 0
    for _ in range(5 * 360 - 1):
        await asyncio.sleep(10.0)
        most = max(most, len(stage.messages()) + len(stage.timers()))
    assert most <= 3
    assert (await stage.result(within=60.0)).output == "done"
    assert stage.calls["later"] == 2


@virtually
async def test_a_node_of_hours_is_started_once(stage: Stage) -> None:
    @stage.node("hours")
    async def hours(input: Any) -> str:
        await asyncio.sleep(6 * 3600.0)
        return "done"

    stage.worker()
    stage.worker()
    result = await stage.run(graph([node("h", "hours"), node("z", "echo")], ("h", "z")))
    assert (result.output, stage.calls["hours"]) == ("done", 1)
    ended_at = (await stage.header()).ended_at
    assert ended_at is not None
    assert ended_at - EPOCH <= 6 * 3600.0 + 60.0


@virtually
async def test_a_redelivered_long_node_does_not_run_twice_under_a_live_lease(stage: Stage) -> None:
    @stage.node("long")
    async def long(input: Any) -> str:
        await asyncio.sleep(600.0)
        return "done"

    stage.add(graph([node("l", "long")]))
    stage.worker()
    stage.worker()
    await stage.submit("g")
    await asyncio.sleep(50.0)
    for _ in range(5):
        stage.send("l")
        await asyncio.sleep(60.0)
    assert (await stage.result()).output == "done"
    assert stage.calls["long"] == 1


@virtually
async def test_a_worker_told_so_tries_again_under_the_same_message(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def in_process(adapter: BaseDistributedAdapter, asked_for: Node) -> bool:
        asked.append(asked_for.id)
        return True

    monkeypatch.setattr(BaseDistributedAdapter, "should_retry_in_process", in_process)
    times = add_failing(stage)
    result = await stage.run(graph([node("f", "fail", **config(maxRetries=3, retryDelay=1000))]))
    assert (result.status, result.errors[0].attempt) == ("failed", 3)
    assert asked == ["f", "f"]
    assert [0.5 <= after - before <= 2.1 for before, after in pairwise(times)] == [True, True]


@covers("S7.26")
@virtually
async def test_an_adapter_may_have_attempts_follow_each_other_more_slowly(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:

    def options(adapter: BaseDistributedAdapter, asked_for: Node) -> RetryOptions:
        return {"delay_ms": 10 * asked_for.config.retry_delay_ms}

    monkeypatch.setattr(BaseDistributedAdapter, "get_queue_retry_options", options)
    times = add_failing(stage)
    result = await stage.run(graph([node("f", "fail", **config(maxRetries=3, retryDelay=10_000))]))
    assert (result.status, result.errors[0].attempt) == ("failed", 3)
    gaps = [after - before for before, after in pairwise(times)]
    assert 50.0 <= gaps[0] <= 100.0 + stage.slack_seconds
    assert 100.0 <= gaps[1] <= 200.0 + stage.slack_seconds


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise LookupError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("caf\udce9"), "caf\\udce9"),
        (UnspeakableError(), "(its text cannot be had: its __str__ raised LookupError)"),
    ],
    ids=["half-a-character", "no-text"],
)
@virtually
async def test_an_error_whose_text_cannot_be_stored_is_a_failure_like_any_other(
    stage: Stage, error: Exception, said: str
) -> None:
    @stage.node("fail")
    async def fail(input: Any) -> None:
        raise error from error.__class__(*error.args)

    result = await stage.run(graph([node("f", "fail", **config(maxRetries=2, retryDelay=10))]))
    (told,) = result.errors
    assert (told.message, told.attempt) == (said, 2)
    assert told.cause == f"{type(error).__name__}: {said}"
    assert stage.calls["fail"] == 2
=======
        monkeypatch.setattr(BaseDistributedAdapter, "get_queue_retry_options", options)
        times = add_failing(stage)
        result = await stage.run(failing(maxRetries=3, retryDelay=10_000))
        assert (result.status, result.errors[0].attempt) == ("failed", 3)
        gaps: list[Any] = [after - before for before, after in pairwise(times.values())]
        assert 50.0 <= gaps[0] <= 100.0 + stage.harness.slack_seconds
        assert 100.0 <= gaps[1] <= 200.0 + stage.harness.slack_seconds
>>>>>>> h-scena
