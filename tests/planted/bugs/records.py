"""Records, contexts and steps that are not as atomic as they say."""

from __future__ import annotations

from tests.planted.bug import bug

STEPS = "flowcraft.local.steps"
TABLES = "flowcraft.memory.tables:MemoryTables"
CONTEXT = "flowcraft.local.adapter:LocalContext"

late_duplicate_overwrites = bug(
    "the output of a late duplicate is written over the first one",
    (f"{TABLES}.insert_cell", "if name in cells:\n        return False", "pass"),
    rejected_by="RunStoreContract.test_of_concurrent_commits_one_wins_and_the_others_learn_it",
)

patch_of_the_beaten = bug(
    "the context writes of an outcome that came second are kept",
    (f"{STEPS}:commit", "guard = wanted.guard\n",
     "guard = wanted.guard\n    for key, value in wanted.context.items():\n"
     "        db.write_context(run_id, key, value)\n"),
    rejected_by="RunStoreContract.test_a_commit_that_was_beaten_writes_nothing",
)  # fmt: skip

non_atomic_patch = bug(
    "a context patch is written key by key",
    (f"{CONTEXT}.patch", "await self._transact(step)",
     "for one in list(encoded):\n        encoded[:] = [one]\n"
     "        await self._transact(step)"),
    rejected_by="ContextContract.test_a_patch_is_seen_whole_or_not_at_all",
)  # fmt: skip

null_deletes = bug(
    "writing null deletes a key",
    (f"{CONTEXT}.patch", 'None if op.kind == "delete" else',
     'None if op.kind == "delete" or op.value is None else'),
    rejected_by="ContextContract.test_null_is_a_value",
)  # fmt: skip

whole_context_written_back = bug(
    "writing one key writes all keys as they were read before",
    (f"{CONTEXT}.set", 'await self.patch([ContextOperation("set", key, value)])',
     'held = await self.to_dict()\n    held[key] = value\n    await self.patch('
     '[ContextOperation("set", *item) for item in held.items()])'),
    rejected_by="ContextContract.test_writers_of_different_keys_lose_nothing",
    on="sqlite",
)  # fmt: skip

keys_ignore_case = bug(
    "context keys that differ by case are one",
    (f"{TABLES}.write_context", "context[key] = value", "context[key.lower()] = value"),
    rejected_by="ContextContract.test_a_context_key_is_opaque",
)


guard_not_looked_at = bug(
    "a note is written although the activation has its record",
    (f"{STEPS}:commit", "if existing is not None:", "if False:"),
    rejected_by="RunStoreContract.test_a_note_is_barred_where_a_record_stands",
)

created_twice = bug(
    "a run that exists is created again",
    (f"{STEPS}:create", "if standing is not None:", "if False:"),
    rejected_by="RunRegistryContract.test_a_run_is_created_once",
)

begun_twice = bug(
    "a run that exists gets its first jobs again",
    (f"{STEPS}:begin", "if standing is not None:", "if False:"),
    rejected_by="TransitionContract.test_a_run_begins_with_its_jobs_once",
)

listing_in_any_order = bug(
    "a listing goes by the ids of runs",
    (f"{TABLES}.list_runs", "return heapq.nlargest(limit, found, key=_place)",
     "return sorted(found, key=lambda header: header.run_id)[:limit]"),
    rejected_by="RunRegistryContract.test_a_listing_has_every_run_once_newest_first",
)  # fmt: skip

page_has_its_first_again = bug(
    "a page begins with the last run of the page before",
    (f"{TABLES}.list_runs", "_place(header) < before", "_place(header) <= before"),
    rejected_by="RunRegistryContract.test_a_listing_has_every_run_once_newest_first",
)

ack_before_commit = bug(
    "a message is acknowledged before its work is recorded",
    (
        "flowcraft.adapter.mover:Mover.move",
        "try:",
        "if ack is not None:\n        await self._parts.ports.ack(ack)\n    try:",
    ),
    rejected_by="CrashAtEveryStep.test_a_death_at_any_call_changes_no_outcome[branches]",
)
