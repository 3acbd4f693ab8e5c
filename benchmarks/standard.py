"""The figures that every part gives, in process or on an adapter.

W1   many runs of one node, drained
W2   20 chains of 50 nodes at once
W3   1 -> 100 -> 1, alone and ten at once
W4   a diamond, from its submission to its result
hop  from node to node in a lone chain
"""

from __future__ import annotations

from statistics import median
from typing import Protocol

from benchmarks import workloads
from benchmarks.measure import Sample, clocked, repeated, wall

CHAIN = 200
"""Nodes in the lone chain."""
DIAMONDS = 100
"""How many diamonds are run one after the other."""

FLOWS = (
    workloads.chain(1),
    workloads.chain(50),
    workloads.chain(CHAIN),
    workloads.fan(2),
    workloads.fan(100),
)


class Door(Protocol):
    """Runs the flows of `FLOWS` by their ids, with `workloads.ORDER` as the payload."""

    async def drain(self, flow_id: str, runs: int) -> None:
        """Start runs at once and wait until all of them have completed."""

    def round_trips(self) -> int:
        """How many calls to a server, or transactions, there have been so far."""


async def standard(door: Door, *, runs: int, rounds: int) -> dict[str, float]:
    """Measure W1 to W4 and the hop.

    Args:
        door: Where the runs go.
        runs: Runs in W1.
        rounds: How often each is measured; the median counts.
    """

    async def drained(flow_id: str, count: int) -> float:
        return wall(await repeated(lambda: door.drain(flow_id, count), rounds))

    before = door.round_trips()
    await door.drain("chain-50", 20)
    trips = (door.round_trips() - before) / 1000
    diamond = clocked(lambda: door.drain("fan-2", 1))
    diamonds: list[Sample] = [await diamond() for _ in range(DIAMONDS)]
    return {
        "w1_nodes_per_s": runs / await drained("chain-1", runs),
        "w2_nodes_per_s": 1000 / await drained("chain-50", 20),
        "w3_nodes_per_s": 1020 / await drained("fan-100", 10),
        "w3_wall_ms": 1000 * await drained("fan-100", 1),
        "w4_p50_ms": 1000 * median(sample.wall for sample in diamonds),
        "hop_ms": 1000 * await drained(f"chain-{CHAIN}", 1) / CHAIN,
        "round_trips_per_node": trips,
    }
