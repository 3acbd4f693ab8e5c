"""Reading and writing the JSON form."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcraft.blueprint import (
    Blueprint,
    Edge,
    Node,
    NodeConfig,
    canonical_bytes,
    content_hash,
    load_blueprint,
    parse_blueprint,
    to_json,
)
from flowcraft.blueprint.model import BUILT_INS
from flowcraft.errors import BlueprintError
from flowcraft.testing import covers


def problems(source: Any) -> tuple[str, ...]:
    with pytest.raises(BlueprintError) as caught:
        parse_blueprint(source)
    return caught.value.problems


def one_node(**fields: Any) -> dict[str, Any]:
    return {"id": "b", "nodes": [{"id": "a", "uses": "f", **fields}]}


def test_defaults_are_read_where_nothing_is_said() -> None:
    blueprint = parse_blueprint(one_node())
    assert blueprint == Blueprint(id="b", nodes=(Node(id="a", uses="f"),))


def test_every_field_is_read() -> None:
    document = {
        "id": "b",
        "nodes": [
            {
                "id": "a",
                "uses": "f",
                "params": {"x": [1, {"y": None}]},
                "inputs": {"n": "key"},
                "config": {
                    "maxRetries": 3,
                    "retryDelay": 10.5,
                    "timeout": 20,
                    "fallback": "c",
                    "joinStrategy": "any",
                },
            },
            {"id": "c", "uses": "g", "inputs": "a"},
        ],
        "edges": [
            {"source": "a", "target": "d", "action": "x", "condition": "y", "transform": "z"}
        ],
        "metadata": {"version": "1", "timeout": 5, "owner": "me"},
    }
    blueprint = parse_blueprint(json.dumps(document))
    assert blueprint == Blueprint(
        id="b",
        nodes=(
            Node(
                id="a",
                uses="f",
                params={"x": [1, {"y": None}]},
                inputs={"n": "key"},
                config=NodeConfig(
                    attempts=3,
                    retry_delay_ms=10.5,
                    timeout_ms=20,
                    fallback="c",
                    join_strategy="any",
                ),
            ),
            Node(id="c", uses="g", inputs="a"),
        ),
        edges=(Edge(source="a", target="d", action="x", condition="y", transform="z"),),
        metadata={"version": "1", "timeout": 5, "owner": "me"},
    )
    assert to_json(blueprint) == document


def test_bytes_text_and_mapping_mean_the_same() -> None:
    document = one_node()
    text = json.dumps(document)
    assert parse_blueprint(text) == parse_blueprint(text.encode()) == parse_blueprint(document)
    assert parse_blueprint(b"\xef\xbb\xbf" + text.encode()) == parse_blueprint(document)


def test_defaults_are_not_written() -> None:
    blueprint = parse_blueprint(
        one_node(
            params={},
            config={"maxRetries": 1, "retryDelay": 1000.0, "timeout": None, "joinStrategy": "all"},
        )
    )
    assert to_json(blueprint) == {"id": "b", "nodes": [{"id": "a", "uses": "f"}], "edges": []}


@covers("S11.14")
def test_the_built_ins_are_these() -> None:
    names = {"wait", "sleep", "webhook", "subflow", "join"}
    assert {*names, "batch-scatter", "batch-gather", "loop-controller"} == set(BUILT_INS)


def test_the_framework_s_class_names_are_aliases() -> None:
    names = [
        "SubflowNode",
        "WaitNode",
        "SleepNode",
        "WebhookNode",
        "BatchScatterNode",
        "BatchGatherNode",
    ]
    blueprint = parse_blueprint(
        {"id": "b", "nodes": [{"id": name, "uses": name} for name in names]}
    )
    assert [node.uses for node in blueprint.nodes] == [
        "subflow",
        "wait",
        "sleep",
        "webhook",
        "batch-scatter",
        "batch-gather",
    ]


def test_an_alias_is_understood_as_a_batch_worker_too() -> None:
    source = one_node()
    source["nodes"][0].update(uses="batch-scatter", params={"workerUsesKey": "SubflowNode"})
    assert parse_blueprint(source).nodes[0].params["workerUsesKey"] == "subflow"
    source["nodes"][0]["uses"] = "mine"
    assert parse_blueprint(source).nodes[0].params["workerUsesKey"] == "SubflowNode"


def test_source_locations_are_dropped() -> None:
    location = {"file": "f.ts", "line": 1, "column": 2}
    document = one_node(_sourceLocation=location)
    document["_sourceLocation"] = location
    document["edges"] = [{"source": "a", "target": "a", "_sourceLocation": location}]
    assert "_sourceLocation" not in json.dumps(to_json(parse_blueprint(document)))


@covers("S11.11")
def test_the_hash_follows_the_content_and_not_the_spelling() -> None:
    one = parse_blueprint('{"id":"b","nodes":[{"id":"a","uses":"f","params":{"x":1,"y":"é"}}]}')
    other = parse_blueprint(
        '{ "nodes": [{"uses": "f", "params": {"y": "\\u00e9", "x": 1}, "id": "a", "config": {}}],'
        ' "edges": [], "id": "b" }'
    )
    assert canonical_bytes(one) == canonical_bytes(other)
    assert content_hash(one) == content_hash(other)
    assert content_hash(one) != content_hash(parse_blueprint(one_node()))


@covers("S11.11")
def test_the_hash_of_a_blueprint_never_changes() -> None:
    # Runs are pinned to it: a new value here strands the runs of those who upgrade.
    blueprint = parse_blueprint(one_node(config={"retryDelay": 500.0}, params={"é": 0.1}))
    assert canonical_bytes(blueprint) == (
        '{"edges":[],"id":"b","nodes":[{"config":{"retryDelay":500},"id":"a",'
        '"params":{"é":0.1},"uses":"f"}]}'.encode()
    )
    assert (
        content_hash(blueprint)
        == "b8c70813901633ed36a3154eb428889f1ef74474c4f7abeca4e5336f8eff6e80"
    )


@covers("S11.15")
def test_a_blueprint_is_not_changed_through_its_source_or_its_json() -> None:
    params = {"x": [1]}
    blueprint = parse_blueprint(one_node(params=params))
    params["x"].append(2)
    to_json(blueprint)["nodes"][0]["params"]["x"] = None
    assert blueprint.nodes[0].params == {"x": [1]}


@covers("S11.15")
def test_no_part_of_a_blueprint_can_be_set() -> None:
    blueprint = parse_blueprint(
        {**one_node(), "edges": [{"source": "a", "target": "a"}], "metadata": {"x": 1}}
    )
    (node,), (edge,) = blueprint.nodes, blueprint.edges
    parts = [(blueprint, "nodes"), (node, "uses"), (node.config, "attempts"), (edge, "target")]
    for part, name in parts:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(part, name, None)


@pytest.mark.parametrize("source", ['{"id": "b", "nodes": [{"id"', "", "[1", b'{"id": "\xff"}'])
def test_what_is_no_json_is_refused_with_its_place(source: str | bytes) -> None:
    (problem,) = problems(source)
    assert problem.startswith("the document is not")


@pytest.mark.parametrize("source", ["[]", "null", "3", '"text"', "true"])
def test_what_is_no_mapping_is_refused(source: str) -> None:
    (problem,) = problems(source)
    assert "a blueprint is a mapping" in problem


@covers("S11.1", "S11.3", "S11.9")
def test_all_faults_of_shape_are_named_at_once() -> None:
    found = problems(
        {
            "id": 7,
            "nodes": [
                {"id": "a", "uses": "f", "param": {}},
                {"uses": "f"},
                5,
                {"id": "c", "uses": None},
                {"id": "d", "uses": "f", "params": [1], "inputs": 3, "config": {"maxRetries": "2"}},
                {"id": "e", "uses": "f", "inputs": {"x": 1}, "config": {"retryDelay": True}},
                {"id": "g", "uses": "f", "config": {"joinStrategy": "some", "retries": 1}},
            ],
            "edges": [{"source": "a"}, {"source": "a", "target": "c", "condition": 1}, None],
            "metadata": {"version": 3, "timeout": "1h"},
            "nodez": 1,
        }
    )
    expected = [
        "blueprint: unknown key 'nodez'; did you mean 'nodes'?",
        "blueprint: id must be a text, not 7",
        "node 'a': unknown key 'param'; did you mean 'params'?",
        "node 1: id is missing; give a text",
        "node 2: a node is a mapping with 'id' and 'uses', not 5",
        "node 'c': uses is missing; give a text",
        "node 'd': params must be a mapping, not a list",
        "node 'd': inputs must be a text or a mapping from names to keys, not 3",
        "node 'd': config: maxRetries must be an integer, the attempts in all, not '2'",
        "node 'e': inputs.x must be a text, the key to read, not 1",
        "node 'e': config: retryDelay must be a finite number of milliseconds, not True",
        "node 'g': config: joinStrategy must be 'all' or 'any', not 'some'",
        "edge 0: target is missing; give a text",
        "edge 1 'a' -> 'c': condition must be a text, not 1",
        "edge 2: an edge is a mapping with 'source' and 'target', not null",
        "metadata: version must be a text, not 3",
        "metadata: timeout must be a finite number of milliseconds, not '1h'",
    ]
    for each in expected:
        assert each in found
    assert len(found) == len(expected) + 1, "the unknown key 'retries' of node 'g'"


@covers("S11.1")
def test_faults_of_shape_and_of_meaning_are_named_together() -> None:
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(
            {
                "id": "b",
                "nodes": [
                    {"id": "a", "uses": "f", "config": {"maxRetries": "2"}},
                    {"id": "c", "uses": "sleep"},
                ],
                "edges": [{"source": "a", "target": "x"}],
            }
        )
    text = str(caught.value)
    assert "maxRetries must be an integer" in text
    assert "duration is missing" in text
    assert "edge 0 'a' -> 'x': no node has the id of its target, 'x'" in text


def test_a_node_that_cannot_be_read_is_not_blamed_on_the_graph() -> None:
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(
            {
                "id": "b",
                "nodes": [{"id": "a"}, {"id": "c", "uses": "sleep"}],
                "edges": [{"source": "a", "target": "c"}],
            }
        )
    assert len(caught.value.problems) == 2


def test_repeated_keys_are_refused_with_their_place() -> None:
    found = problems(
        '{"id": "b", "id": "c", "nodes": [{"id": "a", "uses": "f", "uses": "g",'
        ' "params": {"x": {"y": 1, "y": 2}}, "config": {"timeout": 1, "timeout": 1}}]}'
    )
    assert set(found) == {
        "blueprint: the key 'id' appears twice; keep one",
        "node 'a': the key 'uses' appears twice; keep one",
        "node 'a': params.x: the key 'y' appears twice; keep one",
        "node 'a': config: the key 'timeout' appears twice; keep one",
    }


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("NaN", "nan is not JSON"),
        ("-Infinity", "-inf is not JSON"),
        ("1e999", "inf is not JSON"),
        ("18446744073709551616", "does not fit in 64 bits"),
        ('"\\ud800"', "half of a surrogate pair"),
    ],
)
def test_values_that_cannot_be_kept_are_refused_with_their_place(written: str, fault: str) -> None:
    (problem,) = problems(
        '{"id":"b","nodes":[{"id":"a","uses":"f","params":{"x":[0,' + written + "]}}]}"
    )
    assert problem.startswith("node 'a': params.x[1]: ")
    assert fault in problem


@pytest.mark.parametrize("depth", [101, 5_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    source = '{"id":"b","nodes":[{"id":"a","uses":"f","params":{"x":' + "[" * depth + "]" * depth
    (problem,) = problems(source + "}}]}")
    assert "nested deeper than 100 levels" in problem


def test_an_enormous_integer_is_refused() -> None:
    (problem,) = problems(json.dumps(one_node())[:-3] + ', "params": {"x": ' + "9" * 5000 + "}}]}")
    assert "an integer of more digits than can be read" in problem


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.extend([loop, loop])
    found = problems(one_node(params={"x": loop}))
    assert found[0] == "node 'a': params.x[0]: the value contains itself; JSON cannot say that"


def test_python_values_that_are_no_json_are_refused() -> None:
    found = problems(one_node(params={"x": {1, 2}, "y": {3: 4}, "z": (1, object())}))
    assert found[0].startswith("node 'a': params.x: set is not JSON")
    assert found[1] == "node 'a': params.y: the key 3 is not a text; make it one"
    assert found[2].startswith("node 'a': params.z[1]: object is not JSON")


@covers("S11.9")
@pytest.mark.parametrize("place", ["document", "node", "metadata"])
def test_dynamic_nodes_are_refused_with_the_rewriting(place: str) -> None:
    document = one_node()
    where = {"document": document, "node": document["nodes"][0]}.get(place)
    if where is None:
        where = document["metadata"] = {}
    where["dynamicNodes"] = [{"id": "x"}]
    (problem,) = problems(document)
    assert "dynamicNodes is not supported" in problem
    assert "batch" in problem


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(json_values)
def test_no_document_crashes_the_reader(document: Any) -> None:
    for source in (json.dumps(document), {"id": "b", "nodes": document, "edges": document}):
        with contextlib.suppress(BlueprintError):
            parse_blueprint(source)


@given(st.text() | st.binary())
def test_no_text_crashes_the_reader(source: str | bytes) -> None:
    with pytest.raises(BlueprintError):
        load_blueprint(source)


@covers("S11.10")
@given(json_values, st.none() | st.floats(0, 1e12), st.integers(1, 10**6))
def test_what_is_written_is_read_back(params: Any, delay: float | None, attempts: int) -> None:
    config: dict[str, Any] = {"retryDelay": delay, "maxRetries": attempts}
    blueprint = parse_blueprint(one_node(params={"x": params}, config=config))
    assert parse_blueprint(canonical_bytes(blueprint)) == blueprint
    assert parse_blueprint(to_json(blueprint)) == blueprint
    assert content_hash(parse_blueprint(canonical_bytes(blueprint))) == content_hash(blueprint)
