"""A blueprint as a Mermaid flowchart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowcraft.blueprint import load_blueprint, mermaid, parse_blueprint
from flowcraft.errors import BlueprintError

GOLDEN = Path(__file__).parent / "golden"

HOSTILE = [
    '"]; click n0',
    "end",
    "%%{init}%%",
    "a|b",
    "#quot;",
    "`**x**`",
    "<b>",
    "style n0 fill:#f00",
    "ü\u202e é",
    "\\",
]


def drawn(nodes, edges=()):
    return mermaid(load_blueprint({"id": "g", "nodes": nodes, "edges": list(edges)}))


def f(id, **more):
    return {"id": id, "uses": id, **more}


def lines_after(text, head):
    return [line.strip() for line in text.split(head, 1)[1].splitlines()]


def test_nodes_and_edges_are_drawn_in_the_order_of_the_blueprint():
    text = drawn([f("a"), f("b")], [{"source": "a", "target": "b"}])
    assert text == '---\ntitle: "g"\n---\nflowchart TD\n    n0["a"]\n    n1["b"]\n    n0 --> n1\n'


def test_an_edge_says_its_action_its_condition_and_its_transform():
    edge = {"source": "a", "target": "b", "action": "pay", "condition": "result.output > 1",
            "transform": "input.total"}  # fmt: skip
    assert '-->|"pay, if result.output #62; 1, as input.total"|' in drawn([f("a"), f("b")], [edge])


def test_an_expression_that_is_too_long_for_a_picture_is_cut():
    text = drawn([f("a"), f("b")], [{"source": "a", "target": "b", "condition": f"'{'x' * 99}'"}])
    assert f"if '{'x' * 56}...\"" in text


def test_a_fallback_is_dotted():
    text = drawn([f("a", config={"fallback": "b"}), f("b")])
    assert 'n0 -.->|"fallback"| n1' in text


def test_what_a_node_runs_is_said_where_it_is_not_its_id():
    assert 'n0["a<br/>orders.pay"]' in drawn([{"id": "a", "uses": "orders.pay"}])


def test_a_batch_is_a_thick_arrow_between_shapes_of_its_own():
    text = mermaid(load_blueprint((GOLDEN / "batch.json").read_bytes()))
    (scatter,) = re.findall(r'(n\d+)\[/"[^"]*each item by [^"]*"\\]', text)
    (gather,) = re.findall(r'(n\d+)\[\\"[^"]*gather"/]', text)
    assert f"{scatter} ==> {gather}" in text


def test_the_body_of_a_loop_is_a_box_and_that_of_an_inner_loop_a_box_within():
    edges = [
        {"source": "outer", "target": "inner", "action": "continue"},
        {"source": "inner", "target": "work", "action": "continue"},
        {"source": "work", "target": "inner"},
        {"source": "inner", "target": "outer", "action": "break"},
        {"source": "start", "target": "outer"},
    ]
    loop = {"uses": "loop-controller", "params": {"condition": "true"}}
    text = drawn([f("start"), {"id": "outer", **loop}, {"id": "inner", **loop}, f("work")], edges)
    assert lines_after(text, "flowchart TD\n")[:8] == [
        'n0["start"]',
        'n1{{"outer<br/>while true"}}',
        'subgraph n1_body["loop outer"]',
        'n2{{"inner<br/>while true"}}',
        'subgraph n2_body["loop inner"]',
        'n3["work"]',
        "end",
        "end",
    ]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_id_that_would_mean_something_to_mermaid_means_nothing(hostile):
    (node,) = lines_after(drawn([{"id": hostile, "uses": hostile}]), "flowchart TD\n")[:1]
    label = re.fullmatch(r'n0\["([^"]*)"\]', node)
    assert label
    assert not set(label[1]) & set('"`<>|%{}:\\\u202e')
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label[1]) == hostile


def test_a_graph_that_makes_no_sense_is_not_drawn():
    nowhere = parse_blueprint(
        {"id": "g", "nodes": [f("a")], "edges": [{"source": "a", "target": "b"}]}
    )
    with pytest.raises(BlueprintError):
        mermaid(nowhere)
