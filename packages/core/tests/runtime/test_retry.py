"""Retrying a run that ended, in one process: the same meaning as on an adapter."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import RunError
from flowcraft.nodes import Context, RunInfo
from flowcraft.runtime import LocalRun


@pytest.fixture
def work(lab):
    """Nodes that fail while `broken` has them, and note in `ran` that they ran."""

    class Work:
        def __init__(self) -> None:
            self.broken: set[str] = set()
            self.ran: list[str] = []

        async def __call__(
            self, input: Any, params: dict[str, Any], run: RunInfo, ctx: Context
        ) -> Any:
            key = run.node_id + run.scope
            self.ran.append(key)
            for name, value in params.get("writes", {}).items():
                await ctx.set(name, value)
            await asyncio.sleep(params.get("seconds", 0))
            if key in self.broken:
                raise ValueError("broken")
            return params.get("value", input)

        async def mended(self, run: LocalRun) -> LocalRun:
            """Wait for the end, mend everything, and retry."""
            await run.result()
            self.broken.clear()
            self.ran.clear()
            return run.retry()

    made = Work()
    lab.register("work", made.__call__)
    return made


def works(**params: Any) -> dict[str, Any]:
    config = params.pop("config", {})
    return {"uses": "work", "params": params, "config": config}


def test_what_failed_executes_and_what_completed_does_not(lab, graph, work):
    nodes = {"a": works(writes={"k": 1}), "b": works(), "c": works()}
    work.broken = {"b"}

    async def course(run: Any) -> None:
        again = await work.mended(run)
        result = await again.result()
        assert (result.output, result.context) == ({"n": 1}, {"n": 1, "k": 1})
        assert work.ran == ["b", "c"]
        assert again.retry_of == run.run_id != again.run_id
        assert run.status() == "failed"

    lab.drive(graph(nodes, ("a", "b"), ("b", "c")), course, {"n": 1})


def test_the_edge_that_won_an_any_join_wins_it_again(lab, graph, work):
    nodes = {
        "s": works(), "q1": works(), "q2": works(), "q3": works(),
        "slow": works(seconds=5), "j": works(config={"joinStrategy": "any"}),
        "k": works(seconds=20),
    }  # fmt: skip
    edges = [("s", "slow"), ("slow", "j"), ("s", "q1"), ("q1", "q2"), ("q2", "q3"), ("q3", "j"),
             ("j", "k")]  # fmt: skip
    work.broken = {"k"}

    async def course(run: Any) -> None:
        again = await work.mended(run)
        assert (await again.result()).output == {"q3": 1}
        records = again.records()
        assert records["j"].winner == run.records()["j"].winner
        assert list(records).index("q3") < list(records).index("j")
        assert work.ran == ["k"]

    lab.drive(graph(nodes, *edges), course, 1)


def batch(**params: Any) -> dict[str, Any]:
    settings = {"workerUsesKey": "work", "gatherNodeId": "g", "chunkSize": 1, **params}
    return {"uses": "batch-scatter", "params": settings}


def test_items_failures_passed_over_and_the_key_of_a_gather_are_taken_over(lab, graph, work):
    nodes = {
        "b": batch(onItemError="continue"),
        "g": {"uses": "batch-gather", "params": {"outputKey": "all"}},
        "z": works(),
    }
    work.broken = {"b/#1", "z"}

    async def course(run: Any) -> None:
        again = await work.mended(run)
        result = await again.result()
        assert (result.output, result.context) == ([5, None, 7], {"all": [5, None, 7]})
        assert [(error.node, error.scope) for error in result.errors] == [("b", "/#1")]
        assert work.ran == ["z"]

    lab.drive(graph(nodes, ("b", "g"), ("g", "z")), course, [5, 6, 7])


def test_a_key_that_was_written_after_the_gather_stays(lab, graph, work):
    nodes = {
        "b": batch(), "g": {"uses": "batch-gather", "params": {"outputKey": "all"}},
        "w": works(writes={"all": "mine"}), "z": works(),
    }  # fmt: skip
    work.broken = {"z"}

    async def course(run: Any) -> None:
        again = await work.mended(run)
        assert (await again.result()).context == {"all": "mine"}

    lab.drive(graph(nodes, ("b", "g"), ("g", "w"), ("w", "z")), course, [1])


def test_children_go_on_from_the_children_of_the_old_run(lab, graph, work):
    lab.blueprints["leaf"] = graph({"l1": works(), "l2": works()}, ("l1", "l2"), id="leaf")
    deep = {"uses": "subflow", "params": {"blueprintId": "leaf"}}
    lab.blueprints["mid"] = graph({"m": works(), "deep": deep}, ("m", "deep"), id="mid")
    sub = {"uses": "subflow", "params": {"blueprintId": "mid"}}
    work.broken = {"l2"}

    async def course(run: Any) -> None:
        again = await work.mended(run)
        assert (await again.result()).output == 4
        assert work.ran == ["l2", "z"]
        (old,) = run.children().values()
        (new,) = again.children().values()
        assert new.retry_of == old.run_id
        with pytest.raises(RunError, match=f"is a child of {again.run_id!r}: retry the run at"):
            new.retry()

    lab.drive(graph({"sub": sub, "z": works()}, ("sub", "z")), course, 4)


def test_a_child_with_another_payload_begins_from_nothing(lab, graph, work):
    lab.blueprints["leaf"] = graph({"l1": works(), "l2": works(seconds=9)}, ("l1", "l2"), id="leaf")
    sub = {"uses": "subflow", "params": {"blueprintId": "leaf", "inputs": {"n": "key"}}}
    nodes = {"sub": sub, "w": works(seconds=3, writes={"key": 2})}
    work.broken = {"l2"}

    async def course(run: Any) -> None:
        again = await work.mended(run)
        assert (await again.result()).output["sub"] == {"n": 2}
        assert work.ran == ["l1", "l2"]

    lab.drive(graph(nodes), course, {"key": 1})


def test_waits_that_were_woken_are_over_and_the_others_wait_anew(lab, graph, work, settled):
    nodes = {"v": "wait", "w": "wait", "z": works()}

    async def course(run: Any) -> Any:
        await settled()
        assert run.resume(output=1, node_id="v") == "woke"
        await settled()
        run.cancel()
        again = await work.mended(run)
        await settled()
        assert again.open_waits() == ["w"]
        assert again.resume(output=3, node_id="v") == "refused"
        assert again.resume(output=2, node_id="w") == "woke"
        return (await again.result()).output

    assert lab.drive(graph(nodes, ("v", "z"), ("w", "z")), course) == {"v": 1, "w": 2}


def test_a_resume_of_a_wait_in_a_loop_that_was_taken_over_is_refused(lab, graph, work, settled):
    loop = {"uses": "loop-controller", "params": {"condition": "input.n < 1"}}
    nodes = {"s": works(), "c": loop, "w": "wait", "z": works(seconds=60)}
    edges = [("s", "c"), ("c", "w", {"action": "continue"}), ("w", "c"), ("c", "z")]

    async def course(run: Any) -> Any:
        await settled()
        assert run.resume(output={"n": 1}, node_id="w") == "woke"
        await settled()
        run.cancel()
        again = await work.mended(run)
        await settled()
        assert again.resume(output={"n": 1}, node_id="w") == "refused"
        return (await again.result()).output

    assert lab.drive(graph(nodes, *edges), course, {"n": 0}) == {"n": 1}


def test_a_retry_of_a_retry_has_what_any_run_before_it_recorded(lab, graph, work):
    nodes = {"a": works(), "b": works(), "z": works()}
    work.broken = {"z"}

    async def course(run: Any) -> Any:
        second = await work.mended(run)
        second.cancel()
        third = second.retry("third")
        assert (third.run_id, third.retry_of) == ("third", second.run_id)
        output = (await third.result()).output
        assert work.ran == ["z"]
        return output

    assert lab.drive(graph(nodes, ("a", "b"), ("b", "z")), course, 6) == 6


def test_only_a_run_that_ended_can_be_retried(lab, graph, work):
    async def course(run: Any) -> None:
        with pytest.raises(RunError, match=r"has not ended\. Cancel it first, or wait"):
            run.retry()
        await run.result()
        with pytest.raises(RunError, match="run id 'a/b'"):
            run.retry("a/b")

    lab.drive(graph({"a": works()}), course)
