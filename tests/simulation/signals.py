"""The outside world of a run: it resumes every wait that it sees open."""

from __future__ import annotations

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.signals import Resumer
from flowcraft.engine.activation import parse_activation
from flowcraft.execution.move import RunView
from tests.simulation.case import Case


class Outside:
    """Answers the waits of one run and of its children.

    Args:
        adapter: Resumes them.
        run_id: The run.
        case: What is sent to it.
        looking: Looks for them, if another adapter is to do that.
    """

    def __init__(
        self,
        adapter: BaseDistributedAdapter,
        run_id: str,
        case: Case,
        *,
        looking: BaseDistributedAdapter | None = None,
    ) -> None:
        self._adapter = adapter
        self._looking = looking or adapter
        self._run_id = run_id
        self._case = case
        self._resumer = Resumer(self._looking.parts)
        self._answered: set[tuple[str, str]] = set()

    async def send_early(self) -> None:
        """Send the signals that come before anything waits."""
        for signal in self._case.signals:
            if signal.early:
                await self._adapter.resume_with_action(
                    self._run_id, signal.action, signal.output, signal.node, signal.scope or ""
                )

    async def answer(self) -> None:
        """Resume every wait that is seen open, with all signals that are for it."""
        if all(signal.early for signal in self._case.signals):
            return
        for run_id in [self._run_id, *await descendants(self._looking, self._run_id)]:
            view = await self._looking.parts.view(run_id)
            if view is None or view.header.is_over:
                continue
            for activation in await self._resumer.open_waits(view):
                if (run_id, activation.key) in self._answered:
                    continue
                self._answered.add((run_id, activation.key))
                path = await self._path(view, activation.node)
                for signal in self._case.signals:
                    if signal.early or signal.node != path:
                        continue
                    if signal.scope in (None, activation.scope):
                        await self._adapter.resume_with_action(
                            run_id, signal.action, signal.output, activation.node, activation.scope
                        )

    async def _path(self, view: RunView, node: str) -> str:
        parent = view.header.parent
        if parent is None:
            return node
        above = await self._looking.parts.view(parent.run_id)
        assert above is not None
        outer = await self._path(above, parse_activation(parent.activation).node)
        return f"{outer}/{node}"


async def descendants(adapter: BaseDistributedAdapter, run_id: str) -> list[str]:
    """All runs below a run."""
    found: list[str] = []
    for child in await adapter.ports.store.children(run_id):
        found += [child, *await descendants(adapter, child)]
    return found
