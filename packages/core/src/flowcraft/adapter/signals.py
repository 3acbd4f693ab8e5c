"""Waits and what wakes them.

The waiter writes "open", then reads signals; the resumer writes its signal, then reads "open".
Whichever comes second sees the other. A signal to an open wait lies in the wait's own cell and
is never used again; an early one lies at the node, and the first scope to claim it has it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from flowcraft import values
from flowcraft.adapter.parts import Parts
from flowcraft.engine.activation import (
    WAITS,
    Activation,
    parse_activation,
    signal_key,
)
from flowcraft.engine.cells import CLAIM, EARLY, OPEN, RECORD, SIGNAL
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.record import NULL
from flowcraft.engine.waits import waiting_node
from flowcraft.errors import AmbiguousResumeError
from flowcraft.execution.limits import check_action
from flowcraft.execution.move import Move, RunView
from flowcraft.execution.performing import Performed
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import Commit, Load, Loaded, Propagation
from flowcraft.ports.transition import job_for
from flowcraft.status import ResumeOutcome


class Signal(msgspec.Struct, frozen=True):
    """What a wait is resumed with."""

    action: str | None = None
    output: Raw = NULL


class Opened(msgspec.Struct, frozen=True):
    """Since when a wait is open."""

    at: float


class OpenWait(NamedTuple):
    """What a resumer found of a wait."""

    is_open: bool
    is_recorded: bool


class ListedWait(NamedTuple):
    """A wait that was reached; it may be about to open, and then neither is open nor was woken."""

    activation: Activation
    is_open: bool
    is_woken: bool
    is_recorded: bool


async def open_wait(parts: Parts, move: Move) -> float:
    """Write "open", once; since when it is."""
    existing = move.loaded.cells.get(OPEN)
    if existing is None:
        run_id = move.run.run_id
        listed = Arrival(WAITS, move.key, True, 0)
        await parts.write_down(move)
        await parts.ports.propagate(Propagation(run_id, (), (listed,)))
        note = msgspec.json.encode(Opened(parts.clock.now()))
        existing = await parts.note(move, OPEN, note)
    return msgspec.json.decode(existing, type=Opened).at


async def take_signal(parts: Parts, move: Move) -> Performed | None:
    """Read the signals of an open wait; claim an early one."""
    run_id = move.run.run_id
    peeks = [(move.key, SIGNAL)]
    nodes = (move.activation.node, "")
    for node in nodes:
        peeks += [(signal_key(node), EARLY), (signal_key(node), CLAIM)]
    found = (await parts.ports.load(Load(run_id, "", peeks=tuple(peeks)))).peeked
    own = found.get((move.key, SIGNAL))
    if own is not None:
        return _performed(own)
    for node in nodes:
        key = signal_key(node)
        early = found.get((key, EARLY))
        if early is None:
            continue
        claimed = found.get((key, CLAIM))
        if claimed is None:
            mine = move.key.encode()
            result = await parts.ports.commit(Commit(run_id, Cell(key, CLAIM, mine)))
            claimed = mine if result.is_won else result.existing
        if claimed == move.key.encode():
            return _performed(early)
    return None


def _performed(data: bytes) -> Performed:
    signal = msgspec.json.decode(data, type=Signal)
    return Performed(bytes(signal.output), signal.action)


class Resumer:
    """Wakes waits from outside."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def resume(
        self, run: RunView, action: str | None, output: Any, node_id: str | None, scope: str
    ) -> ResumeOutcome:
        """Resume one wait, or keep the signal for one that is not open yet.

        Raises:
            AmbiguousResumeError: No node was named, and several waits are open.
            RunError: The node is no wait of this run, or has no such scope, or the action is none.
        """
        check_action(action)
        limit = self._parts.largest_value
        encoded = values.encode(output, what="output of the resume", limit_bytes=limit)
        signal = msgspec.json.encode(Signal(action, Raw(encoded)))
        if run.header.is_over:
            return "refused"
        if node_id is None:
            opened = await self.open_waits(run)
            if len(opened) > 1:
                names = ", ".join(sorted(activation.key for activation in opened))
                raise AmbiguousResumeError(
                    f"run {run.run_id!r} has {len(opened)} open waits: {names}. Name one of them"
                )
            if not opened:
                return await self._keep(run, "", signal)
            return await self._wake(run, opened[0], signal)
        node_id = waiting_node(run.program, node_id, scope)
        activation = Activation(node_id, scope)
        is_batch = run.program.nodes[node_id].plan.kind == "scatter"
        state = await self._state(run, activation)
        if is_batch and not scope:
            state = OpenWait(is_open=False, is_recorded=False)  # its items wait, not the batch
        if state.is_recorded:
            await self._wake_up(run, activation)
            return "refused"
        if state.is_open:
            return await self._wake(run, activation, signal)
        if not scope:
            listed = [w for w in await self._listed(run) if w.activation.node == node_id]
            mine = [wait.activation for wait in listed if wait.is_open]
            if len(mine) > 1:
                names = ", ".join(sorted(a.key for a in mine))
                raise AmbiguousResumeError(
                    f"wait {node_id!r} is open in several scopes: {names}. Name the scope"
                )
            if mine:
                return await self._wake(run, mine[0], signal)
            if not any(wait.is_woken for wait in listed):
                return await self._keep(run, node_id, signal)
            for wait in listed:
                if not wait.is_recorded:
                    await self._wake_up(run, wait.activation)
            return "refused"
        return await self._signal(run, activation, signal)

    async def open_waits(self, run: RunView) -> list[Activation]:
        """The waits that are open now, and were not resumed yet."""
        return [wait.activation for wait in await self._listed(run) if wait.is_open]

    async def _listed(self, run: RunView) -> list[ListedWait]:
        """Every wait that was ever reached."""
        listed = await self._parts.ports.load(Load(run.run_id, WAITS))
        keys = list(listed.arrived)
        peeks = [(key, name) for key in keys for name in (OPEN, RECORD, SIGNAL)]
        found = (await self._parts.ports.load(Load(run.run_id, "", peeks=tuple(peeks)))).peeked
        return [
            ListedWait(
                parse_activation(key),
                is_open=(key, OPEN) in found
                and (key, RECORD) not in found
                and (key, SIGNAL) not in found,
                is_woken=(key, RECORD) in found or (key, SIGNAL) in found,
                is_recorded=(key, RECORD) in found,
            )
            for key in keys
        ]

    async def _state(self, run: RunView, activation: Activation) -> OpenWait:
        loaded: Loaded = await self._parts.ports.load(Load(run.run_id, activation.key))
        return OpenWait(OPEN in loaded.cells, RECORD in loaded.cells)

    async def _wake(self, run: RunView, activation: Activation, signal: bytes) -> ResumeOutcome:
        """Signal an open wait; a refused signal still sends the wake-up again."""
        won = await self._write(run, activation.key, SIGNAL, signal)
        await self._wake_up(run, activation)
        return "woke" if won else "refused"

    async def _signal(self, run: RunView, activation: Activation, signal: bytes) -> ResumeOutcome:
        """Signal a wait named by its scope, open or not."""
        won = await self._write(run, activation.key, SIGNAL, signal)
        state = await self._state(run, activation)
        if state.is_open:
            await self._wake_up(run, activation)
            return "woke" if won else "refused"
        return "kept" if won else "refused"

    async def _keep(self, run: RunView, node_id: str, signal: bytes) -> ResumeOutcome:
        """Keep an early signal; then look whether a wait opened in between."""
        won = await self._write(run, signal_key(node_id), EARLY, signal)
        opened = [a for a in await self.open_waits(run) if node_id in ("", a.node)]
        for activation in opened:
            await self._wake_up(run, activation)
        if not won:
            return "refused"
        return "woke" if opened else "kept"

    async def _write(self, run: RunView, key: str, name: str, signal: bytes) -> bool:
        result = await self._parts.ports.commit(Commit(run.run_id, Cell(key, name, signal)))
        return result.is_won

    async def _wake_up(self, run: RunView, activation: Activation) -> None:
        await self._parts.ports.send(Outgoing(job_for(run.job, activation.key)))
