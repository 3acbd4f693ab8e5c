"""What whole runs do, sentence by sentence of docs/semantics.md: one class a chapter."""

from flowcraft.testing.scenarios.edges import EdgeScenarios
from flowcraft.testing.scenarios.expressions import ExpressionScenarios
from flowcraft.testing.scenarios.fallbacks import FallbackScenarios
from flowcraft.testing.scenarios.inputs import InputScenarios
from flowcraft.testing.scenarios.joins import JoinScenarios
from flowcraft.testing.scenarios.loops import LoopScenarios

__all__ = [
    "EdgeScenarios",
    "ExpressionScenarios",
    "FallbackScenarios",
    "InputScenarios",
    "JoinScenarios",
    "LoopScenarios",
]
