"""Which file, and how it is used.

SqliteSettings(path="flow.db", lease_seconds=10)
SqliteSettings.from_url("sqlite:///flow.db?lease_seconds=10")        relative
SqliteSettings.from_url("sqlite:////var/lib/flow.db")                absolute
SqliteSettings.from_environment()    FLOWCRAFT_URL, FLOWCRAFT_SQLITE_LEASE_SECONDS, ...
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal
from urllib.parse import SplitResult, unquote

from flowcraft.adapters import AdapterSettings
from flowcraft.errors import SettingsError

LARGEST_VALUE_BYTES: Final = 1_000_000_000
"""SQLite: a text or blob has at most 1,000,000,000 bytes unless it was built otherwise."""

MOUNTS: Final = "/proc/mounts"

NETWORK_FILESYSTEMS: Final = frozenset({
    "9p", "afs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "smb2", "smb3", "smbfs", "sshfs", "s3fs", "gcsfuse", "rclone", "beegfs",
})  # fmt: skip
"""Types of filesystems that other machines share; also behind `fuse.`."""


class SqliteSettings(AdapterSettings, frozen=True, kw_only=True):
    """The options of the SQLite adapter.

    Args:
        path: The file; it is made if it is not there, its folder is not. One that is relative is
            looked for in the working directory of the moment when it is opened.
        lease_seconds: How long a message is held without a heartbeat; above 0.
        synchronous: `normal` keeps every commit when a process dies, and may take back the last
            ones when the machine loses power; `full` keeps those as well and writes slower.
        busy_timeout_seconds: How long a step waits for another program's lock; at least 0.
        largest_value_bytes: Largest value, from 1 to 1,000,000,000.
        allow_network_filesystem: Use a file that other machines may share. SQLite's locks and
            its shared memory do not hold between machines; a file opened by two is lost.

    Raises:
        SettingsError: An option is out of range.
    """

    adapter_name: ClassVar[str] = "sqlite"
    url_schemes: ClassVar[tuple[str, ...]] = ("sqlite",)

    path: str = "flowcraft.db"
    lease_seconds: float = 30.0
    synchronous: Literal["normal", "full"] = "normal"
    busy_timeout_seconds: float = 5.0
    largest_value_bytes: int = 100_000_000
    allow_network_filesystem: bool = False

    def __post_init__(self) -> None:
        """Refuse options outside their range."""
        if not self.path or "\0" in self.path or not _is_encodable(self.path):
            raise SettingsError(f"path={self.path!r}: the name of a file")
        if self.path.startswith((":memory:", "file:")):
            raise SettingsError(
                f"path={self.path!r}: the name of a file. To keep nothing, take the memory adapter"
            )
        if not 0 < self.lease_seconds < float("inf"):
            raise SettingsError(f"lease_seconds={self.lease_seconds!r}: a number above 0")
        if self.synchronous not in ("normal", "full"):
            raise SettingsError(f"synchronous={self.synchronous!r}: 'normal' or 'full'")
        if not 0 <= self.busy_timeout_seconds <= 3600:
            raise SettingsError(
                f"busy_timeout_seconds={self.busy_timeout_seconds!r}: a number from 0 to 3600"
            )
        if not 1 <= self.largest_value_bytes <= LARGEST_VALUE_BYTES:
            raise SettingsError(
                f"largest_value_bytes={self.largest_value_bytes!r}: a whole number from 1 to"
                f" {LARGEST_VALUE_BYTES}"
            )

    @classmethod
    def read_address(cls, parts: SplitResult) -> Mapping[str, Any]:
        if parts.netloc:
            raise SettingsError(
                "URL of adapter 'sqlite': a file has no host. Write sqlite:/// and a relative path,"
                " or sqlite://// and an absolute one"
            )
        path = unquote(parts.path.removeprefix("/"), errors="surrogateescape")
        return {"path": path} if path else {}


def _is_encodable(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def refuse_network_filesystem(path: str, mounts_file: str = MOUNTS) -> None:
    """Refuse a file on a filesystem that other machines may share.

    Where the system does not list its mounts, as on macOS, nothing is known and nothing refused.

    Raises:
        SettingsError: The file is on one.
    """
    kind = filesystem_of(os.path.realpath(path), read_mounts(mounts_file))
    if is_network_filesystem(kind):
        raise SettingsError(
            f"{path} is on a network filesystem ({kind}), where SQLite's locks do not hold. Put it"
            " on a disk of this machine, or take an adapter with a server; if only this machine"
            " ever opens it: allow_network_filesystem=True"
        )


def read_mounts(mounts_file: str = MOUNTS) -> str:
    """What the system says of its mounts; empty where it says nothing, as on macOS."""
    try:
        with open(mounts_file, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def is_network_filesystem(kind: str) -> bool:
    """Whether other machines may share a filesystem of that type."""
    return kind.removeprefix("fuse.") in NETWORK_FILESYSTEMS


def filesystem_of(path: str, mounts: str) -> str:
    """The type of the filesystem that holds an absolute path; empty if none is listed."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescape(fields[1])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # a later mount covers an earlier one
            best, kind = point, fields[2]
    return kind


def _unescape(field: str) -> str:
    """Undo the octal escapes of a mount table."""
    for escape, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        field = field.replace(escape, character)
    return field
