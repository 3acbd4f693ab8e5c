"""What an adapter may decide about attempts: the rest every adapter is asked by the kit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.parts import RetryOptions
from flowcraft.blueprint.model import Node
from flowcraft.testing import Stage, check
from flowcraft.testing.scenarios.attempts import add_failing, failing


class TestHooksOfAttempts:
    @check("S7.3")
    async def test_a_worker_told_so_tries_again_under_the_same_message(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def in_process(adapter: BaseDistributedAdapter, asked_for: Node) -> bool:
            asked.append(asked_for.id)
            return True

        monkeypatch.setattr(BaseDistributedAdapter, "should_retry_in_process", in_process)
        times = add_failing(stage)
        result = await stage.run(failing(maxRetries=3, retryDelay=1000))
        assert (result.status, result.errors[0].attempt) == ("failed", 3)
        assert asked == ["f", "f"]
        gaps = [after - before for before, after in pairwise(times.values())]
        assert [0.5 <= gap <= 2.1 for gap in gaps] == [True, True]

    @check("S7.26")
    async def test_an_adapter_may_have_attempts_follow_each_other_more_slowly(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def options(adapter: BaseDistributedAdapter, asked_for: Node) -> RetryOptions:
            return {"delay_ms": 10 * asked_for.config.retry_delay_ms}

        monkeypatch.setattr(BaseDistributedAdapter, "get_queue_retry_options", options)
        times = add_failing(stage)
        result = await stage.run(failing(maxRetries=3, retryDelay=10_000))
        assert (result.status, result.errors[0].attempt) == ("failed", 3)
        gaps: list[Any] = [after - before for before, after in pairwise(times.values())]
        assert 50.0 <= gaps[0] <= 100.0 + stage.harness.slack_seconds
        assert 100.0 <= gaps[1] <= 200.0 + stage.harness.slack_seconds
