"""The folder: the one place through which every file is read and written.

A step has the folder to itself. It holds a lock that the kernel takes back when the process dies
(`flock`). What it wants to change is first written down as a whole, in a file named `journal`,
and then done; whoever comes next finishes what a dead process left half done. So a step happens
wholly or not at all, wherever its process is killed, and nobody ever sees half of one.

    lock       held by the process whose step it is
    journal    what the step under way changes, from when it is decided until it is done
    format     which version of this layout the folder has
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from flowcraft.errors import BackendError, BackendUnavailableError, SchemaVersionError

T = TypeVar("T")
Place = tuple[str, ...]
"""Where something is kept: names of folders and of a file. Any text is a name."""
Call = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""What a request passes on its way out: its name, and what makes it."""

FORMAT = 1
PAUSE_SECONDS = 0.001
"""How long to leave a lock alone that another process holds."""
PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
HOPELESS = (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""Errors of the system that trying again does not mend."""


class Files:
    """The files as one step sees them, its own changes included.

    Attributes:
        changes: What the step changes, by path; None for a file that goes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.changes: dict[str, bytes | None] = {}

    def get(self, place: Place, kind: type[T]) -> T | None:
        """Read what is kept at a place, or None.

        Raises:
            BackendError: It cannot be read as such.
        """
        return self._get(_path(place), kind)

    def put(self, place: Place, value: Any) -> None:
        """Keep something at a place, instead of what is there."""
        self.changes[_path(place)] = msgspec.msgpack.encode(value)

    def delete(self, place: Place) -> None:
        """Keep nothing at a place."""
        self.changes[_path(place)] = None

    def names(self, place: Place) -> list[str]:
        """The names of files and folders at a place, as they are on the disk, sorted."""
        prefix = _path(place) + "/"
        found: set[str] = set()
        with suppress(FileNotFoundError):
            found.update(os.listdir(self._root / prefix))
        for path, data in self.changes.items():
            if path.startswith(prefix):
                name, _, below = path.removeprefix(prefix).partition("/")
                if data is not None:
                    found.add(name)
                elif not below:
                    found.discard(name)
        return sorted(found)

    def get_all(self, place: Place, kind: type[T]) -> list[T]:
        """Read all files at a place."""
        paths = (f"{_path(place)}/{name}" for name in self.names(place))
        return [found for path in paths if (found := self._get(path, kind)) is not None]

    def delete_all(self, place: Place) -> None:
        """Keep nothing below a place."""
        prefix = _path(place) + "/"
        for path in [path for path in self.changes if path.startswith(prefix)]:
            self.changes[path] = None
        for folder, _, names in os.walk(self._root / prefix):
            for name in names:
                self.changes[str((Path(folder) / name).relative_to(self._root))] = None

    def _get(self, path: str, kind: type[T]) -> T | None:
        if path not in self.changes:
            return _read(self._root / path, kind)
        data = self.changes[path]
        return None if data is None else msgspec.msgpack.decode(data, type=kind)


class Folder:
    """A folder, as one adapter uses it; made when it is first used.

    Args:
        path: The folder.
        lock_seconds: How long a step waits for its turn.
        call: What every step passes on its way out; a test numbers and cuts them there.
    """

    def __init__(self, path: str, *, lock_seconds: float, call: Call | None = None) -> None:
        self.root = Path(path)
        self._lock_seconds = lock_seconds
        self._call = call or _directly
        self._is_made = False
        # One thread: the folder has one lock, for which any others could only wait.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="flowcraft-files")

    async def step(self, name: str, do: Callable[[Files], T]) -> T:
        """Do something with the files, in one atomic step.

        Args:
            name: What it is, for those who watch.
            do: Reads and changes files. It runs in a thread and must ask no clock.

        Raises:
            BackendUnavailableError: It may or may not have been done; trying again may help.
            BackendError: The folder cannot be used.
        """

        async def request() -> T:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._do, do)

        done: T = await self._call(name, request)
        return done

    async def aclose(self) -> None:
        """Let steps that are under way end."""
        await asyncio.to_thread(self._thread.shutdown)

    def _do(self, do: Callable[[Files], T]) -> T:
        try:
            with self._locked():
                self._finish_journal()
                files = Files(self.root)
                self._check_format(files)
                result = do(files)
                if files.changes:
                    self._write_journal(files.changes)
                    self._finish_journal()
                return result
        except HOPELESS as error:
            raise BackendError(
                f"the folder {self.root} cannot be used: {error}. Was it removed, or is it another"
                " user's?"
            ) from error
        except OSError as error:
            raise BackendUnavailableError(
                f"the folder {self.root}: {error}. Work goes on when the system lets it"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Have the folder for oneself; the kernel ends that when the process dies."""
        if not self._is_made:  # and only once: a folder that was removed must not come back empty
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / "lock").touch()
            self._is_made = True
        with (self.root / "lock").open("rb") as lock:
            for _ in range(max(1, round(self._lock_seconds / PAUSE_SECONDS))):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(PAUSE_SECONDS)
            else:
                raise BackendUnavailableError(
                    f"the folder {self.root} was locked for {self._lock_seconds:g} s. If that goes"
                    " on, a process that uses it was stopped: continue it, or kill it"
                )
            yield

    def _check_format(self, files: Files) -> None:
        found = files.get(("format",), int)
        if found is None:
            files.put(("format",), FORMAT)
        elif found > FORMAT:
            raise SchemaVersionError(
                f"the folder {self.root} has format {found}, and this flowcraft-files knows"
                f" {FORMAT}. Upgrade it"
            )

    def _write_journal(self, changes: Mapping[str, bytes | None]) -> None:
        """Decide the step: from the renaming on it will be done, whoever does it."""
        draft = self.root / "journal.draft"
        draft.write_bytes(msgspec.msgpack.encode(changes))
        draft.rename(self.root / "journal")

    def _finish_journal(self) -> None:
        """Do what the journal says. Doing it again changes nothing."""
        journal = self.root / "journal"
        changes = _read(journal, dict[str, bytes | None])
        if changes is None:
            return
        for name, data in changes.items():
            path = self.root / name
            if data is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                continue
            path.unlink(missing_ok=True)
            with suppress(OSError):  # raised by the first folder that is not empty
                while (path := path.parent) != self.root:
                    path.rmdir()
        journal.unlink()


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise BackendError(f"{path} is damaged: {error}. Did the machine lose power?") from error


async def _directly(name: str, request: Callable[[], Awaitable[T]]) -> T:
    del name
    return await request()


def _path(place: Place) -> str:
    return "/".join(map(file_name, place))


def file_name(name: str) -> str:
    """The name of a file for any text: short, the same on every system, and no other text's.

    A text that is fit to be one stays as it is, for whoever looks into the folder. Of all others
    a part is kept, and a hash tells them apart.
    """
    if PLAIN.fullmatch(name):
        return name
    part = re.sub(r"[^a-z0-9]+", "-", name.lower())[:40]
    return f"{part}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"
