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
- `crashes`: what they do when somebody dies at any call.
- `faults`: and when other things go wrong.
- `cases`: what is run for that.
- `budgets`: what runs cost, in requests.
"""

from flowcraft.testing.budgets import WireBudgets
from flowcraft.testing.checks import check, covers
from flowcraft.testing.contracts import CoordinationContract
from flowcraft.testing.crashes import CrashAtEveryStep
from flowcraft.testing.faults import (
    AmbiguousAnswers,
    AnyOrder,
    ClockSkew,
    EveryMessageTwice,
    LateWorkers,
    LostMessages,
    RepeatedCalls,
)
from flowcraft.testing.harness import Budget, Harness
from flowcraft.testing.scenarios import JoinScenarios
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call, Wire

__all__ = [
    "AmbiguousAnswers",
    "AnyOrder",
    "Budget",
    "Call",
    "ClockSkew",
    "CoordinationContract",
    "CrashAtEveryStep",
    "EveryMessageTwice",
    "Harness",
    "JoinScenarios",
    "LateWorkers",
    "LostMessages",
    "RepeatedCalls",
    "Stage",
    "Wire",
    "WireBudgets",
    "check",
    "covers",
]
