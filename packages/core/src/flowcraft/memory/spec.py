"""What the registry of adapters knows of the memory adapter, and its settings.

URL      memory://?lease_seconds=10
options  lease_seconds        30     how long a message is held without a heartbeat
         largest_value_bytes  none   to meet another backend's limit in a test
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flowcraft.adapters import AdapterSettings, AdapterSpec
from flowcraft.capabilities import Capabilities
from flowcraft.errors import SettingsError

if TYPE_CHECKING:
    from flowcraft.adapter.options import RuntimeOptions
    from flowcraft.memory.adapter import MemoryAdapter

SPEC = AdapterSpec(
    name="memory",
    summary="one process, nothing kept: for tests, and to try things out",
    adapter="flowcraft.memory.spec:create",
    settings="flowcraft.memory.spec:MemorySettings",
    capabilities=Capabilities(
        is_durable=False,
        is_shared=False,
        is_push=False,
        is_ordered=True,
        longest_delay_seconds=float("inf"),
        keeps_journal=True,
        fences_late_workers=True,
        events_late_seconds=0.5,
    ),
    needs_server=False,
)


class MemorySettings(AdapterSettings, frozen=True, kw_only=True):
    """The options of the memory adapter.

    Args:
        lease_seconds: How long a message is held without a heartbeat; above 0.
        largest_value_bytes: Largest value, or None for no limit.

    Raises:
        SettingsError: An option is out of range.
    """

    adapter_name: ClassVar[str] = "memory"
    url_schemes: ClassVar[tuple[str, ...]] = ("memory",)

    lease_seconds: float = 30.0
    largest_value_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse options outside their range."""
        if not 0 < self.lease_seconds < float("inf"):
            raise SettingsError(f"lease_seconds={self.lease_seconds!r}: a number above 0")
        if self.largest_value_bytes is not None and self.largest_value_bytes < 1:
            raise SettingsError(
                f"largest_value_bytes={self.largest_value_bytes!r}: a whole number from 1 on"
            )


def create(runtime_options: RuntimeOptions, settings: MemorySettings) -> MemoryAdapter:
    """Make a memory adapter with tables of its own."""
    from flowcraft.memory.adapter import MemoryAdapter

    return MemoryAdapter(
        runtime_options,
        lease_seconds=settings.lease_seconds,
        largest_value=settings.largest_value_bytes,
    )
