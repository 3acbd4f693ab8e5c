"""The synchronous door: the same application, in scripts that have no event loop."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading

import pytest

from flowcraft import Flowcraft, RunHandle, create_flow
from flowcraft.client.sync import SyncFlowcraft, SyncRun
from flowcraft.errors import FlowcraftError, RunNotFinishedError, UnknownRunError


async def double(value):
    return value * 2


@pytest.fixture
def app(tmp_path):
    made = Flowcraft(url=f"sqlite:///{tmp_path / 'runs.db'}")
    flow = create_flow("flow")
    flow.edge(flow.node(double, uses="double"), flow.wait("go"))
    made.add(flow)
    return made


@pytest.fixture
def worker(app):
    """A worker of the application, in a thread of its own with a loop of its own."""
    made = app.worker()
    loops = queue.SimpleQueue()

    async def run():
        loops.put(asyncio.get_running_loop())
        await made.run()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    loop = loops.get()
    yield made
    loop.call_soon_threadsafe(made.stop)
    thread.join()


def test_a_script_submits_watches_resumes_and_reads_its_run(app, worker):
    with app.sync() as door:
        run = door.submit("flow", 21)
        events = run.events()
        first = next(events)
        assert (first.kind, first.node) == ("finished", "double")
        assert run.output("double") == 42
        run.resume(output="yes", node_id="go")
        assert [event.kind for event in events] == ["finished", "ended"]
        assert run.result(timeout=30).output == "yes"
        assert run.status() == "completed"
        assert door.run(run.run_id).explain().status == "completed"
        assert [one.run_id for one in door.runs(status="completed").runs] == [run.run_id]


def test_a_script_waits_for_many_runs(app, worker):
    with app.sync() as door:
        runs = [door.submit("flow", number) for number in range(3)]
        for number, run in enumerate(runs):
            run.resume(output=number, node_id="go")
        assert [result.output for result in door.results(runs, timeout=30)] == [0, 1, 2]
        assert {result.output for result in door.as_completed(runs)} == {0, 1, 2}


def test_errors_come_as_they_are(app):
    with app.sync() as door:
        with pytest.raises(UnknownRunError, match="nobody"):
            door.run("nobody").result()
        run = door.submit("flow", 1)
        with pytest.raises(RunNotFinishedError):
            run.result(timeout=0)
        assert run.cancel() == "cancelled"


async def test_inside_of_an_event_loop_it_says_what_to_use(app):
    with pytest.raises(FlowcraftError, match=r"await app\.submit"):
        app.sync()
    door = await asyncio.to_thread(app.sync)
    with pytest.raises(FlowcraftError, match=r"await app\.submit"):
        door.submit("flow", 1)
    await asyncio.to_thread(door.close)


def test_an_application_that_is_connected_elsewhere_is_refused(app):
    async def main():
        async with app:
            await asyncio.to_thread(app.sync)

    with pytest.raises(FlowcraftError, match="aclose"):
        asyncio.run(main())


def test_a_closed_door_says_so_and_another_one_can_be_opened(app):
    with app.sync() as door:
        run = door.submit("flow", 1)
        unfinished = run.events()
    door.close()
    with pytest.raises(FlowcraftError, match="closed"):
        run.status()
    with pytest.raises(FlowcraftError, match="closed"):
        next(unfinished)
    with app.sync() as door:
        assert door.run(run.run_id).status() == "running"
    names = [thread.name for thread in threading.enumerate()]
    assert "flowcraft-sync" not in names


def test_events_that_are_not_read_to_the_end_are_let_go(app):
    with app.sync() as door:
        run = door.submit("flow", 1)
        run.cancel()
        for _ in run.events():
            break


@pytest.mark.parametrize(("door", "original"), [(SyncRun, RunHandle), (SyncFlowcraft, Flowcraft)])
def test_what_has_the_same_name_takes_the_same_arguments(door, original):
    names = [name for name in vars(door) if not name.startswith("_") and hasattr(original, name)]
    assert len(names) >= 5
    for name in names:
        ours, theirs = (inspect.signature(getattr(one, name)) for one in (door, original))
        assert list(ours.parameters) == list(theirs.parameters), name


def test_every_way_to_ask_a_run_is_there():
    asked = [name for name in vars(RunHandle) if not name.startswith("_")]
    assert [name for name in asked if not hasattr(SyncRun, name)] == []
