"""Waiting for the end of a run, without asking all the time."""

from __future__ import annotations

import asyncio
import math

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.errors import RunError, RunNotFinishedError, UnknownRunError
from flowcraft.local.adapter import LocalAdapter
from flowcraft.status import RunHeader

POLL_SECONDS = 0.5
"""How often to look where news come by themselves, in case one was missed."""
APART_SECONDS = 0.02
"""How far apart two looks are, however much news there is: most of it is of other runs."""
FIRST_LOOK_SECONDS = 0.05
LONGEST_LOOK_SECONDS = 1.0
BACK_OFF = 1.5


async def header_of(adapter: BaseDistributedAdapter, run_id: str) -> RunHeader:
    """What a run says of itself.

    Raises:
        UnknownRunError: No such run, or it was purged.
    """
    (header,) = await adapter.ports.store.headers([run_id])
    if header is None:
        raise UnknownRunError(no_run(run_id))
    return header


def no_run(run_id: str) -> str:
    """What to say where there is no run of that id."""
    return f"no run {run_id!r}: it was never submitted here, or was purged"


async def wait_for_end(
    adapter: BaseDistributedAdapter, run_id: str, *, timeout_seconds: float | None
) -> RunHeader:
    """Wait until a run has ended.

    Raises:
        UnknownRunError: No such run, or it was purged meanwhile.
        RunNotFinishedError: It had not ended in time.
        RunError: The timeout is no number.
    """
    if not (timeout_seconds is None or _is_number(timeout_seconds)):
        raise RunError(
            f"timeout={timeout_seconds!r}: a number of seconds; leave it out to wait for as long "
            "as it takes"
        )
    clock = adapter.options.runtime_options.clock
    began = clock.monotonic()
    look_seconds = FIRST_LOOK_SECONDS
    left = timeout_seconds if timeout_seconds is not None else math.inf
    while True:
        # Whoever listens before looking misses nothing that happens in between.
        news = asyncio.ensure_future(_news(adapter, look_seconds, left))
        try:
            header = await header_of(adapter, run_id)
            if header.is_over:
                return header
            if left <= 0:
                raise RunNotFinishedError(
                    f"run {run_id!r} had not ended after {timeout_seconds:g} s. Wait longer, or "
                    "look at what it waits for: is there a worker?"
                )
            await news
        finally:
            news.cancel()
        if timeout_seconds is not None:
            left = timeout_seconds - (clock.monotonic() - began)
        look_seconds = min(look_seconds * BACK_OFF, LONGEST_LOOK_SECONDS)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


async def _news(adapter: BaseDistributedAdapter, look_seconds: float, left: float) -> None:
    """Wait for something to happen; where nobody says so, for a while."""
    clock = adapter.options.runtime_options.clock
    if isinstance(adapter, LocalAdapter):
        await adapter.waker.wait(min(POLL_SECONDS, left))
        await clock.sleep(max(0.0, min(APART_SECONDS, left)))
    else:
        await clock.sleep(max(0.0, min(look_seconds, left)))
