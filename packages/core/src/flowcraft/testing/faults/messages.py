"""Messages that come twice, in any order, or not at all."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flowcraft.engine.record import decode_record
from flowcraft.ports.queue import Delivery
from flowcraft.testing.cases import CASES
from flowcraft.testing.checks import check
from flowcraft.testing.play import Fault, Play, Played
from flowcraft.testing.points import Trial
from flowcraft.testing.stage import Stage
from flowcraft.testing.worker import Worker

ORDERS = 3
"""How many orders of the messages are tried for each case."""
LONGEST_HOLD_LEASES = 0.2
"""How long a message is held back at most; before its lease has to be extended."""


class Twice(Fault):
    """Whenever somebody takes a message, it is on the queue once more."""

    workers = 2

    def __init__(self) -> None:
        self._copies: Counter[bytes] = Counter()

    async def at_message(self, play: Play, who: Worker, delivery: Delivery) -> bool:
        if self._copies[delivery.body]:
            self._copies[delivery.body] -= 1
        else:
            self._copies[delivery.body] += 1
            await play.stage.send_raw(delivery.body)
        return True


class Shuffled(Fault):
    """Messages overtake each other; no node goes on under the message of another."""

    workers = 2

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)

    def settings(self, number: int) -> Mapping[str, Any]:
        return {"continue_nodes": 1}

    async def at_message(self, play: Play, who: Worker, delivery: Delivery) -> bool:
        longest = LONGEST_HOLD_LEASES * play.stage.lease_seconds
        await asyncio.sleep(longest * self._dice.random())
        return True

    def wrong(self, play: Play, played: Played, calm: Played) -> Iterator[str]:
        # Where the queue cannot tell, they all may have been there before.
        if played.redelivered and not calm.redelivered:
            yield f"{played.redelivered} messages came back, and nobody died"


class Lost(Fault):
    """One message is acknowledged, and nothing is done for it.

    Args:
        number: Which one, in the order in which they are taken.
    """

    sweeps = True

    def __init__(self, number: int) -> None:
        self._left = number

    async def at_message(self, play: Play, who: Worker, delivery: Delivery) -> bool:
        self._left -= 1
        return self._left != 0

    def wrong(self, play: Play, played: Played, calm: Played) -> Iterator[str]:
        longest = calm.seconds + longest_repair_seconds(play.stage, calm)
        if played.seconds > longest:
            yield f"it took {played.seconds:g} s, and {longest:g} s are the most"


def longest_repair_seconds(stage: Stage, calm: Played) -> float:
    """By how much the loss of one message may delay a case.

    A run that was in progress is vouched for during two leases; then a sweep comes by. What it
    begins anew tries again a lease later than it would have, and no worker need be awake when a
    message comes.
    """
    lease_seconds = stage.client.ports.queue.lease_seconds
    vouched = (2 + _further_attempts(calm)) * lease_seconds
    return vouched + stage.sweep_seconds + (2 + calm.messages) * stage.harness.slack_seconds


def _further_attempts(calm: Played) -> int:
    """How many attempts there were beyond the first ones."""
    runs = [run for run in calm.runs.values() if run is not None]
    return sum(decode_record(data).attempt - 1 for run in runs for data in run.records.values())


class EveryMessageTwice:
    """A queue delivers at least once, and twice is nothing special."""

    @check("S5.7", "S12.5", "S12.6", "S12.8", "G2", "G3")
    @pytest.mark.parametrize("case", CASES)
    async def test_every_message_twice_changes_no_outcome(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        await Trial(stage, request, case, what="doubles").once(Twice())


class AnyOrder:
    """No order of messages is assumed."""

    @check("S5.7", "S8.3", "G3", "G7")
    @pytest.mark.parametrize("case", CASES)
    async def test_no_order_of_the_messages_changes_an_outcome(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        trial = Trial(stage, request, case, what="orders")
        first = ORDERS * int(request.config.getoption("--crash-seed"))
        seeds = [str(first + index) for index in range(ORDERS)]
        await trial.at(await trial.calm(), seeds, Shuffled)


class LostMessages:
    """A queue that loses a message delays a run, and the sweeper repairs it."""

    @check("S10.18", "S12.1", "S12.33", "G1")
    @pytest.mark.parametrize("case", CASES)
    async def test_a_lost_message_is_made_good_in_time(
        self, stage: Stage, request: pytest.FixtureRequest, case: str
    ) -> None:
        trial = Trial(stage, request, case, what="losses")
        calm = await trial.calm()
        numbers = [str(index + 1) for index in range(calm.messages)]
        await trial.at(calm, numbers, lambda number: Lost(int(number)))
