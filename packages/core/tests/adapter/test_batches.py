"""What a batch reads, and what it does not: the rest every adapter is asked by the kit."""

from __future__ import annotations

from typing import Any

from flowcraft.engine.activation import Activation
from flowcraft.engine.cells import RECORD
from flowcraft.execution.move import load_for
from flowcraft.testing import Stage, check
from flowcraft.testing.graphs import batch, node, value


class TestWhatABatchReads:
    @check("S8.17")
    async def test_a_batch_over_what_another_one_gathered_never_makes_the_list(
        self, stage: Stage
    ) -> None:
        blueprint = batch(30)
        blueprint["nodes"] += [
            node("b2", "batch-scatter", workerUsesKey="echo", gatherNodeId="r2"),
            node("r2", "batch-gather"),
            value("z", "done"),
        ]
        blueprint["edges"] += [
            {"source": source, "target": target}
            for source, target in (("r", "b2"), ("b2", "r2"), ("r2", "z"))
        ]
        reader = stage.worker().adapter.parts.reader
        whole = reader._gathered
        lists: list[str] = []

        async def watched(run_id: str, reference: Any) -> bytes:
            lists.append(reference.scatter)
            return await whole(run_id, reference)

        reader._gathered = watched  # type: ignore[method-assign]
        assert (await stage.run(blueprint)).output == "done"
        assert lists == ["b2"], "only the last node takes a list"

    @check("S8.5")
    async def test_an_item_does_not_read_the_list_that_it_is_from(self, stage: Stage) -> None:
        blueprint = batch(3)
        blueprint["nodes"][1]["inputs"] = "l"
        stage.add(blueprint)
        program = stage.program("g")
        assert ("l", RECORD) in load_for(program, "run", Activation("b")).peeks
        assert load_for(program, "run", Activation("b", "/#1")).peeks == (("b", RECORD),)
