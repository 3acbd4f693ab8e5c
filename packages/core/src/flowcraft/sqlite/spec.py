"""What the registry of adapters knows of the SQLite adapter."""

from flowcraft.adapters import AdapterSpec
from flowcraft.capabilities import Capabilities
from flowcraft.sqlite.settings import SqliteSettings

SPEC = AdapterSpec(
    name="sqlite",
    summary="one machine, many processes, no server: a file",
    adapter="flowcraft.sqlite.adapter:SqliteAdapter",
    settings="flowcraft.sqlite.settings:SqliteSettings",
    capabilities=Capabilities(
        is_push=False,
        is_ordered=True,
        longest_delay_seconds=float("inf"),
        largest_value_bytes=SqliteSettings().largest_value_bytes,
        keeps_journal=True,
        fences_late_workers=True,
        events_late_seconds=0.5,
    ),
    needs_server=False,
)
