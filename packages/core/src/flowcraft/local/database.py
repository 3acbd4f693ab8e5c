"""The primitives of an embedded backend: rows in, rows out, no rules.

Every method runs inside the transaction that its caller opened, on one thread. What they mean
together is in `store.py`, once for all embedded backends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from flowcraft.ports.queue import DeadLetter
from flowcraft.ports.store import Place, Stalled
from flowcraft.status import ListedStatus, RunHeader

T = TypeVar("T")


class JobRow(NamedTuple):
    """A leased message: `token` changes with every lease."""

    id: int
    token: int
    body: bytes
    is_redelivered: bool


class TimerRow(NamedTuple):
    """A timer as stored."""

    name: str
    due_at: float
    job: bytes


class LocalDatabase(ABC):
    """What `LocalStore` asks of a backend.

    Attributes:
        has_news: Whether the transaction added a job that can be taken, or ended a run.
    """

    has_news: bool = False

    # -- runs

    @abstractmethod
    def get_run(self, run_id: str) -> RunHeader | None: ...

    @abstractmethod
    def insert_run(self, header: RunHeader, sweep_after: float) -> None: ...

    @abstractmethod
    def update_run(self, header: RunHeader) -> None: ...

    @abstractmethod
    def child_ids(self, run_id: str) -> Sequence[str]: ...

    @abstractmethod
    def list_runs(
        self,
        status: ListedStatus | None,
        blueprint_id: str | None,
        before: Place | None,
        limit: int,
    ) -> Sequence[RunHeader]:
        """Runs by descending place, below a place."""

    @abstractmethod
    def expired(self, before: float, limit: int) -> Sequence[str]:
        """Runs that may be purged by their age since before a time, oldest first."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Remove the run and every row of its partition."""

    # -- cells and sets

    @abstractmethod
    def get_cells(self, run_id: str, key: str) -> Mapping[str, bytes]: ...

    @abstractmethod
    def get_cell(self, run_id: str, key: str, name: str) -> bytes | None: ...

    @abstractmethod
    def insert_cell(self, run_id: str, key: str, name: str, value: bytes) -> bool:
        """Write a cell if it is absent. Whether it was."""

    @abstractmethod
    def get_journal(self, run_id: str, after: int, limit: int) -> Sequence[tuple[int, str, str]]:
        """Number, key and name of cells that are told, in the order in which they were written.

        Numbers are above 0 and grow within a run, with gaps.

        Args:
            run_id: The run.
            after: Only cells with a greater number.
            limit: How many at most.
        """

    @abstractmethod
    def get_members(self, run_id: str, key: str) -> Iterable[tuple[str, bool, bytes | None]]: ...

    @abstractmethod
    def count_members(self, run_id: str, key: str) -> int:
        """The size of a set, without reading it; of one to which only `insert_member` adds."""

    @abstractmethod
    def insert_member(
        self, run_id: str, key: str, member: str, taken: bool, value: bytes | None
    ) -> tuple[int, int]:
        """Add a member if it is absent; the size of the set and how many were taken.

        Not to be asked of a set to which `put_member` adds more than two.
        """

    @abstractmethod
    def put_member(
        self, run_id: str, key: str, member: str, taken: bool, value: bytes | None
    ) -> None:
        """Add a member if it is absent, to a set whose size makes no difference."""

    # -- context

    @abstractmethod
    def get_context(self, run_id: str, keys: Sequence[str]) -> Mapping[str, bytes]: ...

    @abstractmethod
    def get_whole_context(self, run_id: str) -> Mapping[str, bytes]: ...

    @abstractmethod
    def write_context(self, run_id: str, key: str, value: bytes | None) -> None:
        """Set a key, or delete it where the value is None."""

    # -- jobs

    @abstractmethod
    def insert_job(self, body: bytes, visible_at: float) -> None: ...

    @abstractmethod
    def take_jobs(self, now: float, limit: int, lease_until: float) -> Sequence[JobRow]:
        """Lease messages that are visible; those whose lease ran out are redelivered."""

    @abstractmethod
    def next_job_at(self) -> float | None:
        """When the next message becomes visible; None if there is none."""

    @abstractmethod
    def delete_job(self, id_: int, token: int) -> bool: ...

    @abstractmethod
    def extend_job(self, id_: int, token: int, until: float) -> bool: ...

    @abstractmethod
    def release_job(self, id_: int, token: int, visible_at: float) -> None:
        """Give a message back as if it had not been delivered."""

    @abstractmethod
    def bury_job(self, id_: int, token: int, reason: str, at: float) -> None: ...

    @abstractmethod
    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Dead letters, the oldest first."""

    @abstractmethod
    def take_dead_letter(self, id_: str) -> bytes | None:
        """Remove a dead letter; its message, None if there is none of that id."""

    @abstractmethod
    def count_jobs(self, now: float) -> int:
        """How many messages are visible and not leased."""

    # -- sweeping

    @abstractmethod
    def set_sweep(self, run_id: str, after: float, *, by_sweeper: bool) -> None:
        """Move the run in the sweep index; the sweeper's visits are counted."""

    @abstractmethod
    def stalled(self, now: float, limit: int) -> Sequence[Stalled]: ...

    # -- timers

    @abstractmethod
    def set_timer(self, timer: TimerRow) -> None: ...

    @abstractmethod
    def due_timers(self, now: float, limit: int) -> Sequence[TimerRow]: ...

    @abstractmethod
    def clear_timer(self, name: str, due_at: float) -> None: ...

    # -- blueprints

    @abstractmethod
    def put_blueprint(self, content_hash: str, blueprint: bytes) -> None: ...

    @abstractmethod
    def get_blueprint(self, content_hash: str) -> bytes | None: ...

    # -- coordination keys of the whole application

    @abstractmethod
    def get_key(self, key: str) -> tuple[str, float | None] | None:
        """Value and expiry."""

    @abstractmethod
    def put_key(self, key: str, value: str, expires_at: float | None) -> None: ...

    @abstractmethod
    def delete_key(self, key: str) -> bool: ...

    @abstractmethod
    def drop_expired_keys(self, now: float, limit: int) -> None:
        """Remove keys whose expiry is over; it is no more than tidying up."""


class Transactor(Protocol):
    """Runs a function over the database as one atomic step.

    Args:
        step: The function.
        only_reads: Whether it writes nothing, so that it need keep nobody from writing.
    """

    async def __call__(
        self, step: Callable[[LocalDatabase], T], /, *, only_reads: bool = False
    ) -> T: ...
