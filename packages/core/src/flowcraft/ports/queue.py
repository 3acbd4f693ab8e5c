"""The job queue: at least once, in any order, late, twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from flowcraft.errors import BackendError
from flowcraft.ports.contract import JobPayload

_OWN_TOOLS = "this queue keeps its dead letters to itself. Use the tools of its backend"


class Delivery(NamedTuple):
    """A message held by this worker for the length of a lease.

    Attributes:
        body: The message as it came over the wire.
        handle: What the backend needs to acknowledge it, opaque to the core; None for one that
            somebody else received and answers.
        is_redelivered: Whether it may have been delivered before. A backend that cannot
            tell says True.
    """

    body: bytes
    handle: Any
    is_redelivered: bool


class Outgoing(NamedTuple):
    """A job to be sent, not to be delivered before the delay is over."""

    job: JobPayload
    delay_seconds: float = 0.0


class DeadLetter(NamedTuple):
    """A message that nobody could handle.

    Attributes:
        id: Its name among the dead letters; never given to another one.
        body: The message as it came over the wire.
        reason: Why nobody could handle it.
        at: When it was given up, in seconds since the epoch.
    """

    id: str
    body: bytes
    reason: str
    at: float


class JobQueue(ABC):
    """Messages with leases.

    Its limits are those of this very queue, with its settings; `Capabilities` declares them for
    the default ones.

    Guarantees: a message that was sent is delivered until it is acknowledged, never two at a
    time within its lease as long as nobody pauses. Not guaranteed: order, exactly once, or
    that an acknowledgement after the lease is refused.
    """

    lease_seconds: float
    """How long a delivery is held without an extension."""
    clock_skew_seconds: float = 60.0
    """How far apart the clocks of its workers may be; 0 where all are on one machine. What a worker
    holds by its own clock is so much later taken for given up."""
    longest_delay_seconds: float = 0.0
    """The longest delay of `send`; 0 if it has none, infinity if it has no limit."""
    longest_unacknowledged_seconds: float = float("inf")
    """How long a message may be held with extensions, by the broker's rule."""

    @abstractmethod
    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        """Take up to `limit` messages; wait for the first one at most so long.

        Cancelled while it takes, it gives back what it took.
        """

    @abstractmethod
    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages. One that is no longer held is left alone or removed."""

    @abstractmethod
    async def extend(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        """Start their leases anew; False where the lease was lost."""

    @abstractmethod
    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float) -> None:
        """Give messages back; they do not count as redelivered for it, unless they did before."""

    @abstractmethod
    async def send(self, jobs: Sequence[Outgoing]) -> None:
        """Put jobs on the queue; durable when this returns."""

    @abstractmethod
    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Move messages that nobody can handle to the dead letters, with the reason."""

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter] | None:
        """List dead letters, the oldest first; None if the backend's own tools are needed."""
        del limit
        return None

    async def requeue(self, ids: Sequence[str]) -> Sequence[bool]:
        """Put dead letters back on the queue as new messages; False where there is none.

        Raises:
            BackendError: The backend's own tools are needed, or the message is no job.
        """
        raise BackendError(_OWN_TOOLS)

    async def drop(self, ids: Sequence[str]) -> Sequence[bool]:
        """Remove dead letters for good; False where there is none.

        Raises:
            BackendError: The backend's own tools are needed.
        """
        raise BackendError(_OWN_TOOLS)

    async def depth(self) -> int | None:
        """How many messages wait, roughly; None if the backend cannot say."""
        return None
