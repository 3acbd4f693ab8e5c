"""What the registry of adapters knows of the SQLite adapter."""

from flowcraft.adapters import AdapterSpec

SPEC = AdapterSpec(
    name="sqlite",
    summary="one machine, many processes, no server: a file",
    adapter="flowcraft.sqlite.adapter:SqliteAdapter",
    settings="flowcraft.sqlite.settings:SqliteSettings",
    needs_server=False,
    events_late_seconds=0.5,
)
