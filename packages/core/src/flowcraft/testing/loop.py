"""An event loop whose time is virtual, and which waits for real answers.

Time stands still while a call to a backend is under way or a thread works, and jumps to the next
timer when nothing else is left to do. So an hour of leases, delays and sweeps passes at once,
over a backend in memory and over a real file alike, as long as the backend takes the time from
the adapter's `Clock` and not from a server.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

LONGEST_ANSWER_SECONDS = 60.0
"""How long a real answer may take, in real time: reached only when something is broken."""
MOST_TURNS = 20_000_000
"""How often the loop may turn while time stands still; a batch of 100,000 items takes a tenth."""


class DeadlockError(RuntimeError):
    """Nothing is ready, and nothing will ever be; or the same is done again and again."""


class _PatientSelector(selectors.BaseSelector):
    """Waits for files while an answer is due; else moves the time on."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._files = selectors.DefaultSelector()
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if timeout is not None and timeout <= 0:
            self._turns += 1
            if self._turns > loop.most_turns:
                self._turns = 0
                raise DeadlockError("somebody is busy for ever, and no time passes")
            return self._files.select(0) if loop.answers_due else []
        found = self._files.select(0)
        if found:
            return found
        if loop.answers_due:
            found = self._files.select(LONGEST_ANSWER_SECONDS)
            if not found:
                raise DeadlockError(f"no answer came in {LONGEST_ANSWER_SECONDS:g} s of real time")
            return found
        if timeout is None:
            raise DeadlockError("nothing is ready, and no timer is set")
        loop.now += timeout
        self._turns = 0
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._files.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._files.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._files.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._files.get_map()

    def close(self) -> None:
        self._files.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's text.

    Attributes:
        now: The time, in seconds since the loop was made.
        answers_due: How many calls and threads are waited for in real time.
        most_turns: How often it may turn while time stands still.
    """

    most_turns = MOST_TURNS

    def __init__(self) -> None:
        self.now = 0.0
        self.answers_due = 0
        super().__init__(_PatientSelector(self))
        # A timer is due when it is less than this ahead; of a time in years no less can be told.
        self._clock_resolution = 1e-7

    def time(self) -> float:
        return self.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        self.answers_due += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._answered)
        return future

    def _answered(self, future: asyncio.Future[Any]) -> None:
        del future
        self.answers_due -= 1


@contextmanager
def answer_due() -> Iterator[None]:
    """Wait for something real: meanwhile the time of a virtual loop stands still."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        yield
        return
    loop.answers_due += 1
    try:
        yield
    finally:
        loop.answers_due -= 1


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time; whatever else runs then is thrown away."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        _throw_away(loop)


def _throw_away(loop: VirtualLoop) -> None:
    """Cancel what is left, and close the loop."""
    try:
        # What is cancelled may begin something else on its way out.
        while leftover := asyncio.all_tasks(loop):
            for task in leftover:
                task.cancel()
            gathered = asyncio.gather(*leftover, return_exceptions=True)
            loop.run_until_complete(asyncio.wait_for(gathered, 1))
    except (TimeoutError, DeadlockError):
        pass
    finally:
        for task in asyncio.all_tasks(loop):
            # Of a worker that vanished, at a call that never comes back: nothing to speak of.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.answers_due += 1  # the end of the threads, which comes by itself
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
