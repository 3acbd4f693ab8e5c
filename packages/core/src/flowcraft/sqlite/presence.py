"""Notices that the files of an open database were removed or replaced under it.

SQLite goes on with the files it has open, whatever stands under their names: commits would
succeed, go into files that nobody sees, and be gone with the process. Copying a file over an
open one, restoring a backup, or cleaning up `FILE-wal` by hand does that.
"""

from __future__ import annotations

import os

from flowcraft.errors import BackendError

_BESIDE = ("", "-wal", "-shm")
"""SQLite keeps all three, under these names, as long as somebody has the database open."""


class Presence:
    """What stood under the names of a database when it was opened.

    Args:
        path: Absolute path of the file, which is open, and whose log is in use.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._known = [(path + suffix, _identity(path + suffix)) for suffix in _BESIDE]

    def check(self) -> None:
        """Look whether the same files are still there.

        Raises:
            BackendError: One of them was removed or replaced; says what to do.
        """
        for path, identity in self._known:
            if _identity(path) != identity:
                raise BackendError(
                    f"{path} was removed or replaced while it was open, so nothing more is written."
                    f" Stop every process that uses {self._path}, restore it from a copy if it is"
                    " not as it should be, and start them again"
                )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
