"""What is said between a worker and the processes of its nodes bound to the CPU: JSON, framed."""

from __future__ import annotations

import socket
import struct
import traceback
from collections.abc import Callable

import msgspec

from flowcraft.errors import NodeError, RetryAfter, text_of
from flowcraft.nodes.reference import Reference
from flowcraft.nodes.result import RunInfo


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, as the process is asked to make it.

    Args:
        uses: Key of the implementation.
        function: Where the function is found.
        retry_on: Where the exceptions worth another attempt are found; None means all.
        input: The input, as JSON.
        params: The node's params, as JSON.
        run: Which attempt of what this is.
    """

    uses: str
    function: Reference
    retry_on: tuple[Reference, ...] | None
    input: msgspec.Raw
    params: msgspec.Raw
    run: RunInfo


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of an exception.

    Args:
        type: Name of its class.
        message: Its text.
        cause_type: Name of the class of its cause; empty if it has none.
        cause_message: Text of its cause.
        is_retryable: Whether another attempt may end better.
        delay_seconds: The delay that it asks for, if it is a `RetryAfter`.
        trace: Its traceback, for the log.
    """

    type: str
    message: str
    cause_type: str = ""
    cause_message: str = ""
    is_retryable: bool = True
    delay_seconds: float | None = None
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException, *, is_retryable: bool) -> Failure:
        """Tell of an exception."""
        cause = error.__cause__
        return cls(
            type=type(error).__name__,
            message=text_of(error),
            cause_type=type(cause).__name__ if cause is not None else "",
            cause_message=text_of(cause) if cause is not None else "",
            is_retryable=is_retryable,
            delay_seconds=error.delay_seconds if isinstance(error, RetryAfter) else None,
            trace="".join(traceback.format_exception(error)).encode(errors="replace").decode(),
        )

    def as_error(self) -> Exception:
        """Make an exception that reads like the one that was told of.

        Its class has the same name, and is made for it: the real one may take what did not
        cross the pipe.
        """
        error: Exception
        if self.delay_seconds is not None:
            error = RetryAfter(self.delay_seconds, self.message)
        else:
            error = type(self.type, (NodeError,), {"retryable": self.is_retryable})(self.message)
        if self.cause_type:
            error.__cause__ = type(self.cause_type, (Exception,), {})(self.cause_message)
        error.add_note(f"In the process of the node:\n{self.trace}")
        return error


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How the attempt went: an output and an action, or a failure."""

    output: msgspec.Raw = msgspec.Raw(b"null")
    action: str | None = None
    failure: Failure | None = None


_LENGTH = struct.Struct(">Q")
_LARGEST_READ = 1 << 20


def send(connection: socket.socket, data: bytes) -> None:
    """Send a message: its length, then its bytes.

    Raises:
        OSError: Nobody reads it.
    """
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, is_alive: Callable[[], bool] = lambda: True) -> bytes:
    """Wait for a message.

    Args:
        connection: Where it comes from. If it has a timeout, `is_alive` is asked that often.
        is_alive: Whether somebody is there to send it.

    Raises:
        EOFError: Nobody will send it.
        OSError: The connection broke.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size, is_alive))
    return _exactly(connection, length, is_alive)


def _exactly(connection: socket.socket, count: int, is_alive: Callable[[], bool]) -> bytes:
    data = bytearray()
    while len(data) < count:
        try:
            part = connection.recv(min(count - len(data), _LARGEST_READ))
        except TimeoutError:
            if is_alive():
                continue
            raise EOFError from None
        if not part:
            raise EOFError
        data += part
    return bytes(data)
