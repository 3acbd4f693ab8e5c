"""Submitting: what is the same run, what is another one, and what is none (S1.1 to S1.10)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flowcraft import create_flow
from flowcraft.errors import (
    BlueprintError,
    IdempotencyConflictError,
    RunError,
    UnknownBlueprintError,
    ValueNotStorableError,
)
from flowcraft.testing import covers


@dataclass
class Order:
    id: int
    size: int


async def double(order: dict) -> int:
    return order["size"] * 2


async def triple(order: dict) -> int:
    return order["size"] * 3


def one_node_flow(function=double, id="order"):
    flow = create_flow(id)
    flow.node(function, uses=function.__name__, id="work")
    return flow


@pytest.fixture
def order_app(app):
    app.add(one_node_flow())
    return app


async def header_of(app, run_id):
    (header,) = await (await app.adapter()).ports.store.headers([run_id])
    return header


async def test_a_run_that_is_submitted_gives_its_result(order_app, working):
    async with working(order_app):
        run = await order_app.submit("order", {"id": 1, "size": 4})
        result = await run.result(timeout=30)
    assert (result.status, result.output, result.context) == ("completed", 8, {"id": 1, "size": 4})


async def test_a_declared_payload_is_stored_as_json(order_app, working):
    async with working(order_app):
        run = await order_app.submit("order", Order(1, 5))
        assert (await run.result(timeout=30)).output == 10


async def test_a_fresh_run_has_an_id_of_its_own_each_time(order_app):
    first = await order_app.submit("order", {"size": 1})
    second = await order_app.submit("order", {"size": 1})
    assert first.run_id != second.run_id


@covers("S1.7")
async def test_the_same_key_and_payload_give_the_same_run_before_and_after_its_end(
    order_app, working
):
    first = await order_app.submit("order", {"id": 1, "size": 4}, idempotency_key="k")
    again = await order_app.submit("order", {"size": 4, "id": 1}, idempotency_key="k")
    assert again.run_id == first.run_id
    async with working(order_app):
        await first.result(timeout=30)
    later = await order_app.submit("order", {"id": 1, "size": 4}, idempotency_key="k")
    assert (await later.result(timeout=0)).output == 8


@covers("S1.8")
async def test_a_key_with_another_payload_is_a_conflict(order_app):
    await order_app.submit("order", {"size": 4}, idempotency_key="k")
    with pytest.raises(IdempotencyConflictError, match=r"'k' belongs to run .*another payload"):
        await order_app.submit("order", {"size": 5}, idempotency_key="k")


@covers("S1.8")
async def test_a_key_with_another_blueprint_is_a_conflict(order_app):
    order_app.add(one_node_flow(id="other"))
    await order_app.submit("order", {"size": 4}, idempotency_key="k")
    with pytest.raises(IdempotencyConflictError, match="follows blueprint 'order', not 'other'"):
        await order_app.submit("other", {"size": 4}, idempotency_key="k")


async def test_a_run_id_names_one_run_only(order_app):
    first = await order_app.submit("order", {"size": 4}, run_id="order-1")
    again = await order_app.submit("order", {"size": 4}, run_id="order-1")
    assert first.run_id == again.run_id == "order-1"
    with pytest.raises(IdempotencyConflictError, match="run 'order-1' exists"):
        await order_app.submit("order", {"size": 5}, run_id="order-1")


@pytest.mark.parametrize("run_id", ["", "a/b", "x" * 201, "line\nbreak", "\ud800"])
async def test_a_run_id_that_cannot_be_one_is_refused(order_app, run_id):
    with pytest.raises(RunError, match="run id"):
        await order_app.submit("order", {"size": 4}, run_id=run_id)


@pytest.mark.parametrize("key", ["", "\ud800"])
async def test_a_key_that_cannot_be_one_is_refused(order_app, key):
    with pytest.raises(RunError, match="idempotency key"):
        await order_app.submit("order", {"size": 4}, idempotency_key=key)


async def test_a_run_id_and_a_key_exclude_each_other(order_app):
    with pytest.raises(RunError, match="exclude each other"):
        await order_app.submit("order", None, run_id="a", idempotency_key="b")


@covers("S1.6")
async def test_an_unknown_blueprint_is_refused_and_no_run_comes_into_being(order_app):
    with pytest.raises(UnknownBlueprintError, match="Did you mean 'order'"):
        await order_app.submit("ordr", None, run_id="r")
    assert await header_of(order_app, "r") is None


async def test_a_blueprint_whose_node_nobody_registered_is_refused(app):
    app.add({"id": "order", "nodes": [{"id": "a", "uses": "nobody"}], "edges": []})
    with pytest.raises(BlueprintError, match="nobody"):
        await app.submit("order", None)


async def test_a_payload_that_is_no_json_is_refused(order_app):
    with pytest.raises(ValueNotStorableError, match="payload"):
        await order_app.submit("order", {"size": {1, 2}}, run_id="r")
    assert await header_of(order_app, "r") is None


async def test_a_run_keeps_the_content_of_all_blueprints_it_can_reach(app):
    for outer, inner in (("a", "b"), ("b", "c")):
        flow = create_flow(outer)
        flow.subflow("sub", blueprint=inner)
        app.add(flow)
    leaf = create_flow("c")
    leaf.node(double, uses="double")
    app.add(leaf)
    app.add(one_node_flow(id="unrelated"))
    run = await app.submit("a", {"size": 1})
    header = await header_of(app, run.run_id)
    assert set(header.blueprints) == {"a", "b", "c"}
    store = (await app.adapter()).ports.store
    assert all([await store.get_blueprint(found) for found in header.blueprints.values()])


async def test_a_blueprint_that_starts_itself_is_kept_once(app):
    flow = create_flow("again")
    flow.edge(flow.node(double, uses="double"), flow.subflow("sub", blueprint="again"))
    app.add(flow)
    run = await app.submit("again", {"size": 1})
    assert set((await header_of(app, run.run_id)).blueprints) == {"again"}


@covers("S1.4")
async def test_a_run_follows_the_blueprint_as_it_was_when_it_was_submitted(order_app, working):
    old = await order_app.submit("order", {"size": 4})
    order_app.add(one_node_flow(triple), replace=True)
    new = await order_app.submit("order", {"size": 4})
    async with working(order_app):
        assert (await old.result(timeout=30)).output == 8
        assert (await new.result(timeout=30)).output == 12


async def test_a_key_of_an_older_version_of_the_blueprint_is_a_conflict(order_app):
    await order_app.submit("order", {"size": 4}, idempotency_key="k")
    order_app.add(one_node_flow(triple), replace=True)
    with pytest.raises(IdempotencyConflictError, match="another version of blueprint 'order'"):
        await order_app.submit("order", {"size": 4}, idempotency_key="k")


@covers("S1.34")
async def test_a_deadline_comes_with_the_submission_or_from_the_blueprint(order_app):
    document = {
        "id": "timed",
        "nodes": [{"id": "a", "uses": "double"}],
        "edges": [],
        "metadata": {"timeout": 60_000},
    }
    order_app.add(document)
    own = await header_of(order_app, (await order_app.submit("timed", None)).run_id)
    given = await order_app.submit("timed", None, deadline_seconds=5)
    header = await header_of(order_app, given.run_id)
    none = await header_of(order_app, (await order_app.submit("order", None)).run_id)
    assert own.deadline_at == own.created_at + 60
    assert header.deadline_at == header.created_at + 5
    assert none.deadline_at is None


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
async def test_a_deadline_that_is_over_already_is_refused(order_app, seconds):
    with pytest.raises(RunError, match="deadline_seconds"):
        await order_app.submit("order", None, deadline_seconds=seconds)


async def test_a_submission_that_broke_off_is_finished_by_the_next_one(
    order_app, working, monkeypatch
):
    adapter = await order_app.adapter()

    async def break_off(run_id):
        raise ConnectionError("gone")

    # As over a queue and a store that are two: creating and starting are two steps there.
    monkeypatch.setattr(adapter.ports, "begin", None)
    monkeypatch.setattr(adapter.runs, "start", break_off)
    with pytest.raises(ConnectionError):
        await order_app.submit("order", {"size": 4}, idempotency_key="k")
    monkeypatch.undo()
    monkeypatch.setattr(adapter.ports, "begin", None)
    run = await order_app.submit("order", {"size": 4}, idempotency_key="k")
    async with working(order_app):
        assert (await run.result(timeout=30)).output == 8


@pytest.mark.parametrize("delay", [-1, float("inf"), float("nan")])
async def test_a_delay_that_is_none_is_refused(app, delay):
    app.add(one_node_flow())
    with pytest.raises(RunError, match="delay_seconds="):
        await app.submit("order", delay_seconds=delay)


async def test_submitting_again_neither_starts_a_delayed_run_nor_moves_its_start(app, working):
    app.add(one_node_flow())
    first = await app.submit("order", 1, idempotency_key="k", delay_seconds=3600)
    starts_at = (await first.explain()).starts_at
    async with working(app):
        again = await app.submit("order", 1, idempotency_key="k")
        assert await again.status() == "waiting"
        assert (await again.explain()).starts_at == starts_at
        (summary,) = (await app.runs()).runs
        assert (summary.status, summary.starts_at) == ("running", starts_at)
