"""The job queue: a message is delivered until it is acknowledged, to one at a time.

For adapters with a queue port of their own. Order is never asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from flowcraft.ports.contract import JobPayload, decode_job, encode_job
from flowcraft.ports.queue import Delivery, JobQueue, Outgoing
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import (
    HOSTILE_TEXTS,
    is_native,
    job,
    needs,
    now,
    processes,
)
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import Call

FOREIGN = [
    b"{",
    b"not for us: \xc3\xa4\xf0\x9f\x98\x80 '\"<&>",
    b'{"runId":1}',
    b"[" * 300,
    b"x" * 20_000,
    b"\x00\xff\xfe\x80 no text",
]
LONG_REASON = "no: " * 500
MANY = 60
"""More than a backend takes in one request: ten, or twenty-five."""


def queues(stage: Stage, count: int) -> list[JobQueue]:
    """The queue as several processes see it."""
    needs(is_native(stage), "it is handed its jobs, and has no queue port of its own")
    return [adapter.ports.queue for adapter in processes(stage, count)]


async def send(queue: JobQueue, *nodes: str, delay_seconds: float = 0.0) -> None:
    """Send a job for each node."""
    await queue.send([Outgoing(job(node), delay_seconds) for node in nodes])


async def receive(stage: Stage, queue: JobQueue, limit: int, seconds: float) -> Sequence[Delivery]:
    """Take what comes first, within so long; a queue may say sooner that there is nothing."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        left = max(0.0, until - loop.time())
        found = await queue.receive(limit, left)
        if found or left == 0.0:
            return found
        await asyncio.sleep(min(left, stage.harness.slack_seconds / 50))


async def take(stage: Stage, queue: JobQueue, count: int) -> list[Delivery]:
    """Take so many messages; they come soon if they come at all."""
    taken: list[Delivery] = []
    while len(taken) < count:
        found = await receive(stage, queue, count - len(taken), stage.harness.slack_seconds)
        assert found, f"{len(taken)} of {count} messages came"
        taken += found
    return taken


async def nothing_comes(stage: Stage, queue: JobQueue, seconds: float) -> None:
    """See to it that no message can be taken for so long."""
    found = await receive(stage, queue, 10, seconds)
    assert not found, f"{nodes_of(found)} came within {seconds:g} s"


def nodes_of(deliveries: Sequence[Delivery]) -> list[str]:
    """The nodes whose jobs these are, in no order."""
    return sorted(decode_job(delivery.body).node_id for delivery in deliveries)


async def _receive_cancelled(
    stage: Stage, when: str, number: int
) -> asyncio.Future[Sequence[Delivery]]:
    """A receive that was cancelled before or after its request of that number, if it made it."""
    worker = stage.make_worker(f"{when}-{number}")
    receiving = asyncio.ensure_future(worker.adapter.ports.queue.receive(1, 0.0))
    seen = 0

    async def cancel(call: Call) -> None:
        del call
        nonlocal seen
        seen += 1
        if seen == number:
            receiving.cancel()

    setattr(worker.wire, when, cancel)
    await asyncio.wait([receiving])
    return receiving


class QueueContract:
    """`JobQueue`, for adapters with ports of their own."""

    @check("S12.13", "G6")
    async def test_a_message_is_delivered_as_it_was_sent(self, stage: Stage) -> None:
        """Byte for byte, whatever its ids; its sender may be gone, and it is gone once acked."""
        sender = stage.make_worker("sender")
        (queue,) = queues(stage, 1)
        jobs = [
            JobPayload(f"run {text}"[:60], f"g.{text}", text, "/3/#7", "h" * 64, "timer")
            for text in HOSTILE_TEXTS
        ]
        await sender.adapter.ports.queue.send([Outgoing(one) for one in jobs])
        sender.abandon()
        deliveries = await take(stage, queue, len(jobs))
        assert sorted(one.body for one in deliveries) == sorted(map(encode_job, jobs))
        await queue.ack(deliveries)
        await nothing_comes(stage, queue, stage.lease_seconds + stage.harness.slack_seconds)

    @check("S12.1", "G6")
    async def test_a_message_comes_back_when_its_holder_is_gone(self, stage: Stage) -> None:
        """After a lease and not before, flagged as one that may have been delivered."""
        holder, other = queues(stage, 2)
        assert holder.lease_seconds == stage.lease_seconds, "the harness asked for another lease"
        await send(holder, "n")
        (first,) = await take(stage, holder, 1)
        await nothing_comes(stage, other, stage.lease_seconds * 0.8)
        await asyncio.sleep(stage.lease_seconds * 0.2 + stage.harness.tick_seconds)
        (second,) = await take(stage, other, 1)
        assert second.body == first.body
        assert second.is_redelivered, "a redelivery looks like a first delivery"

    @check("S12.3", "S12.32")
    async def test_an_extension_starts_the_lease_anew(self, stage: Stage) -> None:
        holder, other = queues(stage, 2)
        await send(holder, "n", "m")
        held = await take(stage, holder, 2)
        for _ in range(3):
            await nothing_comes(stage, other, stage.lease_seconds * 0.6)
            assert list(await holder.extend(held)) == [True, True]
        await nothing_comes(stage, other, stage.lease_seconds * 0.8)
        await asyncio.sleep(stage.lease_seconds * 0.2 + stage.harness.tick_seconds)
        assert nodes_of(await take(stage, other, 2)) == ["m", "n"]

    @check("S12.5", "G6")
    async def test_who_lost_a_lease_learns_it_and_harms_nobody(self, stage: Stage) -> None:
        """It is told False, and the new holder keeps the message and can acknowledge it."""
        late, other, third = queues(stage, 3)
        await send(late, "n")
        lost = await take(stage, late, 1)
        await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        held = await take(stage, other, 1)
        await send(late, "m")
        mine = await take(stage, late, 1)
        said = list(await late.extend([*lost, *mine]))
        assert said == [False, True], "who lost a lease is told that he still has it, or all lose"
        await nothing_comes(stage, third, stage.lease_seconds * 0.4)
        assert list(await other.extend(held)) == [True], "the new holder lost the message"
        await late.ack(lost)
        await other.ack(held)
        await late.ack(mine)
        await nothing_comes(stage, third, stage.lease_seconds + stage.harness.slack_seconds)

    @check("G6")
    async def test_an_acknowledgement_after_the_lease_takes_no_other_message(
        self, stage: Stage
    ) -> None:
        late, other = queues(stage, 2)
        await send(late, "n")
        lost = await take(stage, late, 1)
        await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        again = await take(stage, other, 1)
        await other.ack(again)
        await send(other, "m")
        await late.ack(lost)
        await late.release(lost, 0.0)
        assert nodes_of(await take(stage, other, 1)) == ["m"]

    @check("S12.15", "S12.14")
    async def test_a_message_that_was_released_comes_at_once(self, stage: Stage) -> None:
        """Long before its lease is over, and without counting as redelivered for it."""
        holder, other = queues(stage, 2)
        await send(holder, "n", "m")
        held = await take(stage, holder, 2)
        flagged = {delivery.body: delivery.is_redelivered for delivery in held}
        await holder.release(held, 0.0)
        again = await take(stage, other, 2)
        assert {delivery.body: delivery.is_redelivered for delivery in again} == flagged
        assert list(await other.extend(again)) == [True, True]

    @check("S12.1", "S7.13")
    async def test_a_message_that_came_back_says_so_also_after_it_was_released(
        self, stage: Stage
    ) -> None:
        """Else it could kill one more worker that does not know what it takes."""
        first, second, third = queues(stage, 3)
        await send(first, "n")
        await take(stage, first, 1)
        await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        for _ in range(2):
            back = await take(stage, second, 1)
            assert [delivery.is_redelivered for delivery in back] == [True]
            await second.release(back, 0.0)
        assert [delivery.is_redelivered for delivery in await take(stage, third, 1)] == [True]

    @check("S1.38")
    async def test_a_message_released_with_a_delay_comes_after_it(self, stage: Stage) -> None:
        holder, other = queues(stage, 2)
        delay = stage.lease_seconds * 0.55  # no whole number of seconds
        await send(holder, "n")
        (first,) = await take(stage, holder, 1)
        await holder.release([first], delay)
        await nothing_comes(stage, other, delay * 0.95)
        await asyncio.sleep(delay * 0.05 + stage.harness.tick_seconds)
        (second,) = await take(stage, other, 1)
        assert second.is_redelivered <= first.is_redelivered, "a hand-back counts as a delivery"

    @check("S1.48", "S7.3")
    async def test_a_delayed_message_is_never_early_and_comes(self, stage: Stage) -> None:
        (queue,) = queues(stage, 1)
        longest = queue.longest_delay_seconds
        needs(longest > 0, "it declares no delay of its own")
        short, long = (min(stage.lease_seconds * n, longest) for n in (0.55, 1.5))
        await queue.send([Outgoing(job("long"), long), Outgoing(job("now")),
                          Outgoing(job("short"), short)])  # fmt: skip
        assert nodes_of(await take(stage, queue, 1)) == ["now"]
        loop = asyncio.get_running_loop()
        began, came = loop.time(), dict[str, float]()
        while loop.time() - began < long + stage.harness.slack_seconds:
            for delivery in await receive(stage, queue, 10, stage.harness.slack_seconds / 5):
                (node,) = nodes_of([delivery])
                came.setdefault(node, loop.time() - began)
                await queue.ack([delivery])
        tick = stage.harness.tick_seconds
        assert short - tick <= came["short"] <= short + stage.harness.slack_seconds
        assert long - tick <= came["long"] <= long + stage.harness.slack_seconds

    @check("S12.20")
    async def test_no_more_is_taken_than_was_asked_for(self, stage: Stage) -> None:
        """What was not taken stays for others."""
        first, second = queues(stage, 2)
        await send(first, *"abcde")
        taken = [*await receive(stage, first, 2, stage.harness.slack_seconds)]
        assert 1 <= len(taken) <= 2
        rest = await take(stage, second, 5 - len(taken))
        assert nodes_of([*taken, *rest]) == [*"abcde"]

    @check("S12.20", "G6")
    async def test_a_batch_of_any_size_is_sent_and_answered_whole(self, stage: Stage) -> None:
        """Also where one request of the backend takes fewer."""
        (queue,) = queues(stage, 1)
        nodes = [f"n{index:03}" for index in range(MANY)]
        await send(queue, *nodes)
        deliveries = await take(stage, queue, MANY)
        assert nodes_of(deliveries) == nodes
        assert list(await queue.extend(deliveries)) == [True] * MANY
        await queue.release(deliveries, 0.0)
        deliveries = await take(stage, queue, MANY)
        assert nodes_of(deliveries) == nodes
        await queue.ack(deliveries)
        await nothing_comes(stage, queue, stage.lease_seconds + stage.harness.slack_seconds)

    @check("S12.20")
    async def test_a_batch_of_nothing_is_no_error(self, stage: Stage) -> None:
        (queue,) = queues(stage, 1)
        await queue.send([])
        await queue.ack([])
        assert list(await queue.extend([])) == []
        await queue.release([], 0.0)
        await queue.bury([], "nothing")
        assert list(await queue.receive(5, 0.0)) == []

    @check("S12.19", "G8")
    @pytest.mark.parametrize("body", FOREIGN, ids=range(len(FOREIGN)))
    async def test_a_foreign_message_is_delivered_as_it_is(self, stage: Stage, body: bytes) -> None:
        """To be judged by the core, and to be answered like any other."""
        (queue,) = queues(stage, 1)
        try:
            await stage.send_raw(body)
        except NotImplementedError as error:
            pytest.skip(str(error))
        deliveries = await take(stage, queue, 1)
        assert [delivery.body for delivery in deliveries] == [body]
        await queue.bury(deliveries, "not for us")
        letters = await queue.dead_letters(5)
        if letters is not None:
            assert [(letter.body, letter.reason) for letter in letters] == [(body, "not for us")]
        await nothing_comes(stage, queue, stage.lease_seconds + stage.harness.slack_seconds)

    @check("G6")
    async def test_who_waits_gets_what_is_sent_meanwhile(self, stage: Stage) -> None:
        waiting, sending = queues(stage, 2)
        receiving = asyncio.ensure_future(take(stage, waiting, 1))
        await asyncio.sleep(stage.harness.slack_seconds / 10)
        await send(sending, "n")
        assert nodes_of(await receiving) == ["n"]

    @check("S12.14", "G6")
    async def test_a_receive_that_is_cancelled_loses_nothing(self, stage: Stage) -> None:
        """At whichever request: others get the message long before a lease would be over."""
        (other,) = queues(stage, 1)
        for when in ("before", "after"):
            for number in (1, 2, 3):
                await send(other, "n")
                receiving = await _receive_cancelled(stage, when, number)
                if receiving.cancelled():
                    await other.ack(await take(stage, other, 1))
                else:
                    await other.ack(receiving.result())

    @check("S12.32", "S12.20")
    async def test_two_receivers_never_hold_one_message(self, stage: Stage) -> None:
        receivers = queues(stage, 4)
        nodes = [f"n{index:03}" for index in range(40)]
        await send(receivers[0], *nodes)
        held: list[Delivery] = []

        async def hold(queue: JobQueue) -> None:
            while found := await receive(stage, queue, 3, stage.harness.slack_seconds / 2):
                held.extend(found)

        await asyncio.gather(*map(hold, receivers))
        assert nodes_of(held) == nodes

    # -- dead letters

    @check("S12.40", "S12.19", "G8")
    async def test_a_buried_message_is_kept_with_its_reason(self, stage: Stage) -> None:
        """It is delivered no more, and the oldest comes first."""
        (queue,) = queues(stage, 1)
        began = now(stage)
        for node in ("a", "b", "c"):
            await send(queue, node)
            await queue.bury(await take(stage, queue, 1), f"nobody can: '{node}'\n\u00e4")
            await asyncio.sleep(stage.lease_seconds / 10)
        letters = await queue.dead_letters(10)
        if letters is not None:
            assert [letter.body for letter in letters] == [encode_job(job(n)) for n in "abc"]
            assert [letter.reason for letter in letters] == [
                f"nobody can: '{node}'\n\u00e4" for node in "abc"
            ]
            assert len({letter.id for letter in letters}) == 3
            assert all(began <= letter.at <= now(stage) for letter in letters)
            limited = await queue.dead_letters(2)
            assert limited is not None
            assert list(limited) == list(letters[:2])
        await nothing_comes(stage, queue, stage.lease_seconds + stage.harness.slack_seconds)

    @check("S12.40")
    async def test_a_dead_letter_goes_back_as_a_new_message_or_is_dropped(
        self, stage: Stage
    ) -> None:
        (queue,) = queues(stage, 1)
        await send(queue, "a", "b", "c")
        held = await take(stage, queue, 3)
        fresh = {delivery.body: delivery.is_redelivered for delivery in held}
        await queue.bury(held, "nobody can")
        letters = await queue.dead_letters(10)
        if letters is None:
            pytest.skip("it keeps its dead letters to itself")
        ids = {decode_job(letter.body).node_id: letter.id for letter in letters}
        assert list(await queue.requeue([ids["a"], ids["a"], "no such"])) == [True, False, False]
        (delivery,) = await take(stage, queue, 1)
        assert (delivery.body, delivery.is_redelivered) == (
            encode_job(job("a")),
            fresh[delivery.body],
        )
        assert list(await queue.drop([ids["b"], ids["a"]])) == [True, False]
        left = await queue.dead_letters(10)
        assert left is not None
        assert [letter.id for letter in left] == [ids["c"]]
        await queue.bury([delivery], LONG_REASON)
        letters = await queue.dead_letters(10) or ()
        # Who would drop the one that had its id before must not drop this one.
        new = [letter.reason for letter in letters if letter.id not in ids.values()]
        assert new == [LONG_REASON]
        await nothing_comes(stage, queue, stage.lease_seconds + stage.harness.slack_seconds)

    @check("S12.24")
    async def test_the_depth_tells_whether_messages_wait(self, stage: Stage) -> None:
        """Roughly, and after a while, if the backend can say it at all; what is held does not."""
        (queue,) = queues(stage, 1)
        if await queue.depth() is None:
            pytest.skip("it cannot say how many messages wait")
        await send(queue, *"abc")

        async def has_some() -> bool:
            return bool(await queue.depth())

        async def has_none() -> bool:
            return await queue.depth() == 0

        await stage.until(has_some)
        held = await take(stage, queue, 3)
        await stage.until(has_none, within=stage.lease_seconds * 0.8)
        await queue.ack(held)
        await stage.until(has_none)
