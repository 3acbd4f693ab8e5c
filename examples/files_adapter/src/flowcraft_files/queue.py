"""The queue: one file a message, found by the time at which it can be taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from flowcraft.clock import Clock
from flowcraft.ports.contract import encode_job
from flowcraft.ports.queue import DeadLetter, Delivery, JobQueue, Outgoing
from flowcraft_files.folder import Files, Folder
from flowcraft_files.schedule import Schedule


class Message(msgspec.Struct):
    """A message, and from when it can be taken.

    Args:
        token: How often it was taken: whoever took it and comes late has an older one.
        is_taken: Whether it was taken and not given back, so that the next one to take it may
            come after a death.
        was_lost: Whether that has happened.
    """

    id: str
    body: bytes
    visible_at: float
    token: int = 0
    is_taken: bool = False
    was_lost: bool = False


FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
"""Nobody is woken: who waits for a message looks, less and less often while none comes."""
VISIBLE = Schedule("visible")
BURIED = Schedule("buried")


class FileQueue(JobQueue):
    """Any delay, leases by token, dead letters."""

    longest_delay_seconds = float("inf")

    def __init__(self, folder: Folder, clock: Clock, *, lease_seconds: float) -> None:
        self._folder = folder
        self._clock = clock
        self.lease_seconds = lease_seconds
        self._pause_seconds = FIRST_PAUSE_SECONDS

    async def receive(self, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        while True:
            taken = await self._take(limit)
            if taken:
                self._pause_seconds = FIRST_PAUSE_SECONDS
            if taken or wait_seconds <= 0:
                return taken
            pause = min(self._pause_seconds, wait_seconds)
            await self._clock.sleep(pause)
            wait_seconds -= pause
            self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    async def _take(self, limit: int) -> list[Delivery]:
        now = self._clock.now()

        def step(files: Files) -> list[Delivery]:
            taken = []
            for _, id_ in VISIBLE.until(files, now, limit):
                message = files.get(("messages", id_), Message)
                assert message is not None, "both are written in one step"
                message.was_lost = message.was_lost or message.is_taken
                message.is_taken = True
                message.token += 1
                move_message(files, message, now + self.lease_seconds)
                taken.append(Delivery(message.body, (id_, message.token), message.was_lost))
            return taken

        taking = asyncio.ensure_future(self._folder.step("take", step))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait([taking])
            if taking.exception() is None:
                await self.release(taking.result(), 0.0)  # nobody will handle what was taken
            raise

    async def send(self, jobs: Sequence[Outgoing]) -> None:
        now = self._clock.now()
        messages = [
            Message(self._clock.fresh_id(), encode_job(job), now + delay_seconds)
            for job, delay_seconds in jobs
        ]

        def step(files: Files) -> None:
            for message in messages:
                add_message(files, message)

        await self._folder.step("send", step)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        def step(files: Files) -> None:
            for message in _held(files, deliveries):
                if message is not None:
                    _remove(files, message)

        await self._folder.step("ack", step)

    async def extend(self, deliveries: Sequence[Delivery]) -> Sequence[bool]:
        until = self._clock.now() + self.lease_seconds

        def step(files: Files) -> list[bool]:
            messages = _held(files, deliveries)
            for message in messages:
                if message is not None:
                    move_message(files, message, until)
            return [message is not None for message in messages]

        return await self._folder.step("extend", step)

    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float) -> None:
        at = self._clock.now() + delay_seconds

        def step(files: Files) -> None:
            for message in _held(files, deliveries):
                if message is not None:
                    message.is_taken = False
                    move_message(files, message, at)

        await self._folder.step("release", step)

    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        at = self._clock.now()

        def step(files: Files) -> None:
            for message in _held(files, deliveries):
                if message is not None:
                    _remove(files, message)
                    letter = DeadLetter(message.id, message.body, reason, at)
                    files.put(("letters", message.id), letter)
                    BURIED.add(files, at, message.id)

        await self._folder.step("bury", step)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        def step(files: Files) -> list[DeadLetter]:
            found = BURIED.until(files, float("inf"), limit)
            letters = (files.get(("letters", id_), DeadLetter) for _, id_ in found)
            return [letter for letter in letters if letter is not None]

        return await self._folder.step("dead_letters", step)

    async def requeue(self, ids: Sequence[str]) -> Sequence[bool]:
        now = self._clock.now()
        fresh = {id_: self._clock.fresh_id() for id_ in ids}

        def step(files: Files) -> list[bool]:
            letters = [_dig_up(files, id_) for id_ in ids]
            for letter in letters:
                if letter is not None:
                    add_message(files, Message(fresh[letter.id], letter.body, now))
            return [letter is not None for letter in letters]

        return await self._folder.step("requeue", step)

    async def drop(self, ids: Sequence[str]) -> Sequence[bool]:
        return await self._folder.step(
            "drop", lambda files: [_dig_up(files, id_) is not None for id_ in ids]
        )

    async def depth(self) -> int | None:
        now = self._clock.now()
        return await self._folder.step("depth", lambda files: VISIBLE.count_until(files, now))


def add_message(files: Files, message: Message) -> None:
    """Put a message on the queue."""
    files.put(("messages", message.id), message)
    VISIBLE.add(files, message.visible_at, message.id)


def move_message(files: Files, message: Message, visible_at: float) -> None:
    """Let a message on the queue be taken from another time on."""
    VISIBLE.discard(files, message.visible_at, message.id)
    message.visible_at = visible_at
    add_message(files, message)


def _remove(files: Files, message: Message) -> None:
    files.delete(("messages", message.id))
    VISIBLE.discard(files, message.visible_at, message.id)


def _held(files: Files, deliveries: Sequence[Delivery]) -> list[Message | None]:
    """The messages that are still their takers', None in the place of the others."""
    found = []
    for id_, token in (delivery.handle for delivery in deliveries):
        message = files.get(("messages", id_), Message)
        is_held = message is not None and message.token == token and message.is_taken
        found.append(message if is_held else None)
    return found


def _dig_up(files: Files, id_: str) -> DeadLetter | None:
    letter = files.get(("letters", id_), DeadLetter)
    if letter is not None:
        files.delete(("letters", id_))
        BURIED.discard(files, letter.at, id_)
    return letter
