"""What whole runs do, sentence by sentence of docs/semantics.md: one class a chapter."""

from flowcraft.testing.scenarios.cancelling import CancelScenarios, DeadlineScenarios
from flowcraft.testing.scenarios.delays import DelayedStartScenarios
from flowcraft.testing.scenarios.ends import EndScenarios
from flowcraft.testing.scenarios.failures import ErrorTextScenarios, FailureScenarios
from flowcraft.testing.scenarios.joins import JoinScenarios
from flowcraft.testing.scenarios.outputs import OutputScenarios
from flowcraft.testing.scenarios.starts import StartScenarios, SubmissionScenarios
from flowcraft.testing.scenarios.status import StatusScenarios

__all__ = [
    "CancelScenarios",
    "DeadlineScenarios",
    "DelayedStartScenarios",
    "EndScenarios",
    "ErrorTextScenarios",
    "FailureScenarios",
    "JoinScenarios",
    "OutputScenarios",
    "StartScenarios",
    "StatusScenarios",
    "SubmissionScenarios",
]
