"""A backend that cannot be reached: its error is told, and is no answer.

What could not be asked is neither absent nor lost nor over, and what could not be sent is not
sent. An adapter may ask again by itself; what it then says has to be so.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.errors import BackendUnavailableError
from flowcraft.ports.queue import JobQueue, Outgoing
from flowcraft.ports.store import End, Load, Propagation, RunStore, Timer
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.context import sets
from flowcraft.testing.contracts.coordination import keys_of
from flowcraft.testing.contracts.making import (
    MOST_REQUESTS,
    create,
    is_native,
    job,
    needs,
    new_run,
    now,
    record,
)
from flowcraft.testing.contracts.queue import send, take
from flowcraft.testing.contracts.registry import FAR
from flowcraft.testing.contracts.store import arrive, commit
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call

ANYTHING: Any = object()
"""The answer of what may have been done by a call before."""


class Question(NamedTuple):
    """What is asked of an adapter, and the answer where nothing goes wrong.

    Attributes:
        may_be_told_nobody: Whether it may be answered without any request.
    """

    ask: Callable[[BaseDistributedAdapter], Awaitable[Any]]
    answer: Any = None
    may_be_told_nobody: bool = False


def of_store(stage: Stage) -> Mapping[str, Question]:
    """Questions to a store in which `run` is in progress, and its child `over` is over."""
    edge = Propagation("run", (), (arrive("n", "e"),))
    late, timer = record(value=b'"late"'), Timer("t", now(stage), job())

    def asks(ask: Callable[[RunStore], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        return lambda adapter: ask(adapter.ports.store)

    async def load(store: RunStore) -> Any:
        (loaded,) = await store.load([Load("run", "n", context=None)])
        return loaded.header is not None, loaded.cells, loaded.slots, loaded.context

    async def listing(store: RunStore) -> Any:
        found = await store.list_runs(status="running", blueprint_id=None, before=None, limit=9)
        return [header.run_id for header in found]

    async def finish(store: RunStore) -> Any:
        (header,) = await store.finish([End("over", "failed")])
        return header and header.status

    async def create_again(store: RunStore) -> Any:
        return [header and header.run_id for header in await store.create([new_run(stage)])]

    async def headers(store: RunStore) -> Any:
        return [header and header.run_id for header in await store.headers(["run", "over"])]

    async def propagate(store: RunStore) -> Any:
        return list(await store.propagate([edge]))

    async def stalled(store: RunStore) -> Any:
        return {found.run_id for found in await store.stalled(now(stage) + FAR, 9)}

    async def due(store: RunStore) -> Any:
        return list(await store.due_timers(now(stage), 9))

    return {
        "load": Question(asks(load), (True, {"record": b'"r"'}, {"e": b'"e"'}, {"k": b"1"})),
        "commit": Question(asks(lambda s: commit(s, late)), (False, b'"r"', None)),
        "propagate": Question(asks(propagate), [((1, 1, None),)]),
        "finish": Question(asks(finish), "completed"),
        "create": Question(asks(create_again), ["run"]),
        "headers": Question(asks(headers), ["run", "over"]),
        "context": Question(asks(lambda s: s.context("run")), {"k": b"1"}),
        "children": Question(asks(lambda s: s.children("run")), ["over"]),
        "list_runs": Question(asks(listing), ["run"]),
        "stalled": Question(asks(stalled), {"run", "over"}),
        "touch": Question(asks(lambda s: s.touch({"run": now(stage)}, []))),
        "set_timers": Question(asks(lambda s: s.set_timers([timer]))),
        "due_timers": Question(asks(due), [timer]),
        "get_blueprint": Question(asks(lambda s: s.get_blueprint("h")), b"{}"),
    }


def of_contract() -> Mapping[str, Question]:
    """Questions to what every adapter has."""
    return {
        "get": Question(lambda a: keys_of(a).get("key"), "v"),
        "extend_ttl": Question(lambda a: keys_of(a).extend_ttl("key", None), True),
        "set_if_not_exist": Question(
            lambda a: keys_of(a).set_if_not_exist("free", "v", None), ANYTHING
        ),
        "increment": Question(lambda a: keys_of(a).increment("n", None), ANYTHING),
        "add_member": Question(lambda a: keys_of(a).add_member("s", "m", taken=True), (1, 1)),
        "delete": Question(lambda a: keys_of(a).delete("no"), False),
        "context get": Question(lambda a: a.create_context("run").get("k"), 1),
        "context has": Question(lambda a: a.create_context("run").has("k"), True),
        "context to_dict": Question(lambda a: a.create_context("run").to_dict(), {"k": 1}),
        "context patch": Question(lambda a: a.create_context("run").patch(sets(k=1))),
        "enqueue_job": Question(lambda a: a.enqueue_job(job())),
    }


class OutagesContract:
    """Every port, when its backend does not answer."""

    @check("S12.15", "S12.20")
    async def test_what_the_store_cannot_be_asked_is_not_answered(self, stage: Stage) -> None:
        """Whichever request of a call is the first to fail."""
        await _prepare(stage)
        await _each_outage(stage, of_store(stage))

    @check("S12.15", "S12.20", "G3", "G6")
    async def test_what_could_not_be_done_is_not_taken_for_done(self, stage: Stage) -> None:
        """A lock that nobody was asked for is neither won nor lost, and a job is not sent."""
        await _prepare(stage)
        await _each_outage(stage, of_contract())

    @check("S12.15", "S12.20", "G6")
    async def test_what_the_queue_could_not_be_told_is_an_error(self, stage: Stage) -> None:
        """A lease that could not be extended is not lost, and a message that was not sent is."""
        needs(is_native(stage), "it is handed its jobs, and has no queue port of its own")
        await send(stage.client.ports.queue, "held", "done")
        held, done = [[one] for one in await take(stage, stage.client.ports.queue, 2)]

        def asks(ask: Callable[[JobQueue], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            return lambda adapter: ask(adapter.ports.queue)

        questions = {
            # A broker may hold a message for as long as its connection is there.
            "extend": Question(asks(lambda q: q.extend(held)), [True], may_be_told_nobody=True),
            "send": Question(asks(lambda q: q.send([Outgoing(job("n"))]))),
            "release": Question(asks(lambda q: q.release(held, 0.0))),
            "ack": Question(asks(lambda q: q.ack(done))),
        }
        await _each_outage(stage, questions)


async def _prepare(stage: Stage) -> None:
    store = await create(stage, context={"k": b"1"})
    await create(stage, "over", parent="run")
    await store.finish([End("over", "completed", at=now(stage))])
    await commit(store, record(value=b'"r"'))
    await store.propagate([Propagation("run", (), (arrive("n", "e"),))])
    await store.set_timers([Timer("t", now(stage), job())])
    await store.put_blueprint("h", b"{}")
    await keys_of(stage.client).set_if_not_exist("key", "v", None)


async def _each_outage(stage: Stage, questions: Mapping[str, Question]) -> None:
    """Ask each while no request gets through, from the first one on, from the second one on, ..."""
    for name, question in questions.items():
        for number in itertools.count(1):
            assert number <= MOST_REQUESTS, "it makes ever more requests"
            failed = await _ask(stage, name, question, number)
            if not failed:
                break


async def _ask(stage: Stage, name: str, question: Question, number: int) -> int:
    """How many requests failed; an answer is the right one in any case."""
    worker = stage.make_worker(f"{name}-{number}")
    seen = failed = 0

    async def fail(call: Call) -> None:
        nonlocal seen, failed
        seen += 1
        if seen >= number:
            failed += 1
            raise BackendUnavailableError(f"{call.name}: nobody answers")

    worker.wire.before = fail
    try:
        answer = await question.ask(worker.adapter)
    except BackendUnavailableError:
        return failed
    assert number > 1 or not failed, f"{name}: nobody learns that the backend did not answer"
    assert seen or question.may_be_told_nobody, f"{name}: no request goes through the wire"
    if question.answer is not ANYTHING:
        answer = list(answer) if isinstance(question.answer, list) else answer
        assert answer == question.answer, f"{name}: what nobody was asked is answered"
    return failed
