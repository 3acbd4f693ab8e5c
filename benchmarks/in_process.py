"""The in-process runtime.

Its floor is what any runner of the same functions has to do: await them one after the other, or
give each a task of its own. Neither checks, copies or records anything.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from benchmarks import workloads
from benchmarks.measure import Contestant, clocked, cpu, in_turn, ratio, repeated, wall
from benchmarks.peer import Peer
from benchmarks.standard import FLOWS, standard
from benchmarks.workloads import ORDER
from flowcraft import Flow
from flowcraft.engine.program import Program
from flowcraft.runtime import FlowRuntime

COMPARED = (("chain", 50), ("chain", 1000), ("fan", 1000))
"""Chains by their length and fans by their width, beside floors and peer."""
SIZES = (100, 1_000, 10_000, 100_000)
"""Nodes in one run, to see whether the time per node is the same in all of them."""

SHAPES: Mapping[str, Callable[..., Flow]] = {"chain": workloads.chain, "fan": workloads.fan}


class Place:
    """A runtime with one flow, compiled."""

    def __init__(self, flow: Flow) -> None:
        self.runtime = FlowRuntime(registry=flow.registry)
        self.program: Program = self.runtime.program(flow.to_blueprint())

    async def run(self, payload: Any = ORDER) -> None:
        """Run it once."""
        result = await self.runtime.run(self.program, payload)
        assert result.status == "completed", result


class InProcess:
    """The door of the standard workloads."""

    def __init__(self) -> None:
        self._places = {flow.id: Place(flow) for flow in FLOWS}

    async def drain(self, flow_id: str, runs: int) -> None:
        """Start runs at once and wait until all of them have completed."""
        place = self._places[flow_id]
        started = [place.runtime.start(place.program, ORDER) for _ in range(runs)]
        for run in started:
            assert (await run.result()).status == "completed"

    def round_trips(self) -> int:
        """Nobody is called."""
        return 0


async def measure(*, runs: int, rounds: int, largest: int) -> dict[str, float]:
    """Measure everything about the in-process runtime, and print it as it comes.

    Args:
        runs: Runs in W1.
        rounds: How often each is measured.
        largest: Nodes in the largest run.
    """
    found = await standard(InProcess(), runs=runs, rounds=rounds)
    opened = await Peer.open("langgraph")
    peer = opened if isinstance(opened, Peer) else None
    if peer is None:
        print(f"  no peer: {opened}")
    try:
        for shape, size in COMPARED:
            found.update(await _compared(shape, size, peer, rounds))
    finally:
        if peer is not None:
            await peer.aclose()
    found.update(await _by_size(rounds, [size for size in SIZES if size <= largest]))
    found.update(await _memory(largest))
    return found


async def _compared(shape: str, size: int, peer: Peer | None, rounds: int) -> dict[str, float]:
    """A chain or a fan with each kind of node, beside its floors and the peer."""
    make = SHAPES[shape]
    nodes = size if shape == "chain" else size + 2
    kinds = {
        "async": workloads.pass_on,
        "waiting": workloads.pass_on_after_others,
        "inline": workloads.pass_on_inline,
        "thread": workloads.pass_on_in_thread,
    }
    contestants: dict[str, Contestant] = {
        f"{kind} nodes": clocked(Place(make(size, function)).run)
        for kind, function in kinds.items()
    }
    for name, floor in _floors(shape, size).items():
        contestants[name] = clocked(floor)
    if peer is not None:
        contestants[peer.name] = peer.runs(shape, size)
    samples = await in_turn(contestants, rounds)
    ours = samples["async nodes"]
    print(f"\n  {shape + f' of {size:,}':32}    nodes/s   CPU µs/node   times as long")
    for name, taken in samples.items():
        each = cpu(taken) / nodes * 1e6
        print(f"    {name:30} {nodes / wall(taken):10,.0f} {each:13.2f} {ratio(taken, ours):15.3f}")
    found: dict[str, float] = {}
    for kind in kinds:
        taken = samples[f"{kind} nodes"]
        found[f"{shape}_{size}_{kind}_nodes_per_s"] = nodes / wall(taken)
        found[f"{shape}_{size}_{kind}_cpu_us_per_node"] = cpu(taken) / nodes * 1e6
    if peer is not None:
        found[f"{shape}_{size}_peer_nodes_per_s"] = nodes / wall(samples[peer.name])
        found[f"{shape}_{size}_peer_times_as_long"] = ratio(samples[peer.name], ours)
    return found


def _floors(shape: str, size: int) -> dict[str, Callable[[], Awaitable[None]]]:
    pass_on, collect = workloads.pass_on, workloads.collect

    async def chain() -> None:
        value = ORDER
        for _ in range(size):
            value = await pass_on(value)

    async def chain_of_tasks() -> None:
        value = ORDER
        for _ in range(size):
            value = await asyncio.create_task(pass_on(value))

    async def fan() -> None:
        first = await pass_on(ORDER)
        await collect({str(number): await pass_on(first) for number in range(size)})

    async def fan_of_tasks() -> None:
        first = await pass_on(ORDER)
        tasks = [asyncio.create_task(pass_on(first)) for _ in range(size)]
        await collect({str(number): await task for number, task in enumerate(tasks)})

    if shape == "chain":
        return {"floor: bare awaits": chain, "floor: a task a node": chain_of_tasks}
    return {"floor: bare awaits": fan, "floor: a task a node": fan_of_tasks}


async def _by_size(rounds: int, sizes: Sequence[int]) -> dict[str, float]:
    """The CPU time per node in runs of 100 to 100,000 nodes, and per item of a batch."""
    print("\n  CPU microseconds per node or item, by their number in one run")
    found: dict[str, float] = {}
    for shape, make in {**SHAPES, "batch": None}.items():
        each: list[str] = []
        for size in sizes:
            place = Place(workloads.batch() if make is None else make(size))
            payload: Any = size if make is None else ORDER
            # Small runs come in numbers, so that each sample is of as much work.
            times = max(1, 10_000 // size)

            async def several(
                place: Place = place, payload: Any = payload, times: int = times
            ) -> None:
                for _ in range(times):
                    await place.run(payload)

            samples = await repeated(several, min(rounds, 3))
            figure = found[f"{shape}_cpu_us_at_{size}"] = cpu(samples) / times / size * 1e6
            each.append(f"{size:,}: {figure:.1f}")
        print(f"    {shape:6} {'   '.join(each)}")
    return found


async def _memory(largest: int) -> dict[str, float]:
    """What a finished node, and an item of a batch, takes until its run is let go."""
    found: dict[str, float] = {}
    length = min(largest, 10_000)
    sizes = {"chain": (workloads.chain(length), ORDER, length),
             "batch": (workloads.batch(), largest, largest)}  # fmt: skip
    for name, (flow, payload, count) in sizes.items():
        place = Place(flow)
        await place.run(payload)
        gc.collect()
        tracemalloc.start()
        run = place.runtime.start(place.program, payload)
        await run.result()
        gc.collect()
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del run
        found[f"{name}_bytes_kept"] = kept / count
        found[f"{name}_bytes_at_peak"] = peak / count
    print(
        "\n  bytes kept by a finished node {chain_bytes_kept:,.0f}; by an item of a batch "
        "{batch_bytes_kept:,.0f}, at the peak {batch_bytes_at_peak:,.0f}".format(**found)
    )
    return found
