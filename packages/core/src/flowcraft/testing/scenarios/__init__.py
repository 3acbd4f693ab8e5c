"""What whole runs do, sentence by sentence of docs/semantics.md: one class a chapter."""

from flowcraft.testing.scenarios.attempts import AttemptScenarios
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
from flowcraft.testing.scenarios.loops import LoopScenarios
from flowcraft.testing.scenarios.many_runs import ManyRunsScenarios
from flowcraft.testing.scenarios.messages import MessageScenarios
from flowcraft.testing.scenarios.missing import DeployScenarios, MissingScenarios
from flowcraft.testing.scenarios.outputs import OutputScenarios
from flowcraft.testing.scenarios.purges import PurgeScenarios, RetentionScenarios
from flowcraft.testing.scenarios.starts import StartScenarios, SubmissionScenarios
from flowcraft.testing.scenarios.status import StatusScenarios
from flowcraft.testing.scenarios.sweeps import ReconcileScenarios, SweepScenarios
from flowcraft.testing.scenarios.values import ContextWriteScenarios, ValueScenarios

__all__ = [
    "AttemptScenarios",
    "CancelScenarios",
    "ContextWriteScenarios",
    "DeadlineScenarios",
    "DelayedStartScenarios",
    "DeliveryScenarios",
    "DeployScenarios",
    "DrainScenarios",
    "EdgeScenarios",
    "EndScenarios",
    "ErrorTextScenarios",
    "EventScenarios",
    "ExpressionScenarios",
    "FailureScenarios",
    "FallbackScenarios",
    "InputScenarios",
    "JoinScenarios",
    "LargeValueScenarios",
    "LateWorkerScenarios",
    "ListingScenarios",
    "LoopScenarios",
    "ManyRunsScenarios",
    "MessageScenarios",
    "MissingScenarios",
    "OutageScenarios",
    "OutputScenarios",
    "PurgeScenarios",
    "ReconcileScenarios",
    "RetentionScenarios",
    "StartScenarios",
    "StatusScenarios",
    "SubmissionScenarios",
    "SweepScenarios",
    "ValueScenarios",
]
