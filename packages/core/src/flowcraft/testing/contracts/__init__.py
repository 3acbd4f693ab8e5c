"""What each port promises, checked on its own: one class a port."""

from flowcraft.testing.contracts.arrivals import ArrivalsContract
from flowcraft.testing.contracts.capabilities import CapabilitiesContract, SettingsContract
from flowcraft.testing.contracts.context import ContextContract
from flowcraft.testing.contracts.coordination import CoordinationContract
from flowcraft.testing.contracts.jobs import JobsContract
from flowcraft.testing.contracts.journal import JournalContract
from flowcraft.testing.contracts.processes import ProcessesContract
from flowcraft.testing.contracts.queue import QueueContract
from flowcraft.testing.contracts.registry import RunRegistryContract
from flowcraft.testing.contracts.results import ResultsContract
from flowcraft.testing.contracts.store import RunStoreContract
from flowcraft.testing.contracts.sweeping import SweepingContract
from flowcraft.testing.contracts.timers import TimersContract
from flowcraft.testing.contracts.transition import TransitionContract

__all__ = [
    "ArrivalsContract",
    "CapabilitiesContract",
    "ContextContract",
    "CoordinationContract",
    "JobsContract",
    "JournalContract",
    "ProcessesContract",
    "QueueContract",
    "ResultsContract",
    "RunRegistryContract",
    "RunStoreContract",
    "SettingsContract",
    "SweepingContract",
    "TimersContract",
    "TransitionContract",
]
