"""The application: what can be added to it, and what it connects to."""

from __future__ import annotations

import pytest

import flowcraft
from flowcraft import Flowcraft, create_flow
from flowcraft.errors import BackendError, BlueprintError, RegistrationError, SettingsError

PUBLIC = {
    "BaseNode",
    "Blueprint",
    "Context",
    "Depends",
    "Flow",
    "Flowcraft",
    "FlowcraftError",
    "NodeRef",
    "NodeResult",
    "NonRetryableError",
    "RetryAfter",
    "RunEvent",
    "RunHandle",
    "RunInfo",
    "RunPage",
    "RunResult",
    "RunSummary",
    "Worker",
    "create_flow",
    "errors",
    "load_blueprint",
    "node",
}


async def echo(value):
    return value


def flow_of(function=echo, id="flow"):
    flow = create_flow(id)
    flow.node(function, uses="echo", id="only")
    return flow


def test_the_public_names_are_these_and_all_of_them_are_there():
    assert set(flowcraft.__all__) == PUBLIC
    assert all(getattr(flowcraft, name) is not None for name in PUBLIC)
    with pytest.raises(AttributeError, match="Workers"):
        _ = flowcraft.Workers


def test_a_blueprint_is_added_as_a_flow_an_object_a_mapping_or_json():
    app = Flowcraft()
    assert app.add(flow_of()) == "flow"
    assert app.add(flow_of(id="object").to_blueprint()) == "object"
    assert app.add({"id": "mapping", "nodes": [{"id": "a", "uses": "echo"}]}) == "mapping"
    assert app.add('{"id": "json", "nodes": [{"id": "a", "uses": "echo"}]}') == "json"
    assert app.blueprints == ("flow", "object", "mapping", "json")


def test_a_blueprint_that_makes_no_sense_is_refused_when_it_is_added():
    flow = create_flow("flow")
    flow.edge(flow.node(echo, uses="echo", id="a"), "nowhere", when="===")
    with pytest.raises(BlueprintError) as caught:
        Flowcraft().add(flow)
    assert len(caught.value.problems) == 2


def test_the_same_blueprint_may_be_added_twice_and_another_one_of_its_id_not():
    app = Flowcraft()
    app.add(flow_of())
    app.add(flow_of())
    other = create_flow("flow")
    other.wait("approve")
    with pytest.raises(BlueprintError, match="replace=True"):
        app.add(other)
    assert app.add(other, replace=True) == "flow"


def test_two_flows_may_not_mean_different_functions_by_one_key():
    async def other(value):
        return value

    app = Flowcraft()
    app.add(flow_of())
    with pytest.raises(RegistrationError, match="'echo'"):
        app.add(flow_of(other, id="second"))


async def test_nodes_and_subflows_may_be_added_after_the_blueprint_that_names_them(app, working):
    app.add(
        {
            "id": "parent",
            "nodes": [
                {"id": "a", "uses": "late"},
                {"id": "sub", "uses": "subflow", "params": {"blueprintId": "child"}},
            ],
            "edges": [{"source": "a", "target": "sub"}],
        }
    )
    app.add(flow_of(id="child"))

    @app.node(uses="late")
    async def late(value):
        return value + 1

    async with working(app):
        run = await app.submit("parent", 1)
        assert (await run.result(timeout=30)).output == 2


async def test_a_node_is_registered_bare_too_and_stays_a_function():
    app = Flowcraft()
    assert app.node(echo) is echo
    assert f"{__name__}.echo" in app.registry


async def test_expressions_may_call_the_functions_of_the_application(working):
    app = Flowcraft(adapter="memory", functions={"is_odd": lambda value: value % 2 == 1})
    flow = create_flow("flow")
    first = flow.node(echo, uses="echo", id="first")
    flow.edge(first, flow.node(echo, uses="echo", id="odd"), when="is_odd(result.output)")
    flow.edge(first, flow.node(echo, uses="echo", id="even"), when="!is_odd(result.output)")
    app.add(flow)
    async with app, working(app):
        run = await app.submit("flow", 3)
        assert (await run.result(timeout=30)).output == {"odd": 3}


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"max_deliveries": 0},
        {"sweep_interval_seconds": 0},
        {"retention_seconds": 0},
    ],
)
def test_a_number_out_of_its_range_is_refused_by_name(options):
    with pytest.raises(SettingsError, match=next(iter(options))):
        Flowcraft(**options)


async def test_an_option_that_no_adapter_has_is_refused_when_it_connects():
    with pytest.raises(SettingsError, match="Did you mean 'lease_seconds'"):
        await Flowcraft(adapter="memory", leese_seconds=3).connect()


async def test_a_backend_that_cannot_be_used_is_an_error_when_it_connects(tmp_path):
    (tmp_path / "runs.db").write_text("this is no database, and long enough to be read as one")
    app = Flowcraft(url=f"sqlite:///{tmp_path / 'runs.db'}")
    with pytest.raises(BackendError):
        await app.connect()


async def test_it_connects_once_and_again_after_it_was_closed(tmp_path, working):
    app = Flowcraft(url=f"sqlite:///{tmp_path / 'runs.db'}")
    app.add(flow_of())
    async with app:
        run = await app.submit("flow", 1)
        with pytest.raises(SettingsError, match="connected already"):
            await app.connect(adapter="memory")
    await app.aclose()
    async with app, working(app):
        assert (await app.run(run.run_id).result(timeout=30)).output == 1
