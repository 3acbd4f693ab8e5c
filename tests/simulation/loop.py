"""An event loop whose time is virtual: it jumps to the next timer when nothing is ready.

One seed, one order of events: nothing here asks the operating system for anything. Most of the
time of a simulated run is its loop's, so what asyncio's own loop does for files, signals and
debugging is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")

MOST_CANCELS = 5
"""How often what is left at the end is cancelled."""
FORGET_TASKS = 100
"""After how many more tasks those that are done are forgotten, with all that they hold."""


class DeadlockError(RuntimeError):
    """Nothing is ready, and nothing will ever be."""


class _Handle(asyncio.TimerHandle):
    """A call to be made: the part of asyncio's that somebody uses."""

    __slots__ = ()

    def __init__(
        self, when: float, callback: Callable[..., Any], args: Any, context: Context
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def __repr__(self) -> str:
        return f"<call of {self._callback!r} at {self._when}>"

    def cancel(self) -> None:
        self._cancelled = True
        self._args = ()  # what it holds may be much


class _NoHandle(asyncio.Handle):
    """Of a call that cannot be cancelled."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def cancel(self) -> None:
        raise AssertionError("this call was made by asyncio, which never cancels it")


_NO_HANDLE = _NoHandle()


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._next: deque[_Handle | tuple[Callable[..., Any], Callable[..., Any], Any]] = deque()
        self._timers: list[tuple[float, int, _Handle | asyncio.Future[None]]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._most_tasks = FORGET_TASKS
        self._numbers = 0

    def time(self) -> float:
        return self.now

    def call_soon(  # type: ignore[override] # no types of arguments: nothing here looks at them
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if context is not None:  # of a task or a future, which do not look at what they get
            self._next.append((context.run, callback, args))
            return _NO_HANDLE
        handle = _Handle(self.now, callback, args, copy_context())
        self._next.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override] # there is one thread
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = _Handle(when, callback, args, context or copy_context())
        self._numbers += 1
        heappush(self._timers, (when, self._numbers, handle))
        return handle

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        if self._task_factory is not None:
            task = super().create_task(coro, name=name, context=context)
        else:
            task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > self._most_tasks:
            self._most_tasks = 2 * len(self.leftover()) + FORGET_TASKS
        return task

    def after(self, seconds: float) -> asyncio.Future[None]:
        """What ends when so much time is over; it costs less than `asyncio.sleep`."""
        arrived = self.create_future()
        self._numbers += 1
        heappush(self._timers, (self.now + seconds, self._numbers, arrived))
        return arrived

    def leftover(self) -> list[asyncio.Task[Any]]:
        """All tasks that are not done."""
        self._tasks = [task for task in self._tasks if not task.done()]
        return list(self._tasks)

    def close(self) -> None:
        # Whoever holds the loop must not hold all that ever ran in it.
        self._timers.clear()
        self._next.clear()
        self._tasks.clear()
        super().close()

    def _run_once(self) -> None:
        """Make the calls that are ready; where none is, it is the next timer's time."""
        ready, timers = self._next, self._timers
        while not self._stopping:
            while not ready and timers and timers[0][2].cancelled():
                heappop(timers)
            if not ready:
                if not timers:
                    raise DeadlockError("nothing is ready, and no timer is set")
                self.now = max(self.now, timers[0][0])
            while timers and timers[0][0] <= self.now:
                due = heappop(timers)[2]
                if isinstance(due, _Handle):
                    ready.append(due)
                elif not due.done():
                    due.set_result(None)
            for _ in range(len(ready)):
                call = ready.popleft()
                try:
                    if isinstance(call, tuple):
                        run, callback, args = call
                        run(callback, *args)
                    elif not call._cancelled:
                        call._context.run(call._callback, *call._args)
                except Exception as error:  # noqa: BLE001 - of a callback; tasks keep theirs
                    what = {"message": "a callback failed", "exception": error}
                    self.call_exception_handler(what)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time; whatever else runs then is thrown away."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        _throw_away(loop)
        loop.close()


def _throw_away(loop: VirtualLoop) -> None:
    """End all tasks that are left. What is cancelled may begin something else on its way out."""
    for _ in range(MOST_CANCELS):
        leftover = loop.leftover()
        if not leftover:
            return
        for task in leftover:
            task.cancel()
        with contextlib.suppress(DeadlockError):
            loop.run_until_complete(asyncio.wait(leftover, timeout=1))
        for task in leftover:
            if task.done():
                with contextlib.suppress(BaseException):
                    task.result()  # lets go of what its traceback holds
    for task in loop.leftover():
        # Of a worker that vanished, at a call that never comes back: nothing to speak of.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
