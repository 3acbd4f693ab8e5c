"""Attempts: S7.1 to S7.9 of docs/semantics.md."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from flowcraft.engine.cells import FAILED
from flowcraft.errors import NonRetryableError, RetryAfter
from flowcraft.nodes import Context, RunInfo
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import never

FIVE_MINUTES = 300.0


class AttemptScenarios:
    """What uses up an attempt, when the next one comes, and which errors are final."""

    @check("S7.1", "S7.2", "S7.8")
    @pytest.mark.parametrize("attempts", [1, 3])
    async def test_a_node_has_as_many_attempts_as_it_says(
        self, stage: Stage, attempts: int
    ) -> None:
        times = add_failing(stage)
        result = await stage.run(failing(maxRetries=attempts, retryDelay=1))
        (error,) = result.errors
        assert [*times] == [*range(1, attempts + 1)]
        assert (result.status, error.attempt) == ("failed", attempts)

    @check("S7.1")
    async def test_a_node_that_says_nothing_has_one_attempt(self, stage: Stage) -> None:
        times = add_failing(stage)
        await stage.run(failing())
        assert [*times] == [1]

    @check("S7.3")
    async def test_each_delay_doubles_and_chance_takes_at_most_half(self, stage: Stage) -> None:
        times = add_failing(stage)
        first = 0.2 * stage.lease_seconds
        await stage.run(failing(maxRetries=5, retryDelay=first * 1000))
        assert [*times] == [1, 2, 3, 4, 5]
        for number, (before, after) in enumerate(pairwise(times.values())):
            is_in_time(stage, after - before, first * 2**number)

    @check("S7.3")
    async def test_chance_never_takes_more_than_half_of_a_delay(self, stage: Stage) -> None:
        began: dict[str, dict[int, float]] = defaultdict(dict)

        @stage.node("fail")
        async def fail(input: Any, run: RunInfo) -> None:
            began[run.node_id].setdefault(run.attempt, stage.now())
            raise RuntimeError("again")

        delay = stage.lease_seconds / 2
        config = {"maxRetries": 2, "retryDelay": 1000 * delay, "fallback": "spare"}
        names = [f"f{number}" for number in range(12)]
        stage.worker()
        await stage.run(
            graph([*(node(one, "fail", config=config) for one in names), node("spare")])
        )
        took = [times[2] - times[1] for times in began.values()]
        assert len(took) == len(names)
        for each in took:
            is_in_time(stage, each, delay)
        assert len({round(each, 3) for each in took}) > 1, "they all come at once"

    @check("S7.3")
    async def test_no_delay_is_longer_than_five_minutes(self, stage: Stage) -> None:
        stage.needs_virtual_time()
        times = add_failing(stage)
        await stage.run(failing(maxRetries=3, retryDelay=4_000_000))
        for before, after in pairwise(times.values()):
            is_in_time(stage, after - before, FIVE_MINUTES)

    @check("S7.3", "S7.8")
    async def test_a_delivery_that_comes_early_makes_no_attempt(self, stage: Stage) -> None:
        times = add_failing(stage)
        delay = 2 * stage.lease_seconds
        stage.add(failing(maxRetries=2, retryDelay=delay * 1000))
        stage.worker()
        await stage.submit("g")

        async def is_noted() -> bool:
            return f"{FAILED}1" in await stage.cells("f")

        await stage.until(is_noted)
        for _ in range(3):
            await stage.send("f")
        await stage.result()
        is_in_time(stage, times[2] - times[1], delay)

    @check("S7.4")
    async def test_a_node_names_its_own_delay_and_that_uses_up_an_attempt(
        self, stage: Stage
    ) -> None:
        delay = 2 * stage.lease_seconds
        times = add_failing(stage, lambda _: RetryAfter(delay))
        result = await stage.run(failing(maxRetries=3, retryDelay=1))
        assert [e.attempt for e in result.errors] == [3]
        for before, after in pairwise(times.values()):
            is_in_time(stage, after - before, delay, least=delay)

    @check("S7.4", "S12.20")
    @pytest.mark.parametrize("delay", [float("inf"), float("nan"), -5.0])
    async def test_a_delay_that_is_none_leaves_no_run_without_an_end(
        self, stage: Stage, delay: float
    ) -> None:
        @stage.node("fail")
        async def odd(input: Any) -> None:
            raise RetryAfter(delay)

        result = await stage.run(failing(maxRetries=2, retryDelay=1))
        assert [(e.type, e.attempt) for e in result.errors] == [("RetryAfter", 2)]

    @check("S7.5")
    async def test_a_non_retryable_error_has_no_further_attempt(self, stage: Stage) -> None:
        times = add_failing(stage, NonRetryableError)
        result = await stage.run(failing(maxRetries=5, retryDelay=1))
        assert [*times] == [1]
        assert [(e.type, e.attempt) for e in result.errors] == [("NonRetryableError", 1)]

    @check("S7.6")
    @pytest.mark.parametrize(("error", "attempts"), [(KeyError, 3), (ValueError, 1)])
    async def test_a_node_says_which_errors_are_worth_another_attempt(
        self, stage: Stage, error: type[Exception], attempts: int
    ) -> None:
        times = add_failing(stage, error, retry_on=(KeyError,))
        await stage.run(failing(maxRetries=3, retryDelay=1))
        assert len(times) == attempts

    @check("S7.7", "S7.2")
    async def test_a_timeout_bounds_each_attempt(self, stage: Stage) -> None:
        starts: dict[int, float] = {}
        timeout = 2 * stage.lease_seconds

        @stage.node("fail")
        async def slow(input: Any, run: RunInfo) -> str:
            starts.setdefault(run.attempt, stage.now())
            if run.attempt < 3:
                await never()
            return "in time"

        settings = {"maxRetries": 3, "retryDelay": 0, "timeout": timeout * 1000}
        assert (await stage.run(failing(**settings))).output == "in time"
        for before, after in pairwise(starts.values()):
            is_in_time(stage, after - before, timeout, least=timeout)

    @check("S7.7", "S1.32")
    @pytest.mark.parametrize("gives_way", [True, False])
    async def test_an_attempt_beyond_its_timeout_has_failed_whatever_it_makes_of_it(
        self, stage: Stage, gives_way: bool
    ) -> None:
        @stage.node("fail")
        async def slow(input: Any) -> str:
            with contextlib.suppress(*(() if gives_way else (asyncio.CancelledError,))):
                await never()
            return "too late"

        result = await stage.run(failing(timeout=50))
        assert [(e.node, e.type) for e in result.errors] == [("f", "NodeTimeoutError")]

    @check("S2.13", "S2.11")
    async def test_an_attempt_that_failed_leaves_no_writes(self, stage: Stage) -> None:
        seen: dict[int, bool] = {}

        @stage.node("fail")
        async def write(input: Any, ctx: Context, run: RunInfo) -> None:
            seen[run.attempt] = await ctx.has("k")
            await ctx.set("k", run.attempt)
            await ctx.set(f"only {run.attempt}", True)
            if run.attempt < 3:
                raise RuntimeError("again")

        result = await stage.run(failing(maxRetries=3, retryDelay=1))
        assert seen == dict.fromkeys((1, 2, 3), False)
        assert result.context == {"k": 3, "only 3": True}

    @check("S7.8", "S12.1")
    async def test_attempts_survive_the_worker_that_made_them(self, stage: Stage) -> None:
        times = add_failing(stage)
        stage.add(failing(maxRetries=3, retryDelay=2000 * stage.lease_seconds))
        first = stage.worker()
        await stage.submit("g")
        await stage.until_called("fail")
        await asyncio.sleep(stage.lease_seconds / 10)
        first.abandon()
        stage.worker()
        await stage.result(within=10 * stage.lease_seconds + 3 * stage.recovery_seconds)
        assert [*times] == [1, 2, 3]

    @check("S7.9")
    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
    async def test_what_would_end_a_process_ends_the_attempt(
        self, stage: Stage, error: Any
    ) -> None:
        @stage.node("fail")
        async def leave(input: Any) -> None:
            raise error

        nodes = [node("f", "fail", config={"fallback": "spare"}), node("spare")]
        worker = stage.worker()
        result = await stage.run(graph(nodes), 1)
        assert (result.status, result.output) == ("completed", 1)
        assert not worker.is_dead

    @check("S7.4", "S12.20")
    async def test_a_delay_of_hours_does_not_fill_the_queue(self, stage: Stage) -> None:
        stage.needs_virtual_time()
        hour = 3600.0

        @stage.node("fail")
        async def later(input: Any, run: RunInfo) -> str:
            if run.attempt == 1:
                raise RetryAfter(hour)
            return "done"

        stage.settings["poll_seconds"] = 30.0
        stage.add(failing(maxRetries=2))
        stage.worker()
        await stage.submit("g")
        most = 0
        for _ in range(35):
            await asyncio.sleep(hour / 36)
            most = max(most, await stage.waiting_jobs())
        assert most <= 3
        assert (await stage.result(within=hour / 10)).output == "done"
        assert stage.calls["fail"] == 2


def failing(**config: Any) -> dict[str, Any]:
    """A graph of one node `f`, whose code is `fail`."""
    return graph([node("f", "fail", config=config)])


def add_failing(
    stage: Stage, error: Callable[[str], BaseException] = RuntimeError, **options: Any
) -> dict[int, float]:
    """Register `fail`, which always fails; when each attempt began first."""
    times: dict[int, float] = {}

    @stage.node("fail", **options)
    async def fail(input: Any, run: RunInfo) -> None:
        times.setdefault(run.attempt, stage.now())
        raise error("again")

    return times


def is_in_time(stage: Stage, took: float, full: float, *, least: float | None = None) -> None:
    """See that a delay was not shorter than it may be, and not much longer than its full length."""
    assert took >= (full / 2 if least is None else least) - 0.1, "it came too early"
    assert took <= full + 2 * stage.harness.slack_seconds, "it came too late"
