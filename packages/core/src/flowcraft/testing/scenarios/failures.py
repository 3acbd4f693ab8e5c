"""Runs that fail, and what their results say of it: S1.29 to S1.32 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from typing import Any

from flowcraft.nodes import RunInfo
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import batch, graph, loop, node, value
from flowcraft.testing.stage import Stage
from flowcraft.testing.wire import never


class FailureScenarios:
    """The first failure for good ends a run, whatever else is under way."""

    @check("S1.29", "S1.30", "S1.27")
    async def test_the_first_failure_ends_the_run_at_once(self, stage: Stage) -> None:
        ended = asyncio.Event()

        @stage.node("long")
        async def long(input: Any) -> None:
            try:
                await never()
            finally:
                ended.set()

        @stage.node("fails_then")
        async def fails_then(input: Any) -> None:
            await stage.until_called("long")
            raise ValueError("no")

        stage.add(graph([node("w", "wait")], name="child"))
        nodes = [
            node("l", "long"),
            node("w", "wait"),
            node("s", "subflow", blueprintId="child"),
            node("f", "fails_then"),
            node("z"),
        ]
        stage.add(graph(nodes, ("l", "z"), ("f", "z")))
        stage.worker()
        await stage.submit("g")
        result = await stage.result()
        assert (result.status, [e.node for e in result.errors]) == ("failed", ["f"])
        await asyncio.wait_for(ended.wait(), stage.lease_seconds)
        await stage.until_quiet()
        assert [await stage.record(key) for key in ("l", "w", "z")] == [None] * 3
        children = await stage.children()
        assert [child.status for child in children] in ([], ["cancelled"])
        assert stage.calls["echo"] == 0

    @check("S1.31")
    async def test_a_failure_starts_no_join(self, stage: Stage) -> None:
        nodes = [node("a"), node("f", "fails"), node("j"), node("any")]
        nodes[3]["config"] = {"joinStrategy": "any"}
        edges = [("a", "j"), ("f", "j"), ("f", "any"), ("j", "any")]
        result = await stage.run(graph(nodes, *edges), 1)
        assert result.status == "failed"
        await stage.until_quiet()
        assert [await stage.record(key) for key in ("j", "any")] == [None, None]

    @check("S1.32", "S7.8")
    async def test_an_error_names_node_scope_attempt_and_cause(self, stage: Stage) -> None:
        @stage.node("picky")
        async def picky(input: dict[str, int], run: RunInfo) -> Any:
            if input["n"] == 1:
                raise ValueError(f"attempt {run.attempt}") from LookupError("the cause")
            return {"n": input["n"] + 1}

        blueprint = loop(3)
        blueprint["nodes"][2] = node("b", "picky", config={"maxRetries": 2, "retryDelay": 1})
        (error,) = (await stage.run(blueprint)).errors
        assert (error.node, error.scope, error.attempt) == ("b", "/1", 2)
        assert (error.type, error.message) == ("ValueError", "attempt 2")
        assert error.cause is not None
        assert "LookupError" in error.cause

    @check("S1.32", "S8.10")
    async def test_an_error_of_an_item_names_the_item(self, stage: Stage) -> None:
        @stage.node("picky")
        async def picky(input: int) -> int:
            if input == 2:
                raise ValueError("two")
            return input

        (error,) = (await stage.run(batch(4, "picky"))).errors
        assert (error.node, error.scope, error.message) == ("b", "/#2", "two")

    @check("S1.29", "S12.17")
    async def test_of_two_failures_one_is_told_and_never_changes(self, stage: Stage) -> None:
        result = await stage.run(graph([node("a", "fails"), node("b", "fails")]))
        assert result.status == "failed"
        assert [error.node for error in result.errors] in (["a"], ["b"])
        await stage.until_quiet()
        assert await stage.result() == result

    @check("S1.18", "S1.32")
    async def test_a_failed_run_keeps_its_context_and_has_no_output(self, stage: Stage) -> None:
        nodes = [value("a", 1), node("f", "fails")]
        result = await stage.run(graph(nodes, ("a", "f")), {"k": [1]})
        assert (result.status, result.output, result.context) == ("failed", None, {"k": [1]})


class ErrorTextScenarios:
    """Errors whose text no store could hold are failures like others."""

    @check("S1.32", "S12.19", "S7.2")
    async def test_an_error_that_is_no_valid_text_is_told(self, stage: Stage) -> None:
        await told(stage, ValueError("caf\udce9"), "caf\\udce9")

    @check("S1.32", "S12.19", "S7.2")
    async def test_an_error_that_gives_no_text_is_told(self, stage: Stage) -> None:
        said = "(its text cannot be had: its __str__ raised LookupError)"
        await told(stage, UnspeakableError(), said)


class UnspeakableError(Exception):
    """Gives no text."""

    def __str__(self) -> str:
        raise LookupError


async def told(stage: Stage, error: Exception, said: str) -> None:
    """Fail with the error twice, and see what is told of it."""

    @stage.node("fail")
    async def fail(input: Any) -> None:
        raise error from error.__class__(*error.args)

    config = {"maxRetries": 2, "retryDelay": 10}
    result = await stage.run(graph([node("f", "fail", config=config)]))
    (found,) = result.errors
    assert (found.message, found.attempt) == (said, 2)
    assert found.cause == f"{type(error).__name__}: {said}"
    assert stage.calls["fail"] == 2
