"""The conformance kit: what every adapter must hold, as classes that pytest collects.

    import pytest
    from flowcraft.testing import Contracts, CrashAtEveryStep, Faults, Harness, Scenarios

    class MyHarness(Harness): ...

    @pytest.fixture
    def harness(tmp_path): return MyHarness(tmp_path)

    class TestContracts(Contracts): ...
    class TestScenarios(Scenarios): ...
    class TestCrashes(CrashAtEveryStep): ...
    class TestFaults(Faults): ...

Install it with `pip install "flowcraft-core[testing]"`; docs/write-an-adapter.md goes through it.

- `harness`: what you write: your backend, and adapters over it.
- `wire`: where a worker's calls are numbered, held up and cut.
- `fleet`: workers over one backend, with the blueprints and nodes that they know.
- `stage`: what a check stands on: a fleet, and the outside of it.
- `in_process`: the same run without the adapter, to compare with.
- `shop`: nodes that fail until they are mended, for retries.
- `contracts`: what each port promises.
- `scenarios`: what whole runs do.
- `suites`: all of these, in one class each.
- `crashes`: what they do when somebody dies at any call.
- `faults`: what they do when messages, answers, workers and clocks go wrong.
- `cases`: what is run for that.
- `budgets`: what runs cost, in requests.
"""

from flowcraft.testing.budgets import WireBudgets
from flowcraft.testing.checks import check, covers
from flowcraft.testing.crashes import CrashAtEveryStep
from flowcraft.testing.harness import Budget, Harness
from flowcraft.testing.stage import Stage
from flowcraft.testing.suites import Contracts, Faults, Scenarios
from flowcraft.testing.wire import Call, Wire

__all__ = [
    "Budget",
    "Call",
    "Contracts",
    "CrashAtEveryStep",
    "Faults",
    "Harness",
    "Scenarios",
    "Stage",
    "Wire",
    "WireBudgets",
    "check",
    "covers",
]
