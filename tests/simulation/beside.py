"""What is run beside the case of a world: other cases, killers of workers, and long work."""

from __future__ import annotations

import random

from tests.simulation.case import Case
from tests.simulation.graphs import generate
from tests.simulation.hand_written import batch, graph, node
from tests.simulation.setup import HOUR_SECONDS, Companion

OTHER_SEEDS = 1 << 32
"""Added to a seed, gives that of the other case in its world."""


def other(seed: int, dice: random.Random) -> Companion:
    """Give another random case, submitted at about the same time."""
    return Companion(case=generate(seed + OTHER_SEEDS), at=dice.random() * 10)


def poison(dice: random.Random) -> Companion:
    """Give a run that kills its worker: in a chain, beside other nodes, or in a batch."""
    kills = {"kills": True, "takes_seconds": dice.choice((0, 0.5, 4))}
    alone = graph([node("a"), node("k", **kills), node("z")], ("a", "k"), ("k", "z"), name="poison")
    sides = [node("a"), node("k", **kills), node("b", takes_seconds=3), node("j")]
    fan = graph(sides, ("a", "k"), ("a", "b"), ("k", "j"), ("b", "j"), name="poison")
    items = {**batch(2, kills), "id": "poison"}
    return Companion(
        case=Case(blueprint=dice.choice((alone, fan, items))), at=dice.random() * 4, is_poison=True
    )


def long_work(nodes: int, *, seconds: float = HOUR_SECONDS) -> Companion:
    """Give a run whose nodes keep as many hands busy for so long."""
    sides = [node(f"n{index}", takes_seconds=seconds) for index in range(nodes)]
    return Companion(case=Case(blueprint=graph(sides, name="long")))
