"""Commands about adapters and their queues, as a shell runs them."""

from __future__ import annotations

import json
import sqlite3
from importlib.metadata import EntryPoint

import pytest

from flowcraft.adapters import Adapters, AdapterSpec
from flowcraft.capabilities import Capabilities
from flowcraft.cli import backend
from flowcraft.cli.backend import list_adapters


def test_adapters_lists_what_is_installed_and_what_it_can_do(flowcraft):
    found = flowcraft("adapters")
    assert found.returncode == 0
    assert "sqlite  one machine, many processes, no server: a file" in found.stdout
    assert "  durable, many processes, fences late workers" in found.stdout
    assert "values up to 100,000,000 bytes" in found.stdout
    listed = json.loads(flowcraft("adapters", "--json").stdout)
    memory = next(one for one in listed["adapters"] if one["name"] == "memory")
    assert (memory["is_durable"], memory["is_shared"]) == (False, False)
    assert (memory["events_late_seconds"], memory["needs_server"]) == (0.5, False)
    assert (memory["longest_delay_seconds"], memory["largest_value_bytes"]) == (None, None)
    assert listed["broken"] == {}


def test_one_adapter_that_is_broken_does_not_hide_the_others(monkeypatch, capsys):
    made = Adapters([EntryPoint("torn", "nowhere_at_all:SPEC", "flowcraft.adapters")])
    monkeypatch.setattr(backend, "Adapters", lambda: made)
    list_adapters(as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in listed["adapters"]} == {"memory", "sqlite"}
    assert "No module named 'nowhere_at_all'" in listed["broken"]["torn"]
    list_adapters(as_json=False)
    assert "torn  cannot be used: ModuleNotFoundError" in capsys.readouterr().out


def test_setup_makes_the_tables_and_doing_so_again_changes_nothing(flowcraft, folder):
    for _ in range(2):
        found = flowcraft("setup", "orders:app")
        assert (found.returncode, found.stderr) == (0, "")
        assert found.stdout.startswith("sqlite is set up: path=orders.db, lease_seconds=30.0")
    with sqlite3.connect(folder / "orders.db") as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_queue_depth_counts_what_waits(flowcraft):
    assert flowcraft("queue-depth", "orders:app").stdout == "0\n"
    flowcraft("submit", "orders:app", "order")
    assert json.loads(flowcraft("queue-depth", "orders:app", "--json").stdout) == {"depth": 1}


@pytest.fixture
def letters(flowcraft, folder):
    """A file with two dead letters."""
    flowcraft("setup", "orders:app")
    with sqlite3.connect(folder / "orders.db") as connection:
        for body in (b'{"runId":"r"}', b"\xff\x00"):
            connection.execute(
                "INSERT INTO dead_letters (body, reason, at) VALUES (?, 'no\njob', 0)", (body,)
            )


def test_dead_letters_are_listed_put_back_and_removed(flowcraft, letters):
    text = flowcraft("dead-letters", "orders:app").stdout
    assert text.splitlines()[:2] == [
        "1  1970-01-01 00:00:00 UTC  no job",
        '  \'{"runId":"r"}\'',
    ]
    limited = flowcraft("dead-letters", "orders:app", "--limit", "1", "--json")
    assert [one["id"] for one in json.loads(limited.stdout)] == ["1"]
    found = flowcraft("dead-letters", "orders:app", "--requeue", "1", "--drop", "2")
    assert found.returncode == 0
    assert found.stdout.splitlines() == ["1  is on the queue again", "2  is removed"]
    assert flowcraft("dead-letters", "orders:app").stdout == "no dead letters\n"
    assert flowcraft("queue-depth", "orders:app").stdout == "1\n"
    again = flowcraft("dead-letters", "orders:app", "--drop", "2")
    assert (again.returncode, again.stdout) == (1, "2  no such dead letter\n")


def test_reconcile_sends_again_what_is_ready(flowcraft, folder):
    run_id = flowcraft("submit", "orders:app", "order").stdout.strip()
    with sqlite3.connect(folder / "orders.db") as connection:
        connection.execute("DELETE FROM jobs")
    found = flowcraft("reconcile", "orders:app", run_id)
    assert found.stdout == f"run {run_id} is running\n"
    assert flowcraft("queue-depth", "orders:app").stdout == "1\n"


def test_purge_removes_a_run_that_has_ended_and_no_other(flowcraft):
    run_id = flowcraft("submit", "orders:app", "order").stdout.strip()
    kept = flowcraft("purge", "orders:app", run_id)
    assert (kept.returncode, kept.stdout) == (1, "")
    assert "is running, and is kept. Cancel it first" in kept.stderr
    flowcraft("cancel", "orders:app", run_id)
    assert flowcraft("purge", "orders:app", run_id).stdout == f"run {run_id} is gone\n"
    gone = flowcraft("purge", "orders:app", run_id)
    assert gone.returncode == 1
    assert "UnknownRunError" in gone.stderr


def test_the_limits_of_an_adapter_are_listed_where_it_has_any(monkeypatch, capsys):
    limited = AdapterSpec(
        name="limited",
        summary="a stranger's",
        adapter="flowcraft.memory:MemoryAdapter",
        settings="flowcraft.memory.spec:MemorySettings",
        capabilities=Capabilities(
            longest_delay_seconds=900.0,
            longest_unacknowledged_seconds=1800.0,
            largest_value_bytes=409_600,
        ),
    )
    made = Adapters([])
    made.specs = {"limited": limited}
    monkeypatch.setattr(backend, "Adapters", lambda: made)
    list_adapters(as_json=False)
    assert capsys.readouterr().out == (
        "limited  a stranger's\n"
        "  needs a server, durable, many processes, keeps dead letters, events within 1 s, "
        "delays up to 900 s, longer ones by timers, messages held up to 1800 s, then timers, "
        "values up to 409,600 bytes\n"
    )
