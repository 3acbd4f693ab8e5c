"""A run from outside: its result, its status, why it is where it is, and what can be done to it."""

from __future__ import annotations

import asyncio

import pytest

from flowcraft import Flowcraft, NonRetryableError, create_flow
from flowcraft.errors import AmbiguousResumeError, RunError, RunNotFinishedError, UnknownRunError
from flowcraft.testing import covers


async def echo(value):
    return value


async def fail(value):
    raise ValueError("not today")


async def give_up(value):
    raise NonRetryableError("never")


class Gate:
    """Lets a test hold a node where it is."""

    def __init__(self):
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self, value):
        self.reached.set()
        await self.opened.wait()
        return value


@pytest.fixture
def gate():
    return Gate()


def standing(explanation, activation):
    return next(one for one in explanation.activations if one.activation == activation)


def states(explanation):
    return {one.activation: one.state for one in explanation.activations}


@pytest.fixture
def start(app):
    """Build a flow, add it and submit it."""

    async def submit(build, payload=None):
        flow = create_flow("flow")
        build(flow)
        app.add(flow)
        return await app.submit("flow", payload)

    return submit


# -- results


async def test_a_result_that_is_not_there_in_time_is_an_error(start):
    run = await start(lambda flow: flow.node(echo, uses="echo"))
    with pytest.raises(RunNotFinishedError, match=run.run_id):
        await run.result(timeout=0)


async def test_a_failed_run_has_a_result_too(start, app, working):
    run = await start(lambda flow: flow.node(give_up, uses="give_up"))
    async with working(app):
        result = await run.result(timeout=30)
    assert result.status == "failed"
    assert [(error.node, error.type) for error in result.errors] == [
        ("give_up", "NonRetryableError")
    ]


async def test_whoever_waits_longer_than_a_run_takes_is_woken_by_its_end(start, app, working, gate):
    run = await start(lambda flow: flow.node(gate.pass_through, uses="gate", id="gate"), "x")
    async with working(app):
        waiting = [asyncio.create_task(run.result(timeout=30)) for _ in range(3)]
        await gate.reached.wait()
        gate.opened.set()
        assert [result.output for result in await asyncio.gather(*waiting)] == ["x"] * 3


async def test_an_end_that_comes_while_one_looks_is_not_slept_over(start, app, monkeypatch):
    run = await start(lambda flow: flow.wait("approve"))
    adapter = await app.adapter()
    headers = adapter.ports.store.headers

    async def looked_too_early(run_ids):
        found = await headers(run_ids)
        monkeypatch.undo()
        await run.cancel()
        monkeypatch.setattr(adapter.waker, "wait", lambda seconds: pytest.fail("slept over it"))
        return found

    monkeypatch.setattr(adapter.ports.store, "headers", looked_too_early)
    assert (await run.result(timeout=30)).status == "cancelled"


async def test_a_handle_is_found_again_by_its_id(start, app, working):
    run = await start(lambda flow: flow.node(echo, uses="echo"), 7)
    async with working(app):
        assert (await app.run(run.run_id).result(timeout=30)).output == 7


@pytest.mark.parametrize("ask", ["result", "status", "explain", "cancel", "resume"])
async def test_asking_for_a_run_that_nobody_submitted_says_so(app, ask):
    with pytest.raises(UnknownRunError, match="nobody"):
        await getattr(app.run("nobody"), ask)()


# -- events


async def test_events_come_while_the_run_goes_on_and_end_with_it(start, app, working, gate):
    def build(flow):
        flow.edge(
            flow.node(gate.pass_through, uses="gate", id="gate"), flow.node(echo, uses="echo")
        )

    run = await start(build, "x")
    async with working(app):
        events = run.events()
        first = asyncio.ensure_future(anext(events))
        await gate.reached.wait()
        assert not first.done()
        gate.opened.set()
        heard = [await first, *[event async for event in events]]
    assert [(event.kind, event.node) for event in heard] == [
        ("finished", "gate"),
        ("finished", "echo"),
        ("ended", ""),
    ]
    rest = [event async for event in app.run(run.run_id).events(after=heard[0].cursor)]
    assert rest == heard[1:]
    with pytest.raises(UnknownRunError, match="nobody"):
        await anext(app.run("nobody").events())


# -- status


async def test_a_run_without_a_worker_is_running_for_its_job_is_ready(start):
    run = await start(lambda flow: flow.wait("approve"))
    assert await run.status() == "running"


async def test_a_run_whose_only_open_end_is_a_wait_is_waiting(start, app, working, until_status):
    run = await start(lambda flow: flow.wait("approve"))
    async with working(app):
        await until_status(run, "waiting")
        assert states(await run.explain()) == {"approve": "waiting"}
        assert await run.resume(output="yes") == "woke"
        assert (await run.result(timeout=30)).output == "yes"
    assert await run.status() == "completed"


@covers("S1.15", "S1.16")
async def test_a_run_that_executes_beside_its_wait_is_running(
    start, app, working, until_status, gate
):
    def build(flow):
        flow.wait("approve")
        flow.node(gate.pass_through, uses="gate", id="gate")

    run = await start(build, "x")
    async with working(app):
        await gate.reached.wait()
        assert await run.status() == "running"
        gate.opened.set()
        await until_status(run, "waiting")
        assert states(await run.explain()) == {"approve": "waiting", "gate": "completed"}


async def test_a_run_that_sleeps_is_waiting_and_says_until_when(start, app, working, until_status):
    run = await start(lambda flow: flow.sleep("night", duration_seconds=3600))
    async with working(app):
        await until_status(run, "waiting")
        explanation = await run.explain()
    night = standing(explanation, "night")
    assert night.state == "sleeping"
    assert night.until == pytest.approx(explanation.created_at + 3600, abs=60)


@covers("S1.15")
async def test_a_run_waits_as_its_child_does(app, working, until_status):
    child, parent = create_flow("child"), create_flow("parent")
    child.wait("approve")
    parent.subflow("sub", blueprint=child)
    app.add(child)
    app.add(parent)
    run = await app.submit("parent")
    async with working(app):
        await until_status(run, "waiting")
        sub = standing(await run.explain(), "sub")
        assert sub.state == "in_subflow"
        assert states(await app.run(sub.child).explain()) == {"approve": "waiting"}
        assert await run.resume(output=3, node_id="sub/approve") == "woke"
        assert (await run.result(timeout=30)).output == 3


async def test_a_run_that_will_try_again_is_running(start, app, working, until):
    run = await start(
        lambda flow: flow.node(fail, uses="fail", attempts=2, retry_delay_seconds=3600)
    )

    async def is_retrying():
        return standing(await run.explain(), "fail").state == "retrying"

    async with working(app):
        await until(is_retrying)
        found = standing(await run.explain(), "fail")
        assert await run.status() == "running"
    assert (found.attempt, found.error.message) == (2, "not today")
    assert found.until is not None


async def test_a_wait_in_a_loop_is_told_apart_by_its_scope(start, app, working, until_status):
    def build(flow):
        first = flow.node(echo, uses="echo", id="first")
        loop = flow.loop("loop", condition="result.output < 2")
        flow.wait("approve")
        flow.edge(first, loop)
        loop.body("approve")

    run = await start(build, 0)
    async with working(app):
        for index in range(2):
            await until_status(run, "waiting")
            scope = f"/{index}"
            assert standing(await run.explain(), f"approve{scope}").state == "waiting"
            assert await run.resume(output=index + 1, node_id="approve", scope=scope) == "woke"
        assert (await run.result(timeout=30)).status == "completed"


# -- why it is where it is


async def test_a_join_says_for_whom_it_waits(start, app, working, until_status):
    def build(flow):
        quick, slow = flow.node(echo, uses="echo", id="quick"), flow.wait("slow")
        flow.join("both")
        flow.edge(quick, "both")
        flow.edge(slow, "both")

    run = await start(build, 1)
    async with working(app):
        await until_status(run, "waiting")
        explanation = await run.explain()
    assert states(explanation) == {"quick": "completed", "slow": "waiting", "both": "joining"}
    assert standing(explanation, "both").waits_for == ("slow",)


async def test_a_node_that_takes_long_says_which_worker_is_at_it(working, until, gate):
    app = Flowcraft(adapter="memory", lease_seconds=1)
    flow = create_flow("flow")
    flow.node(gate.pass_through, uses="gate", id="slow")
    app.add(flow)
    async with app, working(app, name="w3"):
        run = await app.submit("flow")

        async def is_leased():
            return states(await run.explain()) == {"slow": "executing"}

        await until(is_leased)
        found = standing(await run.explain(), "slow")
        assert (found.worker, found.attempt, found.until is not None) == ("w3", 1, True)
        assert await run.status() == "running"
        gate.opened.set()
        await run.result(timeout=30)


async def test_a_node_that_no_worker_has_is_stranded(tmp_path, working, until):
    flow = create_flow("flow")
    flow.node(echo, uses="echo")
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    async with Flowcraft(url=url) as client, working(Flowcraft(url=url)):
        client.add(flow)
        run = await client.submit("flow")

        async def is_stranded():
            return states(await run.explain()) == {"echo": "stranded"}

        await until(is_stranded)
        assert standing(await run.explain(), "echo").uses == "echo"
        assert await run.status() == "running"


async def test_a_batch_is_explained_item_by_item(start, app, working, until_status):
    def build(flow):
        items = flow.node(echo, uses="echo", id="items")
        flow.edge(flow.map("wait", over=items, id="approvals", chunk_size=2), flow.join("after"))

    run = await start(build, ["a", "b", "c"])
    async with working(app):
        await until_status(run, "waiting")
        assert states(await run.explain()) == {
            "items": "completed",
            "approvals_scatter": "completed",
            "approvals_scatter/#0": "waiting",
            "approvals_scatter/#1": "waiting",
        }
        for index in (1, 0, 2):
            await until_status(run, "waiting")
            scope = f"/#{index}"
            outcome = await run.resume(output=index, node_id="approvals_scatter", scope=scope)
            assert outcome == "woke"
        assert (await run.result(timeout=30)).output == [0, 1, 2]
    assert states(await run.explain())["approvals_gather"] == "completed"


async def test_an_ended_run_is_explained_by_its_records_alone(start, app, working):
    def build(flow):
        first = flow.node(echo, uses="echo", id="first")
        flow.edge(first, flow.node(echo, uses="echo", id="taken"), when="result.output == 1")
        flow.edge(first, flow.node(echo, uses="echo", id="left"), when="result.output == 2")
        flow.edge("taken", flow.wait("never"))

    run = await start(build, 1)
    async with working(app):
        await app.run(run.run_id).resume(node_id="never")
        await run.result(timeout=30)
    explanation = await run.explain()
    assert explanation.status == "completed"
    assert states(explanation) == {
        "first": "completed",
        "taken": "completed",
        "left": "skipped",
        "never": "completed",
    }


async def test_a_node_whose_fallback_stands_in_is_shown_as_caught(start, app, working):
    def build(flow):
        flow.node(fail, uses="fail", fallback="spare")
        flow.node(echo, uses="echo", id="spare")

    run = await start(build, 1)
    async with working(app):
        assert (await run.result(timeout=30)).output == 1
    explanation = await run.explain()
    assert states(explanation) == {"fail": "caught", "spare": "completed"}
    assert standing(explanation, "fail").error.message == "not today"


# -- cancelling and resuming


async def test_a_cancelled_run_stays_cancelled(start, app, working, until_status):
    run = await start(lambda flow: flow.wait("approve"))
    async with working(app):
        await until_status(run, "waiting")
        assert await run.cancel() == "cancelled"
        assert (await run.result(timeout=30)).status == "cancelled"
        assert await run.resume(node_id="approve") == "refused"
        assert await run.cancel() == "cancelled"


async def test_cancelling_an_ended_run_tells_how_it_ended(start, app, working):
    run = await start(lambda flow: flow.node(echo, uses="echo"))
    async with working(app):
        await run.result(timeout=30)
        assert await run.cancel() == "completed"


async def test_a_resume_that_comes_early_is_kept_for_its_wait(start, app, working):
    run = await start(lambda flow: flow.wait("approve"))
    assert await run.resume(output=1, node_id="approve") == "kept"
    async with working(app):
        assert (await run.result(timeout=30)).output == 1


@covers("S10.16")
async def test_a_resume_that_could_mean_several_waits_lists_them(start, app, working, until_status):
    def build(flow):
        flow.wait("first")
        flow.wait("second")

    run = await start(build)
    async with working(app):
        await until_status(run, "waiting")
        with pytest.raises(AmbiguousResumeError, match="first, second"):
            await run.resume()


# --- retrying ----------------------------------------------------------------------------------


async def test_a_retry_goes_on_from_what_the_run_recorded(app, working):
    called = []
    is_broken = True

    async def first(value):
        called.append("first")
        return value

    async def second(value):
        called.append("second")
        if is_broken:
            raise ValueError("not today")
        return value

    flow = create_flow("flow")
    flow.edge(flow.node(first, uses="first"), flow.node(second, uses="second"))
    app.add(flow)
    async with working(app):
        run = await app.submit("flow", 7)
        assert (await run.result(timeout=30)).status == "failed"
        is_broken = False
        again = await run.retry()
        assert again.run_id != run.run_id
        assert (await again.result(timeout=30)).output == 7
        assert called == ["first", "second", "second"]
        assert (await again.explain()).retry_of == run.run_id
        assert (await run.explain()).retry_of == ""
        assert (await run.status()) == "failed"


async def test_a_retry_may_be_given_its_id(app, working):
    flow = create_flow("flow")
    flow.node(echo)
    app.add(flow)
    async with working(app):
        run = await app.submit("flow", 7)
        await run.result(timeout=30)
        again = await run.retry("again")
        assert again.run_id == "again"
        assert (await (await run.retry("again")).result(timeout=30)).output == 7
        with pytest.raises(RunError, match="run id 'a/b'"):
            await run.retry("a/b")


async def test_what_cannot_be_retried_says_why(app):
    flow = create_flow("flow")
    flow.node(echo)
    app.add(flow)
    run = await app.submit("flow", 7)
    with pytest.raises(RunError, match=r"has not ended\. Cancel it first, or wait"):
        await run.retry()
    with pytest.raises(UnknownRunError, match="nobody"):
        await app.run("nobody").retry()
