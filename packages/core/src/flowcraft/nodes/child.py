"""The process of nodes bound to the CPU: takes requests one by one until its worker is gone.

No other process imports this module. `processes.py` starts it.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
from contextlib import suppress

import msgspec

from flowcraft import values
from flowcraft.errors import FlowcraftError
from flowcraft.nodes.binding import NodeCall, bind
from flowcraft.nodes.failures import failure_of, is_worth_a_retry
from flowcraft.nodes.messages import Answer, Failure, Request, receive, send
from flowcraft.nodes.result import NodeResult


def main(descriptor: int) -> None:
    """Answer the requests that come along an inherited socket."""
    # A terminal and a service manager signal every process of a worker. The worker drains;
    # what it waits for here has to go on. A handler, for what is ignored would stay so in
    # programs that a node starts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                requests.put(receive(connection))
        except (EOFError, OSError):
            os._exit(0)  # the worker is gone, and nobody wants what is being computed

    threading.Thread(target=listen, name="flowcraft-listen", daemon=True).start()
    while True:
        answer = _answer(requests.get())
        for stream in (sys.stdout, sys.stderr):
            # Closed by the node, never there, or read by nobody: the answer is worth more.
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        send(connection, msgspec.json.encode(answer))


def _answer(data: bytes) -> Answer:
    request = msgspec.json.decode(data, type=Request)
    node_id = request.run.node_id
    try:
        result = _attempt(request)
        output = values.encode_declared(result.output, what=f"output of node {node_id!r}")
    except BaseException as raised:  # noqa: BLE001 - whatever a node raises is its failure
        error = failure_of(raised, node_id=node_id) or raised
        if error is not raised:
            error.__cause__ = raised
        return Answer(failure=Failure.of(error, is_retryable=_is_retryable(error, request)))
    return Answer(output=msgspec.Raw(output), action=result.action)


def _attempt(request: Request) -> NodeResult[object]:
    function = request.function.find()
    call = NodeCall(
        input=values.decode(bytes(request.input)),
        ctx=None,  # type: ignore[arg-type] # such a node takes none
        run=request.run,
        params=values.decode(bytes(request.params)),
        dependencies=None,
        last_attempt=False,
        run_in_thread=None,
        run_in_process=None,
    )
    value = bind(function).prepare(function, call)()
    return value if isinstance(value, NodeResult) else NodeResult(value)


def _is_retryable(error: BaseException, request: Request) -> bool:
    retry_on = request.retry_on
    try:
        types = None if retry_on is None else tuple(known.find() for known in retry_on)
    except FlowcraftError:
        return False
    return is_worth_a_retry(error, types)
