"""What the ports mean over an embedded database, whichever it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.engine.activation import END
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.errors import BackendError
from flowcraft.local.coordination import LocalCoordinationStore
from flowcraft.local.database import Transactor
from flowcraft.local.queue import LocalQueue
from flowcraft.local.store import LocalStore
from flowcraft.local.waker import Waker
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import Commit, End, Load, NewRun, Propagation, Stalled, Timer
from flowcraft.ports.transition import Beginning, Transition
from flowcraft.status import ParentReference, RunHeader
from packages.core.tests.local.conftest import HandClock

JOB = JobPayload("r", "b", "n")


async def create(store: LocalStore, run_id: str = "r", **context: bytes) -> RunHeader:
    header = RunHeader(run_id=run_id, blueprint_id="b", blueprint_hash="h")
    (made,) = await store.create([NewRun(header=header, payload=b"{}", context=context)])
    return made


def record(key: str, value: bytes = b"1", **fields: Any) -> Commit:
    return Commit("r", Cell(key, "record", value), **fields)


async def test_a_run_is_created_once(store: LocalStore) -> None:
    first = await create(store, k=b"1")
    other = RunHeader(run_id="r", blueprint_id="other", blueprint_hash="h")
    (standing,) = await store.create([NewRun(header=other, payload=b"", context={"x": b"2"})])
    assert standing == first
    assert await store.context("r") == {"k": b"1"}


async def test_a_record_has_one_winner_and_its_context_comes_with_it(store: LocalStore) -> None:
    await create(store)
    commits = (store.commit([record("n", b"%d" % i, context={"k": b"%d" % i})]) for i in range(50))
    results = [result for (result,) in await asyncio.gather(*commits)]
    winners = [i for i, result in enumerate(results) if result.is_won]
    assert len(winners) == 1
    won = b"%d" % winners[0]
    assert {result.existing for result in results if not result.is_won} == {won}
    (loaded,) = await store.load([Load("r", "n", context=("k",))])
    assert loaded.cells["record"] == won
    assert loaded.context == {"k": won}


async def test_nothing_is_committed_to_a_run_that_ended_or_is_gone(store: LocalStore) -> None:
    await create(store)
    await store.finish([End("r", "cancelled")])
    (late,) = await store.commit([record("n")])
    assert late.is_over
    await store.purge(["r"])
    assert await store.headers(["r"]) == [None]
    (gone,) = await store.commit([record("n")])
    assert gone.is_over
    arrival = Arrival("n", "e", True, 1)
    assert await store.propagate([Propagation("r", (), (arrival,))]) == [None]


async def test_a_running_run_is_not_purged(store: LocalStore) -> None:
    header = await create(store)
    await store.purge(["r"])
    assert await store.headers(["r"]) == [header]


async def test_a_run_ends_once(store: LocalStore) -> None:
    await create(store)
    (first,) = await store.finish([End("r", "completed", at=5.0)])
    (second,) = await store.finish([End("r", "failed", at=6.0)])
    assert first == second
    assert first is not None
    assert first.status == "completed"


async def test_an_any_join_keeps_its_first_winner(store: LocalStore) -> None:
    await create(store)
    arrivals = tuple(Arrival("j", e, True, 2, any=True, value=b"1") for e in ("b", "a"))
    (answers,) = await store.propagate([Propagation("r", (), arrivals)])
    assert answers is not None
    assert [answer.winner for answer in answers] == ["b", "b"]


async def test_a_transition_is_whole(store: LocalStore, queue: LocalQueue) -> None:
    await create(store)
    await queue.send([Outgoing(JOB)])
    (delivery,) = await queue.receive(9, 0.0)
    wanted = Transition(
        "r", JOB, record("n"),
        arrivals=(Arrival("a", "e0", True, 1, value=b"1"), Arrival("j", "e1", True, 2)),
        ack=delivery, at=1000.0,
    )  # fmt: skip
    (done,) = await store.transition([wanted])
    assert done.commit is not None
    assert done.commit.is_won
    assert done.is_acked
    (sent,) = await queue.receive(9, 0.0)
    assert b'"nodeId":"a"' in sent.body
    (repeated,) = await store.transition([wanted])
    assert repeated.commit is not None
    assert repeated.commit.existing == b"1"
    assert await queue.depth() == 0


async def test_the_last_sink_ends_the_run_in_the_same_step(store: LocalStore) -> None:
    await create(store)
    arrival = Arrival(END, "n", True, 1)
    (done,) = await store.transition([Transition("r", JOB, record("n"), arrivals=(arrival,))])
    assert done.is_over
    (header,) = await store.headers(["r"])
    assert header is not None
    assert header.status == "completed"


async def test_a_fan_in_of_thousands_is_complete_once(store: LocalStore) -> None:
    await create(store)
    total = 3000
    arrivals = [Arrival("j", f"e{i}", i % 2 == 0, total) for i in range(total)]
    answers = await store.propagate(
        [Propagation("r", (), (arrival,)) for arrival in (*arrivals, *arrivals[:5])]
    )
    counts = [answer[0] for answer in answers if answer is not None]
    assert [count.members for count in counts[:total]] == list(range(1, total + 1))
    assert counts[-1].members == total
    assert counts[-1].taken == total / 2


async def test_records_and_failed_attempts_are_journalled_in_the_order_of_their_commits(
    store: LocalStore,
) -> None:
    await create(store)
    cells = [Cell("n", "failed:1", b"1"), Cell("m", "record", b"2"), Cell("n", "open", b"3")]
    for cell in (*cells, Cell("m", "record", b"late"), Cell("n", "record", b"4")):
        await store.commit([Commit("r", cell)])
    journal = await store.journal("r", "", 9)
    written = [(entry.key, entry.name, entry.value) for entry in journal.entries]
    assert written == [
        ("n", "failed:1", b"1"), ("m", "record", b"2"), ("n", "record", b"4"),
    ]  # fmt: skip
    assert journal.is_all
    after = await store.journal("r", journal.entries[0].cursor, 1)
    assert after.entries == journal.entries[1:2]
    assert not after.is_all
    await store.finish([End("r", "cancelled")])
    ended = await store.journal("r", journal.entries[-1].cursor, 9)
    assert (ended.entries, ended.is_all) == ((), True)
    assert ended.header is not None
    assert ended.header.is_over
    await store.purge(["r"])
    assert (await store.journal("r", "", 9)).header is None


async def test_runs_are_swept_until_they_are_announced(store: LocalStore) -> None:
    await create(store)
    assert await store.stalled(1029.9, 9) == []
    assert await store.stalled(1030.0, 9) == [Stalled("r", 0)]
    await store.swept({"r": 1040.0})
    assert await store.stalled(1040.0, 9) == [Stalled("r", 1)]
    await store.finish([End("r", "completed")])
    assert await store.stalled(1040.0, 9) == [Stalled("r", 1)]
    await store.mark_announced(["r"])
    assert await store.stalled(1040.0, 9) == []


@pytest.fixture
def announcing(transact: Transactor, clock: HandClock) -> LocalStore:
    return LocalStore(transact, clock, first_sweep_seconds=30.0, announces=True)


async def test_an_end_that_nobody_is_to_be_told_of_is_announced_by_its_step(
    announcing: LocalStore, queue: LocalQueue
) -> None:
    await create(announcing)
    await queue.send([Outgoing(JOB)])
    (message,) = await queue.receive(1, 0.0)
    last = Transition(
        "r", JOB, record("n"), arrivals=(Arrival(END, "n", True, 1),), ack=message, at=5.0
    )
    (done,) = await announcing.transition([last])
    assert done.is_over
    assert done.is_acked
    (header,) = await announcing.headers(["r"])
    assert header is not None
    assert (header.status, header.is_announced) == ("completed", True)
    assert await announcing.stalled(9999.0, 9) == []
    assert await queue.receive(1, 0.0) == []


@pytest.mark.parametrize("relative", ["child", "parent"])
async def test_an_end_that_concerns_another_run_is_not_announced_by_its_step(
    announcing: LocalStore, queue: LocalQueue, relative: str
) -> None:
    above = RunHeader(run_id="p", blueprint_id="b", blueprint_hash="h")
    below = RunHeader(
        run_id="c", blueprint_id="b", blueprint_hash="h", parent=ParentReference("p", "n", 1)
    )
    await announcing.create(
        [NewRun(header=header, payload=b"1", context={}) for header in (above, below)]
    )
    await queue.send([Outgoing(JOB)])
    (message,) = await queue.receive(1, 0.0)
    ending = "c" if relative == "parent" else "p"
    last = Transition(
        ending, JOB, Commit(ending, Cell("n", "record", b"1")),
        arrivals=(Arrival(END, "n", True, 1),), ack=message, at=5.0,
    )  # fmt: skip
    (done,) = await announcing.transition([last])
    assert done.is_over
    assert not done.is_acked, "the message must stay until the end is announced"
    (header,) = await announcing.headers([ending])
    assert header is not None
    assert not header.is_announced


async def test_a_run_begins_with_its_jobs_once(store: LocalStore, queue: LocalQueue) -> None:
    header = RunHeader(run_id="r", blueprint_id="b", blueprint_hash="h")
    new = NewRun(header=header, payload=b"{}", context={"k": b"1"})
    wanted = Beginning(new, [Outgoing(JOB), Outgoing(JOB, 60.0)])
    again = Beginning(NewRun(header=header, payload=b"2", context={}), wanted.jobs)
    assert await store.begin([wanted, again]) == [header, header]
    assert len(await queue.receive(9, 0.0)) == 1
    assert await queue.depth() == 0
    assert await store.context("r") == {"k": b"1"}


async def test_timers_that_moved_are_kept(store: LocalStore) -> None:
    await store.set_timers([Timer("t", 1.5, JOB)])
    due = await store.due_timers(2.0, 9)
    assert due == [Timer("t", 1.5, JOB)]
    await store.set_timers([Timer("t", 3.5, JOB)])
    await store.clear_timers(due)
    assert await store.due_timers(4.0, 9) == [Timer("t", 3.5, JOB)]


async def test_a_message_comes_back_after_its_lease_and_not_before(
    queue: LocalQueue, clock: Any
) -> None:
    await queue.send([Outgoing(JOB), Outgoing(JOB, delay_seconds=60.0)])
    (first,) = await queue.receive(9, 0.0)
    clock.at += 20
    assert await queue.extend([first]) == [True]
    clock.at += 20
    assert await queue.receive(9, 0.0) == []
    clock.at += 10
    (second,) = await queue.receive(9, 0.0)
    assert second.is_redelivered
    assert await queue.extend([first]) == [False]
    await queue.release([second], 5.0)
    assert await queue.receive(9, 0.0) == []
    clock.at += 10
    assert [delivery.is_redelivered for delivery in await queue.receive(9, 0.0)] == [True, False]


async def test_who_waits_for_a_message_gets_the_one_sent_meanwhile(queue: LocalQueue) -> None:
    for _ in range(20):  # whatever the send comes between
        receiving = asyncio.ensure_future(queue.receive(9, 60.0))
        async with asyncio.timeout(20):
            await queue.send([Outgoing(JOB)])
            (delivery,) = await receiving
        await queue.ack([delivery])


async def test_a_backend_that_fails_does_not_keep_a_receive_from_being_cancelled(
    clock: Any,
) -> None:
    asked, fail = asyncio.Event(), asyncio.Event()

    async def transact(step: Any) -> Any:
        asked.set()
        await fail.wait()
        raise BackendError("the file is gone")

    queue = LocalQueue(transact, clock, Waker(), lease_seconds=30.0)
    receiving = asyncio.ensure_future(queue.receive(9, 60.0))
    await asked.wait()
    receiving.cancel()
    fail.set()
    with pytest.raises(asyncio.CancelledError):
        await receiving


async def test_a_key_has_one_winner_until_it_expires(transact: Transactor, clock: Any) -> None:
    keys = LocalCoordinationStore(transact, clock)
    claims = (keys.set_if_not_exist("k", str(i), 10.0) for i in range(50))
    assert (await asyncio.gather(*claims)).count(True) == 1
    clock.at += 9.9
    assert await keys.extend_ttl("k", 10.0)
    clock.at += 10.0
    assert await keys.get("k") is None
    assert not await keys.delete("k")
    assert await keys.set_if_not_exist("k", "next", None)
    assert await asyncio.gather(*(keys.increment("n", None) for _ in range(20))) == [*range(1, 21)]


async def test_a_dead_letter_is_kept_until_it_is_dropped_or_sent_again(
    queue: LocalQueue, clock: Any
) -> None:
    await queue.send([Outgoing(JOB), Outgoing(JobPayload("r", "b", "m"))])
    for delivery in await queue.receive(2, 0.0):
        await queue.bury([delivery], "nobody can")
        clock.at += 1
    first, second = await queue.dead_letters(9)
    assert (first.reason, first.at, second.at) == ("nobody can", 1000.0, 1001.0)
    assert await queue.dead_letters(1) == [first]
    assert await queue.requeue([first.id, first.id, "nonsense"]) == [True, False, False]
    (delivery,) = await queue.receive(9, 0.0)
    assert (delivery.body, delivery.is_redelivered) == (first.body, False)
    assert await queue.drop([first.id, second.id]) == [False, True]
    assert await queue.dead_letters(9) == []
