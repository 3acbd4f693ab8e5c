"""Waiting for news of runs, without asking all the time."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.errors import RunError, RunNotFinishedError, UnknownRunError
from flowcraft.local.adapter import LocalAdapter
from flowcraft.status import RunHeader

POLL_SECONDS = 0.5
"""How often to look where news come by themselves, in case one was missed."""
APART_SECONDS = 0.005
"""How far apart two looks are, however much news there is: most of it is of other runs."""
FIRST_APART_SECONDS = 0.0005
"""The same at first, doubled with each look: many a run ends at once."""
LARGEST_SHARE = 0.2
"""Of the time, that looking at many runs may take."""
FEW = 50
"""So many runs are looked at in no time, even if the look had to wait for its turn."""
FIRST_LOOK_SECONDS = 0.05
LONGEST_LOOK_SECONDS = 1.0
BACK_OFF = 1.5
PAGE = 500
"""How many headers are read at once."""
NAMED = 3
"""How many runs an error names."""


class News:
    """Tells that something happened in some run, where the adapter says so."""

    def __init__(self, adapter: BaseDistributedAdapter) -> None:
        self._clock = adapter.options.runtime_options.clock
        self._waker = adapter.waker if isinstance(adapter, LocalAdapter) else None

    @property
    def comes_by_itself(self) -> bool:
        """Whether a wait ends early when there is news."""
        return self._waker is not None

    def mark(self) -> int:
        """Take this before looking, so that no news is slept over that comes meanwhile."""
        return self._waker.wakes if self._waker is not None else 0

    async def wait(self, since: int, seconds: float, *, apart: float = APART_SECONDS) -> None:
        """Wait for news that came after the mark was taken, at most so long.

        Args:
            since: The mark.
            seconds: The longest wait.
            apart: How long to wait in all, however much news there is.
        """
        if self._waker is None:
            await self._clock.sleep(max(seconds, 0.0))
            return
        began = self._clock.monotonic()
        if self._waker.wakes == since:
            await self._waker.wait(seconds)
        waited = self._clock.monotonic() - began
        await self._clock.sleep(max(0.0, min(apart, seconds) - waited))


async def header_of(adapter: BaseDistributedAdapter, run_id: str) -> RunHeader:
    """What a run says of itself.

    Raises:
        UnknownRunError: No such run, or it was purged.
        NewerFormatError: A newer Flowcraft wrote it.
    """
    (header,) = await adapter.ports.headers([run_id])
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
    async with aclosing(ends(adapter, [run_id], timeout_seconds=timeout_seconds)) as found:
        (header,) = await anext(found)
        return header


async def ends(
    adapter: BaseDistributedAdapter, run_ids: Iterable[str], *, timeout_seconds: float | None
) -> AsyncGenerator[list[RunHeader], None]:
    """Wait for many runs at once; give each once, those that ended between two looks together.

    Their order is that of their ends, by the clocks of their workers.

    Raises:
        UnknownRunError: No such run, or it was purged meanwhile.
        RunNotFinishedError: Some had not ended in time.
        RunError: The timeout is no number.
    """
    if not (timeout_seconds is None or _is_number(timeout_seconds)):
        raise RunError(
            f"timeout={timeout_seconds!r}: a number of seconds; leave it out to wait for as long "
            "as it takes"
        )
    clock, news = adapter.options.runtime_options.clock, News(adapter)
    began = clock.monotonic()
    look_seconds, apart_seconds = FIRST_LOOK_SECONDS, FIRST_APART_SECONDS
    left = timeout_seconds if timeout_seconds is not None else math.inf
    pending = list(dict.fromkeys(run_ids))
    while pending:
        mark, looked = news.mark(), clock.monotonic()
        headers = await _headers(adapter, pending)
        took = clock.monotonic() - looked
        pending = [header.run_id for header in headers if not header.is_over]
        if len(pending) < len(headers):
            yield sorted((header for header in headers if header.is_over), key=_ended_at)
        if not pending:
            return
        if left <= 0:
            raise RunNotFinishedError(_late(pending, timeout_seconds))
        longest = POLL_SECONDS if news.comes_by_itself else look_seconds
        apart = apart_seconds
        if len(headers) > FEW:
            apart = max(apart, took / LARGEST_SHARE)
        await news.wait(mark, min(left, max(longest, apart)), apart=apart)
        if timeout_seconds is not None:
            left = timeout_seconds - (clock.monotonic() - began)
        look_seconds = min(look_seconds * BACK_OFF, LONGEST_LOOK_SECONDS)
        apart_seconds = min(apart_seconds * 2, APART_SECONDS)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


async def _headers(adapter: BaseDistributedAdapter, run_ids: list[str]) -> list[RunHeader]:
    found = []
    for first in range(0, len(run_ids), PAGE):
        page = run_ids[first : first + PAGE]
        for run_id, header in zip(page, await adapter.ports.headers(page), strict=True):
            if header is None:
                raise UnknownRunError(no_run(run_id))
            found.append(header)
    return found


def _ended_at(header: RunHeader) -> float:
    return header.ended_at or 0.0


def _late(pending: list[str], timeout_seconds: float | None) -> str:
    if len(pending) == 1:
        who = f"run {pending[0]!r}"
    else:
        more = ", ..." if len(pending) > NAMED else ""
        names = ", ".join(repr(run_id) for run_id in pending[:NAMED])
        who = f"{len(pending)} runs ({names}{more})"
    return (
        f"{who} had not ended after {timeout_seconds:g} s. Wait longer, or look at what it waits"
        " for: is there a worker?"
    )
