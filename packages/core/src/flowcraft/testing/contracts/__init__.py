"""What each port promises, checked on its own: one class a port."""

from flowcraft.testing.contracts.context import ContextContract
from flowcraft.testing.contracts.coordination import CoordinationContract

__all__ = ["ContextContract", "CoordinationContract"]
