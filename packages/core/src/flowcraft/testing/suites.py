"""All checks of one kind in one class, so that an adapter's tests miss none.

Each is made of the classes of a folder. A class of those can be subclassed on its own as well,
to work on one port at a time.
"""

from flowcraft.testing.contracts.amounts import AmountsContract
from flowcraft.testing.contracts.arrivals import ArrivalsContract
from flowcraft.testing.contracts.capabilities import CapabilitiesContract, SettingsContract
from flowcraft.testing.contracts.context import ContextContract
from flowcraft.testing.contracts.coordination import CoordinationContract
from flowcraft.testing.contracts.ends import EndsContract
from flowcraft.testing.contracts.holding import HoldingContract
from flowcraft.testing.contracts.jobs import JobsContract
from flowcraft.testing.contracts.journal import JournalContract
from flowcraft.testing.contracts.lasting import LastingContract
from flowcraft.testing.contracts.names import NamesContract
from flowcraft.testing.contracts.outages import OutagesContract
from flowcraft.testing.contracts.processes import ProcessesContract
from flowcraft.testing.contracts.purging import PurgeContract
from flowcraft.testing.contracts.queue import QueueContract
from flowcraft.testing.contracts.registry import RunRegistryContract
from flowcraft.testing.contracts.results import ResultsContract
from flowcraft.testing.contracts.store import RunStoreContract
from flowcraft.testing.contracts.sweeping import SweepingContract
from flowcraft.testing.contracts.timers import TimersContract
from flowcraft.testing.contracts.transition import TransitionContract
from flowcraft.testing.contracts.windows import WindowsContract
from flowcraft.testing.faults.answers import AmbiguousAnswers, RepeatedCalls
from flowcraft.testing.faults.messages import AnyOrder, EveryMessageTwice, LostMessages
from flowcraft.testing.faults.workers import ClockSkew, LateWorkers
from flowcraft.testing.scenarios.attempts import AttemptScenarios
from flowcraft.testing.scenarios.batches import BatchScenarios
from flowcraft.testing.scenarios.cancelling import CancelScenarios, DeadlineScenarios
from flowcraft.testing.scenarios.delays import DelayedStartScenarios
from flowcraft.testing.scenarios.deliveries import DeliveryScenarios
from flowcraft.testing.scenarios.drains import DrainScenarios, OutageScenarios
from flowcraft.testing.scenarios.edges import EdgeScenarios
from flowcraft.testing.scenarios.ends import EndScenarios
from flowcraft.testing.scenarios.events import EventScenarios
from flowcraft.testing.scenarios.expressions import ExpressionScenarios
from flowcraft.testing.scenarios.failures import ErrorTextScenarios, FailureScenarios
from flowcraft.testing.scenarios.fallbacks import FallbackScenarios
from flowcraft.testing.scenarios.inputs import InputScenarios
from flowcraft.testing.scenarios.joins import JoinScenarios
from flowcraft.testing.scenarios.large_values import LargeValueScenarios
from flowcraft.testing.scenarios.late_workers import LateWorkerScenarios
from flowcraft.testing.scenarios.listings import ListingScenarios
from flowcraft.testing.scenarios.long_holds import LongHoldScenarios
from flowcraft.testing.scenarios.loops import LoopScenarios
from flowcraft.testing.scenarios.many_runs import ManyRunsScenarios
from flowcraft.testing.scenarios.messages import MessageScenarios
from flowcraft.testing.scenarios.missing import DeployScenarios, MissingScenarios
from flowcraft.testing.scenarios.outputs import OutputScenarios
from flowcraft.testing.scenarios.purges import PurgeScenarios, RetentionScenarios
from flowcraft.testing.scenarios.retried_waits import RetriedSubflowScenarios, RetriedWaitScenarios
from flowcraft.testing.scenarios.retries import RetryScenarios
from flowcraft.testing.scenarios.scoped_waits import ScopedWaitScenarios
from flowcraft.testing.scenarios.sleeps import SleepScenarios
from flowcraft.testing.scenarios.starts import StartScenarios, SubmissionScenarios
from flowcraft.testing.scenarios.status import StatusScenarios
from flowcraft.testing.scenarios.subflows import SubflowScenarios
from flowcraft.testing.scenarios.sweeps import ReconcileScenarios, SweepScenarios
from flowcraft.testing.scenarios.upgrades import UpgradeScenarios
from flowcraft.testing.scenarios.values import ContextWriteScenarios, ValueScenarios
from flowcraft.testing.scenarios.waits import WaitScenarios
from flowcraft.testing.scenarios.webhooks import WebhookScenarios


class Contracts(
    AmountsContract,
    ArrivalsContract,
    CapabilitiesContract,
    SettingsContract,
    ContextContract,
    CoordinationContract,
    EndsContract,
    HoldingContract,
    JobsContract,
    JournalContract,
    LastingContract,
    NamesContract,
    OutagesContract,
    ProcessesContract,
    PurgeContract,
    QueueContract,
    RunRegistryContract,
    ResultsContract,
    RunStoreContract,
    SweepingContract,
    TimersContract,
    TransitionContract,
    WindowsContract,
):
    """What each port promises, on its own."""


class Scenarios(
    AttemptScenarios,
    BatchScenarios,
    CancelScenarios,
    DeadlineScenarios,
    DelayedStartScenarios,
    DeliveryScenarios,
    DrainScenarios,
    OutageScenarios,
    EdgeScenarios,
    EndScenarios,
    EventScenarios,
    ExpressionScenarios,
    FailureScenarios,
    ErrorTextScenarios,
    FallbackScenarios,
    InputScenarios,
    JoinScenarios,
    LargeValueScenarios,
    LateWorkerScenarios,
    ListingScenarios,
    LongHoldScenarios,
    LoopScenarios,
    ManyRunsScenarios,
    MessageScenarios,
    MissingScenarios,
    DeployScenarios,
    OutputScenarios,
    PurgeScenarios,
    RetentionScenarios,
    RetriedWaitScenarios,
    RetriedSubflowScenarios,
    RetryScenarios,
    ScopedWaitScenarios,
    SleepScenarios,
    StartScenarios,
    SubmissionScenarios,
    StatusScenarios,
    SubflowScenarios,
    SweepScenarios,
    ReconcileScenarios,
    ValueScenarios,
    UpgradeScenarios,
    ContextWriteScenarios,
    WaitScenarios,
    WebhookScenarios,
):
    """What whole runs do."""


class Faults(
    AmbiguousAnswers,
    RepeatedCalls,
    EveryMessageTwice,
    AnyOrder,
    LostMessages,
    LateWorkers,
    ClockSkew,
):
    """What runs do when messages, answers, workers and clocks go wrong."""
