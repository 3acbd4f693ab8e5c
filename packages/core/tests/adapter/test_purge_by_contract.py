"""What a purge leaves in a coordination store that cannot list its keys: nothing, in the end."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from flowcraft.adapter.contract_purge import REMAINING_SECONDS
from flowcraft.adapter.contract_register import SYSTEM_RUN
from flowcraft.errors import BackendUnavailableError
from flowcraft.nodes import Context
from flowcraft.testing import Call, Harness, Stage, check
from flowcraft.testing.graphs import BlueprintJson, batch, graph, node
from packages.core.tests.conformance.harnesses import FourMethodHarness


@pytest.fixture
def harness() -> Harness:
    return FourMethodHarness()


async def _plus(input: int) -> int:
    return input + 1


async def _write(input: Any, ctx: Context) -> Any:
    await ctx.set("written", 1)
    return input


def add_writes(stage: Stage) -> None:
    """Register `writes`."""
    stage.node("writes")(_write)


async def _slow(input: Any) -> None:
    await asyncio.sleep(1e6)


def traces(stage: Stage) -> list[str]:
    """Everything that still speaks of a run, but for what expires by itself."""
    assert isinstance(stage.harness, FourMethodHarness)
    server, now = stage.harness.server, stage.now()
    left = [
        key
        for key in server.keys
        if server.expiries.get(key, float("inf")) > now
        and "/blueprint/" not in key
        and ":lease:" not in key
    ]
    contexts = {**server.contexts, SYSTEM_RUN: server.contexts.get(SYSTEM_RUN, {})}
    return left + [f"{run} {key}" for run, items in contexts.items() for key in items]


LOOP = {"condition": "input < 3", "maxIterations": 10}
GRAPHS: dict[str, BlueprintJson] = {
    "batch": batch(30, chunkSize=7),
    "empty batch": batch(0),
    "joins and skips": {
        **graph([node("a", "writes"), *(node(n) for n in "bcd"),
                 node("j", config={"joinStrategy": "any"})]),
        "edges": [
            {"source": "a", "target": "b", "condition": "false"},
            {"source": "a", "target": "c"},
            {"source": "a", "target": "d", "transform": "7"},
            *({"source": n, "target": "j"} for n in "bcd"),
        ],
    },
    "attempts and fallback": graph(
        [node("a", "fails", config={"maxRetries": 3, "retryDelay": 1, "fallback": "f"}),
         node("f"), node("z")], ("a", "z"),
    ),
    "failure": graph([node("a", "fails"), node("b")], ("a", "b")),
    "sleep": graph([node("a", "sleep", duration="5s"), node("b")], ("a", "b")),
    "loop with a sink in its body": {
        **graph([node("a", "value", value=0), node("c", "loop-controller", **LOOP),
                 node("b", "plus"), node("s"), node("z")]),
        "edges": [
            {"source": "a", "target": "c"},
            {"source": "c", "target": "b", "action": "continue"},
            {"source": "b", "target": "c"},
            {"source": "b", "target": "s"},
            {"source": "c", "target": "z"},
        ],
    },
    "subflow": graph([node("a", "subflow", blueprintId="below"), node("b")], ("a", "b")),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
@check("S12.64")
async def test_every_key_of_a_purged_run_expires(stage: Stage, name: str) -> None:
    stage.node("plus")(_plus)
    add_writes(stage)
    stage.add(graph([node("x", "writes"), node("y")], ("x", "y"), name="below"))
    stage.add(GRAPHS[name])
    worker = stage.worker()
    await stage.submit(GRAPHS[name]["id"], {"n": 1})
    await stage.result()
    await asyncio.sleep(100.0)
    assert await stage.client.runs.purge("run") is True
    await worker.stop()
    await asyncio.sleep(3 * REMAINING_SECONDS)
    assert traces(stage) == []


@pytest.mark.parametrize("after_seconds", [1.0, 4.0, 30.0])
@check("S12.64")
async def test_every_key_of_a_run_that_was_cancelled_on_its_way_expires(
    stage: Stage, after_seconds: float
) -> None:
    stage.node("slow")(_slow)
    nodes = [node("a", "value", value=list(range(20))), node("s", "batch-scatter",
             workerUsesKey="slow", gatherNodeId="g", chunkSize=3), node("g", "batch-gather"),
             node("w", "wait"), node("f", "sleep", duration="9d")]  # fmt: skip
    stage.add(graph(nodes, ("a", "s"), ("s", "g"), ("a", "w"), ("a", "f")))
    worker = stage.worker()
    await stage.create("g")
    await stage.resume("w", "early")
    await stage.client.runs.start("run")
    await asyncio.sleep(after_seconds)
    await stage.client.runs.cancel("run")
    assert await stage.client.runs.purge("run") is True
    await worker.stop()
    await asyncio.sleep(3 * REMAINING_SECONDS)
    assert traces(stage) == []
    assert await stage.dead_letters() == []


@check("S12.65")
async def test_a_run_that_takes_the_id_of_a_purged_one_begins_from_nothing(stage: Stage) -> None:
    nodes = [node("a"), node("w", "wait"), node("z")]
    stage.add(graph(nodes, ("a", "w"), ("w", "z")))
    stage.worker()
    for number in range(4):
        await stage.submit("g", {f"key {number}": number})
        await stage.until_open("w")
        assert await stage.resume("w", number) == "woke"
        result = await stage.result()
        assert (result.output, result.context) == (number, {f"key {number}": number})
        assert await stage.client.runs.purge("run") is True
        await asyncio.sleep(REMAINING_SECONDS / 3)
    await asyncio.sleep(3 * REMAINING_SECONDS)
    assert [key for key in traces(stage) if "/" in key] == []


@check("S12.65")
async def test_a_purge_long_after_the_one_before_gives_the_next_run_another_place(
    stage: Stage,
) -> None:
    stage.add(graph([node("a")]))
    stage.worker()
    for number in range(4):
        # The second one is there when what counts the purges has expired.
        await stage.submit("g", number)
        assert (await stage.result()).output == number
        await asyncio.sleep(3 * REMAINING_SECONDS * (number % 2))
        assert await stage.client.runs.purge("run") is True


@check("S12.64")
async def test_a_worker_that_wakes_after_the_purge_records_nothing(stage: Stage) -> None:
    add_writes(stage)
    stage.add(graph([node("a", "writes"), node("b")], ("a", "b")))
    await stage.create("g", 1)
    late = asyncio.Event()
    stage.harness.lease_seconds = 1e6
    worker = stage.worker()
    # Those before are of its loops; a run's first own one is the record.
    calls: list[str] = []

    async def before(call: Call) -> None:
        if stage.calls["writes"] and call.name == "set_if_not_exist":
            calls.append(call.name)
            if len(calls) == 1:
                await late.wait()

    worker.wire.before = before
    await stage.client.runs.start("run")
    await stage.until(lambda: _holds(bool(calls)))
    await stage.client.runs.cancel("run")
    assert await stage.client.runs.purge("run") is True
    late.set()
    await asyncio.sleep(60.0)
    await worker.stop()
    await asyncio.sleep(3 * REMAINING_SECONDS)
    assert traces(stage) == []


async def _holds(is_so: bool) -> bool:
    return is_so


@check("S12.64")
async def test_a_purge_that_was_cut_short_anywhere_is_finished_by_the_next(stage: Stage) -> None:
    add_writes(stage)
    stage.add(graph([node("x", "writes")], name="below"))
    stage.add(GRAPHS["subflow"])
    cut, made = 0, 1
    while cut < made:
        cut += 1
        worker = stage.worker()
        await stage.submit("g", 1)
        await stage.result()
        await stage.until_quiet()
        await worker.stop()
        made = await _purge_cut_short(stage, cut)
        await asyncio.sleep(2 * REMAINING_SECONDS)
        await stage.client.runs.purge("run")
        # Where nothing but notes was left, the retention finds them.
        await stage.client.ports.store.expired(float("inf"), 10)
        await asyncio.sleep(3 * REMAINING_SECONDS)
        assert traces(stage) == [], f"cut short at call {cut} of {made}"
    assert cut > 100


async def _purge_cut_short(stage: Stage, cut: int) -> int:
    """Purge, and fail from a call on; how many calls were made."""
    client = stage.make_worker(f"purger {cut}")
    calls = 0

    async def before(call: Call) -> None:
        nonlocal calls
        calls += 1
        if calls >= cut:
            raise BackendUnavailableError("cut short")

    client.wire.before = before
    try:
        await client.adapter.runs.purge("run")
    except BackendUnavailableError:
        return calls + 1
    return calls


@check()
async def test_runs_that_are_kept_keep_all_they_have(stage: Stage) -> None:
    nodes = [node("a"), node("w", "wait"), node("s", "sleep", duration="4h")]
    stage.add(graph([*nodes, node("z")], ("a", "w"), ("w", "s"), ("s", "z")))
    stage.worker()
    for run_id in ("run", "3", "kept"):
        await stage.submit("g", run_id, run_id=run_id)
        await stage.until_open("w", run_id=run_id)
        await stage.resume("w", run_id, run_id=run_id)
    await asyncio.sleep(60.0)
    before = traces(stage)
    await stage.client.runs.cancel("3")
    await stage.client.runs.purge("3")
    await asyncio.sleep(3 * REMAINING_SECONDS)
    assert traces(stage) == [key for key in before if "3" not in re.split("[/: ]", key)]
    for run_id in ("run", "kept"):
        assert (await stage.result(run_id)).output == run_id
