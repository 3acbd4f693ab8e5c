"""Wakes those who wait, in this process and in the others that have the same file open.

Each process has a datagram socket in a folder beside the file. Whoever commits news sends one
byte to every socket there, and never waits for it: a socket whose queue is full has its news
already, and one that nobody holds any more is removed. All of this only saves time. What gets
lost here, or a folder that cannot be made, is made up for by the worker's slow poll.

A process that joins says hello, so that the others look into the folder again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import tempfile
from collections.abc import Callable

from flowcraft.clock import Clock
from flowcraft.local.waker import Waker

logger = logging.getLogger(__name__)

HELLO = b"h"
NEWS = b"n"

LONGEST_SOCKET_PATH = 100
"""sun_path has 108 bytes on Linux and 104 on macOS, the closing zero included."""
LONGEST_NAME = 20
REFRESH_SECONDS = 5.0
"""How long a listing of the folder is used, should a hello be lost."""
ATTEMPTS_TO_BIND = 5


def wake_folder(database: str) -> str:
    """The folder of the sockets: beside the file, or a short one in the system's own."""
    folder = f"{database}-wake"
    if len(os.fsencode(folder)) + 1 + LONGEST_NAME <= LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(database)).hexdigest()[:16]
    return os.path.join(tempfile.gettempdir(), f"flowcraft-{os.getuid()}-{digest}")


class SqliteWaker(Waker):
    """A waker that other processes reach, and that reaches them.

    `tell_others` belongs to the thread that commits; everything else to the event loop.

    Args:
        database: Absolute path of the file, without symbolic links.
        clock: For the name of the socket and the age of the listing.
        is_busy: Whether steps are under way. Who waits for the answer of one may be about to
            wait for news, and must not miss those that come in between.
    """

    def __init__(self, database: str, clock: Clock, is_busy: Callable[[], bool]) -> None:
        super().__init__()
        self._folder = wake_folder(database)
        self._clock = clock
        self._is_busy = is_busy
        self._socket: socket.socket | None = None
        self._path = ""
        self._others: list[str] = []
        self._listed_at: float | None = None
        self.has_heard = False

    def open(self) -> None:
        """Open the socket of this process and say hello to the others."""
        if self._socket is not None:
            return
        own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        own.setblocking(False)
        try:
            self._bind(own)
        except OSError as error:
            own.close()
            logger.warning(
                "other processes of the file are woken by polling only",
                extra={"folder": self._folder, "error": str(error)},
            )
            return
        self._socket = own
        asyncio.get_running_loop().add_reader(own, self._hear)
        self._send(HELLO)

    def _bind(self, own: socket.socket) -> None:
        name = f"{os.getpid()}-{self._clock.fresh_id()[-10:]}"
        self._path = os.path.join(self._folder, name)
        for attempt in range(ATTEMPTS_TO_BIND):
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            try:
                own.bind(self._path)
            except FileNotFoundError:  # the last one to close has just removed the folder
                if attempt == ATTEMPTS_TO_BIND - 1:
                    raise
            else:
                return

    def close(self) -> None:
        """Close and remove the socket, and the folder if it was the last."""
        own, self._socket = self._socket, None
        if own is None:
            return
        asyncio.get_running_loop().remove_reader(own)
        own.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)

    def _hear(self) -> None:
        """Take all bytes that lie here; if there is news among them, wake everybody once."""
        own = self._socket
        has_news = False
        while own is not None:
            try:
                if own.recv(1) == HELLO:
                    self._listed_at = None
                else:
                    has_news = True
            except BlockingIOError:
                break
            except OSError as error:
                logger.warning("news could not be read", extra={"error": str(error)})
                break
        if has_news:
            self.has_heard = self._is_busy()
            # After those whose answers lie ready: they may be about to wait for this.
            asyncio.get_running_loop().call_soon(self.wake)

    def tell_others(self) -> None:
        """Send news to every other process; never waits, never raises."""
        if self._socket is not None:
            self._send(NEWS)

    def _send(self, what: bytes) -> None:
        own = self._socket
        assert own is not None
        for path in self._listing():
            try:
                own.sendto(what, path)
            except BlockingIOError:  # its queue is full: it is about to wake up
                continue
            except (FileNotFoundError, ConnectionRefusedError):
                # Its process is gone; sockets are never opened again under an old name.
                self._listed_at = None
                with contextlib.suppress(OSError):
                    os.unlink(path)
            except OSError as error:
                self._listed_at = None
                logger.debug("news could not be sent", extra={"error": str(error)})

    def _listing(self) -> list[str]:
        now = self._clock.monotonic()
        if self._listed_at is None or now - self._listed_at > REFRESH_SECONDS:
            # Noted first: a hello that comes while the folder is read asks for another look.
            self._listed_at = now
            try:
                names = os.listdir(self._folder)
            except OSError:
                names = []
            paths = (os.path.join(self._folder, name) for name in names)
            self._others = [path for path in paths if path != self._path]
        return self._others
