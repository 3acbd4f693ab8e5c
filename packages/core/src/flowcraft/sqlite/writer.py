"""The thread that owns the connection and runs the steps, many to a transaction.

Whatever waits when the thread is free goes into one transaction, so that a lone step waits for
nobody and a busy worker pays one commit for hundreds. Nobody hears of a step before the commit
that it is part of. A step that raises takes its neighbours' work back with it; they are run
again, each in a transaction of its own, which is safe because a step depends on nothing but the
database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from flowcraft.errors import (
    BackendError,
    BackendUnavailableError,
    PayloadTooLargeError,
    ValueNotStorableError,
)
from flowcraft.local.database import LocalDatabase
from flowcraft.sqlite import schema
from flowcraft.sqlite.presence import Presence
from flowcraft.sqlite.settings import SqliteSettings, refuse_network_filesystem
from flowcraft.sqlite.tables import SqliteTables

logger = logging.getLogger(__name__)

T = TypeVar("T")

LARGEST_BATCH = 500
CACHE_KIB = 32 * 1024
PAGES_PER_CHECKPOINT = 4000
"""16 MiB of log: larger makes checkpoints rarer, and reading through the log slower."""
LONGEST_LOG_BYTES = 64 * 1024 * 1024
"""A log that once grew beyond this is cut back."""
OLDEST_SQLITE = (3, 35, 0)
"""SQLite: RETURNING is understood from 3.35 on."""
SHORTEST_PAUSE_SECONDS = 0.0005
LONGEST_PAUSE_SECONDS = 0.02
PAUSE_GROWTH = 1.1
"""Between two attempts to get the lock. Transactions take a few milliseconds."""


class _Waiting(NamedTuple):
    step: Callable[[LocalDatabase], Any]
    future: asyncio.Future[Any]
    only_reads: bool


_Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]


class Writer:
    """Runs steps over one file, in a thread of its own, for one event loop.

    Args:
        path: Absolute path of the file.
        settings: How it is opened.
        tell_others: Called in the thread after a commit that has news.
        answered: Called in the loop after the answers of a transaction, with its news.

    Attributes:
        transactions: How many were committed.
    """

    def __init__(
        self,
        path: str,
        settings: SqliteSettings,
        tell_others: Callable[[], None],
        answered: Callable[[bool], None],
    ) -> None:
        self._path = path
        self._settings = settings
        self._tell_others = tell_others
        self._answered = answered
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._pending = 0
        self._connection: sqlite3.Connection | None = None
        self._tables: SqliteTables | None = None
        self._presence: Presence | None = None
        self._lacks_room = False
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._is_closing = False
        self.transactions = 0
        self._thread = threading.Thread(target=self._work, name="flowcraft-sqlite", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether steps are under way."""
        return self._pending > 0

    # -- in the event loop

    async def transact(
        self, step: Callable[[LocalDatabase], T], /, *, only_reads: bool = False
    ) -> T:
        """Run a step in a transaction; returns when it is committed.

        Args:
            step: What to do with the tables.
            only_reads: Whether it writes nothing. A transaction of such steps takes no lock that
                keeps others from writing, nor waits for one.

        Raises:
            BackendUnavailableError: The file is locked; the step had no effect.
            BackendError: The file cannot be used.
        """
        if self._is_closing:
            raise BackendError(f"{self._path} was closed by aclose()")
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending += 1
        self._queue.put(_Waiting(step, future, only_reads))
        return await future

    async def aclose(self) -> None:
        """Run what waits, write the log back into the file, end the thread."""
        if not self._is_closing:
            self._is_closing = True
            self._queue.put(None)
        await asyncio.shield(self._closed)
        self._thread.join()  # it has nothing left to do

    def _answer(self, outcomes: Sequence[_Outcome], has_news: bool) -> None:
        self._pending -= len(outcomes)
        for future, result, error in outcomes:
            if future.done():  # cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        self._answered(has_news)

    # -- in the thread

    def _work(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._gather()
            if batch:
                self._run(batch)
        self._close()
        self._call(self._closed.set_result, None)

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """Wait for a step and take all that wait with it; False when it is time to close."""
        batch: list[_Waiting] = []
        entry = self._queue.get()
        while entry is not None:
            batch.append(entry)
            if len(batch) >= LARGEST_BATCH:
                return batch, True
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to answer
            self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self, batch: Sequence[_Waiting]) -> None:
        """Run steps in one transaction; if one raises, each in its own."""
        try:
            outcomes, has_news = self._transaction(batch)
        except _StepRaisedError as raised:
            if len(batch) > 1:
                for waiting in batch:
                    self._run([waiting])
                return
            outcomes, has_news = [(batch[0].future, None, raised.error)], False
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            outcomes = [(waiting.future, None, error) for waiting in batch]
            has_news = False
        if has_news:
            self._tell_others()
        self._call(self._answer, outcomes, has_news)

    def _transaction(self, batch: Sequence[_Waiting]) -> tuple[list[_Outcome], bool]:
        outcomes: list[_Outcome] = []
        with driver_errors(self._path, self._settings):
            connection, tables = self._opened()
            if self._lacks_room:
                # The log may be what fills the disk. It is written back after a commit, of which
                # there are none now, and would grow into any room that was made.
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._lacks_room = False
            only_reads = all(waiting.only_reads for waiting in batch)
            self._when_free(lambda: _begin(connection, only_reads=only_reads))
            try:
                self._look_around(connection)
                tables.begin()
                for step, future, _ in batch:
                    if future.cancelled():  # nobody wants it any more, and it has not begun
                        outcomes.append((future, None, None))
                        continue
                    try:
                        outcomes.append((future, step(tables), None))
                    except Exception as error:
                        raise _StepRaisedError(self._translated(error)) from error
                connection.execute("COMMIT")
                self.transactions += 1
            except BaseException as error:
                if connection.in_transaction:  # SQLite may have rolled back by itself
                    connection.execute("ROLLBACK")
                self._lacks_room = _is_lack_of_room(error)
                raise
        return outcomes, tables.has_news

    def _look_around(self, connection: sqlite3.Connection) -> None:
        """Refuse to go on with a file that is no longer what it was when it was opened."""
        if self._presence is None:
            self._presence = Presence(self._path)
        self._presence.check()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        schema.refuse_newer(version, self._path)

    def _translated(self, error: Exception) -> Exception:
        """What the caller of a step gets to see of its error."""
        try:
            with driver_errors(self._path, self._settings):
                raise error
        except Exception as translated:  # noqa: BLE001 - it is handed on
            return translated

    def _opened(self) -> tuple[sqlite3.Connection, SqliteTables]:
        if self._connection is None or self._tables is None:
            self._connection = self._when_free(lambda: open_file(self._path, self._settings))
            self._tables = SqliteTables(self._connection)
        return self._connection, self._tables

    def _when_free(self, call: Callable[[], T]) -> T:
        """Call something that needs a lock, again and again until it gets it or time is up.

        SQLite could wait by itself, though not wherever it meets a lock when a file is opened,
        and with pauses that grow to 100 ms, in which busier processes overtake a waiting one.
        """
        waited, pause = 0.0, SHORTEST_PAUSE_SECONDS
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if _name(error) not in _LOCKED or waited >= self._settings.busy_timeout_seconds:
                    raise
            threading.Event().wait(pause)
            waited += pause
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)

    def _close(self) -> None:
        connection, self._connection, self._tables = self._connection, None, None
        if connection is None:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:  # all steps are committed; the next to open goes on
            logger.warning("the log was not written back", extra={"error": str(error)})
        finally:
            connection.close()


class _StepRaisedError(Exception):
    """A step raised; nothing of its transaction is left."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__()


def _begin(connection: sqlite3.Connection, *, only_reads: bool) -> None:
    """Begin a transaction, and get the lock that it needs."""
    if not only_reads:
        connection.execute("BEGIN IMMEDIATE")
        return
    connection.execute("BEGIN")
    try:
        # Only a read makes SQLite take its picture of the file.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def open_file(path: str, settings: SqliteSettings) -> sqlite3.Connection:
    """Open a file, and bring its tables to the current version. Waits for no lock.

    Raises:
        SettingsError: It is on a network filesystem.
        SchemaVersionError: A newer Flowcraft wrote it.
        BackendError: It is not ours, or the SQLite library is too old.
        sqlite3.Error: SQLite cannot open it.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise BackendError(
            f"Python was built with SQLite {sqlite3.sqlite_version}, and 3.35 or newer is needed."
            " Use another build of Python"
        )
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise BackendError(
            f"{path} cannot be made: there is no folder {folder}, or none that this user may enter."
            " Make it first"
        )
    if not settings.allow_network_filesystem:
        refuse_network_filesystem(path)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        schema.check(connection, path)  # before anything is written to it
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA foreign_keys = OFF")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise BackendError(
                f"{path} cannot have a write-ahead log, for its filesystem has no shared memory."
                " Put it on a local disk"
            )
        connection.execute(f"PRAGMA synchronous = {settings.synchronous.upper()}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_PER_CHECKPOINT}")
        connection.execute(f"PRAGMA journal_size_limit = {LONGEST_LOG_BYTES}")
        schema.migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


# -- what the driver says, in words that help

_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")

_ADVICE = {
    "SQLITE_FULL": "the disk is full. Make room; the runs go on from where they are",
    "SQLITE_READONLY": "it is read-only. Let this user write to the file and to its folder",
    "SQLITE_PERM": "access is denied. Let this user write to the file and to its folder",
    "SQLITE_CANTOPEN": "it cannot be opened. Let this user write to the file and to its folder",
    "SQLITE_NOTADB": "it is no SQLite database. Give Flowcraft a file of its own",
    "SQLITE_CORRUPT": "it is damaged. Restore it from a copy, or save what can be read with"
    " `sqlite3 FILE .recover`",
    "SQLITE_IOERR": "reading or writing failed. Look at the disk and its free space",
    "SQLITE_NOMEM": "there is no memory left",
}


def _name(error: sqlite3.Error) -> str:
    """The primary name of SQLite's error code, `SQLITE_BUSY` for `SQLITE_BUSY_RECOVERY`."""
    full: str = getattr(error, "sqlite_errorname", None) or ""
    return "_".join(full.split("_")[:2])


def _is_lack_of_room(error: BaseException) -> bool:
    cause = error.__cause__ if isinstance(error, _StepRaisedError) else error
    # A quota, or a limit on the size of files, is the latter.
    return getattr(cause, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_WRITE")


@contextlib.contextmanager
def driver_errors(path: str, settings: SqliteSettings) -> Iterator[None]:
    """Turn the driver's errors into ours, with what to do about them."""
    try:
        yield
    except sqlite3.Error as error:
        name = _name(error)
        if name in _LOCKED:
            raise BackendUnavailableError(
                f"{path} has been locked by another program for more than"
                f" {settings.busy_timeout_seconds:g} s. End what holds it, or raise"
                " busy_timeout_seconds"
            ) from error
        if name == "SQLITE_TOOBIG":
            raise PayloadTooLargeError(
                f"a value is larger than SQLite stores: {error}. Return a reference instead"
            ) from error
        advice = _ADVICE.get(name, f"SQLite failed: {error}")
        raise BackendError(f"{path}: {advice}") from error
    except UnicodeEncodeError as error:
        raise ValueNotStorableError(
            f"the text {error.object!r} has a lone surrogate, which is no character"
        ) from error
