"""`graph` and `lint`: what they say of an application's blueprints, and of files."""

from __future__ import annotations

import json

import pytest

FAULTY = """
from contextlib import asynccontextmanager
from typing import Annotated
from flowcraft import Depends, Flowcraft


def pay(order, bank: Annotated[object, Depends("bank")]) -> int:
    return 1


@asynccontextmanager
async def lifespan():
    yield {"safe": 1}


app = Flowcraft(lifespan=lifespan)
app.node(uses="pay")(pay)
app.add({"id": "fine", "nodes": [{"id": "a", "uses": "pay"}]})
app.add({"id": "order", "nodes": [{"id": "a", "uses": "pya"},
                                  {"id": "b", "uses": "subflow", "params": {"blueprintId": "c"}}]})
"""

TORN = """
from flowcraft import Flowcraft

app = Flowcraft()
app.add({"id": "order", "nodes": [{"id": "a", "uses": "x", "config": {"maxRetries": 0}}],
         "edges": [{"source": "a", "target": "b"}]})
"""


@pytest.fixture
def folder(folder):
    (folder / "faulty.py").write_text(FAULTY)
    (folder / "torn.py").write_text(TORN)
    return folder


def blueprint_file(folder, name, **document):
    (folder / name).write_text(json.dumps({"id": name.removesuffix(".json"), **document}))


def test_graph_draws_a_blueprint_of_an_application_or_of_a_file(flowcraft, folder):
    found = flowcraft("graph", "orders:app", "approval")
    assert (found.returncode, found.stderr) == (0, "")
    assert 'n1[/"approve<br/>wait"/]' in found.stdout
    blueprint_file(folder, "alone.json", nodes=[{"id": "a", "uses": "x"}])
    assert 'n0["a<br/>x"]' in flowcraft("graph", "alone.json").stdout


def test_graph_of_an_application_with_several_blueprints_asks_which(flowcraft):
    found = flowcraft("graph", "orders:app")
    assert (found.returncode, found.stdout) == (2, "")
    assert "orders:app has order, approval, broken, patient. Name one of them" in found.stderr


def test_lint_of_an_application_without_faults_exits_with_0(flowcraft):
    found = flowcraft("lint", "orders:app")
    assert (found.returncode, found.stdout) == (0, "4 blueprints, no problem\n")


def test_lint_names_every_problem_of_every_blueprint_and_of_the_files_beside(flowcraft, folder):
    blueprint_file(folder, "c.json", nodes=[{"id": "a", "uses": "pay"}])
    blueprint_file(folder, "d.json", nodes=[{"id": "a", "uses": "lost"}])
    found = flowcraft("lint", "faulty:app", "c.json", "d.json")
    assert found.returncode == 1
    lines = found.stdout.splitlines()
    assert any(line.startswith("faulty:app: blueprint 'order': node 'a'") for line in lines)
    assert any("node 'b'" in line and "'c'" in line for line in lines)
    assert any(line.startswith("d.json: ") and "'lost'" in line for line in lines)
    assert not any(line.startswith("c.json") for line in lines)
    assert "dependencies were not checked; --lifespan does" in found.stdout
    assert lines[-1] == "4 blueprints, 3 problems"


def test_lint_opens_the_lifespan_where_it_may_and_finds_what_is_missing(flowcraft):
    found = flowcraft("lint", "faulty:app", "--lifespan", "--json")
    assert found.returncode == 1
    problems = json.loads(found.stdout)["problems"]
    assert any("bank" in one["text"] and "blueprint_id" not in one for one in problems)


def test_lint_of_an_application_that_adds_nonsense_names_the_nonsense(flowcraft):
    found = flowcraft("lint", "torn:app")
    assert found.returncode == 1
    assert "torn:app: blueprint 'order': node 'a': maxRetries is 0" in found.stdout
    assert found.stdout.splitlines()[-1] == "1 blueprint, 2 problems"


def test_lint_checks_files_without_an_application(flowcraft, folder):
    edge = {"source": "a", "target": "b", "condition": "result.("}
    blueprint_file(folder, "c.json", nodes=[{"id": "a", "uses": "x"}, {"id": "b", "uses": "y"}],
                   edges=[edge])  # fmt: skip
    found = flowcraft("lint", "c.json")
    assert found.returncode == 1
    assert "c.json: blueprint 'c': edge 0 'a' -> 'b': condition" in found.stdout


def test_a_file_that_is_not_there_is_not_understood(flowcraft):
    found = flowcraft("lint", "nowhere.json")
    assert (found.returncode, found.stdout) == (2, "")
    assert "nowhere.json cannot be read: No such file or directory" in found.stderr
