"""What a program passes to an application that nobody can have meant, on either backend."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flowcraft import Flowcraft, create_flow
from flowcraft.adapter.contract_register import SYSTEM_RUN
from flowcraft.blueprint import load_blueprint
from flowcraft.errors import (
    RunError,
    RunNotFinishedError,
    UnknownBlueprintError,
    UnknownRunError,
    ValueNotStorableError,
)
from flowcraft.nodes import NodeRegistry
from flowcraft.runtime import FlowRuntime


@pytest.fixture(params=["memory", "sqlite"])
async def app(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Flowcraft]:
    where = {"path": str(tmp_path / "flow.db")} if request.param == "sqlite" else {}
    made = Flowcraft(adapter=request.param, **where)
    flow = create_flow("waiting")
    flow.wait("w")
    made.add(flow)
    async with made:
        yield made


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("blueprint_id", ["", None, 5, "\ud800", "a\0b", "x" * 10**5, b"waiting"])
async def test_what_is_no_blueprint_is_unknown(app: Flowcraft, blueprint_id: Any) -> None:
    with pytest.raises(UnknownBlueprintError, match=r"^no blueprint .*waiting"):
        await app.submit(blueprint_id)


@pytest.mark.parametrize("run_id", [5, b"x", SYSTEM_RUN, "a\x7fb"])
async def test_what_is_no_run_id_is_refused(app: Flowcraft, run_id: Any) -> None:
    with pytest.raises(RunError, match=r"^run id"):
        await app.submit("waiting", run_id=run_id)


@pytest.mark.parametrize("key", [5, b"x", ["x"]])
async def test_what_is_no_idempotency_key_is_refused(app: Flowcraft, key: Any) -> None:
    with pytest.raises(RunError, match=r"^idempotency key"):
        await app.submit("waiting", idempotency_key=key)


@pytest.mark.parametrize("key", ["a\0b", "x" * 10**6, "'; DROP TABLE runs; --", "../../etc"])
async def test_any_text_is_an_idempotency_key(app: Flowcraft, key: str) -> None:
    first = await app.submit("waiting", idempotency_key=key)
    assert (await app.submit("waiting", idempotency_key=key)).run_id == first.run_id


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, 1e308, 10**400, "5"])
async def test_a_deadline_that_never_comes_is_refused(app: Flowcraft, seconds: Any) -> None:
    with pytest.raises(RunError, match=r"^deadline_seconds="):
        await app.submit("waiting", deadline_seconds=seconds)


async def test_a_deadline_is_checked_in_one_process_too() -> None:
    source = {"id": "g", "nodes": [{"id": "n", "uses": "wait"}]}
    runtime = FlowRuntime(registry=NodeRegistry())
    with pytest.raises(RunError, match=r"^deadline_seconds=nan"):
        await runtime.run(load_blueprint(source), deadline_seconds=math.nan)


@pytest.mark.parametrize("timeout", [math.nan, "5"])
async def test_waiting_for_no_number_of_seconds_is_refused(app: Flowcraft, timeout: Any) -> None:
    run = await app.submit("waiting")
    with pytest.raises(RunError, match=r"^timeout="):
        await run.result(timeout)


async def test_a_time_that_is_over_asks_once(app: Flowcraft) -> None:
    with pytest.raises(RunNotFinishedError):
        await (await app.submit("waiting")).result(-1)


@pytest.mark.parametrize("action", ["", 5, "\ud800", ["x"]])
async def test_an_action_that_no_edge_can_name_is_refused(app: Flowcraft, action: Any) -> None:
    run = await app.submit("waiting")
    with pytest.raises(RunError, match=r"^action="):
        await run.resume(action, None, "w")
    assert await run.resume("fine", None, "w") == "kept"


@pytest.mark.parametrize("node_id", ["", "\ud800", "w\0", "a/b/c", "/".join("a" * 2000)])
async def test_resuming_what_is_no_wait_is_refused(app: Flowcraft, node_id: str) -> None:
    with pytest.raises(RunError):
        await (await app.submit("waiting")).resume(None, None, node_id)


@pytest.mark.parametrize("scope", ["/x", "/#0", "x", "\ud800", "/" * 10_000])
async def test_resuming_in_no_scope_is_refused(app: Flowcraft, scope: str) -> None:
    with pytest.raises(RunError, match="has no scope"):
        await (await app.submit("waiting")).resume(None, None, "w", scope)


@pytest.mark.parametrize(
    "value",
    [nested(10_000), math.nan, object(), 10**5000, {"\ud800": 1}, {5: 1}, {"": 1}],
    ids=range(7),
)
async def test_a_payload_or_output_that_is_no_json_is_refused(app: Flowcraft, value: Any) -> None:
    with pytest.raises(ValueNotStorableError):
        await app.submit("waiting", value, run_id="never")
    with pytest.raises(UnknownRunError):
        await app.run("never").status()
    run = await app.submit("waiting")
    if value != {"": 1}:  # no context key, and yet an output
        with pytest.raises(ValueNotStorableError):
            await run.resume(None, value, "w")


@pytest.mark.parametrize("run_id", ["", "nope", "a/b", "\0", "'; DROP TABLE runs; --", 5])
async def test_a_run_that_is_not_there_is_unknown_to_every_question(
    app: Flowcraft, run_id: Any
) -> None:
    run = app.run(run_id)
    for ask in (run.status, run.cancel, run.result, run.explain, run.resume):
        with pytest.raises(UnknownRunError):
            await ask()


@pytest.mark.parametrize("key", ["a.b'\";--\0", "__flowcraft__", "swept/run", "%s", "\u2028"])
async def test_a_context_key_of_any_text_is_kept(app: Flowcraft, key: str) -> None:
    value = {"\0": ["\0", 2**70, -0.0, nested(100)]}
    run = await app.submit("waiting", {key: value})
    await run.cancel()
    assert (await run.result(60)).context == {key: value}
