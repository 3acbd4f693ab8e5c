"""The synchronous door, for scripts: the same application, one blocking call at a time.

    with app.sync() as door:
        run = door.submit("order", {"id": 7})
        for event in run.events():
            print(event.kind, event.node)
        print(run.result(timeout=60).output)

Each method is the one of `Flowcraft` or `RunHandle` whose name it has, waited for in an event
loop that runs in a thread of its own. Nothing is done here that is not done there.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from flowcraft.app import Flowcraft
from flowcraft.client.handle import RunHandle
from flowcraft.errors import FlowcraftError
from flowcraft.events import RunEvent
from flowcraft.status import RunResult

P = ParamSpec("P")
T = TypeVar("T")


def _of_run(
    method: Callable[Concatenate[RunHandle, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncRun, P], T]:
    """The blocking form of a method of a handle."""

    @functools.wraps(method)
    def call(self: SyncRun, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.wait(method(self._run, *args, **kwargs))

    return call


def _of_app(
    method: Callable[Concatenate[Flowcraft, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncFlowcraft, P], T]:
    """The blocking form of a method of an application."""

    @functools.wraps(method)
    def call(self: SyncFlowcraft, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.wait(method(self._app, *args, **kwargs))

    return call


def _starts(
    method: Callable[Concatenate[Flowcraft, P], Coroutine[Any, Any, RunHandle]],
) -> Callable[Concatenate[SyncFlowcraft, P], SyncRun]:
    """The blocking form of a method that gives a run."""

    @functools.wraps(method)
    def call(self: SyncFlowcraft, /, *args: P.args, **kwargs: P.kwargs) -> SyncRun:
        return SyncRun(self._loop.wait(method(self._app, *args, **kwargs)), self._loop)

    return call


class SyncRun:
    """A run, with methods that block. See `RunHandle`."""

    def __init__(self, run: RunHandle, loop: LoopThread) -> None:
        self._run = run
        self._loop = loop
        self.run_id = run.run_id

    result = _of_run(RunHandle.result)
    output = _of_run(RunHandle.output)
    status = _of_run(RunHandle.status)
    explain = _of_run(RunHandle.explain)
    cancel = _of_run(RunHandle.cancel)
    resume = _of_run(RunHandle.resume)

    def events(self, after: str | None = None) -> Iterator[RunEvent]:
        """Give what happens in the run as it happens; see `RunHandle.events`."""
        return self._loop.iterate(self._run.events(after))

    def __repr__(self) -> str:
        return f"SyncRun({self.run_id!r})"


class SyncFlowcraft:
    """An application, with methods that block. See `Flowcraft`.

    Made by `app.sync()`; close it, or use it in a `with`.
    """

    def __init__(self, app: Flowcraft) -> None:
        self._app = app
        self._loop = LoopThread()

    connect = _of_app(Flowcraft.connect)
    submit = _starts(Flowcraft.submit)
    runs = _of_app(Flowcraft.runs)

    def run(self, run_id: str) -> SyncRun:
        """The handle of a run that was submitted before, by whatever process."""
        return SyncRun(self._app.run(run_id), self._loop)

    def as_completed(
        self, runs: Iterable[SyncRun | str], timeout: float | None = None
    ) -> Iterator[RunResult]:
        """Give results in the order in which runs end; see `Flowcraft.as_completed`."""
        return self._loop.iterate(self._app.as_completed(_ids(runs), timeout))

    def results(
        self, runs: Iterable[SyncRun | str], timeout: float | None = None
    ) -> list[RunResult]:
        """Give results in the order of the runs; see `Flowcraft.results`."""
        return self._loop.wait(self._app.results(_ids(runs), timeout))

    def close(self) -> None:
        """Let go of the backend, and end the thread."""
        if not self._loop.is_over:
            try:
                self._loop.wait(self._app.aclose())
            finally:
                self._loop.stop()

    def __enter__(self) -> SyncFlowcraft:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _ids(runs: Iterable[SyncRun | str]) -> list[str]:
    return [run if isinstance(run, str) else run.run_id for run in runs]


class LoopThread:
    """An event loop in a thread of its own, for those who have none.

    Raises:
        FlowcraftError: An event loop runs in this thread already.
    """

    def __init__(self) -> None:
        _refuse_inside_a_loop()
        self.is_over = False
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="flowcraft-sync", daemon=True)
        self._thread.start()
        self._is_ready.wait()

    def _work(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._is_ready.set()
        await self._stopped.wait()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, and wait for what it gives.

        Raises:
            FlowcraftError: An event loop runs in this thread, or the door was closed.
        """
        try:
            _refuse_inside_a_loop()
            if self.is_over:
                raise FlowcraftError("this door was closed; open another one with app.sync()")
        except FlowcraftError:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # where it was an interrupt: nobody waits for it any more
            raise

    def iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """Give what an asynchronous iterator gives."""

        async def following() -> list[T]:
            try:
                return [await anext(items)]
            except StopAsyncIteration:
                return []

        try:
            while found := self.wait(following()):
                yield from found
        finally:
            if not self.is_over:
                self.wait(items.aclose())

    def stop(self) -> None:
        """End the loop and its thread."""
        self.is_over = True
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()


def _refuse_inside_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise FlowcraftError(
        "app.sync() blocks, and an event loop runs in this thread, which it would hold up. Use the"
        " application itself: await app.submit(...)"
    )
