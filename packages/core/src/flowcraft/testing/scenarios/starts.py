"""How runs start: S1.1 to S1.13 of docs/semantics.md."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.client.book import BlueprintBook
from flowcraft.client.submission import Submitter
from flowcraft.errors import (
    IdempotencyConflictError,
    RunError,
    UnknownBlueprintError,
    ValueNotStorableError,
)
from flowcraft.nodes import Context
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, loop, node
from flowcraft.testing.stage import Stage

ODD_IDS = ["a b", "a.b", "it's", '"q"', "\u00e4\U0001f600", "x" * 200, "$", "#1", "!a", "a:1", "A"]
"""Ids that a key, a path, a query or a pattern could stumble over."""

BAD_IDS = ["", "a/b", "x" * 201, "\u00e4" * 101, "line\nbreak", "nul\0", "\ud800"]


class StartScenarios:
    """What a run begins with, and under which names."""

    @check("S1.1")
    async def test_each_key_of_a_mapping_is_a_context_key_from_the_beginning(
        self, stage: Stage
    ) -> None:
        @stage.node("read")
        async def read(input: Any, ctx: Context) -> Any:
            return [await ctx.get("a"), await ctx.get("b"), await ctx.has("none")]

        result = await stage.run(graph([node("n", "read")]), {"a": 1, "b": {"c": None}})
        assert result.output == [1, {"c": None}, False]
        assert result.context == {"a": 1, "b": {"c": None}}

    @check("S1.2", "S1.3")
    @pytest.mark.parametrize("payload", [None, 7, "text", [1, {}], {"k": [2]}], ids=str)
    async def test_the_payload_is_the_input_of_each_start_node_without_inputs(
        self, stage: Stage, payload: Any
    ) -> None:
        nodes = [
            node("a", config={"fallback": "spare"}),
            node("b"),
            node("named", inputs={"x": "nothing"}),
            node("spare", "fails"),
        ]
        result = await stage.run(graph(nodes), payload)
        assert result.output == {"a": payload, "b": payload, "named": {"x": None}}
        assert stage.calls["fails"] == 0, "a fallback was started"

    @check("S1.10", "S1.11", "S1.13")
    async def test_ids_of_the_longest_kind_and_oddest_shape_are_told_apart(
        self, stage: Stage
    ) -> None:
        blueprint = graph([node(name) for name in ODD_IDS], *itertools.pairwise(ODD_IDS))
        run_ids = ["r" * 200, "r" * 199 + "s", "a b", "a", "A", "a:b", "\U0001f600", "run~", "#"]
        for number, run_id in enumerate(run_ids):
            assert (await stage.run(blueprint, number, run_id=run_id)).output == number
        for number, run_id in enumerate(run_ids):
            assert (await stage.handle(run_id).result()).output == number

    @check("S1.13")
    async def test_long_ids_with_a_scope_behind_them_are_told_apart(self, stage: Stage) -> None:
        blueprint = loop(3)
        names = {"s": "s" * 200, "c": "x" * 200, "b": "x" * 199 + "y", "e": "e" * 200}
        for one in blueprint["nodes"]:
            one["id"] = names[one["id"]]
        for edge in blueprint["edges"]:
            edge["source"], edge["target"] = names[edge["source"]], names[edge["target"]]
        run_id = "r" * 200
        assert (await stage.run(blueprint, run_id=run_id)).output == {"n": 3}
        body = names["b"]
        found = [await stage.handle(run_id).output(body, f"/{index}") for index in range(3)]
        assert found == [{"n": 1}, {"n": 2}, {"n": 3}]

    @check("S1.12", "S2.2")
    @pytest.mark.parametrize(
        "payload",
        [{"x": float("nan")}, {"": 1}, {"k" * 513: 1}, {"\ud800": 1}, {"/errors/a": 1}],
        ids=["nan", "empty", "long", "half", "reserved"],
    )
    async def test_a_payload_that_no_run_can_have_makes_none(
        self, stage: Stage, payload: Any
    ) -> None:
        stage.add(graph([node("a")]))
        with pytest.raises(ValueNotStorableError):
            await stage.submit("g", payload)
        assert not await stage.is_there()


class SubmissionScenarios:
    """Which submissions make a run, and which give one that exists."""

    @check("S1.6")
    async def test_an_unknown_blueprint_makes_no_run(self, stage: Stage) -> None:
        with pytest.raises(UnknownBlueprintError, match="Did you mean 'order'"):
            await submitted(stage, blueprint_id="ordr", run_id="run")
        assert not await stage.is_there()

    @check("S1.7", "S1.9")
    async def test_the_same_key_and_payload_give_the_same_run_whatever_its_status(
        self, stage: Stage
    ) -> None:
        run_id = await submitted(stage, {"a": 1, "b": 2}, idempotency_key="k")
        assert await submitted(stage, {"b": 2, "a": 1}, idempotency_key="k") == run_id
        stage.worker()
        result = await stage.result(run_id)
        assert await submitted(stage, {"a": 1, "b": 2}, idempotency_key="k") == run_id
        await stage.until_quiet()
        assert await stage.result(run_id) == result

    @check("S1.8")
    async def test_a_key_with_another_payload_or_blueprint_is_a_conflict(
        self, stage: Stage
    ) -> None:
        run_id = await submitted(stage, 1, idempotency_key="k")
        for payload, blueprint_id in ((2, "order"), (1, "other")):
            with pytest.raises(IdempotencyConflictError, match=run_id):
                await submitted(stage, payload, blueprint_id=blueprint_id, idempotency_key="k")
        stage.worker()
        assert (await stage.result(run_id)).output == 1

    @check("S1.9")
    async def test_a_key_is_free_again_when_its_run_was_purged(self, stage: Stage) -> None:
        run_id = await submitted(stage, 1, idempotency_key="k")
        stage.worker()
        await stage.result(run_id)
        await stage.until_quiet()
        assert await stage.client.runs.purge(run_id)
        assert await submitted(stage, 2, idempotency_key="k") == run_id
        assert (await stage.result(run_id)).output == 2

    @check("S1.7", "S12.1")
    async def test_a_submission_whose_client_died_is_finished_by_the_same_one(
        self, stage: Stage
    ) -> None:
        stage.settings["sweep_interval_seconds"] = 1e7  # nobody else finds it
        dying = stage.make_worker("dying")

        async def cut(call: object) -> None:
            if await stage.is_there():
                await dying.die()

        dying.wire.after = cut
        submitting = asyncio.ensure_future(submitted(stage, 1, run_id="run", through=dying.adapter))

        async def has_died() -> bool:
            return dying.is_dead

        await stage.until(has_died)
        submitting.cancel()
        assert await submitted(stage, 1, run_id="run") == "run"
        stage.worker()
        assert (await stage.result()).output == 1

    @check("S1.10")
    @pytest.mark.parametrize("run_id", BAD_IDS, ids=range(len(BAD_IDS)))
    async def test_an_id_that_no_run_can_have_is_refused(self, stage: Stage, run_id: str) -> None:
        with pytest.raises(RunError, match="run id"):
            await submitted(stage, run_id=run_id)


async def submitted(
    stage: Stage,
    payload: Any = None,
    *,
    blueprint_id: str = "order",
    run_id: str | None = None,
    idempotency_key: str | None = None,
    through: BaseDistributedAdapter | None = None,
) -> str:
    """Submit a run as an application does; its id."""
    client = through or stage.client
    book = BlueprintBook(stage.expressions, ("echo",))
    for name in ("order", "other"):
        book.add(graph([node("a")], name=name), replace=False)
    submitter = Submitter(client, book, client.options.runtime_options.clock)
    return await submitter.submit(
        blueprint_id,
        payload,
        run_id=run_id,
        idempotency_key=idempotency_key,
        deadline_seconds=None,
    )
