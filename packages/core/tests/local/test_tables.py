"""What each primitive means, on every embedded backend."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from flowcraft.engine.record import ErrorInfo
from flowcraft.local.database import LocalDatabase, TimerRow
from flowcraft.ports.store import Place, Stalled
from flowcraft.status import ParentReference, RunHeader

HOSTILE = [
    "plain",
    "'",
    '"; DROP TABLE runs; --',
    "a\0b",
    "a\0c",
    "\0",
    "a.b,c/d:e",
    "%_*?[]",
    "  spaces  ",
    "CASE",
    "case",
    "é",
    "e\u0301",
    "\U0001f642",
    "x" * 512,
]


def header(run_id: str = "r", **fields: Any) -> RunHeader:
    return RunHeader(run_id=run_id, blueprint_id="b", blueprint_hash="h", **fields)


@pytest.fixture
def run(db: LocalDatabase) -> LocalDatabase:
    db.insert_run(header(), sweep_after=10.0)
    return db


class TestRuns:
    def test_a_run_is_read_as_it_was_written(self, db: LocalDatabase) -> None:
        assert db.get_run("r") is None
        written = header(
            blueprints={"b": "h"},
            created_at=1.5,
            deadline_at=2.5,
            parent=ParentReference("p", "node/3", 2),
            fingerprint="f",
        )
        db.insert_run(written, 10.0)
        assert db.get_run("r") == written

    def test_a_run_is_read_as_it_was_last_written(self, run: LocalDatabase) -> None:
        assert run.get_run("r") == header()
        ended = header(status="failed", ended_at=3.0, error=ErrorInfo("n", "broken"))
        run.update_run(ended)
        assert run.get_run("r") == ended

    def test_an_end_is_news_and_a_new_run_is_not(self, db: LocalDatabase) -> None:
        db.insert_run(header(), 10.0)
        assert not db.has_news
        db.update_run(header(status="completed"))
        assert db.has_news

    def test_children_are_found_by_their_parent(self, run: LocalDatabase) -> None:
        for number, child in enumerate(("c2", "c1", "c3")):
            parent = ParentReference("r" if child != "c3" else "other", "n", 1)
            run.insert_run(header(child, parent=parent, created_at=float(number)), 10.0)
        assert run.child_ids("r") == ["c2", "c1"]
        run.delete_run("c2")
        assert run.child_ids("r") == ["c1"]
        run.delete_run("r")
        assert run.child_ids("r") == []

    def test_a_run_is_deleted_with_all_that_is_its_own(self, run: LocalDatabase) -> None:
        for run_id in ("r", "r2"):
            if run_id == "r2":
                run.insert_run(header("r2"), 10.0)
            run.insert_cell(run_id, "n", "record", b"1")
            run.insert_member(run_id, "n", "e", True, b"2")
            run.write_context(run_id, "k", b"3")
        run.delete_run("r")
        assert run.get_run("r") is None
        run.insert_run(header(), 10.0)
        assert run.get_cells("r", "n") == {}
        assert list(run.get_members("r", "n")) == []
        assert run.insert_member("r", "n", "e2", False, None) == (1, 0)
        assert run.get_whole_context("r") == {}
        assert run.get_journal("r", 0, 9) == []
        assert [row[1:] for row in run.get_journal("r2", 0, 9)] == [("n", "record")]
        assert run.get_cells("r2", "n") == {"record": b"1"}
        assert run.get_whole_context("r2") == {"k": b"3"}


class TestListing:
    def test_runs_are_listed_below_a_place(self, db: LocalDatabase) -> None:
        for run_id, at in (("a", 1.0), ("c", 2.0), ("b", 2.0), ("d", 3.0)):
            db.insert_run(header(run_id, created_at=at), 10.0)
        db.update_run(header("c", created_at=2.0, status="failed"))

        def ids(status: Any, before: Place | None, limit: int, blueprint: str | None) -> list[str]:
            return [run.run_id for run in db.list_runs(status, blueprint, before, limit)]

        for blueprint in (None, "b"):
            assert ids(None, None, 9, blueprint) == ["d", "c", "b", "a"]
            assert ids(None, Place(2.0, "c"), 9, blueprint) == ["b", "a"]
            assert ids(None, Place(2.0, "c"), 1, blueprint) == ["b"]
            assert ids("running", Place(3.0, "d"), 9, blueprint) == ["b", "a"]
            assert ids("failed", None, 9, blueprint) == ["c"]
        assert ids(None, None, 9, "other") == []


class TestRetention:
    def test_only_announced_roots_expire_oldest_first(self, db: LocalDatabase) -> None:
        for number, run_id in enumerate("abcdef"):
            parent = ParentReference("a", "n", 1) if run_id == "d" else None
            made = header(run_id, parent=parent)
            db.insert_run(made, 10.0)
            if run_id != "e":
                ended = {"status": "failed", "ended_at": 9.0 - number}
                announced = {"is_announced": run_id != "f"}
                db.update_run(msgspec.structs.replace(made, **ended, **announced))
        assert db.expired(100.0, 9) == ["c", "b", "a"]
        assert db.expired(100.0, 2) == ["c", "b"]
        assert db.expired(8.0, 9) == ["c"]
        db.delete_run("c")
        assert db.expired(100.0, 9) == ["b", "a"]


class TestJournal:
    def test_a_journal_is_read_on_from_any_of_its_numbers(self, run: LocalDatabase) -> None:
        run.insert_run(header("r2"), 10.0)
        for number in range(1, 6):
            run.insert_cell("r", f"n{number}", "record", b"1")
            run.insert_cell("r", f"n{number}", "input", b"2")
            run.insert_cell("r2", f"other{number}", "failed:1", b"3")
        first = run.get_journal("r", 0, 2)
        assert [row[1:] for row in first] == [("n1", "record"), ("n2", "record")]
        rest = run.get_journal("r", first[-1][0], 9)
        assert [row[1] for row in rest] == ["n3", "n4", "n5"]
        assert run.get_journal("r", rest[-1][0], 9) == []
        assert run.get_journal("r", 999, 9) == []
        assert len(run.get_journal("r2", 0, 9)) == 5


class TestCellsAndSets:
    def test_a_cell_is_written_once(self, run: LocalDatabase) -> None:
        assert run.insert_cell("r", "n", "record", b"first")
        assert not run.insert_cell("r", "n", "record", b"second")
        assert run.get_cell("r", "n", "record") == b"first"
        assert run.get_cell("r", "n", "open") is None
        assert run.get_cell("r", "m", "record") is None

    def test_the_cells_of_a_key_are_read_together(self, run: LocalDatabase) -> None:
        run.insert_cell("r", "n", "record", b"1")
        run.insert_cell("r", "n", "open", b"")
        run.insert_cell("r", "n/3", "open", b"3")
        assert run.get_cells("r", "n") == {"record": b"1", "open": b""}
        assert run.get_cells("r", "m") == {}

    def test_a_member_counts_once_however_often_it_arrives(self, run: LocalDatabase) -> None:
        assert run.insert_member("r", "j", "e1", True, b"1") == (1, 1)
        assert run.insert_member("r", "j", "e1", True, b"other") == (1, 1)
        assert run.insert_member("r", "j", "e2", False, None) == (2, 1)
        assert run.insert_member("r", "j", "e2", True, b"late") == (2, 1)
        assert run.insert_member("r", "j", "e3", True, b"3") == (3, 2)
        assert run.insert_member("r", "j", "e1", False, None) == (3, 2)
        assert sorted(run.get_members("r", "j")) == [
            ("e1", True, b"1"), ("e2", False, None), ("e3", True, b"3"),
        ]  # fmt: skip

    def test_a_set_is_as_large_as_it_was_when_the_last_member_came(
        self, run: LocalDatabase
    ) -> None:
        assert run.count_members("r", "j") == 0
        for number in range(4):
            for _ in range(2):
                run.insert_member("r", "j", f"e{number}", True, None)
                assert run.count_members("r", "j") == number + 1
        assert run.count_members("r", "k") == 0

    def test_sets_do_not_count_each_others_members(self, run: LocalDatabase) -> None:
        run.insert_run(header("r2"), 10.0)
        assert run.insert_member("r", "j", "e", False, None) == (1, 0)
        assert run.insert_member("r", "j/0", "e", True, None) == (1, 1)
        assert run.insert_member("r2", "j", "e", True, None) == (1, 1)
        assert list(run.get_members("r", "unknown")) == []

    @pytest.mark.parametrize("text", HOSTILE)
    def test_any_text_is_a_key(self, run: LocalDatabase, text: str) -> None:
        assert run.insert_cell("r", text, text, b"1")
        assert run.get_cells("r", text) == {text: b"1"}
        run.insert_member("r", text, text, True, b"2")
        assert list(run.get_members("r", text)) == [(text, True, b"2")]
        run.write_context("r", text, b"3")
        assert run.get_context("r", [text]) == {text: b"3"}
        run.insert_run(header(text), 0.0)
        assert run.get_run(text) == header(text)
        run.put_key(text, text, None)
        assert run.get_key(text) == (text, None)
        run.set_timer(TimerRow(text, 1.0, b"j"))
        assert run.due_timers(1.0, 9) == [TimerRow(text, 1.0, b"j")]

    def test_keys_that_look_alike_are_told_apart(self, run: LocalDatabase) -> None:
        for number, text in enumerate(HOSTILE):
            assert run.insert_cell("r", text, "record", b"%d" % number)
            run.write_context("r", text, b"%d" % number)
        for number, text in enumerate(HOSTILE):
            assert run.get_cell("r", text, "record") == b"%d" % number
        assert set(run.get_whole_context("r")) == set(HOSTILE)

    def test_any_bytes_are_a_value(self, run: LocalDatabase) -> None:
        value = bytes(range(256)) * 5000
        run.insert_cell("r", "n", "record", value)
        assert run.get_cell("r", "n", "record") == value


class TestContext:
    def test_a_key_is_set_overwritten_and_deleted(self, run: LocalDatabase) -> None:
        run.write_context("r", "a", b"1")
        run.write_context("r", "a", b"2")
        run.write_context("r", "b", b"null")
        assert run.get_context("r", ["a", "b", "c", "a"]) == {"a": b"2", "b": b"null"}
        run.write_context("r", "a", None)
        run.write_context("r", "never there", None)
        assert run.get_whole_context("r") == {"b": b"null"}

    def test_a_run_that_is_gone_has_no_context(self, db: LocalDatabase) -> None:
        assert db.get_whole_context("gone") == {}


class TestJobs:
    def test_jobs_are_taken_in_the_order_they_were_sent(self, db: LocalDatabase) -> None:
        for number in range(5):
            db.insert_job(b"%d" % number, 1.0)
        assert db.has_news
        assert [row.body for row in db.take_jobs(1.0, 2, 31.0)] == [b"0", b"1"]
        assert [row.body for row in db.take_jobs(1.0, 9, 31.0)] == [b"2", b"3", b"4"]
        assert db.take_jobs(30.9, 9, 60.0) == []

    def test_a_job_is_not_seen_before_its_time(self, db: LocalDatabase) -> None:
        assert db.next_job_at() is None
        db.insert_job(b"later", 5.0)
        db.insert_job(b"now", 1.0)
        assert db.next_job_at() == 1.0
        assert db.count_jobs(1.0) == 1
        assert [row.body for row in db.take_jobs(1.0, 9, 31.0)] == [b"now"]
        assert db.next_job_at() == 5.0
        assert db.count_jobs(4.9) == 0
        assert db.count_jobs(5.0) == 1

    def test_a_lease_that_ran_out_is_a_redelivery(self, db: LocalDatabase) -> None:
        db.insert_job(b"j", 0.0)
        (first,) = db.take_jobs(0.0, 9, 30.0)
        (second,) = db.take_jobs(30.0, 9, 60.0)
        assert not first.is_redelivered
        assert second.is_redelivered
        assert (second.id, second.body) == (first.id, first.body)
        assert second.token != first.token
        assert not db.extend_job(first.id, first.token, 99.0)
        assert not db.delete_job(first.id, first.token)
        assert db.extend_job(second.id, second.token, 99.0)
        assert db.next_job_at() == 99.0
        assert db.delete_job(second.id, second.token)
        assert not db.delete_job(second.id, second.token)
        assert db.next_job_at() is None

    def test_a_job_given_back_is_no_redelivery(self, db: LocalDatabase) -> None:
        db.insert_job(b"j", 0.0)
        (first,) = db.take_jobs(0.0, 9, 30.0)
        db.has_news = False
        db.release_job(first.id, first.token - 1, 5.0)
        assert not db.has_news
        db.release_job(first.id, first.token, 5.0)
        assert db.has_news
        assert not db.extend_job(first.id, first.token, 99.0)
        assert db.take_jobs(4.9, 9, 30.0) == []
        (second,) = db.take_jobs(5.0, 9, 35.0)
        assert not second.is_redelivered
        assert second.token != first.token

    def test_no_later_job_has_the_handle_of_an_earlier_one(self, db: LocalDatabase) -> None:
        handles = set()
        for _ in range(3):
            db.insert_job(b"j", 0.0)
            (row,) = db.take_jobs(0.0, 9, 30.0)
            handles.add((row.id, row.token))
            assert db.delete_job(row.id, row.token)
        assert len(handles) == 3

    def test_a_buried_job_is_not_delivered_again(self, db: LocalDatabase) -> None:
        db.insert_job(b"bad", 0.0)
        (row,) = db.take_jobs(0.0, 9, 30.0)
        db.bury_job(row.id, row.token - 1, "not mine", 1.0)
        assert db.next_job_at() == 30.0
        db.bury_job(row.id, row.token, "no job of ours", 1.0)
        assert db.next_job_at() is None


class TestSweeping:
    def test_stalled_runs_come_oldest_first(self, db: LocalDatabase) -> None:
        for run_id, after in (("b", 5.0), ("a", 5.0), ("c", 1.0), ("d", 9.0)):
            db.insert_run(header(run_id), after)
        assert db.stalled(5.0, 9) == [Stalled("c", 0), Stalled("a", 0), Stalled("b", 0)]
        assert db.stalled(5.0, 2) == [Stalled("c", 0), Stalled("a", 0)]
        assert db.stalled(0.9, 9) == []

    def test_the_sweepers_visits_are_counted_until_somebody_else_vouches(
        self, run: LocalDatabase
    ) -> None:
        run.set_sweep("r", 20.0, by_sweeper=True)
        run.set_sweep("r", 30.0, by_sweeper=True)
        assert run.stalled(29.9, 9) == []
        assert run.stalled(30.0, 9) == [Stalled("r", 2)]
        run.set_sweep("r", 40.0, by_sweeper=False)
        assert run.stalled(40.0, 9) == [Stalled("r", 0)]
        run.set_sweep("gone", 40.0, by_sweeper=False)

    def test_a_run_leaves_the_index_only_when_it_is_announced(self, run: LocalDatabase) -> None:
        run.update_run(header(status="completed"))
        assert run.stalled(10.0, 9) == [Stalled("r", 0)]
        run.update_run(header(status="completed", is_announced=True))
        assert run.stalled(10.0, 9) == []


class TestTimersBlueprintsAndKeys:
    def test_timers_come_when_they_are_due(self, db: LocalDatabase) -> None:
        db.set_timer(TimerRow("late", 9.0, b"l"))
        db.set_timer(TimerRow("b", 5.25, b"b"))
        db.set_timer(TimerRow("a", 1.1, b"a"))
        assert db.due_timers(1.0, 9) == []
        assert db.due_timers(6.0, 9) == [TimerRow("a", 1.1, b"a"), TimerRow("b", 5.25, b"b")]
        assert db.due_timers(6.0, 1) == [TimerRow("a", 1.1, b"a")]

    def test_a_timer_that_was_moved_is_not_cleared(self, db: LocalDatabase) -> None:
        due = 1700000000.1234567
        db.set_timer(TimerRow("t", due, b"1"))
        db.set_timer(TimerRow("t", due + 1, b"2"))
        db.clear_timer("t", due)
        assert db.due_timers(due + 1, 9) == [TimerRow("t", due + 1, b"2")]
        db.clear_timer("t", due + 1)
        assert db.due_timers(due + 1, 9) == []

    def test_a_blueprint_is_kept_under_its_content(self, db: LocalDatabase) -> None:
        assert db.get_blueprint("h") is None
        db.put_blueprint("h", b"{}")
        db.put_blueprint("h", b"{}")
        assert db.get_blueprint("h") == b"{}"

    def test_a_key_keeps_its_value_and_its_expiry(self, db: LocalDatabase) -> None:
        assert db.get_key("k") is None
        db.put_key("k", "v", 5.5)
        assert db.get_key("k") == ("v", 5.5)
        db.put_key("k", "", None)
        assert db.get_key("k") == ("", None)
        assert db.delete_key("k")
        assert not db.delete_key("k")
