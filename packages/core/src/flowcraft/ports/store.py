"""The run store: everything durable about runs.

A run is a partition. In it, every activation has *cells*, which are written once and never
changed (its record, its failed attempts, an open wait, ...), and a *set* of members that
arrived at it, each with the value it carries. Beside them are the context, one item a key, and
the run's header. All calls take a sequence and answer one result for each element.

Guarantees the protocol relies on:

* each element is one atomic step; a sequence as a whole is not;
* every write into a run's partition is conditional on the run being there, so that nothing
  comes back after a purge;
* `commit` writes all or nothing, and only while the run's status is `running`;
* a call that raises `BackendUnavailableError` may have done any part of its elements.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.record import ErrorInfo
from flowcraft.ports.contract import JobPayload
from flowcraft.status import FinalStatus, ListedStatus, RunHeader


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run to be created, with its payload (JSON) and its first context."""

    header: RunHeader
    payload: bytes
    context: Mapping[str, bytes]


class Lease(NamedTuple):
    """A worker's word that it is at an attempt of an activation, good until a time."""

    run_id: str
    key: str
    attempt: int
    worker: str
    until: float


class Load(NamedTuple):
    """What a worker reads before it moves an activation.

    Attributes:
        key: The activation; its cells, its set and its winner come back whole.
        peeks: Single cells elsewhere in the run, as (key, name).
        context: Context keys; None for all of them.
    """

    run_id: str
    key: str
    peeks: tuple[tuple[str, str], ...] = ()
    context: tuple[str, ...] | None = ()


class Loaded(NamedTuple):
    """What was found; `header` is None if there is no such run.

    Attributes:
        cells: Values by name.
        slots: What the taken members carry, by member.
        arrived: Every member, and whether it was taken.
        winner: The member that started an `any` join.
        lease: Who is at it, by the last word of theirs; it may be over.
    """

    header: RunHeader | None
    cells: Mapping[str, bytes] = {}
    slots: Mapping[str, bytes] = {}
    arrived: Mapping[str, bool] = {}
    winner: str | None = None
    peeked: Mapping[tuple[str, str], bytes] = {}
    context: Mapping[str, bytes] = {}
    lease: Lease | None = None


class Commit(NamedTuple):
    """A guarded write: nothing happens unless the guard is absent and the run is running.

    Attributes:
        guard: The cell that only one writer gets to write.
        absent: A second cell that must not be there, as (key, name).
        cells: Further cells, written with the guard; one that exists stays as it is.
        context: Context keys to set (JSON) or delete (None), in the same step.
        ends: The final status to write in the same step, and why.
    """

    run_id: str
    guard: Cell
    absent: tuple[str, str] | None = None
    cells: tuple[Cell, ...] = ()
    context: Mapping[str, bytes | None] = {}
    ends: tuple[FinalStatus, ErrorInfo | None] | None = None


class CommitResult(NamedTuple):
    """What became of a commit.

    Attributes:
        is_won: Whether it was written.
        existing: What the guard holds, if that is why it was not.
        barred: What the cell that had to be absent holds, if that is why it was not.
    """

    is_won: bool
    existing: bytes | None = None
    barred: bytes | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was not written because the run has ended, or is gone."""
        return not self.is_won and self.existing is None and self.barred is None


class Propagation(NamedTuple):
    """Cells and arrivals that follow from a record; safe to repeat."""

    run_id: str
    cells: tuple[Cell, ...]
    arrivals: tuple[Arrival, ...]


class Arrived(NamedTuple):
    """The target's set as of the step that counted the arrival."""

    members: int
    taken: int
    winner: str | None


class End(NamedTuple):
    """A final status to be written if none is.

    Attributes:
        expected: Write it only if the set of sinks of loop bodies that the end waits for has so
            many members, in the same step. It grows with the iterations: to be counted, not read.
    """

    run_id: str
    status: FinalStatus
    error: ErrorInfo | None = None
    at: float = 0.0
    expected: int | None = None


class Timer(NamedTuple):
    """A job to be sent when its time comes; `name` makes setting it twice one timer."""

    name: str
    due_at: float
    job: JobPayload


class Place(NamedTuple):
    """Where a run stands in a listing; no two runs have the same place."""

    created_at: float
    run_id: str


class Stalled(NamedTuple):
    """A run that nobody has vouched for, and how often the sweeper came by since."""

    run_id: str
    sweeps: int


class Entry(NamedTuple):
    """A record, or the note of a failed attempt, as it was committed.

    Attributes:
        cursor: Its place in the journal of its run, opaque.
        key: The activation.
        name: The cell.
    """

    cursor: str
    key: str
    name: str
    value: bytes


class Journal(NamedTuple):
    """What was committed to a run, in that order.

    Attributes:
        header: None if there is no such run. Read before the entries or in the same step, so
            that nothing can be missing after the last entry of a run that was over.
        is_all: Whether these entries are the last that there were then.
    """

    header: RunHeader | None
    entries: tuple[Entry, ...] = ()
    is_all: bool = True


class RunStore(ABC):
    """See the module's text for what is guaranteed."""

    # -- the path of a node

    @abstractmethod
    async def load(self, loads: Sequence[Load]) -> Sequence[Loaded]:
        """Read what moving an activation needs, strongly consistent."""

    @abstractmethod
    async def commit(self, commits: Sequence[Commit]) -> Sequence[CommitResult]:
        """Write guarded cells with their context patch."""

    @abstractmethod
    async def propagate(
        self, propagations: Sequence[Propagation]
    ) -> Sequence[tuple[Arrived, ...] | None]:
        """Write cells, then values, then members; None if the run is gone.

        A member is never visible before the value that it carries.
        """

    @abstractmethod
    async def finish(self, ends: Sequence[End]) -> Sequence[RunHeader | None]:
        """Write final statuses where none is; the header as it then stands, None if gone."""

    # -- runs

    @abstractmethod
    async def create(self, runs: Sequence[NewRun]) -> Sequence[RunHeader | None]:
        """Create runs that do not exist; the header that then stands.

        A run with a parent is created only while that one is there and running, in the same step.
        It is None that stands where it is not: a late worker must not bring back what was purged.
        """

    @abstractmethod
    async def headers(self, run_ids: Sequence[str]) -> Sequence[RunHeader | None]:
        """Read what runs say of themselves."""

    @abstractmethod
    async def context(self, run_id: str) -> Mapping[str, bytes]:
        """Read all context keys of a run."""

    @abstractmethod
    async def children(self, run_id: str) -> Sequence[str]:
        """List the runs whose parent this one is."""

    @abstractmethod
    async def list_runs(
        self,
        *,
        status: ListedStatus | None,
        blueprint_id: str | None,
        before: Place | None,
        limit: int,
    ) -> Sequence[RunHeader]:
        """List runs by descending place, by an index.

        Args:
            status: Only those of this status.
            blueprint_id: Only those that follow this blueprint.
            before: Only those whose place is smaller.
            limit: How many at most.
        """

    async def journal(self, run_id: str, after: str, limit: int) -> Journal | None:
        """Read records and failed attempts of a run in the order of their commits.

        This default says that the store keeps no such order; the events of a run are then told
        from its records, and who goes on after a cursor gets all of them again.

        Args:
            run_id: The run.
            after: The cursor of the last entry that was read; empty for none.
            limit: How many entries at most; there may be fewer, and more to come.

        Returns:
            The entries after the cursor; None if the store keeps no order.

        Raises:
            RunError: The cursor is none.
        """
        del run_id, after, limit
        return None

    @abstractmethod
    async def mark_announced(self, run_ids: Sequence[str]) -> None:
        """Note that the end was published, and take the runs off the sweep index."""

    @abstractmethod
    async def expired(self, before: float, limit: int) -> Sequence[str]:
        """List announced runs without a parent that ended before a time, by an index.

        Those that ended first come first.
        """

    @abstractmethod
    async def purge(self, run_ids: Sequence[str]) -> None:
        """Remove ended runs and everything of theirs."""

    # -- sweeping

    @abstractmethod
    async def touch(self, until: Mapping[str, float], leases: Sequence[Lease]) -> None:
        """Say of runs in progress that nobody need look at them before the given time.

        The leases name activations that have been under way for some time; without them a
        sweeper would start a second worker on each.
        """

    @abstractmethod
    async def leases(self, run_id: str, keys: Sequence[str]) -> Mapping[str, Lease]:
        """Read the last leases of some activations of a run."""

    @abstractmethod
    async def stalled(self, now: float, limit: int) -> Sequence[Stalled]:
        """List unannounced runs whose time is over, by an index, oldest first."""

    @abstractmethod
    async def swept(self, until: Mapping[str, float]) -> None:
        """Move runs in the index, by the sweeper; how often since they were last in progress.

        A run in progress is looked at as well, once in a long while: a message of one branch
        may be lost while another branch is busy.
        """

    # -- timers

    @abstractmethod
    async def set_timers(self, timers: Sequence[Timer]) -> None:
        """Keep timers; one of the same name is moved."""

    @abstractmethod
    async def due_timers(self, now: float, limit: int) -> Sequence[Timer]:
        """List timers whose time has come, by an index."""

    @abstractmethod
    async def clear_timers(self, timers: Sequence[Timer]) -> None:
        """Forget timers, unless they were moved since."""

    # -- blueprints

    @abstractmethod
    async def put_blueprint(self, content_hash: str, blueprint: bytes) -> None:
        """Keep a blueprint under its content's hash."""

    @abstractmethod
    async def get_blueprint(self, content_hash: str) -> bytes | None:
        """Read a blueprint."""
