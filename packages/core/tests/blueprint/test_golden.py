"""Blueprints of the TypeScript framework load unchanged, or are refused with a rewriting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowcraft.blueprint import compile_plan, content_hash, load_blueprint, parse_blueprint, to_json
from flowcraft.errors import BlueprintError
from flowcraft.testing import covers

GOLDEN = Path(__file__).parent / "golden"
REFUSED = {"loop_jumps_in", "loop_without_entry", "cycle_entry_point"}
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))


def text(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text()


def problems(name: str) -> tuple[str, ...]:
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(text(name))
    return caught.value.problems


def test_there_are_golden_blueprints() -> None:
    assert len(NAMES) == 12
    assert set(NAMES) >= REFUSED


@covers("S11.10")
@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_a_golden_blueprint_loads_and_survives_the_round_trip(name: str) -> None:
    blueprint = load_blueprint(text(name))
    again = parse_blueprint(json.dumps(to_json(blueprint)))
    assert again == blueprint
    assert content_hash(again) == content_hash(blueprint)
    assert compile_plan(blueprint).hash == content_hash(blueprint)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_golden_blueprint_is_kept(name: str) -> None:
    original = json.loads(text(name))
    original.get("metadata", {}).pop("cycleEntryPoints", None)
    if not original.get("metadata"):
        original.pop("metadata", None)
    for node in original["nodes"]:
        node.pop("_sourceLocation", None)
        if node["uses"] == "SubflowNode":
            node["uses"] = "subflow"
        if node.get("config") == {"joinStrategy": "all"}:
            del node["config"]
    assert to_json(parse_blueprint(original)) == original


def test_the_loop_wired_through_its_controller_means_a_loop() -> None:
    plan = compile_plan(load_blueprint(text("loop_through_controller")))
    assert plan.nodes["try"].loops == plan.nodes["check"].loops == ("again",)
    controller = plan.nodes["again"]
    assert controller.loops == ()
    assert [edge.source for edge in controller.entries] == ["fetch"]
    assert [edge.source for edge in controller.backs] == ["check"]
    assert [edge.target for edge in controller.continues] == ["try"]
    assert [edge.target for edge in controller.exits] == ["notify"]


def test_the_loop_entered_past_its_controller_is_refused_with_the_edge_to_move() -> None:
    (problem,) = problems("loop_jumps_in")
    assert problem.startswith("edge 1 'fetch' -> 'try': jumps into the body of loop 'again'")
    assert "lead this edge to 'again' instead" in problem


def test_the_loop_that_nothing_enters_is_refused_with_the_node_to_add() -> None:
    (problem,) = problems("loop_without_entry")
    assert "no node to start from" in problem
    assert "to enter the loop 'again', add an edge to it" in problem
    assert "'join' passes its input on" in problem


def test_a_cycle_entry_point_is_refused_with_the_loop_to_write() -> None:
    found = problems("cycle_entry_point")
    assert any(
        problem.startswith("metadata: cycleEntryPoints is not supported") for problem in found
    )
    (cycle,) = [problem for problem in found if "cycle without a loop-controller" in problem]
    assert "'draft' -> 'review' -> 'draft'" in cycle
    assert '{"source": "draft_loop", "target": "draft", "action": "continue"}' in cycle


def test_a_webhook_knows_the_wait_that_suspends_in_its_stead() -> None:
    plan = compile_plan(load_blueprint(text("webhook")))
    assert plan.nodes["hook"].wait == "hook_wait"
    assert plan.nodes["hook_wait"].webhook == "hook"


def test_a_batch_knows_its_two_ends() -> None:
    plan = compile_plan(load_blueprint(text("batch")))
    assert plan.nodes["prices_scatter"].gather == "prices_gather"
    assert plan.nodes["prices_gather"].scatter == "prices_scatter"
    assert plan.sinks == ("notify",)


def test_a_fallback_is_neither_start_nor_sink() -> None:
    plan = compile_plan(load_blueprint(text("config")))
    config = plan.nodes["charge"].node.config
    assert (config.attempts, config.retry_delay_ms, config.timeout_ms) == (3, 200, 5000)
    assert plan.starts == ("charge",)
    assert plan.sinks == ("notify",)
    assert plan.nodes["invoice"].serves == ("charge",)
