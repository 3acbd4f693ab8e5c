"""Which folder, and how it is used.

FilesSettings(path="runs", lease_seconds=10)
FilesSettings.from_url("files:///runs?lease_seconds=10")     relative
FilesSettings.from_url("files:////var/lib/runs")             absolute
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote

from flowcraft.adapters import AdapterSettings
from flowcraft.errors import SettingsError


class FilesSettings(AdapterSettings, frozen=True, kw_only=True):
    """The options of the files adapter.

    Args:
        path: The folder; it is made if it is not there.
        lease_seconds: How long a message is held without a heartbeat; above 0.
        lock_seconds: How long a step waits for its turn at the folder; above 0.
        largest_value_bytes: Largest value; above 0.

    Raises:
        SettingsError: An option is out of range.
    """

    adapter_name: ClassVar[str] = "files"
    url_schemes: ClassVar[tuple[str, ...]] = ("files",)

    path: str = "flowcraft-files"
    lease_seconds: float = 30.0
    lock_seconds: float = 5.0
    largest_value_bytes: int = 100_000_000

    def __post_init__(self) -> None:
        """Refuse options outside their range."""
        if not self.path or "\0" in self.path:
            raise SettingsError(f"path={self.path!r}: the name of a folder")
        for name in ("lease_seconds", "lock_seconds", "largest_value_bytes"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise SettingsError(f"{name}={value!r}: a number above 0")

    @classmethod
    def read_address(cls, parts: SplitResult) -> Mapping[str, Any]:
        if parts.netloc:
            raise SettingsError(
                "URL of adapter 'files': a folder has no host. Write files:/// and a relative"
                " path, or files://// and an absolute one"
            )
        path = unquote(parts.path.removeprefix("/"))
        return {"path": path} if path else {}
