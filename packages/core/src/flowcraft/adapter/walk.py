"""From a record to everything that follows from it.

A record that was just committed is followed once. A record that a message finds when it
comes back is followed again: its consequences are drawn anew, what is ready and has no record
gets a job, and the walk goes on through those records that were made under the same message,
because only that message answers for them. The sweeper follows all of them, from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowcraft.adapter.event_bus import Telling
from flowcraft.adapter.ports import Ports
from flowcraft.engine.activation import (
    Activation,
    is_lanes_key,
    parse_activation,
)
from flowcraft.engine.cells import RECORD
from flowcraft.engine.consequences import (
    Cell,
    consequences,
    lanes_arrival,
)
from flowcraft.engine.record import Record
from flowcraft.engine.routing import skip_record
from flowcraft.execution.move import RunView
from flowcraft.ports.queue import Delivery
from flowcraft.ports.store import Commit, End
from flowcraft.ports.transition import Target, Transition, TransitionResult


@dataclass(slots=True)
class Followed:
    """Where a walk came to.

    Attributes:
        held: A ready target for the worker to run itself, not yet sent.
        lost: The record that another worker wrote first, if the first one was not written.
        is_over: Whether the run has ended, or is gone.
        is_acked: Whether the message went with the last step. It stays where the run ended and
            nobody has announced it.
    """

    held: Target | None = None
    lost: Record | None = None
    is_over: bool = False
    is_acked: bool = False


@dataclass(slots=True)
class Step:
    """A record to follow, and the commit that writes it first if it is new."""

    activation: Activation
    record: Record
    commit: Commit | None
    is_repeat: bool


class Walker:
    """Follows records."""

    def __init__(self, ports: Ports, telling: Telling, now: Callable[[], float]) -> None:
        self._ports = ports
        self._telling = telling
        self._now = now

    async def settle(
        self,
        run: RunView,
        activation: Activation,
        record: Record,
        commit: Commit,
        *,
        hold: int,
        ack: Delivery | None,
    ) -> Followed:
        """Write a new record and follow it."""
        first = Step(activation, record, commit, is_repeat=False)
        return await self._walk(
            run, [first], via=record.via, token=record.token, hold=hold, ack=ack,
            through=lambda found: found.via == record.via,
        )  # fmt: skip

    async def repeat(
        self, run: RunView, roots: Sequence[tuple[Activation, Record]], *, via: str, token: str
    ) -> Followed:
        """Follow records again, under a message that came back."""
        steps = [Step(activation, record, None, is_repeat=True) for activation, record in roots]
        return await self._walk(
            run, steps, via=via, token=token, hold=0, ack=None,
            through=lambda found: found.via == via,
        )  # fmt: skip

    async def reconcile(self, run: RunView, *, token: str) -> tuple[Followed, list[str]]:
        """Follow every record of a run, from its starts.

        Returns:
            Where the walk came to, and the activations that are ready and have no record; no
            job was sent for them.
        """
        starts = run.program.plan.starts
        records = await self._ports.read_records(run.run_id, starts)
        steps = [
            Step(
                Activation(start), self._ports.formats.decode(records[start]), None, is_repeat=True
            )
            for start in starts
            if start in records
        ]
        ready = [start for start in starts if start not in records]
        followed = await self._walk(
            run, steps, via="", token=token, hold=0, ack=None, through=lambda _: True, ready=ready
        )
        return followed, ready

    async def _walk(
        self,
        run: RunView,
        steps: list[Step],
        *,
        via: str,
        token: str,
        hold: int,
        ack: Delivery | None,
        through: Callable[[Record], bool],
        ready: list[str] | None = None,
    ) -> Followed:
        """Walk; where `ready` is given, what is ready is listed there instead of being sent."""
        seen: set[str] = set()
        done = Followed()
        first = True
        while steps:
            step = steps.pop()
            if step.activation.key in seen:
                continue
            follows = consequences(run.program, step.activation, step.record)
            wanted = Transition(
                run.run_id, run.job, step.commit, tuple(follows.cells), tuple(follows.arrivals),
                is_repeat=step.is_repeat, sends=ready is None, hold=0 if done.held else hold,
                ack=ack if first and not run.program.plan.has_body_sinks else None, at=self._now(),
            )  # fmt: skip
            result = await self._ports.transition(wanted)
            if result.commit is not None and not result.commit.is_won:
                if result.commit.existing is None:
                    return Followed(is_over=True)
                existing = self._ports.formats.decode(result.commit.existing)
                if existing.token == step.record.token or (not first and through(existing)):
                    steps.append(Step(step.activation, existing, None, is_repeat=True))
                    first, hold = False, 0
                elif first:
                    return Followed(lost=existing)
                continue
            if result.commit is not None:
                self._telling.recorded(run.run_id, step.activation, step.record)
            seen.add(step.activation.key)
            first = False
            done.is_acked = result.is_acked
            if result.is_over or await self._end_follows(run, result.sinks):
                return Followed(is_over=True, is_acked=result.is_acked)
            pending = [*result.held, *result.skips]
            while pending:
                target = pending.pop()
                activation = parse_activation(target.arrival.target)
                if is_lanes_key(target.arrival.target):
                    more = await self._complete_lanes(run, target, wanted)
                    if more.is_over:
                        return Followed(is_over=True)
                    pending += [*more.held, *more.skips]
                elif target.record is not None:
                    record = self._ports.formats.decode(target.record)
                    if through(record):
                        steps.append(Step(activation, record, None, is_repeat=True))
                elif target.decision == "skip":
                    record = skip_record(
                        run.program.plan, activation, via=via, token=token, at=self._now()
                    )
                    encoded = self._ports.formats.encode(record)
                    commit = Commit(run.run_id, Cell(activation.key, RECORD, encoded))
                    steps.append(Step(activation, record, commit, is_repeat=False))
                elif ready is not None:
                    ready.append(activation.key)
                else:
                    done.held = target
        return done

    async def _complete_lanes(
        self, run: RunView, target: Target, wanted: Transition
    ) -> TransitionResult:
        """All items of a batch are recorded: its edge arrives at the gather."""
        arrival = lanes_arrival(run.program, target.arrival.target)
        return await self._ports.transition(
            wanted._replace(commit=None, cells=(), arrivals=(arrival,), ack=None, at=self._now())
        )

    async def _end_follows(self, run: RunView, sinks: int | None) -> bool:
        """End a run whose loop bodies have sinks of their own, if that was the last of them.

        An iteration's sinks are expected before its jobs are sent, so those that arrived are the
        sinks of the graph and some of the expected ones: all of them, if the numbers agree. Who
        comes last finds them so, unless another iteration began, whose sinks are still to come.

        Args:
            run: The run.
            sinks: How many had arrived in the step of one that did, if one did.
        """
        if not run.program.plan.has_body_sinks or sinks is None:
            return False
        expected = sinks - len(run.program.plan.sinks)
        if expected < 0:
            return False
        header = await self._ports.finish(
            End(run.run_id, "completed", None, self._now(), expected=expected)
        )
        return header is None or header.is_over
