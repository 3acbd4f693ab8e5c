"""What the registry of adapters knows of this one; it imports nothing of it."""

from flowcraft.adapters import AdapterSpec

SPEC = AdapterSpec(
    name="files",
    summary="one machine, many processes, no server: a folder of plain files",
    adapter="flowcraft_files.adapter:FilesAdapter",
    settings="flowcraft_files.settings:FilesSettings",
    needs_server=False,
    install="flowcraft-files",
)
