"""Waits of one run, and the resumes that wake them.

A signal to an open wait belongs to that wait and is never used again; an early one lies at the
node, and the first scope that asks for it has it.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from flowcraft import values
from flowcraft.engine.activation import Activation
from flowcraft.engine.waits import waiting_node
from flowcraft.errors import AmbiguousResumeError
from flowcraft.execution.limits import check_action
from flowcraft.execution.performing import Performed
from flowcraft.runtime.state import RunState
from flowcraft.status import ResumeOutcome


class _Signal(NamedTuple):
    """What a wait is resumed with; the output as JSON."""

    output: bytes
    action: str | None


class Signals:
    """Open waits and kept signals."""

    def __init__(self, run_id: str, state: RunState) -> None:
        self._run_id = run_id
        self._state = state
        self._opened: dict[str, Activation] = {}
        self._own: dict[str, _Signal] = {}
        self._early: dict[str, _Signal] = {}
        self._claims: dict[str, str] = {}
        self._wakers: dict[str, asyncio.Future[None]] = {}

    # -- the waiter's side

    def open(self, activation: Activation) -> None:
        """Note that a wait was reached."""
        self._opened.setdefault(activation.key, activation)

    def take(self, activation: Activation) -> Performed | None:
        """The signal for an open wait: its own, or an early one that nobody else has."""
        key = activation.key
        found = self._own.get(key)
        for node in (activation.node, ""):
            if found is None and self._claims.get(node, key) == key:
                found = self._early.get(node)
                if found is not None:
                    self._claims[node] = key
        return Performed(*found) if found is not None else None

    def waker(self, activation: Activation) -> asyncio.Future[None]:
        """A future that is done when the wait is resumed."""
        waker = self._wakers[activation.key] = asyncio.get_running_loop().create_future()
        return waker

    def is_woken(self, key: str) -> bool:
        """Whether a wait has a signal of its own."""
        return key in self._own

    # -- the resumer's side

    def open_waits(self) -> list[Activation]:
        """The waits that a resume would wake."""
        return [
            activation
            for key, activation in self._opened.items()
            if key not in self._state.records and key not in self._own
        ]

    def resume(
        self,
        action: str | None,
        output: Any,
        node_id: str | None,
        scope: str,
        *,
        is_over: bool,
    ) -> ResumeOutcome:
        """Wake one wait, or keep the signal for one that is not open yet.

        Raises:
            AmbiguousResumeError: Several waits are open, and none or only their node was named.
            RunError: The node is no wait of this run, or the action is no text.
            ValueNotStorableError: The output is not strict JSON.
        """
        check_action(action)
        signal = _Signal(values.encode(output, what="output of the resume"), action)
        if is_over:
            return "refused"
        if node_id is None:
            opened = self.open_waits()
            if len(opened) > 1:
                raise AmbiguousResumeError(
                    f"run {self._run_id!r} has {len(opened)} open waits: {_listed(opened)}. "
                    "Name one of them"
                )
            return self._wake(opened[0].key, signal) if opened else self._keep("", signal)
        program = self._state.program
        node_id = waiting_node(program, node_id, scope)
        is_batch = program.nodes[node_id].plan.kind == "scatter"
        key = node_id + scope
        if key in self._state.records and (scope or not is_batch):
            return "refused"
        if key in self._opened:
            return self._wake(key, signal)
        if scope:
            return "kept" if self._own.setdefault(key, signal) is signal else "refused"
        mine = [activation for activation in self.open_waits() if activation.node == node_id]
        if len(mine) > 1:
            raise AmbiguousResumeError(
                f"wait {node_id!r} is open in several scopes: {_listed(mine)}. Name the scope"
            )
        if mine:
            return self._wake(mine[0].key, signal)
        if any(activation.node == node_id for activation in self._opened.values()):
            return "refused"  # all of those that were reached were woken
        return self._keep(node_id, signal)

    def _wake(self, key: str, signal: _Signal) -> ResumeOutcome:
        if self._own.setdefault(key, signal) is not signal:
            return "refused"
        waker = self._wakers.get(key)
        if waker is not None and not waker.done():
            waker.set_result(None)
        return "woke"

    def _keep(self, node: str, signal: _Signal) -> ResumeOutcome:
        return "kept" if self._early.setdefault(node, signal) is signal else "refused"


def _listed(activations: list[Activation]) -> str:
    return ", ".join(sorted(activation.key for activation in activations))
