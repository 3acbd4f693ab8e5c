"""SIGTERM and SIGINT, for all the workers of a process."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Have a worker told to stop by the first SIGTERM or SIGINT, as long as the block lasts.

    That signal stops all workers of the process; the next one does what it did before any of
    them was there. Python tells only the main thread of signals: in another one this does nothing.

    Args:
        stop: Tells the worker; called on its event loop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def tell() -> None:
        loop.call_soon_threadsafe(stop)

    # What the workers share is found where Python itself keeps it, one for the process.
    found = signal.getsignal(SIGNALS[0])
    handler = found if isinstance(found, _StopAll) else _StopAll()
    handler.add(tell)
    try:
        yield
    finally:
        handler.remove(tell)


class _StopAll:
    """Handles the signals from the first worker that comes to the last one that goes."""

    def __init__(self) -> None:
        self._tells: list[Callable[[], None]] = []
        # Not `loop.add_signal_handler`: what an application set there would be lost.
        self._before = {number: signal.signal(number, self) for number in SIGNALS}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        for tell in self._tells:
            tell()

    def add(self, tell: Callable[[], None]) -> None:
        self._tells.append(tell)

    def remove(self, tell: Callable[[], None]) -> None:
        self._tells.remove(tell)
        if not self._tells:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            if signal.getsignal(number) is self:  # else somebody else is in charge of it now
                signal.signal(number, handler)
