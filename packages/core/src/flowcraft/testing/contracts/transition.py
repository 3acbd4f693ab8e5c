"""The fused transition: what a backend does in one step is what the core composes of many.

Random sequences go two ways over the same backend, each with a run of its own: through the fused
port, and through the store and the queue. All answers, and all that is then stored and sent, must
be equal.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.ports import Fused, Ports
from flowcraft.engine.activation import END
from flowcraft.engine.cells import LAST, OPEN, RECORD
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.engine.record import ErrorInfo
from flowcraft.ports.queue import Delivery, Outgoing
from flowcraft.ports.store import Commit, End, Load
from flowcraft.ports.transition import Beginning, Transition, TransitionResult
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    create,
    each_death,
    is_native,
    job,
    load,
    needs,
    new_run,
    now,
    record,
)
from flowcraft.testing.contracts.queue import nodes_of, nothing_comes, receive, take
from flowcraft.testing.contracts.store import arrive
from flowcraft.testing.stage import Stage

SEEDS = 8
STEPS = 25
SOURCES = ("a", "b", "c/0", "c/1", "one", "two", "idle")
JOINS: Mapping[str, tuple[str, bool]] = {
    "one": ("+", False),
    "idle": ("-", False),
    "two": ("+-", False),
    "two idle": ("--", False),
    "three/0": ("-++", False),
    "first": ("-++", True),
    "none first": ("--", True),
    "lanes/#": ("++", False),
    END: ("+" * len(SOURCES), False),
}
"""Targets: which of their edges are taken, and whether the first one starts them."""


class Way(NamedTuple):
    """One of the ways to do a transition, and the run that goes it."""

    run_id: str
    ports: Ports


def fused_of(adapter: BaseDistributedAdapter) -> Fused:
    """The fused port; skips where there is none."""
    native = adapter.native_ports()
    fused = native.fused if native is not None else None
    if fused is None:
        pytest.skip("it has no transition of its own")
    return fused


async def ways(stage: Stage) -> tuple[Way, Way]:
    """The two ways, each with a new run."""
    one, other = (stage.make_worker(name).adapter for name in ("fused", "composed"))
    of_one, of_other = one.ports, other.ports
    fused = Way("fused", Ports(of_one.store, of_one.queue, fused_of(one), of_one.formats))
    composed = Way("composed", Ports(of_other.store, of_other.queue, None, of_other.formats))
    for way in (fused, composed):
        # A run with a child: its end is not announced by the step that writes it.
        await create(stage, way.run_id, context={"k": b"0"})
        await create(stage, f"child of {way.run_id}", parent=way.run_id)
    return fused, composed


def draw(dice: random.Random, run_id: str) -> Transition:
    """A transition as a worker could want it."""
    source = dice.choice(SOURCES)
    arrivals = tuple(_draw_arrival(source, target) for target in _some(dice, [*JOINS]))
    ends: Any = ("failed", ErrorInfo(node=source, message="no")) if dice.random() < 0.05 else None
    wanted = None
    if dice.random() < 0.7:
        wanted = Commit(
            run_id,
            Cell(source, RECORD, b'"%d"' % dice.randrange(3)),
            absent=(source, OPEN) if dice.random() < 0.2 else None,
            cells=tuple(Cell(key, OPEN, b"1") for key in _some(dice, SOURCES)[:1]),
            context={key: dice.choice([None, b"null", b"1"]) for key in _some(dice, "klm")},
            ends=ends,
        )
    return Transition(
        run_id,
        job("", run_id=run_id),
        wanted,
        cells=tuple(Cell("c", LAST, b"%d" % dice.randrange(3)) for _ in range(dice.randrange(2))),
        arrivals=arrivals,
        is_repeat=dice.random() < 0.4,
        sends=dice.random() < 0.8,
        hold=dice.randrange(3),
    )


def _some(dice: random.Random, texts: Sequence[str]) -> list[str]:
    return dice.sample([*texts], dice.randrange(min(4, len(texts) + 1)))


def _draw_arrival(source: str, target: str) -> Arrival:
    edges, any_ = JOINS[target]
    # An edge is taken or skipped by its source once and for all; so many sources have an edge.
    index = SOURCES.index(source) % len(edges)
    value = b'"%d"' % index if edges[index] == "+" else None
    return Arrival(target, str(index), value is not None, len(edges), any_, value)


def told(result: TransitionResult) -> tuple[Any, ...]:
    """What a worker goes by; whether its message was acknowledged is checked by itself."""
    targets = sorted(
        (t.arrival.target, t.decision, t.record, t.arrival.value)
        for t in (*result.held, *result.skips)
    )
    return result.commit, targets, len(result.skips), result.is_over


async def stored(stage: Stage, run_id: str) -> dict[str, Any]:
    """All that anybody can read of a run later."""
    found: dict[str, Any] = {}
    for key in (*SOURCES, *JOINS, "c"):
        loaded = await load(stage, key, run_id)
        found[key] = (loaded.cells, loaded.arrived, loaded.slots, loaded.winner)
    header = await stage.header(run_id)
    found["header"] = (header.status, header.error, header.is_announced)
    found["context"] = loaded.context
    return found


class TransitionContract:
    """A fused transition, for adapters that have one."""

    @check("S12.16", "G7")
    @pytest.mark.parametrize("seed", range(SEEDS))
    async def test_a_fused_transition_is_what_is_composed_of_its_parts(
        self, stage: Stage, seed: int
    ) -> None:
        both = await ways(stage)
        dice = random.Random(seed)
        state = dice.getstate()
        for step in range(STEPS):
            answers = []
            for way in both:
                dice.setstate(state)
                wanted = draw(dice, way.run_id)
                answers.append(told(await way.ports.transition(wanted)))
            state = dice.getstate()
            assert answers[0] == answers[1], f"step {step}: {wanted}"
            fused, composed = [await stored(stage, way.run_id) for way in both]
            assert fused == composed, f"step {step}: {wanted}"
            if (await stage.header("fused")).is_over:
                break  # what is repeated from then on, only the one step refuses as a whole
        sent = [*await self._drain(stage)]
        assert sent.count("fused") == sent.count("composed")

    async def _drain(self, stage: Stage) -> list[str]:
        """The runs of all messages that were sent."""
        queue = stage.client.ports.queue
        found: list[str] = []
        while deliveries := await receive(stage, queue, 100, stage.harness.slack_seconds):
            found += ["fused" if b'"fused"' in d.body else "composed" for d in deliveries]
            await queue.ack(deliveries)
        return found

    @check("S12.5", "S12.7", "G2")
    async def test_a_step_whose_record_was_beaten_moves_nothing(self, stage: Stage) -> None:
        """In one step or in several: an edge that another outcome takes never arrives."""
        await create(stage)
        ports = stage.client.ports
        first = Transition("run", job(""), record("n", b'"1"'), arrivals=(arrive("j", "a"),))
        assert await ports.transition(first)
        beaten = Transition(
            "run",
            job(""),
            record("n", b'"2"'),
            cells=(Cell("c", LAST, b"1"),),
            arrivals=(arrive("k", "a"), arrive("l", "a", need=1)),
        )
        committed = (await ports.transition(beaten)).commit
        assert committed is not None
        assert (committed.is_won, committed.existing) == (False, b'"1"')
        assert (await load(stage, "j")).arrived == {"a": True}
        for key in "kl":
            assert (await load(stage, key)).arrived == {}
        assert (await load(stage, "c")).cells == {}

    @check("S12.13", "G6")
    async def test_a_message_goes_with_the_step_when_nothing_is_left_to_do(
        self, stage: Stage
    ) -> None:
        """Not while a target is held, a skip is to be followed, or an end is to be announced."""
        fused_of(stage.client)
        await create(stage)
        await create(stage, "child", parent="run")
        cases: list[tuple[str, int, tuple[Arrival, ...], bool]] = [
            ("sent", 0, (arrive("t", "a", need=1),), True),
            ("pending", 1, (arrive("j", "a"),), True),
            ("held", 1, (arrive("u", "a", need=1),), False),
            ("skipped", 0, (arrive("v", "a", taken=False, need=1),), False),
            ("over", 0, (Arrival(END, "a", True, 1),), False),
        ]
        for name, hold, arrivals, is_done in cases:
            message = await self._message(stage)
            wanted = Transition(
                "run", job(""), record(name), arrivals=arrivals, hold=hold, ack=message
            )
            result = await stage.client.ports.transition(wanted)
            assert result.is_acked == is_done, name
            assert await stage.client.ports.queue.extend([message]) == [not is_done], name
            await stage.client.ports.queue.ack([message])

    async def _message(self, stage: Stage) -> Delivery:
        """A message that is held, after those before it were taken off the queue."""
        queue = stage.client.ports.queue
        while deliveries := await receive(stage, queue, 10, stage.harness.slack_seconds / 10):
            await queue.ack(deliveries)
        await queue.send([Outgoing(job("message"))])
        (message,) = await take(stage, queue, 1)
        return message

    @check("S1.27", "G4")
    async def test_a_step_of_a_run_that_is_over_does_nothing(self, stage: Stage) -> None:
        fused_of(stage.client)
        store = await create(stage)
        await store.finish([End("run", "completed", at=now(stage))])
        for run_id in ("run", "never was"):
            for commit in (None, record(run_id=run_id, context={"k": b"1"})):
                wanted = Transition(
                    run_id, job("", run_id=run_id), commit, cells=(Cell("c", LAST, b"1"),),
                    arrivals=(arrive("t", "a", need=1), arrive("j", "a")), is_repeat=True,
                )  # fmt: skip
                result = await stage.client.ports.transition(wanted)
                assert result.is_over
                assert (result.held, result.skips, result.is_acked) == ((), (), False)
        assert (await load(stage)).cells == (await load(stage, "c")).cells == {}
        assert (await load(stage, "j")).arrived == {}
        await nothing_comes(stage, stage.client.ports.queue, stage.harness.slack_seconds)

    @check("S12.7", "S12.1", "G2", "G6")
    async def test_a_step_is_done_whole_or_not_at_all(self, stage: Stage) -> None:
        """Wherever the process dies: record, context, arrivals, jobs and the end of the message."""
        fused_of(stage.client)
        queue = stage.client.ports.queue

        async def step(adapter: BaseDistributedAdapter, run_id: str) -> None:
            await create(stage, run_id)
            await queue.send([Outgoing(job("mine", run_id=run_id))])
            (message,) = await take(stage, queue, 1)
            wanted = Transition(
                run_id, job("", run_id=run_id), record(run_id=run_id, context={"k": b"1"}),
                arrivals=(arrive("t", "a", need=1), arrive("j", "a")), ack=message,
            )  # fmt: skip
            await adapter.ports.transition(wanted)

        async def look(run_id: str) -> None:
            loaded, joined = await load(stage, run_id=run_id), await load(stage, "j", run_id)
            is_done = RECORD in loaded.cells
            assert (loaded.context == {"k": b"1"}) == is_done
            assert (joined.slots == {"a": b'"a"'}) == is_done
            # Where nothing was done, the message comes back when its holder's lease is over.
            until = stage.lease_seconds + stage.harness.slack_seconds
            sent = await receive(stage, queue, 10, until)
            assert nodes_of(sent) == (["t"] if is_done else ["mine"])
            await queue.ack(sent)

        await each_death(stage, step, look)

    @check("S1.7", "G1")
    async def test_a_run_begins_with_its_jobs_once(self, stage: Stage) -> None:
        fused = fused_of(stage.client)
        first = new_run(stage, payload=b"1", context={"k": b"1"})
        other = new_run(stage, payload=b"2", context={"l": b"2"}, blueprint_id="other")
        delay = stage.lease_seconds / 2
        jobs = [Outgoing(job("a")), Outgoing(job("b")), Outgoing(job("late"), delay)]
        wanted = [Beginning(run, jobs) for run in (first, first, other)]
        assert list(await fused.begin(wanted)) == [first.header] * 3
        assert list(await fused.begin(wanted[2:])) == [first.header]
        queue = stage.client.ports.queue
        deliveries = await take(stage, queue, 2)
        assert nodes_of(deliveries) == ["a", "b"]
        await nothing_comes(stage, queue, delay * 0.9)
        await queue.ack(deliveries)
        assert nodes_of(await take(stage, queue, 1)) == ["late"]
        (loaded,) = await stage.client.ports.store.load([Load("run", "n", context=None)])
        assert loaded.context == {"k": b"1"}

    @check("S12.16")
    async def test_a_transition_of_its_own_is_declared_by_its_ports(self, stage: Stage) -> None:
        """Only a backend of native ports can have one; and it is there for every process."""
        needs(is_native(stage), "it has no ports of its own")
        natives = [stage.make_worker(f"p{n}").adapter.native_ports() for n in range(2)]
        assert len({native is not None and native.fused is None for native in natives}) == 1
