"""What `flowcraft doctor` says of a SQLite file."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import quote

from flowcraft.adapter.finding import Finding
from flowcraft.errors import BackendError
from flowcraft.sqlite import schema
from flowcraft.sqlite.settings import (
    SqliteSettings,
    filesystem_of,
    is_network_filesystem,
    read_mounts,
)

LITTLE_SPACE_BYTES = 256 * 1024 * 1024
"""Four logs at the size to which each is cut back."""
LONG_LOG_BYTES = 256 * 1024 * 1024
"""A log is written back long before it grows to this, unless somebody keeps it from that."""
SKEW_SECONDS = 60.0


def examine(path: str, settings: SqliteSettings, now: float) -> Sequence[Finding]:
    """Look at a file that is open and in use; nothing is written to it.

    Args:
        path: Absolute path of the file.
        settings: How it is used.
        now: Seconds since the epoch.

    Raises:
        BackendError: It cannot be read.
    """
    return [*_schema(path), *_filesystem(path, settings), *_space(path), *_clock(path, now)]


def _schema(path: str) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as connection:
            version = schema.check(connection, path)
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    except sqlite3.Error as error:
        raise BackendError(f"{path} cannot be read: {error}. Look at its permissions") from error
    yield Finding(
        "ok", "schema", f"version {version} of {schema.VERSION}; SQLite {sqlite3.sqlite_version}"
    )
    if mode != "wal":
        yield Finding(
            "problem", "journal", f"journal_mode is {mode}, not wal",
            "End what changed it; the next process to open the file sets it again",
        )  # fmt: skip


def _filesystem(path: str, settings: SqliteSettings) -> Iterator[Finding]:
    kind = filesystem_of(path, read_mounts())
    place = f"{path}, {kind}" if kind else path
    if is_network_filesystem(kind):
        yield Finding(
            "problem", "filesystem", f"{place}: SQLite's locks do not hold between machines",
            "Put the file on a disk of this machine, or see to it that one machine opens it",
        )  # fmt: skip
    else:
        yield Finding("ok", "filesystem", place)
    if settings.synchronous == "normal":
        yield Finding(
            "note", "durability",
            "synchronous=normal: a power loss may take back the last commits",
            "Give synchronous=full if none may be taken back; it writes slower",
        )  # fmt: skip
    else:
        yield Finding("ok", "durability", f"synchronous={settings.synchronous}")


def _space(path: str) -> Iterator[Finding]:
    free = shutil.disk_usage(os.path.dirname(path)).free
    if free < LITTLE_SPACE_BYTES:
        yield Finding(
            "problem", "disk", f"{_mib(free)} MiB are free", "Make room, or purge runs that ended"
        )
    else:
        yield Finding("ok", "disk", f"{_mib(free)} MiB are free")
    log = f"{path}-wal"
    size = os.path.getsize(log) if os.path.exists(log) else 0
    if size > LONG_LOG_BYTES:
        yield Finding(
            "problem", "log", f"the write-ahead log has {_mib(size)} MiB",
            "Some program reads the file without end; find it with: fuser " + path,
        )  # fmt: skip


def _clock(path: str, now: float) -> Iterator[Finding]:
    written = max(os.path.getmtime(name) for name in (path, f"{path}-wal") if os.path.exists(name))
    if written - now > SKEW_SECONDS:
        yield Finding(
            "problem", "clock", f"the file was written {written - now:.0f} s in the future",
            "Set the clock of this machine; leases and timers wait until it is there",
        )  # fmt: skip
    else:
        yield Finding("ok", "clock", "not behind the file")


def _mib(size: int) -> str:
    return f"{size // (1024 * 1024):,}"
