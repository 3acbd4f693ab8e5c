"""`doctor`: what is used, who said so, what is wrong, and how to mend it."""

from __future__ import annotations

import json
import sqlite3

import pytest

from flowcraft import Flowcraft, create_flow
from flowcraft.cli.doctor import diagnose
from flowcraft.clock import SystemClock
from flowcraft.sqlite import diagnosis


class LateClock(SystemClock):
    """The machine's clock, so many seconds from now."""

    def __init__(self, ahead_seconds: float) -> None:
        self.ahead_seconds = ahead_seconds

    def now(self) -> float:
        return super().now() + self.ahead_seconds


async def work(value):
    return value


@pytest.fixture
def path(tmp_path):
    return tmp_path / "flow.db"


def app_of(path, **options):
    app = Flowcraft(url=f"sqlite:///{path}", **options)
    flow = create_flow("flow")
    flow.node(work)
    app.add(flow)
    return app


async def found_in(app, **how):
    found = await diagnose(app, adapter=how.get("adapter"), url=how.get("url"))
    return found, {one.topic: one for one in found.findings}


def problems(found):
    return [one.topic for one in found.findings if one.level == "problem"]


async def test_what_is_well_is_told_with_who_gave_each_option(path, monkeypatch):
    monkeypatch.setenv("FLOWCRAFT_SQLITE_LEASE_SECONDS", "9")
    monkeypatch.setenv("FLOWCRAFT_CONCURRENCY", "3")
    found, topics = await found_in(app_of(path))
    assert (found.is_well, problems(found)) == (True, [])
    origins = {one.name: (one.value, one.origin) for one in found.settings}
    assert origins["adapter"] == ("sqlite", "application")
    assert origins["lease_seconds"] == (9.0, "FLOWCRAFT_SQLITE_LEASE_SECONDS")
    assert origins["concurrency"] == (3, "FLOWCRAFT_CONCURRENCY")
    assert origins["drain_seconds"] == (30.0, "default")
    assert topics["schema"].level == "ok"
    assert topics["durability"].level == "note"
    assert list(found.lines())[-1] == "all is well"


async def test_a_backend_that_cannot_be_used_is_a_problem_and_hides_nothing_else(path):
    path.write_text("not a database, and longer than a header of one would be " * 9)
    app = app_of(path)
    app.add({"id": "lost", "nodes": [{"id": "a", "uses": "nobody"}]})
    found, topics = await found_in(app)
    assert problems(found) == ["blueprint", "backend"]
    assert "no SQLite database" in topics["backend"].text
    assert "'nobody'" in topics["blueprint"].text


async def test_a_setting_that_does_not_fit_is_a_problem(path, monkeypatch):
    monkeypatch.setenv("FLOWCRAFT_SQLITE_LEESE_SECONDS", "9")
    monkeypatch.setenv("FLOWCRAFT_CONCURRENCY", "many")
    found, _ = await found_in(app_of(path))
    assert problems(found) == ["settings", "adapter", "variable"]


async def test_a_variable_that_nobody_reads_is_named_with_the_one_that_was_meant(path, monkeypatch):
    monkeypatch.setenv("FLOWCRAFT_CONCURENCY", "9")
    monkeypatch.setenv("FLOWCRAFT_ZEBRA", "9")
    found, _ = await found_in(app_of(path))
    told = [(one.level, one.text, one.mend) for one in found.findings if one.topic == "variable"]
    assert told == [
        ("problem", "nobody reads FLOWCRAFT_CONCURENCY", "Did you mean FLOWCRAFT_CONCURRENCY?"),
        ("note", "nobody reads FLOWCRAFT_ZEBRA", ""),
    ]


async def test_runs_that_nobody_looks_after_are_a_problem_once_a_worker_would_have(path):
    app = app_of(path)
    run = await app.submit("flow")
    await app.aclose()
    assert problems((await found_in(app))[0]) == []
    later, topics = await found_in(app_of(path, clock=LateClock(3600.0)))
    assert problems(later) == ["runs"]
    assert run.run_id in topics["runs"].text


async def test_dead_letters_are_a_problem_with_their_first_reason(path):
    await found_in(app_of(path))
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO dead_letters (body, reason, at) VALUES ('', 'why', 0)")
    found, topics = await found_in(app_of(path))
    assert problems(found) == ["dead letters"]
    assert topics["dead letters"].text == "1; the first: why"


async def test_a_clock_that_is_behind_the_file_is_a_problem(path):
    await found_in(app_of(path))
    found, _ = await found_in(app_of(path, clock=LateClock(-3600.0)))
    assert problems(found) == ["clock"]


async def test_a_disk_that_is_nearly_full_is_a_problem(path, monkeypatch):
    monkeypatch.setattr(diagnosis, "LITTLE_SPACE_BYTES", 1 << 62)
    found, _ = await found_in(app_of(path))
    assert problems(found) == ["disk"]


async def test_a_file_on_a_network_filesystem_is_a_problem_even_where_it_was_allowed(
    path, monkeypatch
):
    monkeypatch.setattr(diagnosis, "read_mounts", lambda: "host:/x / nfs4 rw 0 0")
    found, topics = await found_in(app_of(path, allow_network_filesystem=True))
    assert problems(found) == ["filesystem"]
    assert "nfs4" in topics["filesystem"].text


async def test_an_adapter_that_keeps_nothing_is_told_and_is_no_problem(path):
    found, topics = await found_in(app_of(path), adapter="memory")
    assert problems(found) == []
    assert "for its life" in topics["adapter"].text


def test_doctor_exits_with_1_if_anything_is_wrong(flowcraft, folder):
    assert flowcraft("doctor", "orders:app").returncode == 0
    (folder / "orders.db").write_text("x" * 1000)
    found = flowcraft("doctor", "orders:app", "--json")
    assert found.returncode == 1
    told = json.loads(found.stdout)
    assert told["is_well"] is False
    assert {"name": "adapter", "value": "sqlite", "origin": "application"} in told["settings"]
