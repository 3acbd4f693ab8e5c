"""The events of a run, told from what is written down about it.

Nothing is written for it alone: a record is the event that its activation is over, and the note
of a failed attempt the event that there will be another one. A store that keeps the order of
these is read on from where one stopped. Elsewhere the records of the run are followed from its
starts, each time from those activations that had none; what a resumed reader then gets is
everything again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.outcome import decode_failed
from flowcraft.adapter.ports import Ports
from flowcraft.client.waiting import (
    BACK_OFF,
    FIRST_LOOK_SECONDS,
    LONGEST_LOOK_SECONDS,
    News,
    header_of,
    no_run,
)
from flowcraft.engine.activation import is_lanes_key, parse_activation
from flowcraft.engine.cells import FAILED, RECORD
from flowcraft.engine.consequences import Arrival, consequences, lanes_arrival
from flowcraft.errors import UnknownRunError
from flowcraft.events import AFTER_THE_END, RunEvent, ended, recorded
from flowcraft.execution.move import RunView
from flowcraft.ports.store import Load, Loaded
from flowcraft.status import RunHeader

PAGE = 200
"""How many entries or activations are read at once."""
QUICK_SECONDS = 0.02
SLOW_SECONDS = 0.5
"""Nobody is woken by a record, so a run in progress is looked at; less often when it rests."""


class Found(NamedTuple):
    """What a look brought.

    Attributes:
        header: Read before the events, or in the same step.
        is_all: Whether nothing more had been recorded when the header was read.
    """

    header: RunHeader
    events: list[RunEvent]
    is_all: bool


async def run_events(
    adapter: BaseDistributedAdapter, run_id: str, *, after: str | None
) -> AsyncGenerator[RunEvent, None]:
    """Give the events of a run as they happen, until it has ended.

    Raises:
        UnknownRunError: No such run, or it was purged meanwhile.
        RunError: `after` is the cursor of no event.
        NewerFormatError: A newer Flowcraft wrote some of it.
    """
    if after == AFTER_THE_END:
        await header_of(adapter, run_id)
        return
    news = News(adapter)
    first, longest = (
        (QUICK_SECONDS, SLOW_SECONDS)
        if news.comes_by_itself
        else (FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS)
    )
    pause = first
    reader: JournalReader | RecordReader = JournalReader(adapter, run_id, after or "")
    while True:
        mark = news.mark()
        found = await reader.read()
        if found is None:
            reader = RecordReader(adapter, run_id)
            continue
        for event in found.events:
            yield event
        if not found.is_all:
            continue
        header = found.header
        if header.status != "running":
            yield ended(run_id, header.status, at=header.ended_at, error=header.error)
            return
        pause = first if found.events else min(pause * BACK_OFF, longest)
        await news.wait(mark, pause)


class JournalReader:
    """Reads on in the order in which things were committed."""

    def __init__(self, adapter: BaseDistributedAdapter, run_id: str, after: str) -> None:
        self._ports = adapter.ports
        self._run_id = run_id
        self._after = after

    async def read(self) -> Found | None:
        """What came since; None if the store keeps no order."""
        journal = await self._ports.store.journal(self._run_id, self._after, PAGE)
        if journal is None:
            return None
        if journal.header is None:
            raise UnknownRunError(no_run(self._run_id))
        self._ports.formats.check(journal.header)
        events = [
            _event(self._ports, self._run_id, entry.key, entry.name, entry.value, entry.cursor)
            for entry in journal.entries
        ]
        if events:
            self._after = events[-1].cursor
        return Found(journal.header, events, journal.is_all)


class RecordReader:
    """Follows the records from the starts of a run, each time from where it stopped."""

    def __init__(self, adapter: BaseDistributedAdapter, run_id: str) -> None:
        self._adapter = adapter
        self._ports = adapter.ports
        self._run_id = run_id
        self._seen: set[str] = set()
        self._open: dict[str, Arrival | None] = {}
        self._failures: dict[str, int] = {}

    async def read(self) -> Found:
        """What came since, in an order in which it can have happened."""
        run = await self._adapter.parts.view(self._run_id)
        if run is None:
            raise UnknownRunError(no_run(self._run_id))
        if not self._seen:
            self._lead_to(dict.fromkeys(run.program.plan.starts))
        events: list[RunEvent] = []
        pending = list(self._open)
        while pending:
            page, pending = pending[:PAGE], pending[PAGE:]
            found = await self._ports.store.load([Load(self._run_id, key) for key in page])
            for key, loaded in zip(page, found, strict=True):
                events += self._retries(key, loaded)
                pending += self._lead_to(self._over(run, key, loaded, events))
        return Found(run.header, events, True)

    def _lead_to(self, targets: dict[str, Arrival | None]) -> list[str]:
        """Note activations to look at; those that are new."""
        # A key that begins with "/" is no activation.
        new = [key for key in targets if key not in self._seen and not key.startswith("/")]
        self._seen.update(new)
        self._open.update((key, targets[key]) for key in new)
        return new

    def _retries(self, key: str, loaded: Loaded) -> list[RunEvent]:
        """The failed attempts that were not told yet."""
        events = []
        told = self._failures.get(key, 0)
        while (value := loaded.cells.get(f"{FAILED}{told + 1}")) is not None:
            told += 1
            events.append(_event(self._ports, self._run_id, key, f"{FAILED}{told}", value, ""))
            self._failures[key] = told
        return events

    def _over(
        self, run: RunView, key: str, loaded: Loaded, events: list[RunEvent]
    ) -> dict[str, Arrival | None]:
        """If the activation, or the batch, is over, tell it; what it leads to."""
        if is_lanes_key(key):
            arrival = self._open[key]
            if arrival is None or len(loaded.arrived) < arrival.need:
                return {}
            arrivals = [lanes_arrival(run.program, key)]
        else:
            value = loaded.cells.get(RECORD)
            if value is None:
                return {}
            events.append(_event(self._ports, self._run_id, key, RECORD, value, ""))
            record = self._ports.formats.decode(value)
            arrivals = consequences(run.program, parse_activation(key), record).arrivals
        del self._open[key]
        self._failures.pop(key, None)
        return {arrival.target: arrival for arrival in arrivals}


def _event(ports: Ports, run_id: str, key: str, name: str, value: bytes, cursor: str) -> RunEvent:
    """The event that a record or the note of a failed attempt is."""
    if name == RECORD:
        return recorded(run_id, key, ports.formats.decode(value), cursor=cursor)
    note = decode_failed(value)
    node, scope = parse_activation(key)
    return RunEvent(
        run_id=run_id,
        kind="retried",
        node=node,
        scope=scope,
        attempt=int(name.removeprefix(FAILED)),
        at=note.failed_at,
        error=note.error,
        cursor=cursor,
    )
