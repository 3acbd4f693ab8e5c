"""Resumes: whom they wake, which are kept, which are refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import (
    AmbiguousResumeError,
    RunError,
    UnknownRunError,
    ValueNotStorableError,
)
from packages.core.tests.adapter.stage import Stage, virtually
from tests.simulation.hand_written import graph, node

# A wait behind a sleep, so that there is time to come early.
LATE = graph([node("s", "sleep", duration="100s"), node("w", "wait")], ("s", "w"))
TWO = graph([node("v", "wait"), node("w", "wait")])


async def begin(stage: Stage, blueprint: Any = LATE) -> None:
    stage.add(blueprint)
    stage.worker()
    await stage.submit(blueprint["id"])
    await asyncio.sleep(5.0)


@virtually
async def test_a_resume_gives_the_wait_its_output(stage: Stage) -> None:
    await begin(stage, graph([node("w", "wait"), node("z", "echo")], ("w", "z")))
    assert await stage.resume("w", {"by": "ann"}) == "woke"
    assert (await stage.result()).output == {"by": "ann"}


@virtually
async def test_without_an_output_the_output_of_a_wait_is_null(stage: Stage) -> None:
    await begin(stage, graph([node("w", "wait")]))
    assert await stage.resume("w") == "woke"
    assert (await stage.result()).output is None


@pytest.mark.parametrize(("action", "taken"), [("yes", "a"), ("no", "b"), (None, "c"), ("?", "c")])
@virtually
async def test_the_action_of_a_resume_chooses_the_edges(
    stage: Stage, action: str | None, taken: str
) -> None:
    nodes = [node("w", "wait"), *(node(name, "echo") for name in "abc")]
    edges = [("w", "a", {"action": "yes"}), ("w", "b", {"action": "no"}), ("w", "c")]
    await begin(stage, graph(nodes, *edges))
    await stage.resume("w", 1, action=action)
    assert (await stage.result()).output == {taken: 1}


@virtually
async def test_of_two_resumes_the_first_wakes_and_the_second_is_refused(stage: Stage) -> None:
    await begin(stage, TWO)
    outcomes = await asyncio.gather(*(stage.resume("w", n) for n in range(10)))
    assert sorted(outcomes) == ["refused"] * 9 + ["woke"]
    record = await stage.until_recorded("w")
    assert int(bytes(record.output)) == outcomes.index("woke")
    assert await stage.resume("w", "later") == "refused"
    assert await stage.resume("v", "other") == "woke"
    assert (await stage.result()).output["v"] == "other"


@virtually
async def test_a_resume_for_a_node_not_reached_is_kept_until_it_waits(stage: Stage) -> None:
    await begin(stage)
    assert await stage.resume("w", "early") == "kept"
    assert await stage.resume("w", "second") == "refused"
    assert (await stage.result()).output == "early"


@virtually
async def test_a_resume_without_a_node_is_kept_for_the_first_wait_to_open(stage: Stage) -> None:
    await begin(stage)
    assert await stage.resume(None, "early", action="x") == "kept"
    assert await stage.resume(None, "second") == "refused"
    assert (await stage.result()).output == "early"


@virtually
async def test_a_resume_without_a_node_kept_wakes_one_wait_only(stage: Stage) -> None:
    nodes = [node("s", "sleep", duration="100s"), node("v", "wait"), node("w", "wait")]
    await begin(stage, graph(nodes, ("s", "v"), ("v", "w")))
    assert await stage.resume(None, "first") == "kept"
    await stage.until_open("w")
    await asyncio.sleep(1000.0)
    assert await stage.open_waits() == ["w"]
    assert await stage.resume(None, "second") == "woke"
    assert (await stage.result()).output == "second"


@virtually
async def test_a_resume_for_its_node_goes_before_one_for_anybody(stage: Stage) -> None:
    nodes = [node("s", "sleep", duration="100s"), node("v", "wait"), node("w", "wait")]
    await begin(stage, graph(nodes, ("s", "v"), ("v", "w")))
    assert await stage.resume(None, "anybody") == "kept"
    assert await stage.resume("v", "v") == "kept"
    record = await stage.until_recorded("v")
    assert bytes(record.output) == b'"v"'
    assert (await stage.result()).output == "anybody"


@virtually
async def test_a_resume_without_a_node_goes_to_the_only_open_wait(stage: Stage) -> None:
    await begin(stage, graph([node("w", "wait")]))
    assert await stage.resume(None, 1) == "woke"
    assert (await stage.result()).output == 1


@virtually
async def test_several_open_waits_and_no_name_are_listed_in_the_error(stage: Stage) -> None:
    await begin(stage, TWO)
    with pytest.raises(AmbiguousResumeError, match="v, w"):
        await stage.resume(None, 1)
    assert await stage.open_waits() == ["v", "w"]
    assert await stage.resume("v", 1) == "woke"
    await stage.until_recorded("v")
    assert await stage.resume(None, 2) == "woke"
    assert (await stage.result()).output == {"v": 1, "w": 2}


@virtually
async def test_after_the_end_every_resume_is_refused(stage: Stage) -> None:
    result = await stage.run(graph([node("a", "echo"), node("b", "echo")]), 1)
    assert await stage.resume(None, 1) == "refused"
    await begin(stage, graph([node("w", "wait")], name="ended"))
    await stage.client.runs.cancel("run")
    assert await stage.resume("a", 1) == "refused"
    assert await stage.result() == result


@virtually
async def test_a_resume_of_a_cancelled_wait_is_refused(stage: Stage) -> None:
    await begin(stage, graph([node("w", "wait")]))
    await stage.client.runs.cancel("run")
    assert await stage.resume("w", 1) == "refused"
    assert (await stage.result()).output is None
    assert await stage.record("w") is None


@pytest.mark.parametrize("node_id", ["s", "ghost", "w/0", ""])
@virtually
async def test_a_resume_of_what_is_no_wait_is_an_error(stage: Stage, node_id: str) -> None:
    await begin(stage)
    with pytest.raises(RunError):
        await stage.resume(node_id, 1)
    assert await stage.resume("w", "fine") == "kept"


@virtually
async def test_a_resume_that_makes_no_sense_is_an_error(stage: Stage) -> None:
    await begin(stage)
    with pytest.raises(UnknownRunError, match="nobody"):
        await stage.resume("w", 1, run_id="nobody")
    with pytest.raises(RunError, match="action"):
        await stage.resume("w", 1, action="")
    with pytest.raises(ValueNotStorableError):
        await stage.resume("w", float("nan"))
    for scope in ("/0", "/#0", "0", "/!w"):
        with pytest.raises(RunError):
            await stage.resume("w", 1, scope=scope)
    assert await stage.resume("w", 1) == "kept"
    assert (await stage.result()).output == 1


@virtually
async def test_a_refused_resume_wakes_a_wait_whose_wake_up_was_lost(stage: Stage) -> None:
    stage.settings["sweep_interval_seconds"] = 1e6
    nodes = [node("w", "wait"), node("z", "echo")]
    await begin(stage, graph(nodes, ("w", "z")))
    await stage.workers[0].stop()
    assert await stage.resume("w", "first") == "woke"
    assert stage.lose_messages() == 1
    stage.worker()
    await asyncio.sleep(100.0)
    assert await stage.record("w") is None
    assert await stage.resume("w", "second") == "refused"
    assert (await stage.result(within=60.0)).output == "first"


@virtually
async def test_a_kept_resume_survives_the_worker_that_opened_the_wait(stage: Stage) -> None:
    await begin(stage)
    assert await stage.resume("w", "early") == "kept"
    stage.workers[0].abandon()
    stage.worker()
    assert (await stage.result()).output == "early"


@virtually
async def test_a_wait_with_a_timeout_fails_its_attempt_and_can_be_retried(stage: Stage) -> None:
    config = {"timeout": 60_000, "maxRetries": 2, "retryDelay": 10_000}
    await begin(stage, graph([node("w", "wait", config=config)]))
    await asyncio.sleep(75.0)
    assert await stage.resume("w", "in the second attempt") == "woke"
    assert (await stage.result()).output == "in the second attempt"
    record = await stage.record("w")
    assert record is not None
    assert record.attempt == 2


@virtually
async def test_a_wait_that_nobody_resumes_in_time_takes_its_fallback(stage: Stage) -> None:
    nodes = [
        node("a", "echo"),
        node("w", "wait", config={"timeout": 60_000, "fallback": "f"}),
        node("f", "echo"),
        node("z", "echo"),
    ]
    stage.add(graph(nodes, ("a", "w"), ("w", "z")))
    stage.worker()
    await stage.submit("g", "input")
    assert (await stage.result(within=80.0)).output == "input"
    assert (await stage.result()).context["_catch_error"]["type"] == "NodeTimeoutError"


@virtually
async def test_a_wait_holds_no_worker(stage: Stage) -> None:
    stage.add(graph([node("w", "wait")], name="waits"), graph([node("a", "echo")], name="goes"))
    stage.worker(concurrency=1)
    for index in range(5):
        await stage.submit("waits", run_id=f"w{index}")
    await stage.submit("goes", 1, run_id="goes")
    assert (await stage.result("goes", within=60.0)).output == 1


@virtually
async def test_a_resume_counts_as_nothing_against_the_deliveries(stage: Stage) -> None:
    stage.settings["max_deliveries"] = 2
    await begin(stage, graph([node("w", "wait"), node("z", "echo")], ("w", "z")))
    for _ in range(20):
        stage.send("w")
        await asyncio.sleep(20.0)
    assert await stage.resume("w", 1) == "woke"
    assert (await stage.result()).output == 1
