from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from flowcraft.errors import (
    BackendUnavailableError,
    InputError,
    NodeError,
    NodeTimeoutError,
    NonRetryableError,
    RegistrationError,
    RetryAfter,
)
from flowcraft.nodes import BaseNode, Context, Depends, NodeOptions, NodeRegistry, NodeResult, node


@dataclass
class Order:
    id: int


@dataclass
class Settings:
    rate: int = 2


class Recorded(BaseNode[Any, Any]):
    """Writes down its phases; `fails` names the phase that raises."""

    fails: str | None = None
    error: BaseException = OSError("down")

    async def step(self, phase: str, ctx: Context, value: Any) -> Any:
        await ctx.set("phases", [*await ctx.get("phases", []), phase])
        if phase == self.fails:
            raise self.error
        return value

    async def prep(self, ctx: Context, input: Any) -> Any:
        return await self.step("prep", ctx, input)

    async def exec(self, prepared: Any, ctx: Context) -> Any:
        return await self.step("exec", ctx, prepared)

    async def post(self, result: Any, ctx: Context) -> Any:
        return NodeResult(await self.step("post", ctx, result), action="done")

    async def recover(self, error: BaseException, ctx: Context) -> None:
        await self.step(f"recover {type(error).__name__}", ctx, None)


class WithFallback(Recorded):
    async def fallback(self, error: Exception, ctx: Context) -> Any:
        return await self.step("fallback", ctx, f"instead of {error}")


def failing(base: type[Recorded], phase: str, with_error: BaseException | None = None) -> Any:
    error = OSError("down") if with_error is None else with_error
    return type("Failing", (base,), {"fails": phase, "error": error})


async def test_the_phases_run_in_order(call: Any, ctx: Any) -> None:
    assert await call(Recorded, 1) == NodeResult(1, action="done")
    assert ctx.values["phases"] == ["prep", "exec", "post"]


async def test_only_exec_has_to_be_written(call: Any) -> None:
    class Double(BaseNode[int, int]):
        async def exec(self, prepared: int, ctx: Context) -> int:
            return prepared * 2

    assert await call(Double, 4) == NodeResult(8)


async def test_the_input_is_converted_by_the_annotation_of_prep_or_else_of_exec(call: Any) -> None:
    class InPrep(BaseNode[Order, int]):
        async def prep(self, ctx: Context, input: Order) -> int:
            return input.id

        async def exec(self, prepared: int, ctx: Context) -> int:
            return prepared

    class InExec(BaseNode[Order, int]):
        async def exec(self, prepared: Order, ctx: Context) -> int:
            return prepared.id

    for cls in (InPrep, InExec):
        assert (await call(cls, {"id": 3})).output == 3
        with pytest.raises(InputError, match=r"input of node 'pay': at \.id"):
            await call(cls, {"id": "x"})


async def test_params_and_run_are_attributes_and_dependencies_come_with_init(call: Any) -> None:
    class Charge(BaseNode[Any, Any]):
        params: Settings

        def __init__(self, gateway: Annotated[str, Depends("gateway")]) -> None:
            self.gateway = gateway

        async def exec(self, prepared: Any, ctx: Context) -> Any:
            return [self.params.rate, self.gateway, self.run.node_id]

    class Derived(Charge):
        pass

    for cls in (Charge, Derived):
        result = await call(cls, params={"rate": 5}, dependencies={"gateway": "g"})
        assert result.output == [5, "g", "pay"]


async def test_a_failed_exec_is_left_to_the_next_attempt(call: Any, ctx: Any) -> None:
    with pytest.raises(OSError, match="down"):
        await call(failing(WithFallback, "exec"), 1, last_attempt=False)
    assert ctx.values["phases"] == ["prep", "exec", "recover OSError"]


async def test_the_fallback_gives_the_result_after_the_last_attempt(call: Any, ctx: Any) -> None:
    result = await call(failing(WithFallback, "exec"), 1, last_attempt=True)
    assert result == NodeResult("instead of down", action="done")
    assert ctx.values["phases"] == ["prep", "exec", "fallback", "post"]


async def test_an_error_not_worth_a_retry_takes_the_fallback_at_once(call: Any) -> None:
    cls = failing(WithFallback, "exec", NonRetryableError("never"))
    assert (await call(cls, 1, last_attempt=False)).output == "instead of never"
    options = NodeOptions(retry_on=(ValueError,))
    result = await call(failing(WithFallback, "exec"), 1, last_attempt=False, options=options)
    assert result.output == "instead of down"


async def test_an_exit_in_exec_takes_the_fallback_too(call: Any) -> None:
    result = await call(failing(WithFallback, "exec", SystemExit(2)), 1)
    assert "raised SystemExit(2)" in result.output


async def test_a_timeout_takes_the_fallback_through_the_driver(ctx: Any, run_info: Any) -> None:
    found = NodeRegistry().register(WithFallback)
    assert found.has_own_fallback
    assert not NodeRegistry().register(Recorded).has_own_fallback
    late = NodeTimeoutError("late")
    result = await found.fall_back(late, ctx=ctx, run=run_info, params={})
    assert result == NodeResult("instead of late", action="done")
    assert ctx.values["phases"] == ["fallback", "post"]


@pytest.mark.parametrize("phase", ["prep", "post"])
async def test_a_failure_outside_exec_is_not_retried(call: Any, ctx: Any, phase: str) -> None:
    with pytest.raises(NonRetryableError, match=f"{phase} of node 'pay' failed: OSError") as caught:
        await call(failing(WithFallback, phase), 1, last_attempt=False)
    assert isinstance(caught.value.__cause__, OSError)
    assert ctx.values["phases"][-1] == "recover NonRetryableError"
    assert "fallback" not in ctx.values["phases"]


async def test_a_phase_outside_exec_may_name_a_delay(call: Any) -> None:
    with pytest.raises(RetryAfter):
        await call(failing(Recorded, "prep", RetryAfter(5)), 1, last_attempt=False)


@pytest.mark.parametrize("phase", ["prep", "exec", "post"])
async def test_a_store_that_is_down_is_no_failure_of_the_node(call: Any, phase: str) -> None:
    with pytest.raises(BackendUnavailableError):
        await call(failing(WithFallback, phase, BackendUnavailableError("down")), 1)


async def test_a_failing_fallback_fails_the_node_and_is_cleaned_up_after(
    call: Any, ctx: Any
) -> None:
    class Both(Recorded):
        fails = "exec"

        async def fallback(self, error: Exception, ctx: Context) -> Any:
            raise KeyError("worse")

    with pytest.raises(NonRetryableError, match="fallback of node 'pay' failed: KeyError"):
        await call(Both, 1)
    assert ctx.values["phases"][-1] == "recover NonRetryableError"


async def test_a_failing_recover_is_logged_and_hides_nothing(
    call: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(BaseNode[Any, Any]):
        async def exec(self, prepared: Any, ctx: Context) -> Any:
            raise OSError("the cause")

        async def recover(self, error: BaseException, ctx: Context) -> None:
            raise SystemExit(1)

    with caplog.at_level(logging.WARNING), pytest.raises(OSError, match="the cause"):
        await call(Broken)
    assert [record.getMessage() for record in caplog.records] == ["recover failed"]
    assert caplog.records[0].__dict__["node_id"] == "pay"


async def test_a_cancelled_attempt_is_cleaned_up_after_and_stays_cancelled(
    call: Any, ctx: Any
) -> None:
    started = asyncio.Event()

    class Slow(Recorded):
        async def exec(self, prepared: Any, ctx: Context) -> Any:
            started.set()
            await asyncio.Event().wait()

        async def fallback(self, error: Exception, ctx: Context) -> Any:
            return "never"

    task = asyncio.create_task(call(Slow))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ctx.values["phases"] == ["prep", "recover CancelledError"]


async def test_each_attempt_has_an_instance_of_its_own(call: Any) -> None:
    class Counting(BaseNode[Any, int]):
        count = 0

        async def exec(self, prepared: Any, ctx: Context) -> int:
            self.count += 1
            return self.count

    assert (await call(Counting)).output == (await call(Counting)).output == 1


def test_classes_that_cannot_work_are_refused() -> None:
    class NoExec(BaseNode[Any, Any]):
        pass

    class NotAsync(BaseNode[Any, Any]):
        def exec(self, prepared: Any, ctx: Context) -> Any:
            return prepared

    class Init(BaseNode[Any, Any]):
        def __init__(self, order: Order) -> None: ...

        async def exec(self, prepared: Any, ctx: Context) -> Any: ...

    class Shape(BaseNode[Any, Any]):
        async def exec(self, prepared: Any) -> Any: ...  # type: ignore[override]

    for cls, reason in (
        (NoExec, "it has no exec"),
        (NotAsync, "exec is not async"),
        (Init, "__init__ takes dependencies only"),
        (Shape, "exec is called as"),
    ):
        with pytest.raises(RegistrationError, match=reason):
            NodeRegistry().register(cls, uses="it")
        with pytest.raises(RegistrationError, match=reason):
            node(cls)
    for options in (NodeOptions(quick=True), NodeOptions(cpu=True)):
        with pytest.raises(RegistrationError, match="quick and cpu"):
            NodeRegistry().register(Recorded, options=options)


async def test_an_exit_in_prep_is_the_nodes_failure(call: Any) -> None:
    with pytest.raises(NodeError, match="raised SystemExit"):
        await call(failing(Recorded, "prep", SystemExit()), 1)
