"""The events of one run in this process.

Who listens is told of what comes; what came before is read from the records, which lie in the
order in which they were written. So a run to which nobody listens keeps nothing for it but its
failed attempts, which have no record.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from flowcraft.engine.record import ErrorInfo
from flowcraft.errors import RunError
from flowcraft.events import AFTER_THE_END, EventKind, RunEvent, recorded
from flowcraft.execution.move import Move
from flowcraft.runtime.state import RunState

if TYPE_CHECKING:
    from flowcraft.runtime.driver import Driver


class _Place(NamedTuple):
    """How many records and failed attempts a listener has been told; its cursor."""

    records: int
    failures: int

    def __str__(self) -> str:
        return f"{self.records}.{self.failures}"

    @classmethod
    def read(cls, cursor: str | None) -> _Place:
        if not cursor:
            return cls(0, 0)
        records, _, failures = cursor.partition(".")
        if not (cursor.isascii() and records.isdecimal() and failures.isdecimal()):
            raise RunError(f"after={cursor!r}: the cursor of no event")
        return cls(int(records), int(failures))


class _Failure(NamedTuple):
    """A failed attempt, and how many records there were when it failed."""

    after: int
    event: RunEvent


class _Listener:
    """What one listener has not been told yet: keys of records, other events, None at the end."""

    def __init__(self) -> None:
        self.news: deque[str | RunEvent | None] = deque()
        self._woken: asyncio.Future[None] | None = None

    def tell(self, what: str | RunEvent | None) -> None:
        self.news.append(what)
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def next(self) -> str | RunEvent | None:
        while not self.news:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        return self.news.popleft()


class Listeners:
    """Who listens to a run.

    Attributes:
        are_there: Whether anybody does; ask before saying what only a listener wants to know.
    """

    def __init__(self, run_id: str, state: RunState) -> None:
        self._run_id = run_id
        self._state = state
        self._records = state.records
        self._failures: list[_Failure] = []
        self._listening: dict[_Listener, None] = {}
        self.are_there = False

    def _recorded(self, key: str) -> None:
        for listener in self._listening:
            listener.tell(key)

    def started(self, move: Move, at: float) -> None:
        """Say that an attempt began."""
        event = self._event("started", move, at, None)
        for listener in self._listening:
            listener.tell(event)

    def retried(self, move: Move, error: ErrorInfo, at: float) -> None:
        """Say that an attempt failed, and that another one follows."""
        event = self._event("retried", move, at, error)
        self._failures.append(_Failure(len(self._records), event))
        for listener in self._listening:
            listener.tell(event)

    def _event(self, kind: EventKind, move: Move, at: float, error: ErrorInfo | None) -> RunEvent:
        node, scope = move.activation
        return RunEvent(
            run_id=self._run_id, kind=kind, node=node, scope=scope, attempt=move.attempt, at=at,
            error=error,
        )  # fmt: skip

    def ended(self) -> None:
        """Say that the run is over."""
        for listener in self._listening:
            listener.tell(None)

    async def events(self, driver: Driver, after: str | None) -> AsyncGenerator[RunEvent, None]:
        """Give the events after a cursor; what is there already first.

        Raises:
            RunError: `after` is the cursor of no event.
        """
        if after == AFTER_THE_END:
            return
        place = _Place.read(after)
        listener = _Listener()
        listener.news.extend(self._so_far(place))
        if driver.end_event() is not None:
            listener.news.append(None)
        self._listening[listener] = None
        self._count()
        try:
            while (what := await listener.next()) is not None:
                if isinstance(what, str):
                    place = place._replace(records=place.records + 1)
                    yield recorded(self._run_id, what, self._records[what], cursor=str(place))
                else:
                    if what.kind == "retried":
                        place = place._replace(failures=place.failures + 1)
                    yield msgspec.structs.replace(what, cursor=str(place))
        finally:
            del self._listening[listener]
            self._count()
        end = driver.end_event()
        assert end is not None
        yield end

    def _count(self) -> None:
        self.are_there = bool(self._listening)
        self._state.on_record = self._recorded if self.are_there else None

    def _so_far(self, place: _Place) -> list[str | RunEvent]:
        """What came after a place, in the order in which it came."""
        so_far: list[str | RunEvent] = []
        number = place.records
        keys = islice(self._records, number, None)
        for failure in self._failures[place.failures :]:
            so_far += islice(keys, max(0, failure.after - number))
            number = max(number, failure.after)
            so_far.append(failure.event)
        so_far += keys
        return so_far
