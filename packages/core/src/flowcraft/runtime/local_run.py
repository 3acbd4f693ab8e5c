"""The handle of one run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from flowcraft.engine.activation import parse_activation
from flowcraft.engine.record import Record
from flowcraft.errors import UnknownRunError
from flowcraft.events import RunEvent
from flowcraft.runtime.driver import Driver
from flowcraft.status import ResumeOutcome, RunResult, Status


class LocalRun:
    """A run of this process, which goes on by itself while the event loop runs.

    Not for other threads: call it where the loop runs.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._driver.run_id

    async def result(self) -> RunResult:
        """Wait until the run has ended, and give how.

        Stopping to wait does not stop the run.
        """
        await asyncio.shield(self._driver.done)
        return self._driver.result()

    def status(self) -> Status:
        """The status as of now; `waiting` is exact."""
        return self._driver.status()

    def cancel(self) -> Status:
        """Cancel the run and its children at once, unless it is over.

        Returns:
            The status that then stands.
        """
        return self._driver.cancel()

    def resume(
        self,
        action: str | None = None,
        output: Any = None,
        node_id: str | None = None,
        scope: str = "",
    ) -> ResumeOutcome:
        """Wake a wait, or keep the signal for one that is not open yet.

        Args:
            action: Chooses the edges; None takes the default ones.
            output: The wait's output.
            node_id: The wait; a path `SUBFLOW/WAIT` names one inside a child. Without it, the
                single open wait, or the first to open.
            scope: Which iteration or item of it, as in `/3` or `/#7`.

        Raises:
            AmbiguousResumeError: Several waits are open and none was named.
            RunError: The node is no wait, or the action is empty.
            UnknownRunError: The path names a subflow that has started no child.
            ValueNotStorableError: The output is not strict JSON.
        """
        driver = self._driver
        *path, name = (node_id or "").split("/")
        for node in path:
            driver = _last_child(driver, node)
        return driver.resume(action, output, name if node_id is not None else None, scope)

    def events(self, after: str | None = None) -> AsyncIterator[RunEvent]:
        """Give what happened and happens in the run, until the event that it ended.

        That a node started is told only of what starts while one listens.

        Args:
            after: The cursor of an event: goes on after it.

        Raises:
            RunError: `after` is the cursor of no event.
        """
        return self._driver.listeners.events(self._driver, after)

    def open_waits(self) -> list[str]:
        """Node and scope of each wait of this run that a resume would wake now."""
        if self._driver.done.done():
            return []
        return [activation.key for activation in self._driver.signals.open_waits()]

    def records(self) -> dict[str, Record]:
        """What is recorded so far, by activation key."""
        return dict(self._driver.records)

    def value(self, stored: bytes) -> Any:
        """What a stored value of a record says; the list itself where it refers to a batch."""
        return self._driver.value(stored)

    def children(self) -> dict[tuple[str, int], LocalRun]:
        """The child runs started so far, by activation key and attempt."""
        return {place: LocalRun(child) for place, child in self._driver.children.items()}


def _last_child(driver: Driver, node_id: str) -> Driver:
    """The child that a subflow node last started, preferably one that has not ended."""
    mine = [
        child
        for (key, _), child in driver.children.items()
        if parse_activation(key).node == node_id
    ]
    if not mine:
        raise UnknownRunError(f"node {node_id!r} of run {driver.run_id!r} has started no subflow")
    return [*(child for child in mine if child.done.done()),
            *(child for child in mine if not child.done.done())][-1]  # fmt: skip
