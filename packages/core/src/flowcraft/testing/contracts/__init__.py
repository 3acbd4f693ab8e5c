"""What each port promises, checked on its own: one class a port."""

from flowcraft.testing.contracts.context import ContextContract
from flowcraft.testing.contracts.coordination import CoordinationContract
from flowcraft.testing.contracts.jobs import JobsContract
from flowcraft.testing.contracts.queue import QueueContract

__all__ = ["ContextContract", "CoordinationContract", "JobsContract", "QueueContract"]
