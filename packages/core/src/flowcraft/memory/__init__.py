"""The memory adapter: one process, nothing kept; for tests, and to try things out."""

from flowcraft.memory.adapter import MemoryAdapter

__all__ = ["MemoryAdapter"]
