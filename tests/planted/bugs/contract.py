"""What the adapter of four methods, and the store that is built on them, can get wrong."""

from __future__ import annotations

from tests.planted.bug import bug

CELLS = "flowcraft.adapter.contract_cells:ContractCells"
COORDINATION = "tests.four_method.adapter:ToyCoordinationStore"
CONTEXT = "tests.four_method.adapter:ToyContext"
HEADERS = "flowcraft.adapter.contract_headers:ContractHeaders"
QUEUE = "flowcraft.adapter.contract_queue:ContractQueue"
PURGE = "flowcraft.adapter.contract_purge:ContractPurge"
REGISTER = "flowcraft.adapter.contract_register:ContractRegister"
STORE = "flowcraft.adapter.contract_store:ContractStore"
TOY = "tests.four_method.adapter:FourMethodAdapter"

contract_patch_is_left_to_nobody = bug(
    "the context writes of a record are not finished by who finds it",
    (f"{CELLS}.get", "await self._finish_patch(place, key, name, envelope)", "pass"),
    rejected_by="RunStoreContract.test_a_commit_writes_all_that_it_brings",
    on="four_method",
)

contract_end_is_lost_to_a_reader = bug(
    "a fatal failure counts as beaten where somebody who read the end wrote its record first",
    (f"{STORE}._commit", "if commit.ends is None or existing != guard.value:", "if True:"),
    rejected_by="EndsContract"
    ".test_a_fatal_failure_is_won_by_whoever_wrote_it_also_when_others_see_it_first",
    on="four_method",
)

contract_listing_is_the_losers = bug(
    "who submits a run that is there already moves it in the listings",
    (f"{STORE}.create", "await self._register.enter(standing)", "pass"),
    rejected_by="RunRegistryContract"
    ".test_a_run_is_listed_where_it_stands_also_when_others_submit_it_too",
    on="four_method",
)

contract_listing_trusts_its_entries = bug(
    "a listing goes by the entry of one who died as he submitted a run that was there already",
    (f"{STORE}.list_runs", "header.created_at != entry.place.created_at", "False"),
    rejected_by="RunRegistryContract"
    ".test_a_run_is_listed_where_it_stands_also_when_others_submit_it_too",
    on="four_method",
)

contract_patch_is_made_after_the_end = bug(
    "the context writes of a record are finished after the end of its run",
    (f"{STORE}._load", "self._cell.peek if run.header.is_over else self._cell.get",
     "self._cell.get"),
    rejected_by="EndsContract"
    ".test_what_a_dead_worker_did_not_write_is_not_written_after_the_end",
    on="four_method",
)  # fmt: skip

contract_child_of_nobody = bug(
    "a child is made although its parent is over or gone, over the four methods",
    (f"{STORE}._may_be_made", "return above is not None and not above.is_over", "return True"),
    rejected_by="RunRegistryContract.test_a_run_that_ended_or_is_gone_gets_no_child",
    on="four_method",
)

contract_patch_is_noted_before_it_is_made = bug(
    "the context writes of a record are noted as made before they are",
    (f"{CELLS}._finish_patch", "operations = [\n",
     'await self._keys.set_if_not_exist(mark, "1", None)\n    operations = [\n'),
    rejected_by="RunStoreContract.test_a_commit_is_there_whole_or_not_at_all",
    on="four_method",
)  # fmt: skip

contract_patch_is_made_again_and_again = bug(
    "the context writes of a record are made again by each who reads it",
    (f"{CELLS}._finish_patch", "if await self._keys.get(mark) is not None:", "if False:"),
    rejected_by="RunStoreContract.test_a_record_that_is_found_again_writes_its_context_no_more",
    on="four_method",
)

contract_end_has_many_winners = bug(
    "everybody who ends a run is told that he did",
    (f"{HEADERS}.end", "return await self._keys.set_if_not_exist(self._key(\"end\", place), text, "
     "None)", 'await self._keys.set_if_not_exist(self._key("end", place), text, None)\n'
     "    return True"),
    rejected_by="EndsContract.test_of_two_fatal_failures_one_ends_the_run",
    on="four_method",
)  # fmt: skip

contract_failure_without_its_record = bug(
    "the record of a fatal failure is not finished by who finds the end",
    (f"{HEADERS}.find", "if ending.record and told is None:", "if False:"),
    rejected_by="EndsContract.test_a_fatal_failure_is_there_whole_or_not_at_all",
    on="four_method",
)

contract_run_before_its_payload = bug(
    "a run is there before its payload is",
    (f"{STORE}.create", "await self._cell.put(place, RUN, PAYLOAD, run.payload)",
     "await self._header.put(place, header)\n"
     "            await self._cell.put(place, RUN, PAYLOAD, run.payload)"),
    rejected_by="RunRegistryContract.test_whoever_dies_as_it_creates_a_run_leaves_all_of_it_or_none",
    on="four_method",
)  # fmt: skip

contract_run_that_nobody_sweeps = bug(
    "a run is there before the sweeper knows of it",
    (f"{STORE}.create", "await self._register.enter(header)\n"
     "            await self._header.put(place, header)",
     "await self._header.put(place, header)\n"
     "            await self._register.enter(header)"),
    rejected_by="RunRegistryContract.test_whoever_dies_as_it_creates_a_run_leaves_all_of_it_or_none",
    on="four_method",
)  # fmt: skip

contract_children_by_pattern = bug(
    "the children of a run are those too of runs whose ids begin alike",
    (f"{REGISTER}.children", 'f"child:{run_id}/"', 'f"child:{run_id}"'),
    rejected_by="RunRegistryContract.test_the_children_of_a_run_are_its_own",
    on="four_method",
)

contract_moved_timer_is_cleared = bug(
    "clearing a timer clears the one that was set in its place",
    (f"{REGISTER}.clear_timers", ' and found["due"] == timer.due_at', ""),
    rejected_by="TimersContract.test_a_timer_that_was_moved_is_not_cleared",
    on="four_method",
)

contract_timers_early = bug(
    "timers are due before their time",
    (f"{REGISTER}.due_timers", ' and note["due"] <= now', ""),
    rejected_by="TimersContract.test_a_timer_is_due_when_its_time_has_come",
    on="four_method",
)

contract_busy_run_is_never_swept = bug(
    "a run that is busy is not looked at for as long as it is",
    (f"{REGISTER}.touch", '"after": min(after, latest)', '"after": after'),
    rejected_by="SweepingContract.test_a_busy_run_is_looked_at_once_in_a_long_while",
    on="four_method",
)

contract_lease_never_ends = bug(
    "the lease of an activation does not end by itself",
    (f"{STORE}.touch", "set_if_not_exist(key, text, ttl_seconds)",
     "set_if_not_exist(key, text, None)"),
    (f"{STORE}.touch", "extend_ttl(key, ttl_seconds)", "extend_ttl(key, None)"),
    rejected_by="SweepingContract.test_a_lease_ends_by_itself_and_another_worker_may_have_the_next",
    on="four_method",
)  # fmt: skip

contract_dead_letter_is_dropped = bug(
    "a dead letter is not kept",
    (f"{QUEUE}.bury", "await self._letters.keep(delivery.body, reason)", "pass"),
    rejected_by="MessageScenarios.test_a_message_for_an_unknown_run_is_a_dead_letter_that_names_it",
    on="four_method",
)

contract_dead_letter_goes_back_and_stays = bug(
    "a dead letter that was put back on the queue stays one",
    (f"{QUEUE}._requeue", "await self._letters.drop(id_)", "pass"),
    rejected_by="MessageScenarios.test_a_dead_letter_that_is_sent_again_when_its_run_is_there_moves_"
    "it",
    on="four_method",
)

contract_purge_lets_duplicates_write = bug(
    "a duplicate that wakes after the purge of its run records anew",
    (f"{PURGE}._arrivals",
     "await self._cells.put(place, key, RECORD, none, ttl_seconds=REMAINING_SECONDS)", "del none"),
    rejected_by="packages/core/tests/adapter/test_purge_by_contract.py::"
    "test_a_worker_that_wakes_after_the_purge_records_nothing",
    on="four_method",
)  # fmt: skip

contract_new_run_finds_the_old_keys = bug(
    "a run under the id of a purged one stands where that one stood",
    (f"{HEADERS}.next_place",
     'place_of(run_id, await self._keys.get(self._key("purged", run_id)) or "")',
     'place_of(run_id, "")'),
    rejected_by="PurgeContract.test_a_run_under_the_id_of_a_purged_one_begins_from_nothing",
    on="four_method",
)  # fmt: skip

contract_purged_keys_stay = bug(
    "the keys of a purged run never expire",
    (f"{PURGE}.expire", "await self._cells.expire(place, key, members, REMAINING_SECONDS)", "pass"),
    rejected_by="packages/core/tests/adapter/test_purge_by_contract.py::"
    "test_every_key_of_a_purged_run_expires",
    on="four_method",
)

contract_set_counts_skips = bug(
    "the log of a set counts skipped members as taken",
    ("flowcraft.ports.contract:CoordinationStore.add_member",
     'taken_count += held.endswith("+")', "taken_count += 1"),
    rejected_by="CoordinationContract.test_a_member_counts_once_however_often_it_comes",
    on="four_method",
)  # fmt: skip

contract_member_takes_anothers_slot = bug(
    "two members that come at once take one slot of a set",
    ("flowcraft.ports.contract:CoordinationStore.add_member",
     "if await self.set_if_not_exist(slot, mine, ttl_seconds):",
     "if await self.set_if_not_exist(slot, mine, ttl_seconds) or True:"),
    rejected_by="CoordinationContract.test_of_members_that_come_at_once_one_is_the_last",
    on="four_method",
)  # fmt: skip

toy_lease_is_not_set = bug(
    "a message is given to everybody who asks",
    (f"{TOY}._take", "message.visible_at = now + self._lease_seconds", "pass"),
    rejected_by="JobsContract.test_each_job_is_handled_by_one_of_several_processes",
    on="four_method",
)

toy_acks_first = bug(
    "a job is acknowledged before its handler returns",
    (
        f"{TOY}._handle",
        "try:\n",
        'await self.call("ack", lambda: self._remove(message))\n    try:\n',
    ),
    rejected_by="JobsContract.test_a_handler_that_raises_gets_the_job_again",
    on="four_method",
)

toy_error_acknowledges = bug(
    "a handler that raises acknowledges",
    (f"{TOY}._handle", "return  # it becomes visible again when its lease is over", "pass"),
    rejected_by="JobsContract.test_a_handler_that_raises_gets_the_job_again",
    on="four_method",
)

toy_foreign_message_stops_all = bug(
    "a foreign message keeps the jobs behind it",
    (f"{TOY}.process_jobs", "task = asyncio.create_task(self._handle(handler, message))",
     "decode_job(message.body)\n"
     "            task = asyncio.create_task(self._handle(handler, message))"),
    rejected_by="JobsContract.test_a_foreign_message_does_not_keep_the_jobs_behind_it",
    on="four_method",
)  # fmt: skip

toy_message_is_never_extended = bug(
    "a job that takes longer than a lease is given to somebody else",
    (f"{TOY}._beat", 'await self.call("extend", lambda: self._extend(message))', "pass"),
    rejected_by="DeliveryScenarios.test_a_message_is_not_delivered_again_while_its_worker_lives",
    on="four_method",
)

toy_key_never_expires = bug(
    "a key whose time is over is still there",
    (f"{COORDINATION}._live", "<= self._clock.now()", "<= 0.0"),
    rejected_by="CoordinationContract.test_an_expired_key_is_absent_at_once_to_every_method",
    on="four_method",
)

toy_lock_has_many_winners = bug(
    "everybody who asks for a key is told that he won",
    (f"{COORDINATION}.set_if_not_exist", "return False", "return True"),
    rejected_by="CoordinationContract.test_set_if_not_exist_has_one_winner",
    on="four_method",
)

toy_increment_in_two_steps = bug(
    "a number is read in one step and written in another",
    (f"{COORDINATION}.increment", 'return await self._call("increment", step)',
     'number = int(await self.get(key) or 0) + 1\n    await self._call("increment", lambda: '
     "self._put(key, str(number), ttl_seconds))\n    return number"),
    rejected_by="CoordinationContract.test_increments_of_several_workers_leave_no_hole",
    on="four_method",
)  # fmt: skip

toy_delete_says_yes = bug(
    "deleting a key that is not there says that it was",
    (f"{COORDINATION}.delete", "self._live(key) is not None", "True"),
    rejected_by="CoordinationContract.test_delete_says_whether_the_key_was_there",
    on="four_method",
)

toy_patch_stops_in_the_middle = bug(
    "a patch that cannot be written whole is written in part",
    (f"{CONTEXT}.patch", "texts = [json.dumps(operation.value) for operation in operations]",
     'texts = [""] * len(operations)'),
    (f"{CONTEXT}.patch", "self._items[operation.key] = text",
     "self._items[operation.key] = json.dumps(operation.value)"),
    rejected_by="ContextContract.test_a_patch_that_cannot_be_written_whole_changes_nothing",
    on="four_method",
)  # fmt: skip

toy_runs_share_a_context = bug(
    "all runs have one context",
    (f"{CONTEXT}.__init__", "setdefault(run_id, {})", 'setdefault("", {})'),
    rejected_by="ContextContract.test_runs_have_contexts_of_their_own",
    on="four_method",
)

toy_null_is_absent = bug(
    "a key that holds null is not there",
    (f"{CONTEXT}.has", "key in self._items", 'self._items.get(key, "null") != "null"'),
    rejected_by="ContextContract.test_null_is_a_value",
    on="four_method",
)

an_end_is_kept_for_ever = bug(
    "the note that a run ended does not expire when it is purged",
    ("flowcraft.adapter.contract_headers:ContractHeaders.expire_end", '("end", "told")',
     '("told",)'),
    rejected_by="PurgeScenarios.test_a_purged_run_leaves_nothing_and_takes_no_other_with_it",
    on="four_method",
)  # fmt: skip
