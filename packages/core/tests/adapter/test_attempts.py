"""What an adapter may decide about attempts: the rest every adapter is asked by the kit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.parts import Parts, RetryOptions
from flowcraft.blueprint.model import Node
from flowcraft.engine.cells import STARTED
from flowcraft.errors import BackendUnavailableError
from flowcraft.execution.move import Move
from flowcraft.ports.contract import JobPayload
from flowcraft.ports.queue import Outgoing
from flowcraft.testing import Stage, check
from flowcraft.testing.graphs import graph, node
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


class TestCounts:
    @check("S7.13")
    async def test_a_count_whose_answer_was_lost_is_taken_back_with_its_job(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The store has it, and the worker that hands its job back lives."""
        stage.settings["max_deliveries"] = 2
        note, lost = Parts.note, 0

        async def note_and_lose(parts: Parts, move: Move, name: str, value: bytes) -> bytes:
            nonlocal lost
            noted = await note(parts, move, name, value)
            if name.startswith(STARTED) and lost < 4:
                lost += 1
                raise BackendUnavailableError("no answer")
            return noted

        monkeypatch.setattr(Parts, "note", note_and_lose)
        stage.add(graph([node("a")]))
        await stage.create("g", 3)
        queue = stage.client.ports.queue
        await queue.send([Outgoing(JobPayload("run", "g", "a", origin="sweep"))])
        stage.worker()
        result = await stage.result()
        assert (result.status, result.output, lost) == ("completed", 3, 4)
