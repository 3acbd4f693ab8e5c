"""Tells the application what this worker does, as it happens: best effort, and of this worker only.

Events that are complete are read from the store, by any process: see `client/events`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from flowcraft.clock import Clock
from flowcraft.engine.activation import Activation
from flowcraft.engine.record import ErrorInfo, Record
from flowcraft.events import EventKind, RunEvent, ended, recorded
from flowcraft.execution.move import Move
from flowcraft.status import RunHeader

logger = logging.getLogger(__name__)

EventBus = Callable[[RunEvent], None]
"""Called on the worker's event loop, which waits for it: hand over what takes time."""

REMEMBERED_ENDS = 1000


class Telling:
    """Calls the bus; what it raises is logged, and no run's concern.

    Args:
        bus: Whom to tell, if anybody.
        clock: Says when an attempt began.

    Attributes:
        is_heard: Whether anybody is told; ask before finding out what only a bus wants to know.
    """

    def __init__(self, bus: EventBus | None, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self.is_heard = bus is not None
        self._ended: OrderedDict[str, None] = OrderedDict()

    def started(self, move: Move) -> None:
        """Code of a node begins to execute."""
        if self._bus is not None:
            self._tell(_event(move, "started", self._clock.now(), None))

    def retried(self, move: Move, error: ErrorInfo, at: float) -> None:
        """An attempt failed, and another one follows."""
        if self._bus is not None:
            self._tell(_event(move, "retried", at, error))

    def recorded(self, run_id: str, activation: Activation, record: Record) -> None:
        """An activation was recorded by this worker."""
        if self._bus is not None:
            self._tell(recorded(run_id, activation.key, record, cursor=""))

    def ended(self, header: RunHeader) -> None:
        """This worker came upon the end of a run; it tells of it once."""
        if self._bus is None or header.status == "running" or header.run_id in self._ended:
            return
        self._ended[header.run_id] = None
        if len(self._ended) > REMEMBERED_ENDS:
            self._ended.popitem(last=False)
        self._tell(
            ended(header.run_id, header.status, at=header.ended_at, error=header.error, cursor="")
        )

    def _tell(self, event: RunEvent) -> None:
        assert self._bus is not None
        try:
            self._bus(event)
        except Exception:
            facts = {"run": event.run_id, "kind": event.kind}
            logger.exception("the event bus failed", extra=facts)


def _event(move: Move, kind: EventKind, at: float, error: ErrorInfo | None) -> RunEvent:
    node, scope = move.activation
    return RunEvent(
        run_id=move.run.run_id, kind=kind, node=node, scope=scope, attempt=move.attempt, at=at,
        error=error,
    )  # fmt: skip
