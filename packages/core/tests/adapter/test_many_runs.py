"""Many runs at once: nothing of one is found in another, and none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import pytest

from flowcraft.errors import BackendUnavailableError
from flowcraft.nodes import Context, RunInfo
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node


def diamond() -> Any:
    nodes = [node("a", "mark"), node("l", "mark"), node("r", "mark"), node("j", "mark")]
    return graph(nodes, ("a", "l"), ("a", "r"), ("l", "j"), ("r", "j"))


@pytest.fixture(autouse=True)
def _nodes(request: pytest.FixtureRequest) -> None:
    if "stage" not in request.fixturenames:
        return
    stage: Stage = request.getfixturevalue("stage")
    dice = random.Random(7)

    @stage.node("mark")
    async def mark(input: Any, ctx: Context, run: RunInfo) -> Any:
        await asyncio.sleep(dice.random())
        assert await ctx.get("mine") == run.run_id
        await ctx.set(run.node_id, run.run_id)
        return run.run_id


def check(run_id: str, result: Any) -> None:
    assert (result.status, result.output) == ("completed", run_id)
    assert result.context == dict.fromkeys(("mine", "a", "l", "r", "j"), run_id)


@virtually
async def test_two_runs_side_by_side_see_nothing_of_each_other(stage: Stage) -> None:
    stage.add(diamond())
    stage.worker()
    for run_id in ("one", "two"):
        await stage.submit("g", {"mine": run_id}, run_id=run_id)
    for run_id in ("one", "two"):
        check(run_id, await stage.result(run_id))


@virtually
async def test_two_hundred_runs_at_once_all_end_as_they_should(stage: Stage) -> None:
    stage.add(diamond())
    for _ in range(3):
        stage.worker()
    ids = [f"run{index}" for index in range(200)]
    await asyncio.gather(*(stage.submit("g", {"mine": id_}, run_id=id_) for id_ in ids))
    for run_id in ids:
        check(run_id, await stage.result(run_id))


@virtually
async def test_fifty_runs_survive_workers_that_die_all_the_time(stage: Stage) -> None:
    stage.add(diamond())
    dice = random.Random(3)
    keeper = asyncio.create_task(stage.keep_alive(3, after_seconds=0.5))
    ids = [f"run{index}" for index in range(50)]
    for run_id in ids:
        await stage.submit("g", {"mine": run_id}, run_id=run_id)
    for _ in range(15):
        await asyncio.sleep(dice.random() * 2)
        alive = [worker for worker in stage.workers if not worker.is_dead]
        if alive:
            dice.choice(alive).abandon()
    for run_id in ids:
        check(run_id, await stage.result(run_id))
    keeper.cancel()


@virtually
async def test_a_worker_told_to_stop_finishes_what_it_has(memory: Stage) -> None:
    memory.add(graph([node("a", "slow"), node("b", "echo")], ("a", "b")))

    @memory.node("slow")
    async def slow(input: Any) -> Any:
        await asyncio.sleep(5.0)
        return input

    worker = memory.worker()
    await memory.submit("g", 1)
    await asyncio.sleep(1.0)
    await worker.stop()
    assert await memory.record("a") is not None
    memory.worker()
    assert (await memory.result()).output == 1
    assert memory.calls["slow"] == 1


@virtually
async def test_what_does_not_finish_in_time_is_handed_back_at_once(memory: Stage) -> None:
    @memory.node("long")
    async def long(input: Any) -> Any:
        await asyncio.sleep(50.0)
        return input

    memory.add(graph([node("a", "long")]))
    worker = memory.worker()
    await memory.submit("g", 1)
    await asyncio.sleep(1.0)
    await worker.stop(grace_seconds=2.0)
    memory.worker()
    assert (await memory.result(within=55.0)).output == 1


@virtually
async def test_what_does_not_end_when_cancelled_is_handed_back_all_the_same(memory: Stage) -> None:
    enough = asyncio.Event()

    @memory.node("deaf")
    async def deaf(input: Any) -> Any:
        while memory.calls["deaf"] == 1 and not enough.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await enough.wait()
        return input

    memory.lease_seconds = 1000.0
    memory.add(graph([node("a", "deaf")]))
    worker = memory.worker()
    await memory.submit("g", 1)
    await asyncio.sleep(1.0)
    await worker.stop(grace_seconds=2.0)
    memory.worker()
    assert (await memory.result(within=10.0)).output == 1
    enough.set()


@virtually
async def test_a_store_that_cannot_be_reached_fails_no_run(stage: Stage) -> None:
    stage.settings["max_deliveries"] = 3
    failures = 0

    async def flaky(call: str) -> None:
        nonlocal failures
        if failures < 60 and ("commit" in call or "propagate" in call or "transition" in call):
            failures += 1
            raise BackendUnavailableError("out of reach")
        if stage.kind == "four_method" and failures < 300 and call == "set_if_not_exist":
            failures += 1
            raise BackendUnavailableError("out of reach")

    stage.add(diamond())
    worker = stage.worker()
    worker.before = flaky
    await stage.submit("g", {"mine": "run"})
    check("run", await stage.result())
    assert failures >= 60


@virtually
async def test_a_store_lost_after_each_execution_counts_no_delivery(stage: Stage) -> None:
    stage.settings["max_deliveries"] = 3
    outages = 0
    down = False

    @stage.node("then_lost")
    async def then_lost(input: Any) -> Any:
        nonlocal down
        down = outages < 10
        return input

    async def lost(call: str) -> None:
        nonlocal down, outages
        if down:
            down = False
            outages += 1
            raise BackendUnavailableError("out of reach")

    stage.add(graph([node("a", "then_lost")]))
    worker = stage.worker()
    worker.before = lost
    await stage.submit("g", 1)
    result = await stage.result()
    assert (result.status, result.output) == ("completed", 1)
    assert outages > 2 * stage.settings["max_deliveries"]


@virtually
async def test_a_job_sent_while_an_idle_worker_looks_is_not_slept_over(memory: Stage) -> None:
    memory.settings["poll_seconds"] = 1000.0
    memory.add(graph([node("a", "echo")]))
    for turns in range(12):
        worker = memory.worker()
        for _ in range(turns):
            await asyncio.sleep(0)
        await memory.submit("g", 1, run_id=f"run{turns}")
        assert (await memory.result(f"run{turns}", within=1.0)).output == 1
        await worker.stop()
