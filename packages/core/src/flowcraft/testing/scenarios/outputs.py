"""The output of one node, asked for from outside: S3.15 of docs/semantics.md."""

from __future__ import annotations

import pytest

from flowcraft.errors import NoOutputError, RunError, UnknownRunError
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import batch, graph, loop, node, value
from flowcraft.testing.stage import Stage


class OutputScenarios:
    """A node that is over has an output, whether or not its run is over."""

    @check("S3.15")
    async def test_a_node_that_is_over_has_its_output_while_the_run_goes_on(
        self, stage: Stage
    ) -> None:
        nodes = [value("a", [1, {"b": 2}]), node("left"), node("w", "wait")]
        stage.add(graph(nodes, ("a", "w"), ("a", "left", {"condition": "false"})))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        assert await stage.handle().output("a") == [1, {"b": 2}]
        assert await stage.handle().output("left") is None  # it was skipped
        with pytest.raises(NoOutputError, match=r"'w' of run 'run'.*has not been recorded"):
            await stage.handle().output("w")

    @check("S3.15", "S7.25")
    async def test_a_failed_node_has_the_output_of_its_fallback_or_none(self, stage: Stage) -> None:
        nodes = [
            node("a", "fails", config={"fallback": "spare"}),
            node("spare"),
            node("b", "fails"),
        ]
        await stage.run(graph(nodes, ("a", "b")), 7)
        assert await stage.handle().output("a") == 7
        with pytest.raises(NoOutputError, match=r"'b' of run 'run' failed.*it was to fail"):
            await stage.handle().output("b")

    @check("S3.15", "S3.10")
    async def test_a_node_of_a_loop_is_asked_for_by_iteration_or_means_the_last(
        self, stage: Stage
    ) -> None:
        await stage.run(loop(3))
        run = stage.handle()
        assert [(await run.output("b", f"/{index}"))["n"] for index in range(3)] == [1, 2, 3]
        assert await run.output("b") == {"n": 3}
        with pytest.raises(NoOutputError, match="'b/7'"):
            await run.output("b", "/7")
        with pytest.raises(RunError, match="node 'b' has no scope '/#1'"):
            await run.output("b", "/#1")

    @check("S3.15", "S8.5", "S8.3")
    async def test_a_batch_has_a_list_and_each_of_its_items_an_output(self, stage: Stage) -> None:
        await stage.run(batch(3))
        assert await stage.handle().output("r") == [0, 1, 2]
        assert await stage.handle().output("b", "/#2") == 2

    @check("S3.15")
    async def test_a_node_of_a_child_is_named_by_its_path(self, stage: Stage) -> None:
        stage.add(graph([value("e", "inner")], name="child"))
        stage.add(graph([node("s", "subflow", blueprintId="child"), node("t", "wait")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_recorded("s")
        assert await stage.handle().output("s/e") == "inner"
        with pytest.raises(UnknownRunError, match="'t' of run 'run' has started no subflow"):
            await stage.handle().output("t/e")

    @check("S3.15")
    async def test_a_node_that_is_not_there_is_said_so(self, stage: Stage) -> None:
        await stage.run(graph([node("a")]))
        with pytest.raises(RunError, match="run 'run' has no node 'z'"):
            await stage.handle().output("z")
        with pytest.raises(UnknownRunError, match="nobody"):
            await stage.handle("nobody").output("a")
