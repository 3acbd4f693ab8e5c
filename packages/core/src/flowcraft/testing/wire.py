"""The calls of one worker to its backend: numbered, held up, failed, and cut for good.

An adapter's harness lets each request that goes over the wire pass `Wire.call`, as near to the
wire as it can: a port call that makes three requests is three calls. A test hangs hooks into it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple, NoReturn, TypeVar

from flowcraft.testing.loop import answer_due

T = TypeVar("T")

UNHEARD = (
    "no request passed `Wire.call`, where it can be numbered and stopped. Hand the `wire.call` that"
    " `Harness.adapter` is given to the adapter, and let every request to the backend go through it"
)
"""What is said of an adapter whose requests cannot be seen."""


class Call(NamedTuple):
    """One request on the wire.

    Attributes:
        name: What is asked, in the adapter's own words.
        number: Its number among the calls of all workers, from 1.
    """

    name: str
    number: int


Hook = Callable[[Call], Awaitable[None]]
"""May wait, raise in the place of the answer, or never come back."""


class Numbering:
    """Numbers the calls of all workers of a backend.

    Attributes:
        count: How many there were.
        by_name: How many of each name.
    """

    def __init__(self) -> None:
        self.count = 0
        self.by_name: Counter[str] = Counter()

    def next(self, name: str) -> Call:
        """Number one more call."""
        self.count += 1
        self.by_name[name] += 1
        return Call(name, self.count)


class Wire:
    """What stands between one worker and its backend.

    Attributes:
        before: Called before each request leaves.
        after: Called when the request had its effect, before its answer is seen.
        is_cut: Whether no request and no answer comes through any more.
    """

    def __init__(self, numbering: Numbering | None = None) -> None:
        self.numbering = numbering or Numbering()
        self.before: Hook | None = None
        self.after: Hook | None = None
        self.is_cut = False

    async def call(self, name: str, request: Callable[[], Awaitable[T]]) -> T:
        """Make one request.

        Args:
            name: What is asked, in the adapter's own words.
            request: Makes the request and waits for its answer. It may be called by this method
                only, once.
        """
        if self.is_cut:
            await never()
        call = self.numbering.next(name)
        if self.before is not None:
            await self.before(call)
            if self.is_cut:
                await never()
        with answer_due():
            answer = await request()
        if self.after is not None:
            await self.after(call)
        if self.is_cut:
            await never()
        return answer


async def never() -> NoReturn:
    """Stand where no answer comes."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody answers here")
