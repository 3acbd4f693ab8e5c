"""The contract of a distributed adapter: its smallest form, which is enough.

An adapter that implements these, and the four methods of `BaseDistributedAdapter`, runs every
graph. What is faster or stronger is an override of a default that is built from them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from flowcraft.errors import MalformedMessageError
from flowcraft.format import FORMAT, format_of

Origin = Literal["edge", "later", "sweep", "timer"]


class JobPayload(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A request to move one activation forward. Ids only, so that its size is constant.

    Args:
        scope: Which iteration, item or stand-in; empty outside of them.
        blueprint_hash: Content of the run's blueprint, so that a worker can plan its read.
        origin: Who sent it; deliveries of what the sweeper or a timer sent are counted. `later` is
            for one that an activation sent itself, with a delay of the queue's own.
        format: See `flowcraft.format`; not written where it is 1.
    """

    run_id: str
    blueprint_id: str
    node_id: str
    scope: str = ""
    blueprint_hash: str = ""
    origin: Origin = "edge"
    format: int = 1

    @property
    def activation(self) -> str:
        """Key of the activation."""
        return self.node_id + self.scope


class _Identity(msgspec.Struct, frozen=True, rename="camel"):
    run_id: str
    format: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JobPayload)
_identity_decoder = msgspec.json.Decoder(_Identity)


def encode_job(job: JobPayload) -> bytes:
    """Write a job as it goes over the wire."""
    return _encoder.encode(job)


def decode_job(data: bytes) -> JobPayload:
    """Read a job from the wire; unknown fields are ignored.

    One of a newer format that cannot be read comes back with its run and format alone. It is no
    malformed message: whoever handles it hands it back.

    Raises:
        MalformedMessageError: It is no job of ours.
    """
    try:
        job = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        # TypeError: a foreign program may have left something that is neither bytes nor text.
        raise MalformedMessageError(f"no job of ours: {error}") from error
    if not job.run_id:
        raise MalformedMessageError("no job of ours: runId is empty")
    return job


def _decode(data: bytes) -> JobPayload:
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError:
        if format_of(data) <= FORMAT:
            raise
        known = _identity_decoder.decode(data)
        return JobPayload(known.run_id, "", "", format=known.format)


class MemberCount(NamedTuple):
    """A set as it stood in the step that counted a member."""

    members: int
    taken: int


class CoordinationStore(ABC):
    """Atomic counters, sets and locks shared by every worker of a run.

    Guarantees the engine relies on:

    * every method is one atomic step, also between processes;
    * an expired key behaves as absent at once, even where the backend removes it later;
    * `ttl_seconds=None` never expires;
    * a call that raises `BackendUnavailableError` may or may not have taken effect.
    """

    @abstractmethod
    async def increment(self, key: str, ttl_seconds: float | None) -> int:
        """Add one to the number at `key`, absent meaning zero, and return it."""

    @abstractmethod
    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: float | None) -> bool:
        """Write `value` if `key` is absent. True for exactly one of several callers."""

    @abstractmethod
    async def extend_ttl(self, key: str, ttl_seconds: float | None) -> bool:
        """Let `key` live that much longer from now. False if it is absent."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Remove `key`. Whether it was there."""

    @abstractmethod
    async def get(self, key: str) -> str | None:
        """Read the value at `key`, or None."""

    async def add_member(
        self, key: str, member: str, *, taken: bool, ttl_seconds: float | None = None
    ) -> MemberCount:
        """Count `member` at `key`, once however often it is called.

        Fan-in counts with this and not with `increment`, because a redelivered predecessor
        must not be counted twice. This default is a log of slots `key:1`, `key:2`, ...: the
        slot that takes the member, or holds it, is its number. Linear in the size of the set.

        Returns:
            How many distinct members have been counted, and how many of them were taken, as
            of the same atomic step, or, when the member was there already, as of now.
        """
        mine = f"{member}{'+' if taken else '-'}"
        index = taken_count = 0
        present = False
        while True:
            index += 1
            slot = f"{key}:{index}"
            held = await self.get(slot)
            if held is None:
                if present:
                    return MemberCount(index - 1, taken_count)
                if await self.set_if_not_exist(slot, mine, ttl_seconds):
                    return MemberCount(index, taken_count + taken)
                held = await self.get(slot) or ""
            present = present or held == mine
            taken_count += held.endswith("+")


class AsyncContext(ABC):
    """A run's context: one item a key.

    Guarantees: writers of different keys never lose a write; `patch` is all or nothing;
    `None` is a value; keys are opaque.
    """

    @abstractmethod
    async def get(self, key: str) -> Any:
        """Read a value; None if it is absent (see `has`)."""

    @abstractmethod
    async def set(self, key: str, value: Any) -> None:
        """Write a value."""

    @abstractmethod
    async def has(self, key: str) -> bool:
        """Whether the key was written, be its value None."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Remove a key. Whether it was there."""

    @abstractmethod
    async def to_dict(self) -> dict[str, Any]:
        """Read all of it. Grows with the context; not for the path of a node."""

    @abstractmethod
    async def patch(self, operations: Sequence[ContextOperation]) -> None:
        """Write and delete several keys in one atomic step."""


class ContextOperation(NamedTuple):
    """One change of a context: `set` with a value, or `delete`."""

    kind: Literal["set", "delete"]
    key: str
    value: Any = None
