"""A run that ended is retried: chapter 1 of docs/semantics.md.

Retries with waits, sleeps and subflows in them are in `retried_waits`.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from flowcraft.engine.record import Record, encode_record
from flowcraft.errors import RunError, UnknownRunError
from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, Node, graph, node, value
from flowcraft.testing.shop import Shop, work
from flowcraft.testing.stage import Stage


def line(*names: str) -> BlueprintJson:
    """Write nodes that work, behind each other."""
    return graph([work(name) for name in names], *pairwise(names))


def items(count: int, **params: Any) -> list[Node]:
    """Write a list `s` and its scatter `b`, whose items come one after the other."""
    scatter = {"workerUsesKey": "work", "gatherNodeId": "g", "chunkSize": 1, **params}
    return [value("s", [*range(count)]), node("b", "batch-scatter", **scatter)]


def said(record: Record | None) -> bytes:
    """What a record says, but for who wrote it when."""
    assert record is not None
    return encode_record(msgspec.structs.replace(record, via="", token="", at=0.0))


class RetryScenarios:
    """What completed is taken over, and the rest executes, in a run of its own."""

    # -- what executes

    @check("S1.36", "S1.37", "S1.50", "S1.51")
    async def test_what_failed_executes_and_what_completed_does_not(self, stage: Stage) -> None:
        shop = Shop(stage)
        old = await shop.fails(line("a", "b", "c"), broken="b", payload={"n": 1})
        before = await stage.header()
        result = await shop.retry()
        assert (result.status, result.output, result.errors) == ("completed", {"n": 1}, [])
        assert shop.ran == ["b", "c"]
        assert said(await stage.record("a")) == said(await stage.record("a", "again"))
        header = await stage.header("again")
        assert header.retry_of == "run"
        assert header.blueprint_hash == before.blueprint_hash
        assert header.blueprints == before.blueprints
        assert await stage.client.runs.result_of("run") == old
        assert await stage.header() == before

    @check("S1.51", "S7.8")
    async def test_attempts_count_anew_where_a_node_failed_for_good(self, stage: Stage) -> None:
        shop = Shop(stage)
        blueprint = graph([work("a", config={"maxRetries": 2, "retryDelay": 10})])
        await shop.fails(blueprint, broken="a")
        shop.broken = {"a"}
        result = await shop.retry()
        assert (result.status, [error.attempt for error in result.errors]) == ("failed", [2])
        assert shop.ran == ["a", "a"]

    @check("S1.50", "S7.8")
    async def test_the_attempt_that_completed_a_node_is_taken_over(self, stage: Stage) -> None:
        shop = Shop(stage)

        @stage.node("second_time")
        async def second_time() -> int:
            if stage.calls["second_time"] == 1:
                raise RuntimeError("once")
            return 2

        config = {"maxRetries": 2, "retryDelay": 10}
        nodes = [node("a", "second_time", config=config), work("z")]
        await shop.fails(graph(nodes, ("a", "z")), broken="z")
        assert (await shop.retry()).output == 2
        assert (await stage.until_recorded("a", "again")).attempt == 2
        assert stage.calls["second_time"] == 2

    @check("S1.50", "S5.2", "S12.8")
    async def test_a_join_gets_what_the_old_run_recorded_for_it(self, stage: Stage) -> None:
        shop = Shop(stage)
        nodes = [work(name) for name in "abcj"]
        edges = [("a", "b"), ("b", "c"), ("a", "j"), ("b", "j"), ("c", "j")]
        await shop.fails(graph(nodes, *edges), broken="c", payload=7)
        assert (await shop.retry()).output == {"a": 7, "b": 7, "c": 7}
        assert shop.ran == ["c", "j"]

    @check("S1.53", "S5.8")
    async def test_the_edge_that_won_an_any_join_wins_it_again(self, stage: Stage) -> None:
        """Though the other branch, which was suspended then, is there first now."""
        shop = Shop(stage)
        config = {"joinStrategy": "any"}
        nodes = [work("s"), work("q1"), work("q2"), node("w", "wait"), node("j", config=config),
                 node("v", "wait"), work("z")]  # fmt: skip
        edges = [("s", "q1"), ("q1", "q2"), ("q2", "j"), ("w", "j"), ("j", "v"), ("v", "z")]
        stage.add(graph(nodes, *edges))
        stage.worker()
        shop.broken = {"z"}
        await stage.submit("g", "quick")
        await stage.until_open("v", "w")
        await stage.resume("w", "late")
        await stage.until_recorded("w")
        await stage.resume("v")
        assert (await stage.result()).status == "failed"
        shop.mend()
        before = await stage.until_recorded("j")
        assert (await shop.retry()).status == "completed"
        assert said(await stage.record("j", "again")) == said(before)
        assert await stage.until_output("j", "again") == {"q2": "quick"}
        assert shop.ran == ["z"]

    @check("S1.50", "S4.8", "S1.52")
    async def test_edges_stay_as_they_were_decided_whatever_the_context_says_now(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        nodes = [work("a"), work("yes", value="yes"), work("no", value="no"),
                 work("w", writes={"flag": False}), work("z")]  # fmt: skip
        edges = [("a", "yes", {"condition": "flag"}), ("a", "no", {"condition": "!flag"}),
                 ("yes", "w"), ("no", "w"), ("w", "z")]  # fmt: skip
        await shop.fails(graph(nodes, *edges), broken="z", payload={"flag": True})
        result = await shop.retry()
        assert (result.output, result.context) == ({"yes": "yes"}, {"flag": False})
        assert shop.ran == ["z"]
        assert (await stage.until_recorded("no", "again")).outcome == "skipped"

    @check("S1.50", "S1.51", "S6.7")
    async def test_a_loop_goes_on_with_the_iteration_that_failed(self, stage: Stage) -> None:
        shop = Shop(stage)
        nodes = [work("s"), node("c", "loop-controller", condition="input.n < 4"),
                 node("n", "count"), work("b"), work("z")]  # fmt: skip
        edges = [("s", "c"), ("c", "n", {"action": "continue"}), ("n", "b"), ("b", "c"),
                 ("c", "z")]  # fmt: skip
        await shop.fails(graph(nodes, *edges), broken="b/2", payload={"n": 0})
        counted = stage.calls["count"]
        assert (await shop.retry()).output == {"n": 4}
        assert shop.ran == ["b/2", "b/3", "z"]
        assert stage.calls["count"] - counted == 1

    @check("S1.50", "S7.14", "S7.15")
    async def test_a_failure_that_was_caught_is_not_tried_again(self, stage: Stage) -> None:
        shop = Shop(stage)
        nodes = [work("a", config={"fallback": "f"}), work("f"), work("z")]
        await shop.fails(graph(nodes, ("a", "z")), broken="a z", payload=5)
        result = await shop.retry()
        assert result.output == 5
        assert shop.ran == ["z"]
        assert result.context["_catch_error"]["node"] == "a"
        assert (await stage.until_recorded("a", "again")).outcome == "caught"

    @check("S1.51", "S7.20")
    async def test_a_fallback_that_failed_executes_alone(self, stage: Stage) -> None:
        """It is shared, so it stands in the scope of the node that failed."""
        shop = Shop(stage)
        config = {"fallback": "f"}
        nodes = [work("a", config=config), work("b", config=config), work("f")]
        await shop.fails(graph(nodes, ("a", "b")), broken="b f/!b", payload=5)
        assert (await shop.retry()).output == 5
        assert shop.ran == ["f/!b"]

    # -- batches

    @check("S1.50", "S1.53", "S8.3")
    async def test_the_items_of_a_batch_are_taken_over_one_by_one(self, stage: Stage) -> None:
        shop = Shop(stage)
        blueprint = graph([*items(4), node("g", "batch-gather")], ("s", "b"), ("b", "g"))
        await shop.fails(blueprint, broken="b/#2")
        assert (await shop.retry()).output == [0, 1, 2, 3]
        assert shop.ran == ["b/#2", "b/#3"]

    @check("S1.50", "S8.11")
    async def test_an_item_that_was_passed_over_stays_so_and_is_told_again(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        nodes = [*items(3, onItemError="continue"), node("g", "batch-gather"), work("z")]
        blueprint = graph(nodes, ("s", "b"), ("b", "g"), ("g", "z"))
        old = await shop.fails(blueprint, broken="b/#1 z")
        assert [error.node for error in old.errors] == ["b", "z"]
        result = await shop.retry()
        assert result.output == [0, None, 2]
        assert [(error.node, error.scope) for error in result.errors] == [("b", "/#1")]
        assert shop.ran == ["z"]

    @check("S1.53", "S8.18")
    async def test_a_batch_keeps_its_items_when_its_name_means_another_list_now(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        scatter = {"workerUsesKey": "work", "gatherNodeId": "g"}
        nodes = [node("b", "batch-scatter", inputs="list", **scatter), node("g", "batch-gather"),
                 work("w", writes={"list": ["other"]}), work("z")]  # fmt: skip
        blueprint = graph(nodes, ("b", "g"), ("g", "w"), ("w", "z"))
        await shop.fails(blueprint, broken="z", payload={"list": [1, 2]})
        assert (await shop.retry()).output == [1, 2]
        assert await stage.until_output("b/#1", "again") == 2
        assert shop.ran == ["z"]

    @check("S1.52", "S8.16", "S1.58")
    async def test_the_key_of_a_gather_comes_with_it_unless_it_was_written_later(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        nodes = [*items(2), node("g", "batch-gather", outputKey="all"), work("y"),
                 work("w", writes={"all": "mine"}), work("z")]  # fmt: skip
        edges = [("s", "b"), ("b", "g"), ("g", "y"), ("y", "w"), ("w", "z")]
        await shop.fails(graph(nodes, *edges), broken="y")
        shop.broken = {"z"}
        assert (await shop.retry(new_id="middle")).context == {"all": "mine"}
        shop.mend()
        assert (await shop.retry("middle", "last")).context == {"all": "mine"}
        shop.broken = {"y"}  # the first run failed before the key was written again
        assert (await shop.retry("run", "other")).context == {"all": [0, 1]}

    @check("S1.52", "S8.16", "S1.58")
    async def test_the_key_of_a_gather_is_not_there_before_its_record_is(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        nodes = [*items(2), node("g", "batch-gather", outputKey="all"), work("z")]
        blueprint = graph(nodes, ("s", "b"), ("b", "g"), ("g", "z"))
        old = await shop.fails(blueprint, broken="z")
        assert old.context == {"all": [0, 1]}
        stage.workers[0].abandon()
        await stage.client.runs.retry("run", "second")
        await stage.client.runs.cancel("second")
        assert (await stage.client.runs.result_of("second")).context == {}
        stage.worker()
        assert (await shop.retry("second", "third")).context == {"all": [0, 1]}

    # -- which runs

    @check("S1.36", "S1.50")
    async def test_a_run_that_completed_gives_the_same_again(self, stage: Stage) -> None:
        shop = Shop(stage)
        old = await stage.run(line("a", "b"), {"n": 1})
        shop.mend()
        new = await shop.retry()
        assert (new.status, new.output, new.context) == (old.status, old.output, old.context)
        assert shop.ran == []

    @check("S1.36", "S1.52")
    async def test_a_run_that_was_cancelled_goes_on(self, stage: Stage) -> None:
        shop = Shop(stage)
        nodes = [work("a", writes={"k": 1}), work("b", hangs=True)]
        await shop.hangs(graph(nodes, ("a", "b")), at="b")
        result = await shop.retry()
        assert (result.status, result.context) == ("completed", {"k": 1})
        assert shop.ran == ["b"]

    @check("S1.57", "S1.35")
    async def test_a_run_that_was_too_late_has_its_whole_time_again(self, stage: Stage) -> None:
        shop = Shop(stage)
        timeout = int(stage.harness.slack_seconds * 4000)
        nodes = [work("a"), work("b", hangs=True)]
        blueprint = {**graph(nodes, ("a", "b")), "metadata": {"timeout": timeout}}
        old = await stage.run(blueprint)
        assert [error.type for error in old.errors] == ["RunDeadlineError"]
        shop.mend()
        assert (await shop.retry()).status == "completed"
        assert shop.ran == ["b"]
        header = await stage.header("again")
        assert header.deadline_at == pytest.approx(header.created_at + timeout / 1000)

    @check("S1.58")
    async def test_a_retry_of_a_retry_has_what_any_run_before_it_recorded(
        self, stage: Stage
    ) -> None:
        """Nobody worked on the second one, so all that the third takes over is of the first."""
        shop = Shop(stage)
        await shop.fails(line("a", "b", "c", "j"), broken="j", payload=1)
        stage.workers[0].abandon()
        await stage.client.runs.retry("run", "second")
        await stage.client.runs.cancel("second")
        stage.worker()
        assert (await shop.retry("second", "third")).output == 1
        assert shop.ran == ["j"]
        assert (await stage.header("third")).retry_of == "second"

    @check("S1.59", "S12.11")
    async def test_a_run_whose_old_run_was_purged_executes_what_it_has_not_taken_over(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        await shop.fails(line("a", "b", "c"), broken="c", payload=1)
        await stage.until_quiet()
        stage.workers[0].abandon()
        await stage.client.runs.retry("run", "again")
        assert await stage.client.runs.purge("run")
        stage.worker()
        assert (await stage.result("again")).output == 1
        assert shop.ran == ["a", "b", "c"]

    @check("S1.59", "S12.11")
    async def test_what_was_taken_over_stays_when_the_old_run_is_purged(self, stage: Stage) -> None:
        shop = Shop(stage)
        stage.add(graph([work("a"), node("w", "wait"), work("b")], ("a", "w"), ("w", "b")))
        stage.worker()
        await stage.submit("g", 1)
        await stage.until_open("w")
        await stage.client.runs.cancel("run")
        await stage.until_quiet()
        shop.mend()
        await stage.client.runs.retry("run", "again")
        await stage.until_open("w", run_id="again")
        assert await stage.client.runs.purge("run")
        await stage.resume("w", 2, run_id="again")
        assert (await stage.result("again")).output == 2
        assert shop.ran == ["b"]

    @check("S1.37", "S1.52", "S1.4")
    async def test_a_retry_has_the_blueprint_and_payload_of_the_old_run(self, stage: Stage) -> None:
        shop = Shop(stage)
        await shop.fails(line("a", "b"), broken="b", payload={"n": 1})
        stage.add(line("a", "b", "new"))
        result = await shop.retry()
        assert (result.output, result.context) == ({"n": 1}, {"n": 1})
        assert await stage.record("new", "again") is None

    @check("S1.52", "S2.13")
    async def test_the_context_begins_as_the_old_one_ended(self, stage: Stage) -> None:
        """Without what an attempt that failed had written."""
        shop = Shop(stage)

        @stage.node("look")
        async def look(ctx: Context) -> Any:
            return [await ctx.get("done"), await ctx.get("lost"), await ctx.get("given")]

        nodes = [work("a", writes={"done": 1}), node("l", "look"),
                 work("b", writes={"lost": 2}), node("z", "look")]  # fmt: skip
        edges = [("a", "l"), ("l", "b"), ("b", "z")]
        old = await shop.fails(graph(nodes, *edges), broken="b", payload={"given": 0})
        assert old.context == {"given": 0, "done": 1}
        result = await shop.retry()
        assert result.output == [1, 2, 0]
        assert await stage.until_output("l", "again") == [1, None, 0]

    @check("S1.55")
    async def test_only_a_run_that_ended_can_be_retried(self, stage: Stage) -> None:
        stage.add(graph([node("w", "wait")]))
        await stage.submit("g")
        runs = stage.client.runs
        with pytest.raises(RunError, match="has not ended"):
            await runs.retry("run", "again")
        with pytest.raises(UnknownRunError, match="nobody"):
            await runs.retry("nobody", "again")

    @check("S1.56")
    async def test_retries_of_one_run_are_runs_of_their_own(self, stage: Stage) -> None:
        shop = Shop(stage)
        await shop.fails(line("a", "b"), broken="b", payload=1)
        runs = stage.client.runs
        await asyncio.gather(*(runs.retry("run", f"retry{index}") for index in (1, 2)))
        for index in (1, 2):
            assert (await stage.result(f"retry{index}")).output == 1
        assert shop.ran == ["b", "b"]

    @check("S1.56", "S1.37")
    async def test_a_retry_under_an_id_that_is_taken_is_that_retry_or_refused(
        self, stage: Stage
    ) -> None:
        shop = Shop(stage)
        await shop.fails(line("a", "b"), broken="b", payload=1)
        await shop.retry()
        assert (await shop.retry()).output == 1
        assert shop.ran == ["b"]
        for old, taken in (("run", "run"), ("again", "again")):
            with pytest.raises(RunError, match=f"'{taken}' exists, and is no retry of"):
                await stage.client.runs.retry(old, taken)
