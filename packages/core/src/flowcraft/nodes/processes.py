"""The processes in which nodes bound to the CPU execute, started when they are needed.

Each has one attempt at a time, so that it is clear which of them a process died of; the other
processes go on. An attempt that is cancelled, by its timeout, its run or a drain, is ended with
its process. Processes are spawned and never forked. They end with the worker in any case: one
whose worker was killed sees its socket closed, and ends in the middle of what it does.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from weakref import WeakKeyDictionary

from flowcraft.errors import NodeProcessError
from flowcraft.nodes.messages import receive, send

RunInProcess = Callable[[bytes], Awaitable[bytes]]
"""Sends a request to a process, and gives its answer."""

LOOK_SECONDS = 1.0
"""How often a process that computes is looked at: its socket stays open as long as one of its
own children has it."""
END_SECONDS = 5.0
"""How long a process may take from closing its socket to its end."""

_CHILD = "flowcraft.nodes.child"
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    f"from {_CHILD} import main; main(int(sys.argv[1]))"
)


class ProcessPool:
    """Processes of nodes bound to the CPU; none is there until the first such node executes.

    Args:
        size: Most processes at once, at least 1; as many as there are CPUs if not given.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size or os.cpu_count() or 1
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()
        # A semaphore belongs to the loop in which somebody first waited for it.
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )
        weakref.finalize(self, _end_all, self._children)

    @asynccontextmanager
    async def room(self) -> AsyncIterator[RunInProcess]:
        """Wait for a process and have it, so that an attempt's time begins when it can begin."""
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates[loop] = asyncio.Semaphore(self.size)
        async with gate:
            child = self._take()
            try:
                yield child.run
            finally:
                if child.is_usable:
                    self._idle.append(child)
                else:
                    self._children.discard(child)

    def _take(self) -> _Child:
        while self._idle:
            child = self._idle.pop()
            if child.is_usable:
                return child
            child.end()
            self._children.discard(child)
        child = _Child()
        self._children.add(child)
        return child

    def close(self) -> None:
        """End all processes, whatever they are at, and wait until they have."""
        children = list(self._children)
        _end_all(children)
        for child in children:
            child.join()
        self._idle.clear()
        self._children.clear()


def _end_all(children: Iterable[_Child]) -> None:
    for child in list(children):
        child.end()


class _Child:
    """One process, and the thread of this process that talks to it."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[tuple[bytes, Future[bytes]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # a process that is being started must not miss its end
        self._is_ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        # Daemonic, for nothing is lost with it: the process ends when this one does.
        self._thread = threading.Thread(target=self._work, name="flowcraft-process", daemon=True)
        self._thread.start()

    @property
    def is_usable(self) -> bool:
        """Whether it can take a request."""
        return not self._is_ended and (self._process is None or self._process.poll() is None)

    async def run(self, request: bytes) -> bytes:
        """Have a request answered; cancelling ends the process.

        Raises:
            NodeProcessError: The process died, or cannot be started.
        """
        answer: Future[bytes] = Future()
        self._requests.put((request, answer))
        try:
            return await asyncio.wrap_future(answer)
        except asyncio.CancelledError:
            self.end()
            raise

    def end(self) -> None:
        """End the process, whatever it is at; from any thread, and as often as one likes."""
        with self._lock:
            self._is_ended = True
            if self._process is not None:
                self._process.kill()
            if self._connection is not None:
                with suppress(OSError):  # it is closed already
                    self._connection.shutdown(socket.SHUT_RDWR)
        self._requests.put(None)

    def join(self) -> None:
        """Wait until an ended process is gone."""
        self._thread.join()

    # -- in the thread

    def _work(self) -> None:
        while (entry := self._requests.get()) is not None:
            request, answer = entry
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(self._exchange(request))
            except (EOFError, OSError):
                answer.set_exception(NodeProcessError(self._why_it_died()))
            except NodeProcessError as error:
                answer.set_exception(error)
            except Exception as error:  # noqa: BLE001 - whoever waits would wait for ever
                self.end()  # in the middle of a message: no memory for its answer, say
                why = f"{type(error).__name__}: {error}"
                answer.set_exception(
                    NodeProcessError(f"the process in which the node executed was given up: {why}")
                )
        with self._lock:
            connection, process = self._connection, self._process
        if connection is not None:
            connection.close()
        if process is not None:
            process.wait()

    def _exchange(self, request: bytes) -> bytes:
        process, connection = self._started()
        connection.settimeout(None)
        send(connection, request)
        connection.settimeout(LOOK_SECONDS)
        return receive(connection, lambda: process.poll() is None)

    def _started(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        with self._lock:
            if self._process is not None and self._connection is not None:
                return self._process, self._connection
            if self._is_ended:
                raise EOFError
            if _CHILD in sys.modules:
                raise NodeProcessError(
                    "a node bound to the CPU executes in a process of such a node. If this is the "
                    'script itself, put what it does behind `if __name__ == "__main__":`, for '
                    "those processes load it too; otherwise take cpu=True from the inner node"
                )
            ours, theirs = socket.socketpair()
            with theirs:
                number = theirs.fileno()
                try:
                    self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                        [sys.executable, "-c", _PROGRAM, str(number), _path()],
                        stdin=subprocess.DEVNULL,
                        pass_fds=[number],
                    )
                except OSError as error:
                    ours.close()
                    raise NodeProcessError(f"no process can be started: {error}") from error
            self._connection = ours
            return self._process, ours

    def _why_it_died(self) -> str:
        process = self._process
        if process is None:
            return "its process was ended before it began"
        try:
            code = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:  # it closed the socket, and lives
            process.kill()
            code = process.wait()
        if code < 0:
            how = f"was ended by {_signal(-code)}"
        else:
            how = f"exited with code {code}"
        self.end()
        return (
            f"the process in which the node executed {how} before there was a result. Code that "
            "runs out of memory, crashes or exits does this; what it said is on stderr"
        )


def _path() -> str:
    """Where modules are found. Python passes over what else people put there, such as a Path."""
    places: list[object] = list(sys.path)
    return json.dumps([place for place in places if isinstance(place, str)])


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have no name
        return f"signal {number}"
