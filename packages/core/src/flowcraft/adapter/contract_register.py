"""What a four-method adapter has to find without knowing its key, and therefore scans.

Two contexts under reserved run ids hold it: one what workers ask for all the time (runs to
sweep, timers, children, dead letters), the other every run there is, which only listings and
the retention read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flowcraft.clock import Clock
from flowcraft.execution.limits import OWN_RUNS
from flowcraft.ports.contract import AsyncContext, decode_job, encode_job
from flowcraft.ports.store import Place, Stalled, Timer
from flowcraft.status import RunHeader

SYSTEM_RUN = f"{OWN_RUNS}__"
"""The reserved run id whose context holds what workers look for."""
ALL_RUNS = f"{OWN_RUNS}_runs__"
"""The reserved run id whose context has an entry for every run."""
UNSEEN_SWEEPS = 10
"""After how many sweep intervals a run is swept however busy it is."""


class Entry(NamedTuple):
    """What the register says of a run; `expires_from` is None unless retention may take it."""

    place: Place
    blueprint_id: str
    expires_from: float | None


class ContractRegister:
    """Notes in the reserved contexts."""

    def __init__(
        self,
        create_context: Callable[[str], AsyncContext],
        clock: Clock,
        *,
        first_sweep_seconds: float,
    ) -> None:
        self._create_context = create_context
        self._clock = clock
        self._first_sweep_seconds = first_sweep_seconds

    @property
    def _system(self) -> AsyncContext:
        return self._create_context(SYSTEM_RUN)

    @property
    def _all_runs(self) -> AsyncContext:
        return self._create_context(ALL_RUNS)

    # -- runs

    async def enter(self, header: RunHeader) -> None:
        """Note a run that is about to be; repeating it changes nothing that counts."""
        run_id, now = header.run_id, self._clock.now()
        note = {"after": now + self._first_sweep_seconds, "sweeps": 0, "swept": now}
        await self._system.set(f"run:{run_id}", note)
        if header.parent is not None:
            await self._system.set(f"child:{header.parent.run_id}/{run_id}", run_id)
        await self._all_runs.set(run_id, _note(header))

    async def announced(self, header: RunHeader) -> None:
        """Take a run off the sweep index, and note since when it may expire."""
        await self._all_runs.set(header.run_id, _note(header))
        await self._system.delete(f"run:{header.run_id}")

    async def forget(self, run_id: str) -> None:
        """Remove the notes of a purged run, and its timers.

        Last goes that by which it is found again if this is cut short: the entry of a root, the
        note that it is a child of a child.
        """
        notes = [key for key in await self._system.to_dict() if _is_of(run_id, key)]
        notes.sort(key=lambda key: key.startswith("child:"))
        for key in notes:
            if key.startswith("child:"):
                await self._all_runs.delete(run_id)
            await self._system.delete(key)
        await self._all_runs.delete(run_id)

    async def entries(self) -> Sequence[Entry]:
        """Every run there is, newest first; one that is about to be may be among them."""
        found = [
            Entry(Place(note["created"], run_id), note["blueprint"], note["expires"])
            for run_id, note in (await self._all_runs.to_dict()).items()
        ]
        return sorted(found, reverse=True, key=lambda entry: entry.place)

    async def children(self, run_id: str) -> Sequence[str]:
        """The runs whose parent this one is."""
        prefix = f"child:{run_id}/"  # no id holds a slash
        found = await self._system.to_dict()
        return [value for key, value in found.items() if key.startswith(prefix)]

    # -- sweeping

    async def touch(self, until: Mapping[str, float]) -> None:
        """Move runs in progress in the sweep index."""
        for run_id, after in until.items():
            found = await self._system.get(f"run:{run_id}")
            if found is not None:
                latest = found["swept"] + UNSEEN_SWEEPS * self._first_sweep_seconds
                note = {**found, "after": min(after, latest), "sweeps": 0}
                await self._system.set(f"run:{run_id}", note)

    async def swept(self, until: Mapping[str, float]) -> None:
        """Move runs in the sweep index, by the sweeper."""
        for run_id, after in until.items():
            found = await self._system.get(f"run:{run_id}")
            if found is not None:
                swept = self._clock.now()
                note = {"after": after, "sweeps": found["sweeps"] + 1, "swept": swept}
                await self._system.set(f"run:{run_id}", note)

    async def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        """List unannounced runs whose time is over."""
        found = [
            (note["after"], key.removeprefix("run:"), note["sweeps"])
            for key, note in (await self._system.to_dict()).items()
            if key.startswith("run:") and note["after"] <= now
        ]
        return [Stalled(run_id, sweeps) for _, run_id, sweeps in sorted(found)[:limit]]

    # -- timers

    async def set_timers(self, timers: Sequence[Timer]) -> None:
        """Keep timers by name."""
        for timer in timers:
            note = {"due": timer.due_at, "job": encode_job(timer.job).decode()}
            await self._system.set(f"timer:{timer.name}", note)

    async def due_timers(self, now: float, limit: int) -> Sequence[Timer]:
        """List timers whose time has come."""
        found = sorted(
            (note["due"], key.removeprefix("timer:"), note["job"])
            for key, note in (await self._system.to_dict()).items()
            if key.startswith("timer:") and note["due"] <= now
        )
        return [Timer(name, due, decode_job(job.encode())) for due, name, job in found[:limit]]

    async def clear_timers(self, timers: Sequence[Timer]) -> None:
        """Forget timers, unless they were moved since."""
        for timer in timers:
            found: Any = await self._system.get(f"timer:{timer.name}")
            if found is not None and found["due"] == timer.due_at:
                await self._system.delete(f"timer:{timer.name}")


def _is_of(run_id: str, key: str) -> bool:
    """Whether a note is that of a run, that of it as a child, or one of its timers."""
    what, _, name = key.partition(":")
    if what == "run":
        return name == run_id
    parts = name.removeprefix("held/").split("/")  # no id holds a slash
    return what in ("child", "timer") and parts[1] == run_id  # behind the parent, or the sender


def is_listed_alike(one: RunHeader, other: RunHeader) -> bool:
    """Whether two headers of one run stand at the same place of the listings."""
    return (one.created_at, one.blueprint_id) == (other.created_at, other.blueprint_id)


def _note(header: RunHeader) -> dict[str, Any]:
    """What the register keeps of a run, so that a listing need not read them all."""
    return {
        "created": header.created_at,
        "blueprint": header.blueprint_id,
        "expires": header.expires_from,
    }
