"""Where faults come: which calls of a case are tried, and what is said of it at the end.

All of them on a backend that is fast, or with `--all-crash-points`; elsewhere a sample that
`--crash-seed` chooses. `--crash-point 37:after` tries one alone, and prints every call.
"""

from __future__ import annotations

import logging
import random
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Self

import pytest

from flowcraft.pytest_plugin import DEFAULT_SEED, POINTS
from flowcraft.testing.cases import CASES, Cast
from flowcraft.testing.play import CALM, Fault, Play, Played
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import UNHEARD

SAMPLE = 12
"""About so many points of a case are tried where not all are."""
FEW = 6
"""And so many of a fault of which some are enough, in a case that has more points than `SMALL`."""
SMALL = 64
ENOUGH = 3
"""After so many wrong points the rest of a case is left."""
MOST_SAID = 5
"""So many of the things that are wrong at one point are told."""


class Point(NamedTuple):
    """A call, before it leaves or when it had its effect."""

    number: int
    is_after: bool

    def __str__(self) -> str:
        return f"{self.number}:{'after' if self.is_after else 'before'}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gives."""
        number, _, side = text.partition(":")
        return cls(int(number), side == "after")


class Trial:
    """Plays a case again and again over one stage, and gathers what was wrong.

    Args:
        stage: The stage.
        request: The test.
        case: The name of the case.
        what: What is counted, in one word.
    """

    def __init__(
        self, stage: Stage, request: pytest.FixtureRequest, case: str, *, what: str
    ) -> None:
        self._stage = stage
        self._request = request
        self._case = CASES[case]
        self._name = case
        self._what = what
        self._cast = Cast()
        self._plays = 0
        stage.node("act")(self._cast.act)
        stage.add(*self._case.blueprints)

    async def calm(self) -> Played:
        """Play the case without a fault: how the others must come out."""
        play = self._new_play(CALM)
        played = await play.run()
        assert played.calls, UNHEARD
        assert not (wrong := play.wrong(played, played)), f"{self._name}, without a fault: {wrong}"
        return played

    async def at_each_call(
        self, fault: Callable[[Point], Fault], *, is_sample: bool = False
    ) -> None:
        """Play the case with a fault at each call, or at some of them.

        Args:
            fault: What goes wrong at a point.
            is_sample: Whether some are enough also where the backend is fast, in larger cases.
        """
        calm = await self.calm()
        points = [Point(i, after) for i in range(1, calm.calls + 1) for after in (False, True)]
        names = [str(point) for point in points]
        await self.at(calm, names, lambda name: fault(Point.parse(name)), is_sample=is_sample)

    async def at(
        self,
        calm: Played,
        names: Sequence[str],
        fault: Callable[[str], Fault],
        *,
        is_sample: bool = False,
    ) -> None:
        """Play the case with a fault at each of some places, or at some of them."""
        chosen = self._chosen(names, is_sample=is_sample)
        wrong: list[str] = []
        tried = 0
        with _silence():
            while tried < len(chosen) and len(wrong) < ENOUGH:
                name = chosen[tried]
                wrong += await self._wrong(fault(name), name, calm)
                tried += 1
        said = [self._what, self._adapter, self._name, tried, len(names), len(wrong)]
        self._request.node.user_properties.append((POINTS, said))
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)

    async def once(self, fault: Fault) -> None:
        """Play the case with a fault that has no place of its own."""
        calm = await self.calm()
        with _silence():
            wrong = await self._wrong(fault, "", calm)
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)

    @property
    def _adapter(self) -> str:
        return type(self._stage.harness).__name__.removesuffix("Harness").lower()

    def _chosen(self, names: Sequence[str], *, is_sample: bool) -> Sequence[str]:
        option = self._request.config.getoption
        if one := option("--crash-point"):
            if one not in names:
                pytest.fail(
                    f"--crash-point {one}: the {self._what} of {self._name!r} come at"
                    f" {names[0]} to {names[-1]}. Name one of them, and this test alone",
                    pytrace=False,
                )
            return [one]
        is_all = self._stage.harness.is_fast and not (is_sample and len(names) > SMALL)
        if is_all or option("--all-crash-points"):
            return names
        seed = f"{option('--crash-seed')} {self._what} {self._name}"
        return _sample(names, FEW if is_sample else SAMPLE, random.Random(seed))

    def _new_play(self, fault: Fault) -> Play:
        self._plays += 1
        return Play(self._stage, self._case, self._cast, name=f"r{self._plays}", fault=fault)

    async def _wrong(self, fault: Fault, name: str, calm: Played) -> list[str]:
        """Play it with a fault; say what is wrong, and how to see it again."""
        play = self._new_play(fault)
        try:
            problems = play.wrong(await play.run(), calm)
        except AssertionError as error:
            problems = [f"it did not come to its end: {str(error).partition(chr(10))[0]}"]
        except Exception as error:
            error.add_note("\n".join([self._where(name, play), f"  again: {self._again(name)}"]))
            raise
        finally:
            if self._request.config.getoption("--crash-point"):
                print(*play.trace, sep="\n")  # noqa: T201 - asked for
        if not problems:
            return []
        said = [self._where(name, play), *problems[:MOST_SAID], f"again: {self._again(name)}"]
        return ["\n  ".join(said)]

    def _where(self, name: str, play: Play) -> str:
        """Say what went wrong on purpose, and at which call."""
        number, is_call, _ = name.partition(":")
        calls = [call for call in play.trace if is_call and call.startswith(f"{number} ")]
        at = f", at {name}" if name else ""
        return f"case {self._name!r}, {self._what}{at}" + "".join(f" ({call})" for call in calls)

    def _again(self, name: str) -> str:
        """The command that plays this again, and nothing else."""
        again = f"pytest {shlex.quote(self._request.node.nodeid)}"
        again += f" --crash-point {name} -s" if name else ""
        seed = self._request.config.getoption("--crash-seed")
        return again + (f" --crash-seed {seed}" if seed != DEFAULT_SEED else "")


def _sample(names: Sequence[str], count: int, dice: random.Random) -> Sequence[str]:
    """Some places in even strides, from where the dice says."""
    stride = max(1, len(names) // count)
    stride += 1 - stride % 2  # an even one would only ever meet one side of the calls
    return names[dice.randrange(stride) :: stride]


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the log of what is meant to go wrong to ourselves."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
