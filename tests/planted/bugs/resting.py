"""Stores that forget in time, look before they write, or answer what they could not ask."""

from __future__ import annotations

from tests.planted.bug import bug

COORDINATION = "flowcraft.local.coordination:LocalCoordinationStore"
REGISTER = "flowcraft.adapter.contract_store:ContractStore"
STEPS = "flowcraft.local.steps"
STORE = "flowcraft.local.store:LocalStore"
TABLES = "flowcraft.memory.tables:MemoryTables"

MONTHS = "LastingContract.test_all_of_a_run_that_has_not_ended_is_there_after_months"
UNASKED = "OutagesContract.test_what_the_store_cannot_be_asked_is_not_answered"
UNDONE = "OutagesContract.test_what_could_not_be_done_is_not_taken_for_done"
TIME = "CoordinationContract.test_a_key_lives_to_the_end_of_its_time_and_no_longer"

CAUGHT = "from flowcraft.errors import BackendError\n    try:\n        return await"
"""What a call begins with whose error is to be swallowed."""

run_goes_in_time = bug(
    "a run goes a week after it was created",
    (f"{STORE}.load", "return await self._read(lambda db: [steps.load(db, one) for one in loads])",
     "found = await self._read(lambda db: [steps.load(db, one) for one in loads])\n"
     "    week = self._clock.now() - 7 * 86400\n"
     "    return [one if one.header and one.header.created_at > week else Loaded(None) "
     "for one in found]"),
    rejected_by=MONTHS,
)  # fmt: skip

timer_goes_in_time = bug(
    "a timer that was due a week ago is not told any more",
    (f"{TABLES}.due_timers", "if t.due_at <= now", "if now - 7 * 86400 < t.due_at <= now"),
    rejected_by=MONTHS,
)

run_is_not_found_in_time = bug(
    "a run that nobody moved for a month is not swept any more",
    (f"{TABLES}.stalled", "run.sweep_after <= now", "now - 30 * 86400 < run.sweep_after <= now"),
    rejected_by=MONTHS,
)

load_finds_nothing_in_an_outage = bug(
    "a run that cannot be read is told to be gone",
    (f"{STORE}.load", "return await", CAUGHT),
    (f"{STORE}.load", "for one in loads])",
     "for one in loads])\n    except BackendError:\n        return [Loaded(None) for _ in loads]"),
    rejected_by=UNASKED,
    on="split",
)  # fmt: skip

arrivals_are_of_no_run_in_an_outage = bug(
    "where edges cannot arrive, their run is told to be gone",
    (f"{STORE}.propagate", "return await", CAUGHT),
    (f"{STORE}.propagate", "for one in propagations])",
     "for one in propagations])\n    except BackendError:\n"
     "        return [None for _ in propagations]"),
    rejected_by=UNASKED,
    on="split",
)  # fmt: skip

key_is_absent_in_an_outage = bug(
    "a key that cannot be read is told to be absent",
    (f"{COORDINATION}.get", "return await", CAUGHT),
    (f"{COORDINATION}.get", "now))", "now))\n    except BackendError:\n        return None"),
    rejected_by=UNDONE,
)

lock_is_lost_in_an_outage = bug(
    "a lock that could not be asked for is told to be another's",
    (f"{COORDINATION}.set_if_not_exist", "return await", CAUGHT),
    (f"{COORDINATION}.set_if_not_exist", "_transact(step)",
     "_transact(step)\n    except BackendError:\n        return False"),
    rejected_by=UNDONE,
)  # fmt: skip

life_of_whole_seconds = bug(
    "a time to live is rounded down to whole seconds",
    (f"{COORDINATION}._expiry", "+ ttl_seconds", "+ int(ttl_seconds)"),
    rejected_by=TIME,
)

life_is_never_shortened = bug(
    "a key that would live longer is not given a time to live",
    (f"{COORDINATION}.extend_ttl", "db.put_key(key, value, expires_at)",
     "before = db.get_key(key)[1]\n"
     "        if expires_at is None or before is not None and before < expires_at:\n"
     "            db.put_key(key, value, expires_at)"),
    rejected_by=TIME,
)  # fmt: skip

members_never_expire = bug(
    "the members of a set have no time to live",
    ("flowcraft.ports.contract:CoordinationStore.add_member",
     "set_if_not_exist(slot, mine, ttl_seconds)", "set_if_not_exist(slot, mine, None)"),
    rejected_by=TIME,
)  # fmt: skip

numbers_are_kept_elsewhere = bug(
    "a number is not found, and not deleted, by the key that it is counted under",
    (f"{COORDINATION}.increment", '_live(db, key, now) or "0") + 1\n        db.put_key(key,',
     '_live(db, "n/" + key, now) or "0") + 1\n        db.put_key("n/" + key,'),
    rejected_by="CoordinationContract.test_a_number_is_a_key_like_any_other",
)  # fmt: skip

note_is_barred_by_a_look = bug(
    "whether a record bars a note is looked up in a step of its own",
    (f"{STORE}.commit", "return await self._transact(",
     "found = await self._read(\n"
     "        lambda db: [\n"
     "            db.get_cell(c.run_id, *c.absent) if c.absent and db.get_run(c.run_id) else None\n"
     "            for c in commits\n        ]\n    )\n"
     "    if not any(found):\n"
     "        commits = [one._replace(absent=None) for one in commits]\n"
     "    return await self._transact("),
    rejected_by="WindowsContract.test_a_note_is_barred_by_a_record_that_comes_first",
    on="split",
)  # fmt: skip

sinks_are_counted_by_a_look = bug(
    "whether the expected sinks are there is looked up in a step of its own",
    (f"{STORE}.finish", "return await self._transact(",
     "from flowcraft.engine.activation import EXPECTED\n"
     "    for end in ends:\n"
     "        found = await self._read(\n"
     "            lambda db: db.get_run(end.run_id) and db.count_members(end.run_id, EXPECTED)\n"
     "        )\n"
     "        if found == end.expected:\n"
     "            ends = [e._replace(expected=None) if e is end else e for e in ends]\n"
     "    return await self._transact("),
    rejected_by="WindowsContract.test_an_end_is_not_written_when_one_more_sink_is_expected",
)  # fmt: skip

journal_numbers_come_first = bug(
    "an entry has its number in the journal before it can be read",
    (f"{STORE}.commit", "return await self._transact(",
     "def number(db: LocalDatabase) -> None:\n"
     "        for one in commits:\n"
     "            if db.get_run(one.run_id):\n"
     "                db.runs[one.run_id].journal.append((one.guard.key, one.guard.name))\n\n"
     "    await self._transact(number)\n"
     "    return await self._transact("),
    (f"{TABLES}.insert_cell", "run.journal.append((key, name))", "pass"),
    (f"{TABLES}.get_journal", "enumerate(found, after + 1)]",
     "enumerate(found, after + 1) if self.get_cell(run_id, key, name)]"),
    rejected_by="WindowsContract.test_who_reads_on_misses_nothing_that_was_committed_slowly",
    on="split",
)  # fmt: skip

listing_tells_half = bug(
    "a listing does not tell how its runs failed",
    (f"{STORE}.list_runs",
     "return await self._read(lambda db: db.list_runs(status, blueprint_id, before, limit))",
     "found = await self._read(lambda db: db.list_runs(status, blueprint_id, before, limit))\n"
     "    return [msgspec.structs.replace(header, error=None) for header in found]"),
    rejected_by="RunRegistryContract.test_a_listing_takes_what_was_asked_for",
)  # fmt: skip

places_of_milliseconds = bug(
    "runs that were submitted within a millisecond are listed by their ids",
    ("flowcraft.memory.tables:_place", "Place(header.created_at,",
     "Place(round(header.created_at, 3),"),
    rejected_by="RunRegistryContract.test_a_listing_has_every_run_once_newest_first",
)  # fmt: skip

absence_is_remembered = bug(
    "a process that found no blueprint under a hash finds none later",
    (f"{STORE}.get_blueprint",
     "return await self._read(lambda db: db.get_blueprint(content_hash))",
     "found = vars(self).setdefault('found', {})\n    if content_hash not in found:\n"
     "        found[content_hash] = await self._read("
     "lambda db: db.get_blueprint(content_hash))\n    return found[content_hash]"),
    rejected_by="RunRegistryContract.test_a_blueprint_is_kept_under_its_hash",
)  # fmt: skip

announced_though_in_progress = bug(
    "a run in progress can be noted as announced",
    (f"{STORE}.mark_announced", "header is not None and header.is_over", "header is not None"),
    rejected_by="SweepingContract.test_a_run_in_progress_is_not_taken_for_announced",
)

contract_announced_though_in_progress = bug(
    "a run in progress can be noted as announced",
    (f"{REGISTER}.mark_announced", "found is not None and found.header.is_over",
     "found is not None"),
    rejected_by="SweepingContract.test_a_run_in_progress_is_not_taken_for_announced",
    on="four_method",
)  # fmt: skip

lease_of_whole_seconds = bug(
    "the lease of an activation is cut to whole seconds",
    (f"{STEPS}:write_lease", "lease.until)", "float(int(lease.until)))"),
    rejected_by="SweepingContract.test_a_lease_says_who_is_at_an_activation",
)
