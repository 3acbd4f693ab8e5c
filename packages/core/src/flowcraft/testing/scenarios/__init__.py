"""What whole runs do, sentence by sentence of docs/semantics.md: one class a chapter."""

from flowcraft.testing.scenarios.batches import BatchScenarios
from flowcraft.testing.scenarios.edges import EdgeScenarios
from flowcraft.testing.scenarios.expressions import ExpressionScenarios
from flowcraft.testing.scenarios.fallbacks import FallbackScenarios
from flowcraft.testing.scenarios.inputs import InputScenarios
from flowcraft.testing.scenarios.joins import JoinScenarios
from flowcraft.testing.scenarios.loops import LoopScenarios
from flowcraft.testing.scenarios.retried_waits import RetriedSubflowScenarios, RetriedWaitScenarios
from flowcraft.testing.scenarios.retries import RetryScenarios
from flowcraft.testing.scenarios.scoped_waits import ScopedWaitScenarios
from flowcraft.testing.scenarios.sleeps import SleepScenarios
from flowcraft.testing.scenarios.subflows import SubflowScenarios
from flowcraft.testing.scenarios.waits import WaitScenarios
from flowcraft.testing.scenarios.webhooks import WebhookScenarios

__all__ = [
    "BatchScenarios",
    "EdgeScenarios",
    "ExpressionScenarios",
    "FallbackScenarios",
    "InputScenarios",
    "JoinScenarios",
    "LoopScenarios",
from flowcraft.testing.scenarios.delays import DelayedStartScenarios
from flowcraft.testing.scenarios.starts import StartScenarios, SubmissionScenarios
from flowcraft.testing.scenarios.status import StatusScenarios
    "DelayedStartScenarios",
    "StartScenarios",
    "StatusScenarios",
    "SubmissionScenarios",
    "RetriedSubflowScenarios",
    "RetriedWaitScenarios",
    "RetryScenarios",
    "ScopedWaitScenarios",
    "SleepScenarios",
    "SubflowScenarios",
    "WaitScenarios",
    "WebhookScenarios",
]
