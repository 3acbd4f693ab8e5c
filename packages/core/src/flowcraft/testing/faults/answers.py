"""Answers that are errors, though what was asked was done; and what is asked twice."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.batcher import Batcher
from flowcraft.errors import BackendUnavailableError
from flowcraft.testing.cases import CASES
from flowcraft.testing.checks import check
from flowcraft.testing.play import Fault, Play, Played
from flowcraft.testing.points import Point, Trial
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call
from flowcraft.testing.worker import Worker

REPEATED_OF_STORE = (
    "create", "finish", "mark_announced", "purge", "touch", "swept", "set_timers", "clear_timers",
    "put_blueprint",
)  # fmt: skip
REPEATED_OF_QUEUE = ("ack", "extend", "release")


class Error(Fault):
    """A call fails, before or after it had its effect.

    Args:
        point: Which call.
    """

    def __init__(self, point: Point) -> None:
        self._point = point

    async def at_call(self, play: Play, who: Worker, call: Call, *, is_after: bool) -> None:
        if (call.number, is_after) == self._point:
            raise BackendUnavailableError(f"{call.name}: no answer came")


class Repeated(Fault):
    """Every port call that may be repeated is made twice, and the second answer counts."""

    def prepare(self, worker: Worker) -> None:
        repeat_calls(worker.adapter)

    def wrong(self, play: Play, played: Played, calm: Played) -> Iterator[str]:
        longest = 3 * calm.seconds + play.stage.lease_seconds / 2
        if played.seconds > longest:
            yield f"it took {played.seconds:g} s, as if a lease had to end, and not {longest:g}"


def repeat_calls(adapter: BaseDistributedAdapter) -> None:
    """Let an adapter make each call twice that means the same then, as a driver may."""
    ports = adapter.ports
    for batcher in vars(ports).values():
        # A job that is sent twice is another matter: see `EveryMessageTwice`.
        if isinstance(batcher, Batcher) and batcher is not ports.send:
            batcher._call = _twice(batcher._call)
    for port, names in ((ports.store, REPEATED_OF_STORE), (ports.queue, REPEATED_OF_QUEUE)):
        for name in names:
            setattr(port, name, _twice(getattr(port, name)))


def _twice(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(call)
    async def again(*args: Any, **kwargs: Any) -> Any:
        await call(*args, **kwargs)
        return await call(*args, **kwargs)

    return again


class AmbiguousAnswers:
    """A call that fails may have had its effect, or not."""

    @check("S12.4", "S12.15", "G2", "G4", "G6")
    @pytest.mark.parametrize("case", CASES)
    async def test_an_error_at_any_call_changes_no_outcome(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        await Trial(stage, request, case, what="errors").at_each_call(Error, is_sample=True)


class RepeatedCalls:
    """A driver that asks again gets the answer it would have got."""

    @check("S12.4", "S12.10", "G2", "G4")
    @pytest.mark.parametrize("case", CASES)
    async def test_every_call_twice_changes_no_outcome(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        await Trial(stage, request, case, what="repetitions").once(Repeated())
