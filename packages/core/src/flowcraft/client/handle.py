"""`RunHandle`: one run, as those outside of it see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.client.events import run_events
from flowcraft.client.explain import Explanation, explain, status_of
from flowcraft.client.waiting import no_run, wait_for_end
from flowcraft.errors import UnknownRunError
from flowcraft.events import RunEvent
from flowcraft.execution.limits import check_id
from flowcraft.status import ResumeOutcome, RunResult, Status


class RunHandle:
    """A run by its id. Making one asks nothing; each method says whether there is such a run.

    Args:
        run_id: The id.
        connect: Gives the adapter that knows of it.

    Attributes:
        run_id: The id, under which any process finds the run again: `app.run(run_id)`.
    """

    def __init__(
        self, run_id: str, connect: Callable[[], Awaitable[BaseDistributedAdapter]]
    ) -> None:
        self.run_id = run_id
        self._connect = connect

    async def result(self, timeout: float | None = None) -> RunResult:
        """Wait for the end of the run, and give its result: of a failed run too.

        Args:
            timeout: The longest wait in seconds; None waits for as long as it takes.

        Raises:
            UnknownRunError: No such run, or it was purged.
            RunNotFinishedError: It had not ended in time.
        """
        adapter = await self._connect()
        header = await wait_for_end(adapter, self.run_id, timeout_seconds=timeout)
        return await adapter.runs.result_of(self.run_id, header)

    async def output(self, node_id: str, scope: str = "") -> Any:
        """Read the output of a node that is over, whether or not the run is.

        A skipped node gives None; one that failed gives the output of its fallback.

        Args:
            node_id: The node; `SUBFLOW/NODE` names one inside a child.
            scope: Which iteration or item of it, such as `/3` or `/#7`. Without it, a node of a
                loop means its last iteration, once the loop has ended.

        Raises:
            UnknownRunError: No such run, or it was purged.
            RunError: The run has no such node, or the node no such scope.
            NoOutputError: It has not been recorded, or it failed for good.
        """
        adapter = await self._connect()
        return await adapter.runs.output_of(self.run_id, node_id, scope)

    async def status(self) -> Status:
        """Ask how the run stands.

        Whether a run waits or runs is read from what it consists of, so the cost grows with
        the run.

        Raises:
            UnknownRunError: No such run, or it was purged.
        """
        return await status_of(await self._connect(), self.run_id)

    async def events(self, after: str | None = None) -> AsyncGenerator[RunEvent, None]:
        """Give what happens in the run as it happens, from its beginning to its end.

        What was recorded is told at least once, in an order in which it can have happened. The
        iterator ends after the event that the run ended; the events of child runs are told by
        their own handles.

        Args:
            after: The cursor of an event: goes on after it, in another process too. A store
                that keeps no order begins again.

        Raises:
            UnknownRunError: No such run, or it was purged meanwhile.
            RunError: `after` is the cursor of no event.
        """
        adapter = await self._connect()
        async with aclosing(run_events(adapter, self.run_id, after=after)) as events:
            async for event in events:
                yield event

    async def explain(self) -> Explanation:
        """Work out why the run is where it is, activation by activation.

        Raises:
            UnknownRunError: No such run, or it was purged.
        """
        return await explain(await self._connect(), self.run_id)

    async def cancel(self) -> Status:
        """Cancel the run, unless it is over; the status that then stands.

        Raises:
            UnknownRunError: No such run, or it was purged.
        """
        adapter = await self._connect()
        status = await adapter.runs.cancel(self.run_id)
        if status is None:
            raise UnknownRunError(no_run(self.run_id))
        return status

    async def resume(
        self,
        action: str | None = None,
        output: Any = None,
        node_id: str | None = None,
        scope: str = "",
    ) -> ResumeOutcome:
        """Wake a wait, or keep the signal for one that is not open yet.

        Args:
            action: Chooses the edges of the wait; None takes the default ones.
            output: The wait's output.
            node_id: The wait; `SUBFLOW/WAIT` names one inside a child. Without it, the only
                open wait, or the first to open.
            scope: Which iteration or item of it, such as `/3` or `/#7`.

        Returns:
            Whether it woke a wait, was kept for later, or was refused.

        Raises:
            UnknownRunError: No such run, or it was purged.
            AmbiguousResumeError: Several waits are open, and none was named.
            RunError: The node is no wait.
        """
        adapter = await self._connect()
        return await adapter.resume_with_action(self.run_id, action, output, node_id, scope)

    async def retry(self, run_id: str | None = None) -> RunHandle:
        """Make a new run of a run that ended: it goes on from what this one recorded.

        What completed is not executed again; what failed or was never reached is. The new run
        has the same payload and blueprints, and a context that begins as this one's ended.
        Nothing of this run changes.

        Args:
            run_id: The new run's id, 1 to 200 bytes without "/"; a fresh one if not given.
                Repeating the call with the same id gives the same run.

        Raises:
            UnknownRunError: No such run, or it was purged.
            RunError: It has not ended, or is a child; or the new id does not fit.
            UnknownBlueprintError: The store does not hold its blueprint.
        """
        adapter = await self._connect()
        if run_id is None:
            run_id = adapter.parts.clock.fresh_id()
        check_id(run_id)
        await adapter.runs.retry(self.run_id, run_id)
        return RunHandle(run_id, self._connect)

    def __repr__(self) -> str:
        return f"RunHandle({self.run_id!r})"
