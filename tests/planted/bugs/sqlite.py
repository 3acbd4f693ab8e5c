"""What the SQL of the SQLite adapter can get wrong."""

from __future__ import annotations

from tests.planted.bug import bug

TABLES = "flowcraft.sqlite.tables:SqliteTables"
WRITER = "flowcraft.sqlite.writer:Writer"

sqlite_cell_is_overwritten = bug(
    "a cell that is there is written over",
    (f"{TABLES}.insert_cell", "ON CONFLICT DO NOTHING",
     "ON CONFLICT DO UPDATE SET value = excluded.value"),
    rejected_by="RunStoreContract.test_of_concurrent_commits_one_wins_and_the_others_learn_it",
    on="sqlite",
)  # fmt: skip

sqlite_lease_is_not_set = bug(
    "a message that was taken stays visible",
    (f"{TABLES}.take_jobs", "[(lease_until, row[0]) for row in rows]",
     "[(now, row[0]) for row in rows]"),
    rejected_by="QueueContract.test_two_receivers_never_hold_one_message",
    on="sqlite",
)  # fmt: skip

sqlite_redelivery_is_not_told = bug(
    "a message that comes back looks like a new one",
    (f"{TABLES}.take_jobs", "is_leased = iif(is_leased, 3, 1)", "is_leased = 0"),
    rejected_by="QueueContract.test_a_message_comes_back_when_its_holder_is_gone",
    on="sqlite",
)

sqlite_order_by_chance = bug(
    "a receive takes all that is visible",
    (f"{TABLES}.take_jobs", "(now, limit),", "(now, -1),"),
    rejected_by="QueueContract.test_no_more_is_taken_than_was_asked_for",
    on="sqlite",
)

sqlite_late_extension_holds_anothers_message = bug(
    "an extension whose lease was lost extends that of who has the message now",
    (f"{TABLES}.extend_job", "AND token = ? AND is_leased & 1", "AND ? > 0 AND is_leased & 1"),
    rejected_by="QueueContract.test_who_lost_a_lease_learns_it_and_harms_nobody",
    on="sqlite",
)

sqlite_keys_ignore_case = bug(
    "context keys that differ by case are read as one",
    (f"{TABLES}.get_context", "AND key = ?", "AND key = ? COLLATE NOCASE"),
    rejected_by="ContextContract.test_a_context_key_is_opaque",
    on="sqlite",
)

sqlite_keys_are_patterns = bug(
    "a coordination key is a pattern",
    (f"{TABLES}.get_key", "WHERE key = ?", "WHERE key LIKE ?"),
    rejected_by="CoordinationContract.test_keys_that_look_alike_are_different_keys",
    on="sqlite",
)

sqlite_edge_counts_twice = bug(
    "an edge that arrives again is counted again",
    (f"{TABLES}.insert_member", "if added.rowcount == 1:", "if True:"),
    rejected_by="ArrivalsContract.test_an_edge_counts_once_however_often_it_arrives",
    on="sqlite",
)

sqlite_wide_set_is_not_counted = bug(
    "a set counts two members at most",
    (f"{TABLES}.insert_member", "if len(rows) == 2:", "if False:"),
    rejected_by="JoinScenarios.test_a_wide_join_starts_once_with_all_of_its_edges",
    on="sqlite",
)

sqlite_skips_count_as_taken = bug(
    "a skipped edge counts as taken",
    (f"{TABLES}.insert_member", 'taken = taken + ?"\n', 'taken = taken + 1 + 0 * ?"\n'),
    rejected_by="ArrivalsContract.test_of_edges_that_arrive_at_once_one_completes_the_join",
    on="sqlite",
)

sqlite_purge_leaves_the_context = bug(
    "purging a run leaves its context and its sets",
    (f"{TABLES}.delete_run", "for table in _RUN_TABLES:", 'for table in ("cells",):'),
    rejected_by="PurgeContract.test_a_run_under_the_id_of_a_purged_one_begins_from_nothing",
    on="sqlite",
)

sqlite_headers_are_remembered = bug(
    "a process goes by what it knew of a run, whatever others have written since",
    (f"{TABLES}.begin", "self._runs.clear()", "pass"),
    rejected_by="EndsContract.test_a_run_ends_once",
    on="sqlite",
)

sqlite_journal_forgets_failures = bug(
    "the journal does not tell of failed attempts",
    (f"{TABLES}.get_journal", " OR name GLOB 'failed:*'", ""),
    rejected_by="JournalContract.test_records_and_failed_attempts_are_told_in_the_order_of_their_"
    "commits",
    on="sqlite",
)

sqlite_journal_repeats_itself = bug(
    "the journal gives the entry of the cursor once more",
    (f"{TABLES}.get_journal", "AND number > ?", "AND number >= ?"),
    rejected_by="JournalContract.test_a_cursor_goes_on_where_one_stopped",
    on="sqlite",
)

sqlite_everlasting_keys_are_swept = bug(
    "a key without time to live is swept away with the expired ones",
    (f"{TABLES}.drop_expired_keys", "WHERE expires_at <= ?",
     "WHERE ifnull(expires_at, 0) <= ?"),
    rejected_by="CoordinationContract.test_a_key_without_ttl_never_expires",
    on="sqlite",
)  # fmt: skip

sqlite_timer_is_not_moved = bug(
    "a timer that is set again stays where it was",
    (f"{TABLES}.set_timer", "ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, "
     "job = excluded.job", "ON CONFLICT (name) DO NOTHING"),
    rejected_by="TimersContract.test_a_timer_that_is_set_again_is_moved",
    on="sqlite",
)  # fmt: skip

sqlite_moved_timer_is_cleared = bug(
    "clearing a timer clears the one that was set in its place",
    (f"{TABLES}.clear_timer", "WHERE name = ? AND due_at = ?", "WHERE name = ? AND due_at >= ?"),
    rejected_by="TimersContract.test_a_timer_that_was_moved_is_not_cleared",
    on="sqlite",
)

sqlite_timers_in_any_order = bug(
    "timers come in the order in which they were set",
    (f"{TABLES}.due_timers", "ORDER BY due_at LIMIT", "ORDER BY name LIMIT"),
    rejected_by="TimersContract.test_timers_come_in_the_order_of_their_times",
    on="sqlite",
)

sqlite_oldest_run_first = bug(
    "a listing begins with the oldest run",
    (f"{TABLES}.list_runs", "rows.sort(reverse=True)", "rows.sort()"),
    rejected_by="RunRegistryContract.test_a_listing_has_every_run_once_newest_first",
    on="sqlite",
)

sqlite_children_by_pattern = bug(
    "the children of a run are those too of runs whose ids look alike",
    (f"{TABLES}.child_ids", "WHERE parent = ?", "WHERE parent LIKE ? || '%'"),
    rejected_by="RunRegistryContract.test_the_children_of_a_run_are_its_own",
    on="sqlite",
)

sqlite_announced_runs_are_swept = bug(
    "a run whose end was announced stays on the index of the sweeper",
    (f"{TABLES}.stalled", "is_announced = 0 AND ", ""),
    rejected_by="SweepingContract.test_what_is_announced_stays_off_the_index",
    on="sqlite",
)

sqlite_everything_expires = bug(
    "a run expires as soon as it was announced",
    (f"{TABLES}.expired", "WHERE expires_from < ?", "WHERE expires_from < ? + 1e12"),
    rejected_by="RunRegistryContract.test_what_expires_is_an_announced_root_that_ended_before",
    on="sqlite",
)

sqlite_dead_letter_goes_back_and_stays = bug(
    "a dead letter that was put back on the queue stays one",
    (f"{TABLES}.take_dead_letter", "DELETE FROM dead_letters WHERE id = ? RETURNING body",
     "SELECT body FROM dead_letters WHERE id = ?"),
    rejected_by="QueueContract.test_a_dead_letter_goes_back_as_a_new_message_or_is_dropped",
    on="sqlite",
)  # fmt: skip

sqlite_commits_what_raised = bug(
    "what a step wrote before it raised is committed",
    (f"{WRITER}._transaction", 'connection.execute("ROLLBACK")', 'connection.execute("COMMIT")'),
    rejected_by="packages/core/tests/sqlite/test_writer.py::"
    "test_a_step_that_raises_leaves_its_neighbours_alone",
    on="sqlite",
)

sqlite_answers_before_it_commits = bug(
    "a transaction is answered and not committed",
    (f"{WRITER}._transaction", 'connection.execute("COMMIT")', 'connection.execute("ROLLBACK")'),
    rejected_by="CapabilitiesContract.test_what_is_durable_outlives_all_processes",
    on="sqlite",
)
