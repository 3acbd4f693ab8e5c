"""What whole runs do, sentence by sentence of docs/semantics.md: one class a chapter."""

from flowcraft.testing.scenarios.edges import EdgeScenarios
from flowcraft.testing.scenarios.expressions import ExpressionScenarios
from flowcraft.testing.scenarios.inputs import InputScenarios
from flowcraft.testing.scenarios.joins import JoinScenarios

__all__ = [
    "EdgeScenarios",
    "ExpressionScenarios",
    "InputScenarios",
    "JoinScenarios",
]
