"""The events of a run: S1.42 to S1.47 of docs/semantics.md."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from flowcraft.errors import RunError, UnknownRunError
from flowcraft.events import RunEvent
from flowcraft.testing.checks import check
from flowcraft.testing.graphs import batch, chain, graph, loop, node, value
from flowcraft.testing.stage import Stage
from flowcraft.testing.worker import Worker

PAGES = 450
"""More events than are read at once."""


class EventScenarios:
    """They are complete, end with the end of the run, and can be gone on with."""

    @check("S1.42", "S1.46")
    async def test_the_events_of_a_run_end_with_its_end(self, stage: Stage) -> None:
        await stage.run(chain(3))
        header = await stage.header()
        events = await events_of(stage)
        assert told(events) == ["finished n0", "finished n1", "finished n2", "ended"]
        assert events[-1].status == "completed"
        times = [event.at or 0.0 for event in events]
        assert times == sorted(times)
        assert times[0] >= header.created_at

    @check("S1.44", "S1.42")
    async def test_who_listens_hears_of_each_node_while_the_run_goes_on(self, stage: Stage) -> None:
        @stage.node("slow")
        async def slow(input: Any) -> Any:
            await asyncio.sleep(stage.lease_seconds)
            return input

        stage.add(chain(3, uses="slow"))
        await stage.submit("g")
        stage.worker()
        late = [stage.now() - (event.at or 0.0) async for event in stage.handle().events()]
        assert len(late) == 4
        # The step that makes something happen takes its time, too.
        assert max(late) <= stage.can.events_late_seconds + 0.5

    @check("S1.42", "S7.14", "S5.5")
    async def test_skips_failures_retries_and_actions_are_told(self, stage: Stage) -> None:
        errors = iter([ValueError("one"), ValueError("two"), None])

        @stage.node("flaky")
        async def flaky(input: Any) -> Any:
            error = next(errors)
            if error is not None:
                raise error
            return input

        nodes = [
            node("a", "flaky", config={"maxRetries": 3, "retryDelay": 1}),
            node("left"),
            node("b", "fails", config={"fallback": "spare"}),
            node("spare"),
        ]
        edges = [("a", "b"), ("a", "left", {"condition": "false"})]
        await stage.run(graph(nodes, *edges))
        events = await events_of(stage)
        order = told(events)
        assert sorted(order) == [
            "ended", "failed b", "finished a", "finished spare", "retried a", "retried a",
            "skipped left",
        ]  # fmt: skip
        retries = [event for event in events if event.kind == "retried"]
        assert [(one.attempt, one.error and one.error.message) for one in retries] == [
            (1, "one"), (2, "two"),
        ]  # fmt: skip
        assert [event.attempt for event in events if event.node == "a"] == [1, 2, 3]
        (failed,) = (event for event in events if event.kind == "failed")
        assert failed.error is not None
        assert "it was to fail" in failed.error.message
        assert order.index("finished a") < order.index("failed b") < order.index("finished spare")

    @check("S1.42", "S1.29")
    async def test_the_end_of_a_failed_run_says_why(self, stage: Stage) -> None:
        await stage.run(graph([node("a", "fails")]))
        failed, end = await events_of(stage)
        assert (failed.kind, failed.node) == ("failed", "a")
        assert (end.kind, end.status, end.error) == ("ended", "failed", failed.error)

    @check("S1.42", "S8.5", "S6.7")
    @pytest.mark.parametrize("what", ["batch", "loop"])
    async def test_every_item_of_a_batch_and_every_iteration_of_a_loop_is_told(
        self, stage: Stage, what: str
    ) -> None:
        await stage.run(batch(3) if what == "batch" else loop(2))
        events = told(await events_of(stage))
        wanted = {
            "batch": ["b", "b/#0", "b/#1", "b/#2", "l", "r"],
            "loop": ["b/0", "b/1", "c/0", "c/1", "c/2", "e", "s"],
        }
        assert sorted(events) == ["ended", *(f"finished {key}" for key in wanted[what])]

    @check("S1.46")
    async def test_the_events_of_children_are_not_among_them(self, stage: Stage) -> None:
        stage.add(graph([value("inner", 1)], name="child"))
        await stage.run(graph([node("s", "subflow", blueprintId="child")]))
        assert told(await events_of(stage)) == ["finished s", "ended"]
        (child,) = await stage.children()
        assert told(await events_of(stage, child.run_id)) == ["finished inner", "ended"]

    @check("S1.42", "S1.47")
    async def test_after_each_event_one_can_go_on(self, stage: Stage) -> None:
        """Where no order is kept, one goes on from the beginning."""
        await stage.run(chain(3))
        events = await events_of(stage)
        for number, event in enumerate(events, 1):
            rest = await events_of(stage, after=event.cursor)
            if stage.can.keeps_journal or event.kind == "ended":
                assert rest == events[number:]
            else:
                assert rest == events

    @check("S1.42", "S1.47")
    async def test_who_goes_on_in_the_middle_of_a_run_misses_nothing(self, stage: Stage) -> None:
        stage.add(graph([node("a"), node("w", "wait"), node("b")], ("a", "w"), ("w", "b")))
        stage.worker()
        await stage.submit("g")
        async with aclosing(stage.handle().events()) as events:
            first = await anext(events)
        assert told([first]) == ["finished a"]
        await stage.until_open("w")
        await stage.resume("w")
        rest = told(await events_of(stage, after=first.cursor))
        assert rest[-3:] == ["finished w", "finished b", "ended"]

    @check("S1.42", "G2")
    async def test_an_event_comes_once_however_often_a_worker_dies(self, stage: Stage) -> None:
        deaths = iter([True, True, False])

        def make(worker: Worker) -> Any:
            async def kill(input: Any) -> Any:
                if next(deaths, False):
                    await worker.die()
                return input

            return kill

        stage.node_of_worker("kill")(make)
        nodes = [node("a"), node("b", "kill"), node("c")]
        stage.add(graph(nodes, ("a", "b"), ("b", "c")))
        keeping = asyncio.create_task(stage.keep_alive(after_seconds=stage.lease_seconds / 10))
        await stage.submit("g")
        assert told(await events_of(stage)) == ["finished a", "finished b", "finished c", "ended"]
        keeping.cancel()

    @check("S1.42")
    @pytest.mark.slow
    async def test_more_than_a_page_is_told_whole(self, stage: Stage) -> None:
        names = [f"n{number:03}" for number in range(PAGES)]
        await stage.run(graph([node(name) for name in names]))
        events = await events_of(stage)
        assert sorted(event.node for event in events[:-1]) == names

    @check("S1.42")
    async def test_a_run_that_is_gone_has_no_events(self, stage: Stage) -> None:
        for after in (None, "end"):
            with pytest.raises(UnknownRunError, match="nobody"):
                await events_of(stage, "nobody", after=after)
        stage.add(graph([node("w", "wait")]))
        stage.worker()
        await stage.submit("g")
        await stage.until_open("w")
        await stage.handle().cancel()
        await stage.until_quiet()
        assert await stage.client.runs.purge("run")
        with pytest.raises(UnknownRunError, match="run"):
            await events_of(stage)

    @check("S1.47")
    async def test_a_cursor_of_no_event_is_refused(self, stage: Stage) -> None:
        if not stage.can.keeps_journal:
            pytest.skip("it keeps no order of events, and goes on from the beginning")
        await stage.run(graph([node("a")]))
        for after in ("x", "-1", "1.5", "9" * 30, "\u00b2"):
            with pytest.raises(RunError, match="the cursor of no event"):
                await events_of(stage, after=after)


async def events_of(
    stage: Stage, run_id: str = "run", *, after: str | None = None
) -> list[RunEvent]:
    """The events of a run until its end."""
    return [event async for event in stage.handle(run_id).events(after)]


def told(events: list[RunEvent]) -> list[str]:
    """What happened, in a word and the activation."""
    return [f"{event.kind} {event.node}{event.scope}".strip() for event in events]
