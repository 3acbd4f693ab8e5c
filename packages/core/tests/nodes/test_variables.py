"""Context variables that code sets: its own, wherever it waits, and nobody else's."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from contextvars import ContextVar

import pytest

from flowcraft.nodes.variables import with_own_variables
from flowcraft.testing import covers

VARIABLE: ContextVar[str] = ContextVar("variable", default="outside")


@covers("S2.18")
async def test_code_keeps_what_it_set_while_it_waits_and_gives_it_to_its_tasks() -> None:
    async def read() -> str:
        await asyncio.sleep(0)
        return VARIABLE.get()

    async def code() -> list[str]:
        VARIABLE.set("inside")
        return [await read(), *await asyncio.gather(read()), await asyncio.to_thread(VARIABLE.get)]

    assert await with_own_variables(code) == ["inside"] * 3
    assert VARIABLE.get() == "outside"


async def test_code_sees_what_was_set_around_it() -> None:
    async def code() -> str:
        return VARIABLE.get()

    token = VARIABLE.set("around")
    assert await with_own_variables(code) == "around"
    VARIABLE.reset(token)


async def test_code_that_is_cancelled_handles_it_with_its_own_variables() -> None:
    begun = asyncio.Event()
    seen: list[str] = []

    async def code() -> str:
        token = VARIABLE.set("inside")
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(VARIABLE.get())
            await asyncio.sleep(0)
        VARIABLE.reset(token)  # refused in any other context
        return VARIABLE.get()

    async def call() -> str:
        return await with_own_variables(code)

    task = asyncio.create_task(call())
    await begun.wait()
    task.cancel()
    assert await task == "outside"
    assert seen == ["inside"]


async def test_what_code_raises_comes_as_it_is_also_after_it_was_cancelled() -> None:
    begun = asyncio.Event()
    problem = ValueError("not today")

    async def code() -> None:
        with suppress(asyncio.CancelledError):
            begun.set()
            await asyncio.Event().wait()
        raise problem

    async def call() -> None:
        await with_own_variables(code)

    task = asyncio.create_task(call())
    await begun.wait()
    task.cancel()
    with pytest.raises(ValueError, match="not today") as raised:
        await task
    assert raised.value is problem
    assert problem.__context__ is None


def test_code_that_nobody_goes_on_with_is_closed_with_its_own_variables() -> None:
    seen: list[str] = []

    async def code() -> None:
        VARIABLE.set("inside")
        try:
            await asyncio.sleep(0)
        finally:
            seen.append(VARIABLE.get())

    async def call() -> None:
        await with_own_variables(code)

    coroutine = call()
    coroutine.send(None)
    coroutine.close()
    assert seen == ["inside"]


async def test_an_exception_that_was_thrown_into_code_is_not_kept() -> None:
    class ThrownError(Exception):
        pass

    async def code() -> None:
        await asyncio.sleep(0)

    async def call() -> None:
        await with_own_variables(code)

    coroutine = call()
    coroutine.send(None)
    thrown = ThrownError()
    gone = weakref.ref(thrown)
    gc.disable()
    try:
        with suppress(ThrownError):
            coroutine.throw(thrown)
        del thrown
        assert gone() is None
    finally:
        gc.enable()
