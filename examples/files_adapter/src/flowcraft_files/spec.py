"""What the registry of adapters knows of this one."""

from flowcraft.adapters import AdapterSpec
from flowcraft.capabilities import Capabilities
from flowcraft_files.settings import FilesSettings

SPEC = AdapterSpec(
    name="files",
    summary="one machine, many processes, no server: a folder of plain files",
    adapter="flowcraft_files.adapter:FilesAdapter",
    settings="flowcraft_files.settings:FilesSettings",
    capabilities=Capabilities(
        is_push=False,
        longest_delay_seconds=float("inf"),
        largest_value_bytes=FilesSettings().largest_value_bytes,
        fences_late_workers=True,
    ),
    needs_server=False,
    install="flowcraft-files",
)
