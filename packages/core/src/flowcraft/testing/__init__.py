"""The conformance kit: what every adapter must hold, as classes that pytest collects.

    import pytest
    from flowcraft.testing import CoordinationContract, Harness, JoinScenarios

    class MyHarness(Harness): ...

    @pytest.fixture
    def harness(tmp_path): return MyHarness(tmp_path)

    class TestCoordination(CoordinationContract): ...
    class TestJoins(JoinScenarios): ...

Install it with `pip install "flowcraft-core[testing]"`; docs/write-an-adapter.md goes through it.

- `harness`: what you write: your backend, and adapters over it.
- `wire`: where a worker's calls are numbered, held up and cut.
- `stage`: what a check stands on: workers, blueprints, the outside.
- `contracts`: what each port promises.
- `scenarios`: what whole runs do.
"""

from flowcraft.testing.checks import check, covers
from flowcraft.testing.contracts import (
    ContextContract,
    CoordinationContract,
    JobsContract,
    QueueContract,
)
from flowcraft.testing.harness import Harness
from flowcraft.testing.scenarios import (
    AttemptScenarios,
    CancelScenarios,
    ContextWriteScenarios,
    DeadlineScenarios,
    DelayedStartScenarios,
    DeliveryScenarios,
    DeployScenarios,
    DrainScenarios,
    EdgeScenarios,
    EndScenarios,
    ErrorTextScenarios,
    EventScenarios,
    ExpressionScenarios,
    FailureScenarios,
    FallbackScenarios,
    InputScenarios,
    JoinScenarios,
    LargeValueScenarios,
    LateWorkerScenarios,
    ListingScenarios,
    LoopScenarios,
    ManyRunsScenarios,
    MessageScenarios,
    MissingScenarios,
    OutageScenarios,
    OutputScenarios,
    PurgeScenarios,
    ReconcileScenarios,
    RetentionScenarios,
    StartScenarios,
    StatusScenarios,
    SubmissionScenarios,
    SweepScenarios,
    ValueScenarios,
)
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call, Wire

__all__ = [
    "AttemptScenarios",
    "Call",
    "CancelScenarios",
    "ContextContract",
    "ContextWriteScenarios",
    "CoordinationContract",
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
    "Harness",
    "InputScenarios",
    "JobsContract",
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
    "QueueContract",
    "ReconcileScenarios",
    "RetentionScenarios",
    "Stage",
    "StartScenarios",
    "StatusScenarios",
    "SubmissionScenarios",
    "SweepScenarios",
    "ValueScenarios",
    "Wire",
    "check",
    "covers",
]
