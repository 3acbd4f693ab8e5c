"""The job queue: each message is held and answered by itself, whatever is said of others.

For adapters with a queue port of their own. What a worker says too late, of a message that looks
the same, or of a whole batch, is what a queue easily takes for something else.
"""

from __future__ import annotations

import asyncio

from flowcraft.ports.queue import Outgoing
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import job, needs
from flowcraft.testing.contracts.queue import (
    MANY,
    nodes_of,
    nothing_comes,
    queues,
    receive,
    send,
    take,
)
from flowcraft.testing.stage import Stage

HAND_BACKS = 30
"""More than a broker allows by default before it takes a message for poison: five, or twenty."""
LAPSES = 6
FAR_DAYS = 40
"""Longer than any delay that a broker has of its own without saying so."""
HELD_HOURS = 13
"""Longer than any broker lets a message be held without saying so."""


class HoldingContract:
    """`JobQueue`: who holds what, for adapters with ports of their own."""

    @check("S12.13", "G6")
    async def test_messages_that_are_equal_are_messages_of_their_own(self, stage: Stage) -> None:
        """One that is sent while another is held, or soon after it was acknowledged, comes."""
        (queue,) = queues(stage, 1)
        await send(queue, "n")
        first = await take(stage, queue, 1)
        await send(queue, "n")
        second = await take(stage, queue, 1)
        await send(queue, "n")
        await queue.ack(first)
        third = await take(stage, queue, 1)
        await queue.ack(third)
        await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        again = await take(stage, queue, 1)
        assert again[0].body == second[0].body
        await queue.ack(again)
        await send(queue, "n")
        await queue.ack(await take(stage, queue, 1))
        await nothing_comes(stage, queue, stage.lease_seconds + stage.harness.slack_seconds)

    @check("S12.13", "G6")
    async def test_a_message_that_is_delayed_keeps_no_equal_one_back(self, stage: Stage) -> None:
        """Whichever of them was sent first."""
        (queue,) = queues(stage, 1)
        delay = min(stage.lease_seconds * 0.5, queue.longest_delay_seconds)
        needs(delay > 0, "it declares no delay of its own")
        now, later = Outgoing(job("n")), Outgoing(job("n"), delay)
        for jobs in ([now, later], [later, now]):
            for one in jobs:
                await queue.send([one])
            begun = asyncio.get_running_loop().time()
            await queue.ack(await take(stage, queue, 1))
            assert asyncio.get_running_loop().time() - begun < delay
            await asyncio.sleep(delay + stage.harness.tick_seconds)
            await queue.ack(await receive(stage, queue, 1, stage.harness.slack_seconds))

    @check("S12.1", "G6")
    async def test_an_acknowledgement_takes_no_other_message_along(self, stage: Stage) -> None:
        """Not those that the same worker took before it, nor those after it."""
        holder, other = queues(stage, 2)
        nodes = [*"abcdef"]
        await send(holder, *nodes)
        held = await take(stage, holder, len(nodes))
        await holder.ack([held[2]])
        await holder.ack([held[4]])
        left = sorted(nodes_of([*held[:2], held[3], held[5]]))
        await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        assert nodes_of(await take(stage, other, len(left))) == left

    @check("S12.5", "S12.32")
    async def test_who_lost_a_lease_gives_nothing_back(self, stage: Stage) -> None:
        """What it says neither frees the message that another one holds, nor puts it off."""
        late, other, third = queues(stage, 3)
        await send(late, "n")
        lost = await take(stage, late, 1)
        await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        await take(stage, other, 1)
        await late.release(lost, 0.0)
        await nothing_comes(stage, third, stage.lease_seconds * 0.4)
        await late.release(lost, stage.lease_seconds * 100)
        await asyncio.sleep(stage.lease_seconds * 0.6)
        assert nodes_of(await take(stage, third, 1)) == ["n"]

    @check("S12.5", "S12.13")
    async def test_each_message_of_a_batch_is_answered_by_itself(self, stage: Stage) -> None:
        """Though others of the batch were lost to somebody else."""
        late, other = queues(stage, 2)
        await send(late, "n")
        lost = await take(stage, late, 1)
        await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        held = await take(stage, other, 1)
        await other.ack(held)
        await send(late, "done", "back")
        mine = {nodes_of([one])[0]: one for one in await take(stage, late, 2)}
        await late.ack([*lost, mine["done"]])
        await late.release([*lost, mine["back"]], 0.0)
        (back,) = await take(stage, other, 1)
        assert nodes_of([back]) == ["back"]
        await other.ack([*held, back])
        await nothing_comes(stage, other, stage.lease_seconds + stage.harness.slack_seconds)

    @check("S12.3", "S12.32")
    async def test_each_of_many_messages_is_held_longer_by_an_extension(self, stage: Stage) -> None:
        """Also where one request of the backend extends fewer."""
        holder, other = queues(stage, 2)
        await send(holder, *(f"n{index:03}" for index in range(MANY)))
        held = await take(stage, holder, MANY)
        await asyncio.sleep(stage.lease_seconds * 0.6)
        assert list(await holder.extend(held)) == [True] * MANY
        await nothing_comes(stage, other, stage.lease_seconds * 0.8)

    @check("S12.32")
    async def test_a_lease_counts_from_when_the_message_came(self, stage: Stage) -> None:
        """And not from when somebody began to wait for it."""
        waiting, other = queues(stage, 2)
        taking = asyncio.ensure_future(receive(stage, waiting, 1, 2 * stage.lease_seconds))
        await asyncio.sleep(stage.lease_seconds * 0.8)
        await send(other, "n")
        assert nodes_of(await taking) == ["n"]
        await nothing_comes(stage, other, stage.lease_seconds * 0.7)

    @check("S12.1", "S12.20", "G6")
    async def test_a_message_comes_again_however_often_it_came(self, stage: Stage) -> None:
        """It is the core that judges what is poison; a hand-back is no failure at all."""
        (queue,) = queues(stage, 1)
        await send(queue, "n")
        for _ in range(HAND_BACKS):
            await queue.release(await take(stage, queue, 1), 0.0)
        for _ in range(LAPSES if stage.is_virtual else 1):
            await take(stage, queue, 1)
            await asyncio.sleep(stage.lease_seconds + stage.harness.tick_seconds)
        await queue.ack(await take(stage, queue, 1))

    @check("S1.48", "S7.3")
    async def test_the_longest_delay_is_kept(self, stage: Stage) -> None:
        stage.needs_virtual_time()
        (queue,) = queues(stage, 1)
        delay = min(queue.longest_delay_seconds, FAR_DAYS * 86_400.0)
        needs(delay > stage.lease_seconds, "it declares no long delay of its own")
        await send(queue, "n", delay_seconds=delay)
        await asyncio.sleep(delay - stage.lease_seconds)
        await nothing_comes(stage, queue, stage.lease_seconds * 0.9)
        await asyncio.sleep(stage.lease_seconds * 0.1 + stage.harness.tick_seconds)
        await queue.ack(await take(stage, queue, 1))

    @check("S12.3")
    async def test_a_message_is_held_as_long_as_is_declared(self, stage: Stage) -> None:
        """By one who extends it again and again."""
        stage.needs_virtual_time()
        stage.harness.lease_seconds = 600.0
        holder, other = queues(stage, 2)
        longest = min(holder.longest_unacknowledged_seconds, HELD_HOURS * 3600.0)
        await send(holder, "n")
        held = await take(stage, holder, 1)
        loop = asyncio.get_running_loop()
        until = loop.time() + longest - stage.lease_seconds
        while loop.time() < until:
            await asyncio.sleep(stage.lease_seconds / 2)
            assert list(await holder.extend(held)) == [True]
        await nothing_comes(stage, other, stage.lease_seconds * 0.9)
