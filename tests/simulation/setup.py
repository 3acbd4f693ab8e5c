"""What a simulated world is made from, and what it came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from tests.simulation.case import Case
from tests.simulation.check import Observed
from tests.simulation.faults import FaultPlan, Faults

Mode = Literal["fused", "split", "contract"]
"""Which layer of the ports the workers use."""
Backlog = Literal["busy", "away"]
"""Why messages wait for an hour: every worker has its hands full, or none is there."""

RUN_ID = "run"
RETRY_ID = "again"
LEASE_SECONDS = 10.0
SWEEP_SECONDS = 20.0
NEVER_SECONDS = 1e9
HOUR_SECONDS = 3600.0
EPOCH = 1_700_000_000.0


@dataclass(frozen=True, kw_only=True)
class Companion:
    """Another run in the same world.

    Args:
        case: What it runs.
        at: When it is submitted, in virtual seconds.
        is_poison: One of its nodes kills every worker, and so the run must fail for that.
    """

    case: Case
    at: float = 0.0
    is_poison: bool = False


@dataclass(kw_only=True)
class Setup:
    """How a case is run.

    Args:
        companions: Other runs in the same world.
        at: When the case itself is submitted, in virtual seconds.
        begins: Create and start the run in one call, as a client does.
        starts_in: The run is submitted with this delay, in seconds.
        skew_seconds: Each clock is off by at most this much, ahead or behind.
        backlog: Messages wait for an hour, for this reason.
        is_upgraded: Workers of an older format and of a newer one are there together, until the
            last old one has been drained or has died; a newer one comes in its place.
        has_sweeper: Whether workers look for stalled runs. With all rules of the protocol kept,
            and no message lost, nobody needs them to.
        most_messages: How many messages the run may send in all.
        most_waiting: How many messages may be on the queue for one activation at a time.
        is_calm: Nobody dies, stands still or fails to answer: no message may come back.
        early_at: When the early signals are sent; 0 is before the run starts.
        is_retried: When the run has ended, it is retried, under the same faults; both together
            are what is observed.
        is_purged: When all runs have ended they are purged, and messages come again after that.
    """

    case: Case
    seed: int
    mode: Mode
    plan: FaultPlan
    companions: tuple[Companion, ...] = ()
    at: float = 0.0
    begins: bool = False
    starts_in: float = 0.0
    workers: int = 3
    concurrency: int = 8
    skew_seconds: float = 0.0
    backlog: Backlog | None = None
    is_upgraded: bool = False
    has_delays: bool = True
    has_sweeper: bool = True
    most_messages: int | None = None
    most_waiting: int | None = None
    is_calm: bool = False
    early_at: float = 0.0
    max_deliveries: int = 60
    longest_unacknowledged_seconds: float = float("inf")
    longest_seconds: float = 100_000.0
    cancel_at: float | None = None
    is_purged: bool = False
    is_retried: bool = False
    is_traced: bool = False

    @property
    def has_poison(self) -> bool:
        """Whether some run kills the workers that all runs share."""
        return any(one.is_poison for one in self.companions)

    def features(self) -> list[str]:
        """What is special about this world, for the count of what was reached."""
        special = {
            "client begins in one call": self.begins,
            "delayed submission": self.starts_in > 0,
            "clock skew": self.skew_seconds > 0,
            "hour of backlog, workers busy": self.backlog == "busy",
            "hour of backlog, workers away": self.backlog == "away",
            "poison beside innocents": self.has_poison,
            "rolling upgrade": self.is_upgraded,
            "several runs": bool(self.companions),
            "no delays of the queue's own": not self.has_delays,
            "limited holding of messages": self.longest_unacknowledged_seconds < float("inf"),
            "cancelled": self.cancel_at is not None,
            "purged, with late duplicates": self.is_purged,
            "retried": self.is_retried,
        }
        return [name for name, is_so in special.items() if is_so]


FEATURES = (
    "client begins in one call", "delayed submission", "clock skew",
    "hour of backlog, workers busy", "hour of backlog, workers away", "poison beside innocents",
    "rolling upgrade", "several runs", "no delays of the queue's own",
    "limited holding of messages", "cancelled", "purged, with late duplicates", "retried",
)  # fmt: skip
"""What every simulation must have met."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """How one run of a world ended."""

    run_id: str
    case: Case
    observed: Observed
    may_be_cancelled: bool = False
    is_poison: bool = False


@dataclass(kw_only=True)
class Ended:
    """What a simulated world came to: the first run told of is that of the setup's own case."""

    told: list[Told]
    problems: list[str]
    faults: Faults
    executions: Counter[str] = field(default_factory=Counter)
    redeliveries: int = 0
    messages: int = 0
    drains: int = 0
    seconds: float = 0.0

    @property
    def observed(self) -> Observed | None:
        """How the run of the setup's own case ended, if it did."""
        return self.told[0].observed if self.told else None
