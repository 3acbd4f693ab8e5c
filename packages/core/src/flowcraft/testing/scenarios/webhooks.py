"""Webhooks, alone and in pairs with a wait: chapter 10 of docs/semantics.md."""

from __future__ import annotations

import pytest

from flowcraft.testing.checks import check
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.in_process import Signal
from flowcraft.testing.stage import Stage

CALL = {"body": {"n": 1}, "headers": {"x": "y"}, "method": "POST", "query": {"q": "1"}}
ALONE = graph([node("h", "webhook"), node("z")], ("h", "z"))
PAIR = graph(
    [node("h", "webhook"), node("w", "wait", eventName="webhook:h"), node("z")],
    ("h", "w"),
    ("w", "z"),
)


class WebhookScenarios:
    """A webhook gives the call that came, once."""

    @check("S10.7", "S10.9")
    async def test_a_webhook_gives_the_call_that_came(self, stage: Stage) -> None:
        stage.add(ALONE)
        stage.worker()
        await stage.submit("g")
        await stage.until_open("h")
        endpoint = await stage.client.register_webhook_endpoint("run", "h")
        assert endpoint == {"url": "/webhooks/run/h", "event": "webhook:h"}
        assert await stage.resume("h", CALL) == "woke"
        assert await stage.resume("h", CALL) == "refused"
        assert (await stage.result()).output == CALL

    @check("S10.7", "S10.11", "S12.16", "G7")
    async def test_a_call_before_the_webhook_is_reached_is_kept(self, stage: Stage) -> None:
        assert (await stage.run_both(ALONE, signals=[Signal("h", CALL)])).output == CALL

    @pytest.mark.parametrize("name", ["h", "w"])
    @check("S10.8")
    async def test_in_a_pair_the_wait_suspends_under_either_name(
        self, stage: Stage, name: str
    ) -> None:
        stage.add(PAIR)
        stage.worker()
        await stage.submit("g", "in")
        await stage.until_open("w")
        assert await stage.record("h") is not None
        assert await stage.resume(name, CALL) == "woke"
        assert await stage.resume("h", CALL) == "refused"
        assert (await stage.result()).output == CALL

    @pytest.mark.parametrize("name", ["h", "w"])
    @check("S10.8", "S10.11", "S12.16")
    async def test_a_call_of_a_pair_that_comes_early_is_not_lost(
        self, stage: Stage, name: str
    ) -> None:
        assert (await stage.run_both(PAIR, signals=[Signal(name, CALL)])).output == CALL

    @check("S10.7", "S1.10")
    async def test_the_path_of_a_webhook_can_be_part_of_an_address(self, stage: Stage) -> None:
        endpoint = await stage.client.register_webhook_endpoint("a b?", "h#\u00e4%")
        assert endpoint["url"] == "/webhooks/a%20b%3F/h%23%C3%A4%25"
