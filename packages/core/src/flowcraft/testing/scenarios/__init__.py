"""What whole runs do, sentence by sentence of docs/semantics.md: one class a chapter."""

from flowcraft.testing.scenarios.delays import DelayedStartScenarios
from flowcraft.testing.scenarios.joins import JoinScenarios
from flowcraft.testing.scenarios.starts import StartScenarios, SubmissionScenarios
from flowcraft.testing.scenarios.status import StatusScenarios

__all__ = [
    "DelayedStartScenarios",
    "JoinScenarios",
    "StartScenarios",
    "StatusScenarios",
    "SubmissionScenarios",
]
