"""What the commands are made of: finding the application, showing a run, log lines."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from flowcraft import Flowcraft
from flowcraft.cli.locate import locate
from flowcraft.cli.log import JsonFormatter, PlainFormatter
from flowcraft.cli.runs import read_json
from flowcraft.cli.show import duration, moment, run_lines
from flowcraft.client.explain import Explanation
from flowcraft.client.standing import Standing
from flowcraft.engine.record import ErrorInfo
from flowcraft.errors import SettingsError


@pytest.fixture
def here(folder, monkeypatch):
    """The folder as working directory; modules imported from it are forgotten."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))  # it is added to
    for name in ("orders", "empty", "torn", "two"):
        monkeypatch.delitem("sys.modules", name, raising=False)
    (folder / "empty.py").write_text("")
    (folder / "torn.py").write_text("import orders_that_are_not_there")
    (folder / "two.py").write_text(
        "from flowcraft import Flowcraft\none, two = Flowcraft(), Flowcraft()"
    )
    return folder


# -- finding the application


def test_an_application_is_found_by_module_and_name_or_as_the_only_one(here):
    found = locate("orders:app")
    assert isinstance(found, Flowcraft)
    assert locate("orders") is found


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "names no application"),
        ("orders:", "names no application"),
        ("orders.py:app", "Name it as Python imports it: orders:app"),
        ("order:app", "Did you mean 'orders'"),
        ("orders:ap", "its applications: app"),
        ("orders:flow", "is a flow"),
        ("orders:double", "is a function"),
        ("empty", "holds no application"),
        ("empty:app", "it holds no application"),
        ("two", "several applications: one, two"),
        ("torn:app", "cannot be imported: No module named 'orders_that_are_not_there'"),
    ],
)
def test_an_application_that_is_not_there_is_refused_with_what_is(here, target, message):
    with pytest.raises(SettingsError, match=message):
        locate(target)


@pytest.mark.parametrize("text", ["{", "yes", "NaN", "\udcff", "[" * 100_000], ids=range(5))
def test_an_option_that_is_no_json_is_refused_by_its_name(text):
    with pytest.raises(SettingsError, match="--payload is no JSON"):
        read_json(text, "--payload")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "--payload: the key 'a' appears twice"),
        ('{"order": [{"id": 1, "id": 1}]}', r"--payload\.order\[0\]: the key 'id' appears twice"),
    ],
)
def test_an_option_that_repeats_a_key_is_refused_by_the_name_of_the_key(text, message):
    with pytest.raises(SettingsError, match=message):
        read_json(text, "--payload")


def test_an_option_may_be_deeper_than_a_blueprint():
    text = "[" * 150 + "]" * 150
    assert read_json(text, "--payload") == json.loads(text)


# -- showing a run

NOW = 1_000_000.0


def lines_of(*standings: Standing, **facts) -> list[str]:
    run = Explanation(
        run_id="r", blueprint_id="b", status="running", created_at=NOW - 5,
        activations=standings, **facts,
    )  # fmt: skip
    return list(run_lines(run, now=NOW))[3:]


@pytest.mark.parametrize(
    ("standing", "text"),
    [
        (Standing(node="n", state="ready"), "is ready or being executed"),
        (Standing(node="n", state="ready", attempt=3), "is ready or being executed, attempt 3"),
        (
            Standing(node="n", state="executing", worker="w3", until=NOW + 12, attempt=2),
            "is leased by worker w3 for 12 s more, attempt 2",
        ),
        (Standing(node="n", state="executing", worker="w3"), "is leased by worker w3"),
        (Standing(node="n", state="joining", waits_for=("a", "b")), "waits for a, b"),
        (Standing(node="n", state="waiting"), "waits for a resume"),
        (Standing(node="n", state="sleeping", until=NOW + 90), "90 s more"),
        (Standing(node="n", state="retrying", attempt=2, until=NOW + 3), "tries again in 3.0 s"),
        (Standing(node="n", state="in_subflow", child="c"), "waits for its child run c"),
        (
            Standing(node="n", state="stranded", uses="pay", since=NOW - 7200),
            "found no worker with 'pay' for 2 h",
        ),
        (Standing(node="n", state="completed", attempt=2), "completed, attempt 2"),
    ],
)
def test_each_state_is_told_in_words(standing, text):
    (line,) = lines_of(standing)
    assert line.startswith("  n  ")
    assert text in line


def test_a_join_says_where_those_stand_that_it_waits_for():
    lines = lines_of(
        Standing(node="b", state="executing", worker="w3", until=NOW + 12, attempt=2),
        Standing(node="c", scope="/0", state="waiting"),
        Standing(node="c", scope="/1", state="sleeping", until=NOW + 90),
        Standing(node="j", scope="/1", state="joining", waits_for=("b", "c", "d")),
    )
    assert lines[-1] == (
        "  j  /1 waits for b, c, d; b is leased by worker w3 for 12 s more, attempt 2; "
        "c sleeps until 1970-01-12 13:48:10 UTC, 90 s more; d is not reached yet"
    )


def test_what_is_over_is_counted_and_what_is_not_is_told_one_by_one():
    error = ErrorInfo(node="n", message="not today", type="ValueError", scope="/#3", attempt=2)
    lines = lines_of(
        *(Standing(node="n", scope=f"/#{index}", state="completed") for index in range(3)),
        Standing(node="n", scope="/#3", state="failed", attempt=2, error=error),
        Standing(node="n", scope="/#4", state="ready"),
    )
    assert lines == [
        "  n  3 completed, 1 failed",
        "  n  /#3 failed, attempt 2; node 'n' in scope /#3, attempt 2: ValueError: not today",
        "  n  /#4 is ready or being executed",
    ]


def test_many_open_activations_of_one_node_are_told_in_part():
    lines = lines_of(
        *(Standing(node="n", scope=f"/#{index}", state="waiting") for index in range(25))
    )
    assert len(lines) == 21
    assert lines[-1] == "  n  and 5 waiting"


def test_a_run_that_is_not_told_whole_says_so():
    assert lines_of(is_complete=False) == ["  ... and more; these are the first 0"]


def test_an_ended_run_says_when_and_why():
    run = Explanation(
        run_id="r", blueprint_id="b", status="failed", created_at=0.0, ended_at=60.0,
        parent="above", retry_of="before",
        error=ErrorInfo(node="", message="too late", type="RunDeadlineError"),
    )  # fmt: skip
    assert list(run_lines(run, now=100.0)) == [
        "run r  failed",
        "  blueprint  b",
        "  submitted  1970-01-01 00:00:00 UTC, 100 s ago",
        "  ended      1970-01-01 00:01:00 UTC, after 60 s",
        "  child of   above",
        "  retry of   before",
        "  error      the run: RunDeadlineError: too late",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (9.96, "10.0 s"), (45, "45 s"), (600, "10 min"), (7200, "2 h"),
     (259_200, "3 days")],
)  # fmt: skip
def test_a_duration_is_as_exact_as_a_person_wants_it(seconds, text):
    assert duration(seconds) == text


def test_a_moment_names_its_zone():
    assert moment(0) == "1970-01-01 00:00:00 UTC"


# -- log lines


def test_a_log_line_has_its_facts_behind_its_message():
    record = logging.makeLogRecord(
        {"msg": "attempt failed", "levelname": "WARNING", "created": 0.25, "run": "r 1",
         "scope": "", "attempt": 2, "error": 'ValueError: "x"\n'}
    )  # fmt: skip
    assert PlainFormatter().format(record) == (
        "1970-01-01T00:00:00.250Z WARNING attempt failed "
        'run="r 1" attempt=2 error="ValueError: \\"x\\"\\n"'
    )


def test_a_log_line_as_json_is_one_object_with_the_same_facts():
    record = logging.makeLogRecord(
        {"msg": "attempt failed", "levelname": "WARNING", "name": "flowcraft.worker",
         "created": 0.25, "run": "r\n1", "scope": "", "attempt": 2, "level": "mine"}
    )  # fmt: skip
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "1970-01-01T00:00:00.250Z",
        "level": "WARNING",
        "logger": "flowcraft.worker",
        "message": "attempt failed",
        "run": "r\n1",
        "attempt": 2,
    }


def test_a_log_line_as_json_holds_the_traceback():
    try:
        raise ValueError("not today")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    assert json.loads(JsonFormatter().format(record))["traceback"].endswith("not today")
