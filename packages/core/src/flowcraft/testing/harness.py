"""What the kit asks of whoever tests an adapter: a fresh backend, and adapters over it.

    class FilesHarness(Harness):
        spec = SPEC

        def __init__(self, folder): ...
        def adapter(self, options, wire):
            settings = FilesSettings(path=..., lease_seconds=self.lease_seconds)
            return FilesAdapter(options, settings, call=wire.call)

A harness lives for one test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapters import AdapterSettings, AdapterSpec
from flowcraft.testing.loop import run_virtually
from flowcraft.testing.wire import Wire

T = TypeVar("T")


class Budget(NamedTuple):
    """How many requests on the wire things may cost, on average over many.

    The defaults are those of a queue and a store that are two servers, each asked by itself: a
    read, a write, a message sent and one acknowledged for a node; less where a worker goes on.

    Attributes:
        chain_node: One more node of a chain.
        branch: One more branch of a fan, with its arrival at the join.
        join: One more fan of two branches with its join.
        item: One more item of a batch.
        idle_minute: A worker with nothing to do, for a minute.
        member_there: By how much each member of a set makes the arrival of the next one dearer:
            the default `add_member` walks past them.
    """

    chain_node: float = 2.0
    branch: float = 5.0
    join: float = 13.0
    item: float = 5.0
    idle_minute: float = 200.0
    member_there: float = 0.0


class Harness(ABC):
    """One backend, made for one test and gone after it.

    Attributes:
        budget: What things may cost.
        spec: The adapter's own declaration of what it is and what it can do.
        lease_seconds: How long a message is held: adapters that are made hold it so long.
        largest_value_bytes: The largest value for adapters that are made; None for their own.
        patience_seconds: Bound of every wait, in the loop's time: reached only when something is
            broken.
        is_fast: Whether a run of ten nodes takes some milliseconds, so that faults are tried at
            every call and not at a sample of them.
        slack_seconds: How late a message may be taken by an idle worker that nothing wakes.
        tick_seconds: How coarse the backend's own time is: what is over may be seen so much longer.
    """

    budget: ClassVar[Budget] = Budget()
    spec: ClassVar[AdapterSpec]

    is_fast: bool = True
    lease_seconds: float = 10.0
    largest_value_bytes: int | None = None
    patience_seconds: float = 100_000.0
    slack_seconds: float = 5.0
    tick_seconds: float = 0.001

    @abstractmethod
    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        """Make an adapter over the backend, as another process would.

        Args:
            options: What its worker runs with; its clock is the test's.
            wire: Every request to the backend goes through its `call`.
        """

    @abstractmethod
    async def send_foreign(self, body: bytes) -> None:
        """Put anything at all on the queue, as a stranger could."""

    async def messages(self) -> Sequence[bytes] | None:
        """Every message on the queue, held or not; None if nobody can tell."""
        return None

    async def traces(self, run_id: str) -> Sequence[str]:
        """What the backend itself still holds of a run, in any words; empty if nobody can tell.

        A check looks at it after the run was purged.
        """
        del run_id
        return ()

    async def redeliver(self) -> bool:
        """End the lease of every message that is held, and no delay.

        Where nobody can, False is returned, and the kit waits for the leases to end.
        """
        return False

    def elsewhere(self) -> AdapterSettings | None:
        """Settings with which another process of this machine reaches the same backend.

        None where that cannot be.
        """
        return None

    def url(self) -> str | None:
        """A URL of the same backend, without options of its own; None if the adapter has none."""
        return None

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a check; in virtual time, for a backend that takes its time from the adapter."""
        return run_virtually(main)

    async def aclose(self) -> None:
        """Let go of the backend when the test is over, adapters and all."""
        return None
