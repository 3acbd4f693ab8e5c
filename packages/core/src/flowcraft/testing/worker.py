"""One worker of a test, which can be held up, drained, abandoned and killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.handler import OnMove
from flowcraft.adapter.mover import Answer
from flowcraft.ports.queue import Delivery
from flowcraft.testing.wire import Wire, never


class Worker:
    """A worker process, as the others see it.

    Attributes:
        adapter: Its adapter.
        wire: What it says to the backend.
    """

    adapter: BaseDistributedAdapter

    def __init__(self, name: str, wire: Wire) -> None:
        self.name = name
        self.wire = wire

    @property
    def is_dead(self) -> bool:
        """Whether nothing that it does reaches the backend any more."""
        return self.wire.is_cut

    @property
    def is_idle(self) -> bool:
        """Whether it holds no message."""
        loops = self.adapter._loops
        return self.is_dead or loops is None or not loops.holdings

    async def stop(self, grace_seconds: float = 30.0) -> None:
        """Let it drain."""
        await self.adapter.stop(grace_seconds=grace_seconds)

    def intercept(self, is_handled: Callable[[Delivery], Awaitable[bool]]) -> None:
        """Ask before each message that it handles from now on; where not, the message is lost."""
        loops = self.adapter._loops
        assert loops is not None, "it is not started"
        handle = loops._handler.handle

        async def ask(delivery: Delivery, on_move: OnMove) -> Answer:
            return await handle(delivery, on_move) if await is_handled(delivery) else "ack"

        loops._handler.handle = ask  # type: ignore[assignment]

    def abandon(self) -> None:
        """Let it vanish where it stands, as a process that was killed."""
        self.wire.is_cut = True
        loops = self.adapter._loops
        if loops is not None:
            for task in (*loops._loops, *loops._handling):
                task.cancel()

    async def die(self) -> NoReturn:
        """Vanish in the middle of its work: for a node, or a hook of the wire."""
        self.abandon()
        await never()
