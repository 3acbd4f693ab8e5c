"""The results of many runs, waited for together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.client.handle import RunHandle
from flowcraft.client.waiting import ends
from flowcraft.status import RunResult

RESULTS_AT_ONCE = 100
"""How many results are read together, of runs that ended together."""


def ids_of(runs: Iterable[RunHandle | str]) -> list[str]:
    """The ids of runs that are given by handle or by id."""
    return [run if isinstance(run, str) else run.run_id for run in runs]


async def results_as_they_come(
    adapter: BaseDistributedAdapter, run_ids: Iterable[str], *, timeout_seconds: float | None
) -> AsyncGenerator[RunResult, None]:
    """Give the result of each run once, in the order in which they end.

    Raises:
        UnknownRunError: No such run, or it was purged meanwhile.
        RunNotFinishedError: Some had not ended in time.
        RunError: The timeout is no number.
    """
    async with aclosing(ends(adapter, run_ids, timeout_seconds=timeout_seconds)) as ended:
        async for headers in ended:
            for first in range(0, len(headers), RESULTS_AT_ONCE):
                page = headers[first : first + RESULTS_AT_ONCE]
                read = (adapter.runs.result_of(header.run_id, header) for header in page)
                for result in await asyncio.gather(*read):
                    yield result
