"""A node that kills its workers ends as an error, and takes nobody with it."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.nodes import RunInfo
from packages.core.tests.adapter.stage import Stage, Worker, virtually
from tests.simulation.hand_written import graph, node

LIMIT = 3


def add_killer(stage: Stage) -> None:
    """A node that takes down whichever worker runs it."""

    def make(worker: Worker) -> Any:
        async def kill(input: Any) -> Any:
            await worker.die()

        return kill

    stage.node_of_worker("kill")(make)


def started(cells: dict[str, bytes]) -> list[str]:
    return sorted(name for name in cells if name.startswith("started:"))


@virtually
async def test_a_node_that_always_kills_its_worker_fails_after_its_deliveries(stage: Stage) -> None:
    stage.settings["max_deliveries"] = LIMIT
    add_killer(stage)
    keeper = asyncio.create_task(stage.keep_alive(2))
    result = await stage.run(graph([node("k", "kill")]))
    keeper.cancel()
    assert result.status == "failed"
    assert [(e.node, e.type) for e in result.errors] == [("k", "DeliveryLimitError")]
    # The first delivery is not counted where the queue can tell it from the others.
    assert stage.calls["kill"] == LIMIT + (stage.kind != "four_method")


@virtually
async def test_a_killer_behind_other_nodes_is_found_out_too(stage: Stage) -> None:
    stage.settings["max_deliveries"] = LIMIT
    add_killer(stage)
    keeper = asyncio.create_task(stage.keep_alive(2))
    result = await stage.run(graph([node("a", "echo"), node("k", "kill")], ("a", "k")))
    keeper.cancel()
    assert [(e.node, e.type) for e in result.errors] == [("k", "DeliveryLimitError")]
    # Once more under its predecessor's message.
    assert stage.calls["kill"] <= LIMIT + 2


@virtually
async def test_the_fallback_of_a_killer_stands_in_for_it(stage: Stage) -> None:
    stage.settings["max_deliveries"] = LIMIT
    add_killer(stage)
    keeper = asyncio.create_task(stage.keep_alive(1))
    blueprint = graph(
        [node("k", "kill", config={"fallback": "f"}), node("f", "echo"), node("z", "echo")],
        ("k", "z"),
    )
    result = await stage.run(blueprint, 7)
    keeper.cancel()
    assert (result.status, result.output) == ("completed", 7)


@virtually
async def test_an_innocent_neighbour_of_a_killer_completes(stage: Stage) -> None:
    stage.settings["max_deliveries"] = LIMIT
    add_killer(stage)

    @stage.node("slow")
    async def slow(input: Any) -> str:
        await asyncio.sleep(60.0)
        return "done"

    stage.add(graph([node("k", "kill")], name="bad"), graph([node("s", "slow")], name="good"))
    keeper = asyncio.create_task(stage.keep_alive(1))
    runs = [await stage.submit("good", run_id=f"good{i}") for i in range(4)]
    await stage.submit("bad", run_id="bad")
    assert (await stage.result("bad")).status == "failed"
    results = [await stage.result(run_id) for run_id in runs]
    keeper.cancel()
    assert [r.output for r in results] == ["done"] * 4


@virtually
async def test_a_job_redelivered_twice_runs_alone(stage: Stage) -> None:
    stage.settings["max_deliveries"] = 10
    together: list[int] = []
    inside: set[str] = set()

    def make(worker: Worker) -> Any:
        async def shaky(input: Any) -> str:
            inside.add("shaky")
            together.append(len(inside))
            try:
                await asyncio.sleep(1.0)
                if len(together) < 5:
                    await worker.die()
                return "survived"
            finally:
                inside.discard("shaky")

        return shaky

    @stage.node("beside")
    async def beside(input: Any, run: RunInfo) -> None:
        inside.add(run.run_id)
        try:
            await asyncio.sleep(5.0)
        finally:
            inside.discard(run.run_id)

    stage.node_of_worker("shaky")(make)
    stage.add(graph([node("s", "shaky")], name="shaky"), graph([node("b", "beside")], name="b"))
    keeper = asyncio.create_task(stage.keep_alive(1))
    await stage.submit("shaky", run_id="shaky")

    async def feed() -> None:
        for index in range(200):
            await stage.submit("b", run_id=f"b{index}")
            await asyncio.sleep(1.0)

    feeder = asyncio.create_task(feed())
    assert (await stage.result("shaky")).output == "survived"
    feeder.cancel()
    keeper.cancel()
    assert set(together[2:]) == {1}
    assert max(together[:2]) >= 1


@virtually
async def test_a_first_delivery_counts_nothing(memory: Stage) -> None:
    result = await memory.run(graph([node("a", "echo"), node("b", "echo")], ("a", "b")))
    assert result.status == "completed"
    for key in ("a", "b"):
        assert started(await memory.cells(key)) == []


@virtually
async def test_deliveries_are_counted_for_each_attempt_anew(stage: Stage) -> None:
    stage.settings["max_deliveries"] = LIMIT
    lives: dict[int, int] = {}

    def make(worker: Worker) -> Any:
        async def shaky(input: Any, run: RunInfo) -> str:
            lives[run.attempt] = lives.get(run.attempt, 0) + 1
            if lives[run.attempt] < LIMIT:
                await worker.die()
            if run.attempt < 3:
                raise RuntimeError("again")
            return "done"

        return shaky

    # Each attempt dies as often as it may, all of them together more often than one may.
    stage.node_of_worker("shaky")(make)
    keeper = asyncio.create_task(stage.keep_alive(1))
    config = {"maxRetries": 3, "retryDelay": 100}
    result = await stage.run(graph([node("s", "shaky", config=config)]))
    keeper.cancel()
    assert (result.status, result.output) == ("completed", "done")
    assert lives == {1: LIMIT, 2: LIMIT, 3: LIMIT}


@virtually
async def test_a_second_attempt_does_not_wait_to_be_alone(stage: Stage) -> None:
    waits: list[float] = []

    @stage.node("long")
    async def long(input: Any) -> None:
        await asyncio.sleep(500.0)

    @stage.node("twice")
    async def twice(input: Any, run: RunInfo) -> float:
        if run.attempt == 1:
            raise RuntimeError("once")
        waits.append(asyncio.get_running_loop().time())
        return 1.0

    stage.add(
        graph([node("l", "long")], name="long"),
        graph([node("t", "twice", config={"maxRetries": 2, "retryDelay": 1000})], name="twice"),
    )
    stage.worker()
    await stage.submit("long", run_id="long")
    await asyncio.sleep(5.0)
    await stage.submit("twice", run_id="twice")
    await stage.result("twice", within=60.0)
    assert waits[0] < 20.0


@virtually
async def test_a_job_handed_back_by_a_drained_worker_counts_no_delivery(stage: Stage) -> None:
    stage.settings["max_deliveries"] = LIMIT
    done = asyncio.Event()

    @stage.node("long")
    async def long(input: Any) -> str:
        await done.wait()
        return "done"

    stage.add(graph([node("a", "long")]))
    await stage.submit("g")
    for _ in range(LIMIT + 3):
        worker = stage.worker()
        calls = stage.calls["long"]

        async def has_it(calls: int = calls) -> bool:
            return stage.calls["long"] > calls

        await stage.until(has_it)
        await worker.stop(grace_seconds=1.0)
    done.set()
    stage.worker()
    result = await stage.result()
    assert (result.status, result.output) == ("completed", "done")
