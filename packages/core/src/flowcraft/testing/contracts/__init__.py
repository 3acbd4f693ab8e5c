"""What each port promises, checked on its own: one class a port."""

from flowcraft.testing.contracts.coordination import CoordinationContract

__all__ = ["CoordinationContract"]
