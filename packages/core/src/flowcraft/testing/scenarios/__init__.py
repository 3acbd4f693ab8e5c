"""What whole runs do, sentence by sentence of docs/semantics.md: one class a chapter."""

from flowcraft.testing.scenarios.joins import JoinScenarios

__all__ = ["JoinScenarios"]
