"""Waits, and the resumes that wake them: chapter 10 of docs/semantics.md.

Waits of which there are many are in `scoped_waits`.
"""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.engine.cells import FAILED
from flowcraft.errors import (
    AmbiguousResumeError,
    RunError,
    UnknownRunError,
    ValueNotStorableError,
)
from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, graph, node
from flowcraft.testing.in_process import Signal
from flowcraft.testing.stage import FAR_SECONDS, Stage
from flowcraft.testing.wire import Call

ONE = graph([node("w", "wait"), node("z")], ("w", "z"))
TWO = graph([node("v", "wait"), node("w", "wait")])
LATE = graph([node("g", "wait"), node("w", "wait")], ("g", "w"))
"""A wait `w` that is not reached before `g` is resumed."""


async def begin(stage: Stage, blueprint: BlueprintJson, *opens: str) -> None:
    """Submit a blueprint, and wait until these waits are open."""
    stage.add(blueprint)
    stage.worker()
    await stage.submit(blueprint["id"])
    await stage.until_open(*opens)


class WaitScenarios:
    """A wait is woken once, by the first resume, however early it comes."""

    # -- what a resume gives

    @check("S10.5", "S10.10")
    async def test_a_resume_gives_the_wait_its_output(self, stage: Stage) -> None:
        await begin(stage, ONE, "w")
        assert await stage.resume("w", {"by": "ann"}) == "woke"
        assert (await stage.result()).output == {"by": "ann"}

    @check("S10.5")
    async def test_without_an_output_the_output_of_a_wait_is_null(self, stage: Stage) -> None:
        await begin(stage, ONE, "w")
        assert await stage.resume("w") == "woke"
        assert (await stage.result()).output is None

    @pytest.mark.parametrize(
        ("action", "taken"), [("yes", "a"), ("no", "b"), (None, "c"), ("?", "c")]
    )
    @check("S10.6", "S10.11", "S4.1", "S12.16", "G7")
    async def test_the_action_of_a_resume_chooses_the_edges(
        self, stage: Stage, action: str | None, taken: str
    ) -> None:
        nodes = [node("w", "wait"), *(node(name) for name in "abc")]
        edges = [("w", "a", {"action": "yes"}), ("w", "b", {"action": "no"}), ("w", "c")]
        signal = Signal("w", 1, action)
        result = await stage.run_both(graph(nodes, *edges), signals=[signal])
        assert result.output == {taken: 1}

    @check("S4.9", "S10.1")
    async def test_the_edges_of_a_wait_see_the_context_as_it_is_when_it_wakes(
        self, stage: Stage
    ) -> None:
        @stage.node("writes")
        async def writes(ctx: Context) -> None:
            await ctx.set("k", "new")

        nodes = [node("w", "wait"), node("v", "wait"), node("a", "writes"), node("b")]
        stage.add(graph(nodes, ("v", "a"), ("w", "b", {"transform": "context.k"})))
        stage.worker()
        await stage.submit("g", {"k": "old"})
        await stage.until_open("v", "w")
        await stage.resume("v")
        await stage.until_recorded("a")
        await stage.resume("w")
        assert (await stage.result()).output == {"a": None, "b": "new"}

    @check("S10.1")
    async def test_a_wait_holds_no_worker(self, stage: Stage) -> None:
        waits = graph([node("w", "wait"), node("h", "webhook"), node("s", "sleep",
                      duration="1h")], name="waits")  # fmt: skip
        stage.add(waits)
        stage.worker(concurrency=1)
        for index in range(3):
            await stage.submit("waits", run_id=f"w{index}")
        assert (await stage.run(graph([node("a")], name="goes"), 1)).output == 1
        for index in range(3):
            await stage.until_open("h", "w", run_id=f"w{index}")

    # -- one resume wakes

    @check("S10.9", "S10.10", "S12.4")
    async def test_of_ten_resumes_the_first_wakes_and_the_others_are_refused(
        self, stage: Stage
    ) -> None:
        await begin(stage, TWO, "v", "w")
        outcomes = await asyncio.gather(*(stage.resume("w", n) for n in range(10)))
        assert sorted(outcomes) == ["refused"] * 9 + ["woke"]
        assert await stage.until_output("w") == outcomes.index("woke")
        assert await stage.resume("w", "later") == "refused"
        assert await stage.resume("v", "other") == "woke"
        assert (await stage.result()).output == {"v": "other", "w": outcomes.index("woke")}

    @check("S10.11", "S10.12", "S10.10")
    async def test_a_resume_for_a_node_not_reached_is_kept_until_it_waits(
        self, stage: Stage
    ) -> None:
        await begin(stage, LATE, "g")
        assert await stage.resume("w", "early") == "kept"
        assert await stage.resume("w", "second") == "refused"
        assert await stage.resume("g") == "woke"
        assert (await stage.result()).output == "early"

    @check("S10.11", "S12.16")
    async def test_a_resume_that_comes_before_anything_executed_is_kept(self, stage: Stage) -> None:
        signals = [Signal("w", "of w"), Signal("v", "of v")]
        assert (await stage.run_both(TWO, signals=signals)).output == {"v": "of v", "w": "of w"}

    @check("S10.11", "S10.16", "G1")
    @pytest.mark.parametrize("path", ["w", None])
    async def test_a_resume_that_comes_while_its_wait_opens_is_not_lost(
        self, stage: Stage, path: str | None
    ) -> None:
        """Before whichever call of the worker it comes."""
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        stage.add(ONE)
        worker = stage.worker()
        left = late = number = 0
        while late < 3:  # until it comes to a wait that is open
            number += 1
            left, run_id = number, f"run {number}"

            async def resume(call: Call, run_id: str = run_id) -> None:
                nonlocal left, late
                left -= 1
                if left == 0:
                    late += await stage.open_waits(run_id) == ["w"]
                    await stage.resume(path, run_id, run_id=run_id)

            await stage.submit("g", run_id=run_id)
            worker.wire.before = resume
            assert (await stage.result(run_id)).output == run_id
            worker.wire.before = None

    @check("S10.11", "S10.16", "G1")
    @pytest.mark.parametrize("path", ["w", None])
    async def test_a_wait_that_opens_while_its_resume_comes_is_woken(
        self, stage: Stage, path: str | None
    ) -> None:
        """Before whichever call of who resumes it opens."""
        stage.settings["sweep_interval_seconds"] = FAR_SECONDS
        stage.add(ONE)
        stage.worker()
        number = calls = 1
        while number <= calls:
            run_id, calls = f"run {number}", 0
            await stage.create("g", run_id=run_id)
            outside = stage.make_worker(f"outside {number}")

            async def open_it(call: Call, run_id: str = run_id, number: int = number) -> None:
                nonlocal calls
                calls += 1
                if calls == number:
                    await stage.client.runs.start(run_id)
                    await stage.until_quiet()

            outside.wire.before = open_it
            await outside.adapter.resume_with_action(run_id, None, run_id, path)
            outside.wire.before = None
            await stage.client.runs.start(run_id)
            assert (await stage.result(run_id)).output == run_id
            number += 1

    @check("S10.11")
    async def test_a_kept_resume_survives_the_worker(self, stage: Stage) -> None:
        await begin(stage, LATE, "g")
        assert await stage.resume("w", "early") == "kept"
        stage.workers[0].abandon()
        stage.worker()
        assert await stage.resume("g") == "woke"
        assert (await stage.result()).output == "early"

    @check("S10.13", "S10.10")
    async def test_a_wait_that_was_woken_refuses(self, stage: Stage) -> None:
        await begin(stage, LATE, "g")
        assert await stage.resume("g", 1) == "woke"
        await stage.until_open("w")
        assert await stage.resume("g", 2) == "refused"
        assert await stage.until_output("g") == 1

    # -- resumes that name no node

    @check("S10.15")
    async def test_a_resume_without_a_node_goes_to_the_only_open_wait(self, stage: Stage) -> None:
        await begin(stage, LATE, "g")
        assert await stage.resume(None, 1) == "woke"
        await stage.until_open("w")
        assert await stage.resume(None, 2) == "woke"
        assert (await stage.result()).output == 2
        assert await stage.until_output("g") == 1

    @check("S10.16", "S10.12", "S10.14")
    async def test_a_resume_without_a_node_is_kept_for_the_first_wait_to_open(
        self, stage: Stage
    ) -> None:
        """And wakes that one only."""
        stage.add(LATE)
        await stage.create("g")
        assert await stage.resume(None, "early", action="x") == "kept"
        assert await stage.resume(None, "second") == "refused"
        await stage.client.runs.start("run")
        stage.worker()
        await stage.until_open("w")
        await stage.until_quiet()
        assert await stage.open_waits() == ["w"]
        assert await stage.until_output("g") == "early"
        assert await stage.resume(None, "late") == "woke"
        assert (await stage.result()).output == "late"

    @check("S10.11", "S10.16", "S12.16")
    async def test_a_resume_for_a_node_goes_before_one_for_anybody(self, stage: Stage) -> None:
        signals = [Signal(None, "anybody"), Signal("g", "g")]
        assert (await stage.run_both(LATE, signals=signals)).output == "anybody"
        assert await stage.until_output("g") == "g"

    @check("S10.16")
    async def test_several_open_waits_and_no_name_are_listed_in_the_error(
        self, stage: Stage
    ) -> None:
        await begin(stage, TWO, "v", "w")
        with pytest.raises(AmbiguousResumeError, match="v, w"):
            await stage.resume(None, 1)
        assert await stage.open_waits() == ["v", "w"]
        assert await stage.resume("v", 1) == "woke"
        await stage.until_recorded("v")
        assert await stage.resume(None, 2) == "woke"
        assert (await stage.result()).output == {"v": 1, "w": 2}

    # -- what is refused

    @check("S10.10", "S12.10")
    async def test_after_the_end_every_resume_is_refused(self, stage: Stage) -> None:
        result = await stage.run(graph([node("a"), node("b")], name="ended"), 1, run_id="ended")
        assert await stage.resume(None, 1, run_id="ended") == "refused"
        assert await stage.client.runs.result_of("ended") == result
        await begin(stage, ONE, "w")
        await stage.client.runs.cancel("run")
        assert await stage.resume("w", 1) == "refused"
        assert (await stage.result()).output is None
        assert await stage.record("w") is None

    @pytest.mark.parametrize("node_id", ["a", "ghost", "w/0", ""])
    @check("S10.10")
    async def test_a_resume_of_what_is_no_wait_is_an_error_and_keeps_nothing(
        self, stage: Stage, node_id: str
    ) -> None:
        await begin(stage, graph([node("w", "wait"), node("a")], ("w", "a")), "w")
        with pytest.raises(RunError):
            await stage.resume(node_id, 1)
        assert await stage.resume("w", "fine") == "woke"
        assert (await stage.result()).output == "fine"

    @check("S10.10", "S2.2", "S2.9")
    async def test_a_resume_that_makes_no_sense_is_an_error_and_keeps_nothing(
        self, stage: Stage
    ) -> None:
        await begin(stage, LATE, "g")
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
        await stage.resume("g")
        assert (await stage.result()).output == 1

    @check("S10.18", "S12.1")
    async def test_a_refused_resume_wakes_a_wait_whose_wake_up_was_lost(self, stage: Stage) -> None:
        stage.settings["sweep_interval_seconds"] = 1e6
        await begin(stage, ONE, "w")
        await stage.until_quiet()
        await stage.workers[0].stop()
        assert await stage.resume("w", "first") == "woke"
        await stage.lose_messages()
        stage.worker()
        await stage.until_quiet()
        assert await stage.record("w") is None
        assert await stage.resume("w", "second") == "refused"
        assert (await stage.result()).output == "first"

    @check("S7.10", "S7.11", "S10.1")
    async def test_deliveries_of_a_wait_that_is_open_do_not_count(self, stage: Stage) -> None:
        stage.settings["max_deliveries"] = 2
        await begin(stage, ONE, "w")
        for _ in range(6):
            await stage.send("w")
        await stage.until_quiet()
        assert await stage.resume("w", 1) == "woke"
        assert (await stage.result()).output == 1

    # -- waits that end by themselves

    @check("S10.19", "S7.8")
    async def test_a_wait_with_a_timeout_fails_its_attempt_and_can_be_resumed_in_the_next(
        self, stage: Stage
    ) -> None:
        timeout = int(stage.harness.slack_seconds * 4000)
        config = {"timeout": timeout, "maxRetries": 3, "retryDelay": 10}
        await begin(stage, graph([node("w", "wait", config=config)]), "w")

        async def has_failed() -> bool:
            return f"{FAILED}1" in await stage.cells("w")

        await stage.until(has_failed)
        assert await stage.resume("w", "in another attempt") == "woke"
        assert (await stage.result()).output == "in another attempt"
        assert (await stage.until_recorded("w")).attempt > 1

    @check("S10.19", "S7.14", "S7.15", "S12.16")
    async def test_a_wait_that_nobody_resumes_in_time_takes_its_fallback(
        self, stage: Stage
    ) -> None:
        config = {"timeout": 500, "fallback": "f"}
        nodes = [node("a"), node("w", "wait", config=config), node("f"), node("z")]
        result = await stage.run_both(graph(nodes, ("a", "w"), ("w", "z")), "input")
        assert result.output == "input"
        assert result.context["_catch_error"]["type"] == "NodeTimeoutError"

    @check("S10.20", "S1.26", "S12.16")
    async def test_the_loser_of_a_race_is_cancelled_with_the_run(self, stage: Stage) -> None:
        config = {"joinStrategy": "any"}
        nodes = [node("w", "wait"), node("s", "sleep", duration=500), node("z", config=config)]
        result = await stage.run_both(graph(nodes, ("w", "z"), ("s", "z")), "late")
        assert result.output == {"s": "late"}
        assert await stage.resume("w", 1) == "refused"
        assert await stage.record("w") is None
        await stage.until_quiet()

    @check("S10.20", "S1.26", "S12.16")
    async def test_a_sleep_that_loses_its_race_to_a_wait_delays_nothing(self, stage: Stage) -> None:
        config = {"joinStrategy": "any"}
        nodes = [node("w", "wait"), node("s", "sleep", duration="2d"), node("z", config=config)]
        blueprint = graph(nodes, ("w", "z"), ("s", "z"))
        result = await stage.run_both(blueprint, signals=[Signal("w", "won")])
        assert result.output == {"w": "won"}
        assert await stage.record("s") is None
