"""Retried runs with waits, sleeps and subflows in them: chapter 1 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.engine.cells import DUE, OPEN
from flowcraft.errors import RunError
from flowcraft.ports.store import End
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, Node, graph, node, value
from flowcraft.testing.shop import Shop, work
from flowcraft.testing.stage import Stage


def subflow(name: str, child: str, **params: Any) -> Node:
    """Write a subflow; `inputs` are its params."""
    written = node(name, "subflow", blueprintId=child)
    config = {"config": params.pop("config")} if "config" in params else {}
    return {**written, **config, "params": {**written["params"], **params}}


def tree() -> list[BlueprintJson]:
    """Write two nodes in a subflow of a subflow, each with a node before and behind it."""
    leaf = graph([work("l1"), work("l2")], ("l1", "l2"), name="leaf")
    mid = graph([work("m1"), subflow("deep", "leaf"), work("m2")],
                ("m1", "deep"), ("deep", "m2"), name="mid")  # fmt: skip
    top = graph([work("t1"), subflow("sub", "mid"), work("t2")],
                ("t1", "sub"), ("sub", "t2"), name="top")  # fmt: skip
    return [leaf, mid, top]


def two_steps(**second: Any) -> BlueprintJson:
    """Write a child of two nodes."""
    return graph([work("l1"), work("l2", **second)], ("l1", "l2"), name="leaf")


class RetriedWaitScenarios:
    """What was suspended in the old run is so anew; what was over is over."""

    @check("S1.50", "S10.6", "S10.13")
    async def test_a_wait_that_was_woken_is_over_and_its_action_stands(self, stage: Stage) -> None:
        shop = Shop(stage)
        nodes = [node("w", "wait"), work("yes"), work("no")]
        edges = [("w", "yes", {"action": "yes"}), ("w", "no", {"action": "no"})]
        stage.add(graph(nodes, *edges))
        stage.worker()
        shop.broken = {"yes"}
        await stage.submit("g")
        await stage.until_open("w")
        assert await stage.resume("w", {"by": "ann"}, action="yes") == "woke"
        assert (await stage.result()).status == "failed"
        shop.mend()
        assert (await shop.retry()).output == {"yes": {"by": "ann"}}
        assert shop.ran == ["yes"]
        assert OPEN not in await stage.cells("w", "again")

    @check("S1.51")
    async def test_a_wait_that_was_open_waits_anew(self, stage: Stage) -> None:
        shop = Shop(stage)
        stage.add(graph([work("a"), node("w", "wait")], ("a", "w")))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await stage.client.runs.cancel("run")
        await stage.client.runs.retry("run", "again")
        await stage.until_open("w", run_id="again")
        assert await stage.resume("w", 2, run_id="again") == "woke"
        assert (await stage.result("again")).output == 2
        assert shop.ran == ["a"]

    @check("S1.57", "S10.11")
    async def test_an_early_signal_of_the_old_run_is_not_one_of_the_new(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait")]))
        await stage.create("g")
        assert await stage.resume("w", 1) == "kept"
        await stage.client.runs.cancel("run")
        stage.worker()
        await stage.client.runs.retry("run", "again")
        await stage.until_open("w", run_id="again")
        assert await stage.resume("w", 2, run_id="again") == "woke"
        assert (await stage.result("again")).output == 2

    @check("S1.50", "S10.13", "S10.17")
    async def test_a_resume_of_a_wait_that_was_taken_over_is_refused(self, stage: Stage) -> None:
        """It is in a loop, so the resume has to find its scope among the waits reached."""
        shop = Shop(stage)
        nodes = [value("s", {"n": 0}), node("c", "loop-controller", condition="input.n < 1"),
                 node("w", "wait"), work("z"), node("v", "wait")]  # fmt: skip
        edges = [("s", "c"), ("c", "w", {"action": "continue"}), ("w", "c"), ("c", "z"),
                 ("z", "v")]  # fmt: skip
        stage.add(graph(nodes, *edges))
        stage.worker()
        shop.broken = {"z"}
        await stage.submit("g")
        await stage.until_open("w/0")
        assert await stage.resume("w", {"n": 1}) == "woke"
        assert (await stage.result()).status == "failed"
        shop.mend()
        await stage.client.runs.retry("run", "again")
        await stage.until_open("v", run_id="again")
        assert await stage.resume("w", {"n": 1}, run_id="again") == "refused"
        assert await stage.resume("v", 5, run_id="again") == "woke"
        assert (await stage.result("again")).output == 5

    @check("S1.50", "S10.3")
    async def test_a_sleep_that_was_over_is_not_slept_again(self, stage: Stage) -> None:
        shop = Shop(stage)
        nodes = [node("l", "sleep", duration=10), work("z")]
        await shop.fails(graph(nodes, ("l", "z")), broken="z", payload=3)
        assert (await shop.retry()).output == 3
        assert DUE not in await stage.cells("l", "again")

    @check("S1.51", "S10.3")
    async def test_a_sleep_that_was_not_over_sleeps_its_whole_time(self, stage: Stage) -> None:
        slack = stage.harness.slack_seconds
        stage.add(graph([node("l", "sleep", duration=int(slack * 4000))]))
        stage.worker()
        await stage.submit("g")

        async def is_set() -> bool:
            return DUE in await stage.cells("l")

        await stage.until(is_set)
        await asyncio.sleep(2 * slack)
        await stage.client.runs.cancel("run")
        await stage.client.runs.retry("run", "again")
        assert (await stage.result("again")).status == "completed"
        header = await stage.header("again")
        assert header.ended_at is not None
        assert header.ended_at - header.created_at >= 4 * slack


class RetriedSubflowScenarios:
    """Children go on from the children of the old run."""

    @check("S1.54", "S1.50", "S1.36")
    async def test_children_go_on_from_the_children_of_the_old_run(self, stage: Stage) -> None:
        shop = Shop(stage)
        await shop.fails(*tree(), broken="l2", payload=4)
        assert (await shop.retry()).output == 4
        assert shop.ran == ["l2", "m2", "t2"]
        above, new_above = "run", "again"
        for _ in range(2):
            (old,) = await stage.children(above)
            (new,) = await stage.children(new_above)
            assert new.retry_of == old.run_id
            assert new.parent is not None
            assert new.parent.run_id == new_above
            above, new_above = old.run_id, new.run_id

    @check("S1.50", "S9.4")
    async def test_a_subflow_that_completed_is_not_made_again(self, stage: Stage) -> None:
        shop = Shop(stage)
        child = graph([work("c", writes={"k": 1})], name="child")
        nodes = [subflow("s", "child", outputs={"got": "k"}), work("z")]
        await shop.fails(child, graph(nodes, ("s", "z")), broken="z", payload={"n": 4})
        result = await shop.retry()
        assert (result.output, result.context) == ({"n": 4}, {"n": 4, "got": 1})
        assert shop.ran == ["z"]
        assert await stage.children("again") == []

    @check("S1.54", "S1.58")
    async def test_the_second_retry_goes_on_from_the_latest_child(self, stage: Stage) -> None:
        shop = Shop(stage)
        leaf = graph([work(f"l{n}") for n in "123"], ("l1", "l2"), ("l2", "l3"), name="leaf")
        await shop.fails(leaf, graph([subflow("s", "leaf")]), broken="l2", payload=4)
        shop.broken = {"l3"}
        assert (await shop.retry(new_id="second")).status == "failed"
        shop.mend()
        assert (await shop.retry("second", "third")).output == 4
        assert shop.ran == ["l3"]

    @check("S1.54", "S9.6")
    async def test_of_several_children_of_the_old_run_the_last_is_gone_on_from(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)

        @stage.node("second_time")
        async def second_time(input: Any) -> Any:
            if stage.calls["second_time"] == 1:
                raise RuntimeError("once more")
            return input

        leaf = graph([work("l1"), node("x", "second_time"), work("l2")],
                     ("l1", "x"), ("x", "l2"), name="leaf")  # fmt: skip
        config = {"maxRetries": 2, "retryDelay": 10}
        await shop.fails(leaf, graph([subflow("s", "leaf", config=config)]), broken="l2", payload=4)
        assert (await shop.retry()).output == 4
        assert shop.ran == ["l2"]
        assert stage.calls["second_time"] == 2
        (child,) = await stage.children("again")
        assert child.retry_of == (await stage.children())[1].run_id

    @check("S1.54", "S9.6")
    async def test_only_the_first_attempt_of_a_subflow_goes_on_from_the_old_child(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        config = {"maxRetries": 2, "retryDelay": 10}
        top = graph([subflow("s", "leaf", config=config)])
        await shop.fails(two_steps(), top, broken="l2")
        shop.broken = {"l2"}
        assert (await shop.retry()).status == "failed"
        assert shop.ran == ["l2", "l1", "l2"]
        first, second = await stage.children("again")
        assert first.retry_of is not None
        assert second.retry_of is None

    @check("S1.54")
    async def test_a_child_with_another_payload_begins_from_nothing(self, stage: Stage) -> None:
        """A branch beside the subflow wrote the key that its payload is taken from."""
        shop = Shop(stage)
        nodes = [subflow("s", "leaf", inputs={"n": "key"}), node("v", "wait"),
                 work("w", writes={"key": 2}), node("u", "wait"), work("x")]  # fmt: skip
        stage.add(two_steps(hangs=True), graph(nodes, ("v", "w"), ("w", "u"), ("u", "x")))
        stage.worker()
        shop.broken = {"x"}
        await stage.submit("g", {"key": 1})

        async def is_begun() -> bool:
            return "l2" in shop.ran

        await stage.until(is_begun)
        for name in "vu":
            await stage.until_open(name)
            await stage.resume(name)
        assert (await stage.result()).status == "failed"
        shop.mend()
        await stage.client.runs.retry("run", "again")
        result = await stage.result("again")
        assert result.output == {"s": {"n": 2}, "x": None}
        assert sorted(shop.ran) == ["l1", "l2", "x"]
        (child,) = await stage.children("again")
        assert child.retry_of is None

    @check("S1.54", "S1.37", "S12.10")
    async def test_a_child_that_still_runs_is_ended_before_another_goes_on_from_it(
        self, stage: Stage
    ) -> None:
        """Nobody has announced the end of the old run yet: its child does not know of it."""
        shop = Shop(stage)
        stage.add(two_steps(hangs=True), graph([subflow("s", "leaf")]))
        stage.worker()
        await stage.submit("g", 5)

        async def is_begun() -> bool:
            return "l2" in shop.ran

        await stage.until(is_begun)
        (old,) = await stage.children()
        store = stage.client.ports.store
        await store.finish([End("run", "cancelled", None, stage.client.parts.clock.now())])
        await stage.client.runs.retry("run", "again")

        async def goes_on() -> bool:
            return bool(await stage.children("again"))

        await stage.until(goes_on)
        assert (await stage.header(old.run_id)).status == "cancelled"
        assert (await stage.result("again")).output == 5
        assert await stage.record("l2", old.run_id) is None

    @check("S1.54", "S8.15", "S1.53")
    async def test_the_items_of_a_batch_of_subflows_go_on_from_theirs(self, stage: Stage) -> None:
        shop = Shop(stage)
        scatter = {"workerUsesKey": "subflow", "workerParams": {"blueprintId": "leaf"}}
        nodes = [value("s", [0, 1]), node("b", "batch-scatter", gatherNodeId="g", **scatter),
                 node("g", "batch-gather")]  # fmt: skip
        stage.add(two_steps(hangs=True), graph(nodes, ("s", "b"), ("b", "g")))
        stage.worker()
        await stage.submit("g")

        async def are_begun() -> bool:
            return shop.ran.count("l2") == 2

        await stage.until(are_begun)
        await stage.client.runs.cancel("run")
        shop.mend()
        assert (await shop.retry()).output == [0, 1]
        assert shop.ran == ["l2", "l2"]

    @check("S1.55")
    async def test_a_child_is_retried_with_its_root_only(self, stage: Stage) -> None:
        shop = Shop(stage)
        await shop.fails(*tree(), broken="l2")
        (child,) = await stage.children()
        with pytest.raises(RunError, match="is a child of 'run': retry the run at the top"):
            await stage.client.runs.retry(child.run_id, "again")
