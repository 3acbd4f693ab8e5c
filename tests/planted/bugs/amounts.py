"""Stores that leave out, without a word, what is beyond a page, a request or a column."""

from __future__ import annotations

from tests.planted.bug import bug

CONTEXT = "flowcraft.local.adapter:LocalContext"
STEPS = "flowcraft.local.steps"
STORE = "flowcraft.local.store:LocalStore"
TABLES = "flowcraft.memory.tables:MemoryTables"

MANY_KEYS = "AmountsContract.test_a_context_of_many_keys_is_written_and_read_whole"
MANY_RUNS = "AmountsContract.test_many_runs_are_made_found_and_purged"
LARGE = "AmountsContract.test_a_large_value_is_kept_whole_wherever_it_stands"
TWICE = "AmountsContract.test_what_is_named_twice_in_one_call_is_answered_twice"

context_of_a_new_run_is_cut = bug(
    "a run begins with twenty-five context keys at most",
    (f"{STEPS}:_insert", "wanted.context.items()", "list(wanted.context.items())[:25]"),
    rejected_by=MANY_KEYS,
)

context_of_a_record_is_cut = bug(
    "a record writes a hundred context keys at most",
    (f"{STEPS}:commit", "wanted.context.items()", "list(wanted.context.items())[:100]"),
    rejected_by=MANY_KEYS,
    on="split",
)

patch_is_cut = bug(
    "a patch writes a hundred context keys at most",
    (f"{CONTEXT}.patch", "for key, value in encoded:", "for key, value in encoded[:100]:"),
    rejected_by=MANY_KEYS,
)

named_context_is_cut = bug(
    "a load reads twenty-five context keys at most",
    (f"{TABLES}.get_context", "for key in keys if", "for key in keys[:25] if"),
    rejected_by=MANY_KEYS,
)

cells_are_cut = bug(
    "a propagation writes a hundred cells at most",
    (f"{STEPS}:propagate", "in wanted.cells:", "in wanted.cells[:100]:"),
    rejected_by="AmountsContract.test_many_cells_are_written_and_read_in_one_call",
)

peeks_are_cut = bug(
    "a load reads a hundred cells elsewhere at most",
    (f"{STEPS}:load", "in wanted.peeks if", "in wanted.peeks[:100] if"),
    rejected_by="AmountsContract.test_many_cells_are_written_and_read_in_one_call",
)

set_is_read_to_the_first_page = bug(
    "a set is read up to a hundred members",
    (f"{TABLES}.get_members", "in found.members.items()]", "in found.members.items()][:100]"),
    rejected_by="AmountsContract.test_a_set_of_many_members_with_large_values_is_read_whole",
)

context_is_read_to_the_first_page = bug(
    "a context is read up to a megabyte",
    (f"{TABLES}.get_whole_context", "return dict(run.context) if run is not None else {}",
     "found, size = {}, 0\n    for key, value in run.context.items() if run else ():\n"
     "        size += len(value)\n        if size < 1_000_000:\n"
     "            found[key] = value\n    return found"),
    rejected_by="AmountsContract.test_a_context_larger_than_a_page_is_read_whole",
)  # fmt: skip

headers_are_cut = bug(
    "a hundred headers are read at most",
    (f"{STORE}.headers", "db.get_run(run_id) for run_id in run_ids",
     "db.get_run(id_) if n < 100 else None for n, id_ in enumerate(run_ids)"),
    rejected_by=MANY_RUNS,
)  # fmt: skip

children_are_cut = bug(
    "a hundred children are listed at most",
    (f"{TABLES}.child_ids", "self._children.get(run_id, ())",
     "self._children.get(run_id, [])[:100]"),
    rejected_by=MANY_RUNS,
)  # fmt: skip

page_is_shorter_than_asked_for = bug(
    "a listing has twenty-five runs, though more were asked for and are there",
    (f"{TABLES}.list_runs", "heapq.nlargest(limit,", "heapq.nlargest(min(limit, 25),"),
    rejected_by=MANY_RUNS,
)

few_are_vouched_for = bug(
    "twenty-five runs are vouched for at most",
    (f"{STORE}.touch", "until.items():", "list(until.items())[:25]:"),
    rejected_by=MANY_RUNS,
)

few_are_announced = bug(
    "the ends of twenty-five runs are noted as announced at most",
    (f"{STORE}.mark_announced", "in run_ids:", "in run_ids[:25]:"),
    rejected_by=MANY_RUNS,
)

few_are_purged = bug(
    "twenty-five runs are purged at most",
    (f"{STORE}.purge", "in run_ids:", "in run_ids[:25]:"),
    rejected_by=MANY_RUNS,
)

few_leases_are_kept = bug(
    "twenty-five leases are kept at most",
    (f"{STORE}.touch", "in leases:", "in leases[:25]:"),
    rejected_by="AmountsContract.test_many_leases_are_kept",
)

large_cell_is_cut = bug(
    "a cell has a megabyte at most",
    (f"{TABLES}.insert_cell", "cells[name] = value", "cells[name] = value[:1_000_000]"),
    rejected_by=LARGE,
)

large_value_of_an_edge_is_cut = bug(
    "an edge carries 64 KiB at most",
    (f"{TABLES}.insert_member", "(taken, value)", "(taken, value and value[:65_536])"),
    rejected_by=LARGE,
)

large_context_value_is_cut = bug(
    "a context value has 256 KiB at most",
    (f"{TABLES}.write_context", "context[key] = value", "context[key] = value[:262_144]"),
    rejected_by=LARGE,
)

large_value_comes_later = bug(
    "a large value is written in two steps, its first half before the other one",
    (f"{CONTEXT}.patch", "await self._transact(step)",
     "def half(db: LocalDatabase) -> None:\n        for key, value in encoded:\n"
     "            if db.get_run(self._run_id) and value and len(value) > 100_000:\n"
     "                db.write_context(self._run_id, key, value[:50_000])\n\n"
     "    await self._transact(half)\n    await self._transact(step)"),
    rejected_by="AmountsContract.test_a_large_value_is_seen_whole_or_not_at_all",
)  # fmt: skip

blueprint_is_cut = bug(
    "a blueprint has 64 KiB at most",
    (f"{TABLES}.put_blueprint", "= blueprint", "= blueprint[:65_535]"),
    rejected_by="AmountsContract.test_a_blueprint_and_an_error_may_be_long",
)

error_is_cut = bug(
    "the message of an error has 255 letters at most",
    (f"{STEPS}:finish", "error=wanted.error,",
     "error=wanted.error and msgspec.structs.replace("
     "wanted.error, message=wanted.error.message[:255]),"),
    rejected_by="AmountsContract.test_a_blueprint_and_an_error_may_be_long",
)  # fmt: skip

loads_of_one_key_are_one = bug(
    "two loads of an activation in one call are both answered as the first one asks",
    (f"{STORE}.load", "steps.load(db, one) for one in loads",
     "steps.load(db, next(o for o in loads if o.key == one.key)) for one in loads"),
    rejected_by=TWICE,
)  # fmt: skip

header_is_told_once = bug(
    "a header that is asked for twice in one call is told once",
    (f"{STORE}.headers", "db.get_run(run_id) for run_id in run_ids",
     "None if id_ in run_ids[:n] else db.get_run(id_) for n, id_ in enumerate(run_ids)"),
    rejected_by=TWICE,
)  # fmt: skip

second_of_a_call_is_created = bug(
    "of two runs of one id in one call, the second is told that it was created",
    (f"{STORE}.create", "[steps.create(db, one, sweep_after) for one in runs]",
     "[steps.create(db, one, sweep_after) and one.header for one in runs]"),
    rejected_by=TWICE,
)  # fmt: skip

journal_ends_with_its_page = bug(
    "the page of a journal that is full is told to be the last",
    (f"{STEPS}:journal", "is_all=False", "is_all=True"),
    rejected_by="JournalContract.test_large_records_are_told_to_the_last",
)
