from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Annotated, Any, ClassVar

import pytest

from flowcraft.errors import (
    InputError,
    NodeError,
    NodeTimeoutError,
    NonRetryableError,
    RegistrationError,
    RetryAfter,
    ValueNotStorableError,
)
from flowcraft.nodes import (
    Context,
    Depends,
    NodeImplementation,
    NodeOptions,
    NodeRegistry,
    NodeResult,
    thread_runner,
)


@dataclass
class Receipt:
    at: datetime
    lines: list[int]


def registered(fn: Any, **options: Any) -> NodeImplementation:
    return NodeRegistry().register(fn, uses="it", options=NodeOptions(**options))


async def test_a_bare_return_value_is_the_output_even_with_a_key_named_action(call: Any) -> None:
    async def fn() -> Any:
        return {"action": "approve"}

    assert await call(fn) == NodeResult({"action": "approve"}, None)


async def test_a_node_result_carries_output_and_action(call: Any) -> None:
    async def fn() -> Any:
        return NodeResult({"a": 1}, action="approve")

    assert await call(fn) == NodeResult({"a": 1}, action="approve")


async def test_a_function_that_is_not_async_runs_in_a_thread_with_the_context_variables(
    call: Any,
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("seen")

    def fn(value: int) -> Any:
        return [threading.current_thread() is threading.main_thread(), variable.get(), value]

    assert registered(fn).mode == "thread"
    assert (await call(fn, 1)).output == [False, "seen", 1]
    with ThreadPoolExecutor(1, thread_name_prefix="ours") as pool:

        def name() -> str:
            return threading.current_thread().name

        result = await call(name, run_in_thread=thread_runner(pool))
    assert result.output.startswith("ours")


async def test_a_quick_function_runs_on_the_event_loop(call: Any) -> None:
    def fn() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert registered(fn, quick=True).mode == "inline"
    assert (await call(fn, options=NodeOptions(quick=True))).output is True


async def test_a_computing_function_runs_in_a_thread_where_there_is_no_pool(call: Any) -> None:
    def fn(value: int) -> int:
        return value + 1

    assert registered(fn, cpu=True).mode == "process"
    assert (await call(fn, 1, options=NodeOptions(cpu=True))).output == 2


async def test_a_plain_wrapper_around_an_async_function_is_awaited(call: Any) -> None:
    async def fn(value: int, ctx: Context) -> int:
        return value + 1

    @wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    assert (await call(wrapper, 1)).output == 2
    assert (await call(wrapper, 1, options=NodeOptions(quick=True))).output == 2


def test_whether_a_node_takes_the_context_is_known() -> None:
    async def with_it(ctx: Context) -> None: ...

    async def without(value: Any) -> None: ...

    assert registered(with_it).takes_context
    assert not registered(without).takes_context


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("mode", ["async", "thread", "inline"])
async def test_a_node_that_exits_fails_and_takes_nobody_with_it(
    call: Any, kind: Any, mode: str
) -> None:
    async def in_async() -> None:
        raise kind("bye")

    def in_sync() -> None:
        raise kind("bye")

    options = NodeOptions(quick=mode == "inline")
    with pytest.raises(NodeError, match=f"node 'pay' raised {kind.__name__}") as caught:
        await call(in_async if mode == "async" else in_sync, options=options)
    assert isinstance(caught.value.__cause__, kind)
    assert not registered(in_sync).should_retry(caught.value)


async def test_an_exhausted_iterator_in_a_thread_does_not_hang(call: Any) -> None:
    def fn() -> Any:
        return next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(call(fn), 10)


async def test_a_cancellation_that_a_node_made_up_is_its_failure(call: Any) -> None:
    async def fn() -> None:
        raise asyncio.CancelledError

    with pytest.raises(NodeError, match="although nobody cancelled it"):
        await call(fn)


async def test_a_cancellation_from_outside_passes(call: Any) -> None:
    started = asyncio.Event()

    async def fn() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call(fn))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_node_comes_out_as_it_is(call: Any) -> None:
    error = ValueError("no")

    async def fn() -> None:
        raise error from KeyError("why")

    with pytest.raises(ValueError, match="no") as caught:
        await call(fn)
    assert caught.value is error
    assert isinstance(error.__cause__, KeyError)


def test_what_is_worth_a_retry() -> None:
    class Final(Exception):  # noqa: N818
        retryable: ClassVar[bool] = False

    class Busy(Exception):  # noqa: N818
        retryable: ClassVar[bool] = True

    class StubbornError(NonRetryableError):
        retryable = True

    async def fn() -> None: ...

    anything = registered(fn)
    some = registered(fn, retry_on=(OSError, NonRetryableError, InputError))
    assert anything.should_retry(ValueError())
    assert some.should_retry(ConnectionError())
    assert not some.should_retry(ValueError())
    assert not registered(fn, retry_on=()).should_retry(ValueError())
    for implementation in (anything, some):
        assert implementation.should_retry(RetryAfter(timedelta(seconds=1)))
        assert implementation.should_retry(NodeTimeoutError())
        assert implementation.should_retry(Busy())
        for error in (NonRetryableError(), StubbornError(), InputError(), Final(), NodeError()):
            assert not implementation.should_retry(error)
        assert not implementation.should_retry(ValueNotStorableError())


def test_functions_that_cannot_work_as_asked_are_refused() -> None:
    def takes_context(ctx: Context) -> None: ...

    def takes_dependency(pool: Annotated[Any, Depends("pool")]) -> None: ...

    async def is_async() -> None: ...

    def yields() -> Any:
        yield 1

    async def yields_async() -> Any:
        yield 1

    for fn, options, reason in (
        (takes_context, {}, "methods are awaited"),
        (takes_dependency, {"cpu": True}, "neither the context nor dependencies"),
        (is_async, {"quick": True}, "not async"),
        (is_async, {"cpu": True}, "not async"),
        (yields, {}, "it yields"),
        (yields_async, {}, "it yields"),
    ):
        with pytest.raises(RegistrationError, match=reason):
            registered(fn, **options)


async def test_a_function_has_no_fallback_of_its_own(ctx: Any, run_info: Any) -> None:
    async def fn() -> None: ...

    found = registered(fn)
    assert not found.has_own_fallback
    with pytest.raises(NodeTimeoutError):
        await found.fall_back(NodeTimeoutError("late"), ctx=ctx, run=run_info, params={})
