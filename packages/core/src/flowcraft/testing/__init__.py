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
- `in_process`: the same run without the adapter, to compare with.
- `shop`: nodes that fail until they are mended, for retries.
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
    BatchScenarios,
    EdgeScenarios,
    ExpressionScenarios,
    FallbackScenarios,
    InputScenarios,
    JoinScenarios,
    LoopScenarios,
    RetriedSubflowScenarios,
    RetriedWaitScenarios,
    RetryScenarios,
    ScopedWaitScenarios,
    SleepScenarios,
    SubflowScenarios,
    WaitScenarios,
    WebhookScenarios,
)
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call, Wire

__all__ = [
    "BatchScenarios",
    "Call",
    "ContextContract",
    "CoordinationContract",
    "EdgeScenarios",
    "ExpressionScenarios",
    "FallbackScenarios",
    "Harness",
    "InputScenarios",
    "JobsContract",
    "JoinScenarios",
    "LoopScenarios",
    "QueueContract",
    "RetriedSubflowScenarios",
    "RetriedWaitScenarios",
    "RetryScenarios",
    "ScopedWaitScenarios",
    "SleepScenarios",
    "Stage",
    "SubflowScenarios",
    "WaitScenarios",
    "WebhookScenarios",
    "Wire",
    "check",
    "covers",
]
