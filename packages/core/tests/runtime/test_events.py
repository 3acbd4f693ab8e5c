"""The events of a run in this process."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft.errors import RunError


def told(events):
    return [f"{event.kind} {event.node}{event.scope}".strip() for event in events]


async def events_of(run, after=None):
    return [event async for event in run.events(after=after)]


def chain(graph):
    return graph(dict.fromkeys("abc", "echo"), ("a", "b"), ("b", "c"))


def test_who_listens_from_the_start_hears_everything_in_order(lab, graph):
    events = lab.drive(chain(graph), events_of, 1)
    assert told(events) == [
        "started a", "finished a", "started b", "finished b", "started c", "finished c", "ended",
    ]  # fmt: skip
    assert events[-1].status == "completed"
    assert all(event.at is not None for event in events)


def test_who_listens_late_hears_all_that_is_recorded(lab, graph):
    async def late(run):
        await run.result()
        return await events_of(run)

    events = lab.drive(chain(graph), late, 1)
    assert told(events) == ["finished a", "finished b", "finished c", "ended"]


def test_after_each_event_one_can_go_on(lab, graph, gives):
    tries = iter([ValueError("one"), None])

    async def flaky():
        error = next(tries)
        if error is not None:
            raise error

    lab.register("flaky", flaky)
    nodes = {"a": "echo", "f": {"uses": "flaky", "config": {"maxRetries": 2}}, "left": "echo"}
    blueprint = graph(nodes, ("a", "f"), ("a", "left", {"condition": "false"}))

    async def again(run):
        heard = await events_of(run)
        complete = [event for event in heard if event.kind != "started"]
        assert told(complete) == [
            "finished a", "skipped left", "retried f", "finished f", "ended",
        ]  # fmt: skip
        for number, event in enumerate(complete, 1):
            assert await events_of(run, event.cursor) == complete[number:]
        for event in heard:
            if event.kind == "started":
                later = heard[heard.index(event) :]
                rest = [one for one in later if one.kind != "started"]
                assert await events_of(run, event.cursor) == rest
        return complete

    retried = lab.drive(blueprint, again)[2]
    assert (retried.attempt, retried.error.message) == (1, "one")


def test_a_failed_run_ends_with_its_error(lab, graph):
    async def broken():
        raise ValueError("never")

    lab.register("broken", broken)
    *_, failed, end = lab.drive(graph({"a": "broken"}), events_of)
    assert (failed.kind, failed.node) == ("failed", "a")
    assert (end.status, end.error) == ("failed", failed.error)


def test_several_listen_and_one_that_stops_disturbs_nobody(lab, graph):
    async def some(run):
        async for event in run.events():
            if event.kind == "finished":
                return event

    async def all_of_them(run):
        first, *others = await asyncio.gather(some(run), events_of(run), events_of(run))
        return first, others

    first, (one, other) = lab.drive(chain(graph), all_of_them, 1)
    assert first.node == "a"
    assert one == other
    assert told(one)[-1] == "ended"


def test_a_run_to_which_nobody_listens_keeps_nothing_for_it(lab, graph):
    async def stop_listening(run):
        async for _ in run.events():
            break
        await run.result()
        return run._driver

    driver = lab.drive(chain(graph), stop_listening, 1)
    assert not driver.listeners.are_there
    assert driver._state.on_record is None


@pytest.mark.parametrize("after", ["x", "1", "1.", "-1.0", "²."])
def test_a_cursor_of_no_event_is_refused(lab, graph, after):
    async def ask(run):
        with pytest.raises(RunError, match="the cursor of no event"):
            await events_of(run, after)

    lab.drive(chain(graph), ask)
