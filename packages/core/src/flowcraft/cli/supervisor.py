"""`flowcraft worker --processes N`: keeps so many worker processes alive, and drains them together.

Each process is the same command again, started afresh and never forked. A socket joins it to the
supervisor: the worker says on it that it takes jobs, and drains when it is closed, which is so
too when the supervisor was killed. A worker that works is told in no other way to drain: a
service manager signals every process, and a second signal would end the worker at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from flowcraft.clock import Clock

if TYPE_CHECKING:
    from flowcraft.worker import Worker

logger = logging.getLogger("flowcraft.supervisor")

READY: Final = b"1"
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
"""Between the death of a process and its next start; doubled from the first to the longest."""
STEADY_SECONDS = 60.0
"""A process that took jobs for so long did not die of its start."""
STARTS_IN_VAIN = 3
"""After so many in a row, with never a process that took jobs, there is no use in going on."""

Arguments = Callable[[int, int], Sequence[str]]
"""The arguments of one process, by its number from 1 and the descriptor of its socket."""


class Supervisor:
    """Keeps worker processes alive until it is told to stop.

    Args:
        arguments: What comes behind `flowcraft` to start one of them.
        processes: How many.
        clock: Tells how long they lived.
    """

    def __init__(self, arguments: Arguments, *, processes: int, clock: Clock) -> None:
        self._arguments = arguments
        self._processes = processes
        self._clock = clock
        self._stopping = asyncio.Event()
        self._alive: dict[asyncio.subprocess.Process, _Link] = {}
        self._has_worked = False
        self._in_vain = 0
        self._gave_up = False
        self._exit_code = 0

    async def run(self) -> int:
        """Keep them alive until SIGTERM or SIGINT, then drain them; the code to exit with.

        It is 0 if all of them drained, and 1 if one did not, or if none ever came up. A second
        signal kills them.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)
        async with asyncio.TaskGroup() as group:
            for slot in range(1, self._processes + 1):
                group.create_task(self._keep(slot))
        if self._gave_up:
            logger.error("no worker process came up; what is wrong is said above")
            return 1
        return self._exit_code

    def _told_to_stop(self) -> None:
        again = self._stopping.is_set()
        if not again:
            logger.info("worker processes drain", extra={"count": len(self._alive)})
        self._stopping.set()
        for process, link in self._alive.items():
            if again:
                _send(process, signal.SIGKILL)
            else:
                _drain(process, link)

    async def _keep(self, slot: int) -> None:
        """Start a process, and again each time that it dies."""
        deaths = 0
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                process, was_ready = await self._live(slot)
            except OSError as error:  # no memory, or too many processes: that may pass
                what = {"number": slot, "error": str(error)}
                logger.warning("no worker process can be started", extra=what)
                was_ready = False
            else:
                code = process.returncode or 0
                if self._stopping.is_set():
                    is_drained = code == 0 or (code == -signal.SIGTERM and not was_ready)
                    if not is_drained:
                        self._report(slot, process, code)
                        self._exit_code = 1
                    return
                self._report(slot, process, code)
            steady = was_ready and self._clock.monotonic() - began > STEADY_SECONDS
            deaths = 1 if steady else deaths + 1
            self._in_vain += not was_ready
            if not self._has_worked and self._in_vain >= STARTS_IN_VAIN:
                self._gave_up = True
                self._told_to_stop()
                return
            pause = min(FIRST_PAUSE_SECONDS * 2.0 ** (deaths - 1), LONGEST_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    async def _live(self, slot: int) -> tuple[asyncio.subprocess.Process, bool]:
        """Run one process to its end. Whether it came to take jobs.

        Raises:
            OSError: It cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "flowcraft.cli",
                    *self._arguments(slot, theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    # A Ctrl-C is for the supervisor, which tells them once.
                    process_group=0,
                )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours)
        link = self._alive[process] = _Link(asyncio.ensure_future(self._hears(reader)), writer)
        try:
            if self._stopping.is_set():  # while it was being started
                _drain(process, link)
            await process.wait()
            # All that it said is there; should a child of its own hold the socket, nothing is.
            await asyncio.wait([link.told], timeout=1.0)
            return process, link.is_ready
        finally:
            del self._alive[process]
            link.told.cancel()
            writer.close()

    async def _hears(self, reader: asyncio.StreamReader) -> bool:
        with suppress(OSError):
            if await reader.read(len(READY)) == READY:
                self._has_worked = True
                return True
        return False

    def _report(self, slot: int, process: asyncio.subprocess.Process, code: int) -> None:
        logger.warning(
            "worker process ended",
            extra={"number": slot, "pid": process.pid, "how": how_it_ended(code)},
        )


class _Link(NamedTuple):
    """What joins a process to the supervisor: what it said, and what it drains by."""

    told: asyncio.Future[bool]
    writer: asyncio.StreamWriter

    @property
    def is_ready(self) -> bool:
        """Whether it has come to take jobs."""
        return self.told.done() and self.told.result()


def _drain(process: asyncio.subprocess.Process, link: _Link) -> None:
    """Have a process drain, or end if it has not come to take jobs."""
    if link.is_ready:
        link.writer.close()
    else:
        _send(process, signal.SIGTERM)


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


def how_it_ended(code: int) -> str:
    """A return code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


async def run_supervised(worker: Worker, descriptor: int) -> None:
    """Run a worker that a supervisor started: say that it works, and drain when that one is gone.

    Args:
        worker: The worker.
        descriptor: The socket that joins them.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(fileno=descriptor) as link:
        link.set_inheritable(False)
        link.setblocking(False)

        def closed() -> None:
            loop.remove_reader(link)  # it says nothing; there is only its end to be read
            worker.stop()

        async def tell() -> None:
            await worker.started.wait()
            with suppress(OSError):
                link.send(READY)

        loop.add_reader(link, closed)
        telling = asyncio.ensure_future(tell())
        try:
            await worker.run()
        finally:
            telling.cancel()
            loop.remove_reader(link)
