"""Sweeps, timers and purges that lose, repeat, or take what is alive."""

from __future__ import annotations

from tests.planted.bug import bug

RUNS = "flowcraft.adapter.runs:Runs"
STORE = "flowcraft.local.store:LocalStore"
SWEEPER = "flowcraft.adapter.sweeper:Sweeper"
TABLES = "flowcraft.memory.tables:MemoryTables"

sweeper_sends_everything = bug(
    "a sweep sends what a live worker is at once more",
    (f"{SWEEPER}.reconcile", "if key not in leases or leases[key].until <= now", "if True"),
    rejected_by="DeliveryScenarios.test_what_a_live_worker_is_at_is_not_sent_again_by_a_sweep",
)

sweeper_mends_nothing = bug(
    "a sweep looks at a run and mends nothing",
    (f"{SWEEPER}._look_at", "await self.reconcile(run)", "pass"),
    rejected_by="LostMessages.test_a_lost_message_is_made_good_in_time[branches]",
)

timer_promoted_twice = bug(
    "every worker sends what is due",
    (f"{SWEEPER}.promote_timers",
     'if not await self._leads("timers", parts.options.poll_seconds * 0.9):', "if False:"),
    rejected_by="TimersContract.test_of_several_who_look_for_timers_one_sends_them",
)  # fmt: skip

busy_run_is_never_swept = bug(
    "a run that is busy is not looked at for as long as it is",
    (f"{STORE}.touch", "min(after, latest)", "after"),
    rejected_by="SweepingContract.test_a_busy_run_is_looked_at_once_in_a_long_while",
)

announced_runs_are_swept = bug(
    "a run whose end was announced stays on the index of the sweeper",
    (f"{TABLES}.stalled", "not run.header.is_announced and ", ""),
    rejected_by="SweepingContract.test_what_is_announced_stays_off_the_index",
)

sweeps_are_not_counted = bug(
    "the visits of the sweeper are not counted",
    (f"{TABLES}.set_sweep", "run.sweeps + 1 if by_sweeper else 0", "0"),
    rejected_by="SweepingContract.test_visits_of_the_sweeper_are_counted_until_there_is_progress",
)

progress_does_not_count = bug(
    "the visits of the sweeper are counted whether there was progress or not",
    (f"{TABLES}.set_sweep", "run.sweeps + 1 if by_sweeper else 0", "run.sweeps + by_sweeper"),
    rejected_by="SweepingContract.test_visits_of_the_sweeper_are_counted_until_there_is_progress",
)

one_bad_run_stops_all_sweeps = bug(
    "a run that cannot be read keeps the others from being swept",
    (f"{SWEEPER}.sweep", "logger.exception(", "raise\n            logger.exception("),
    rejected_by="MessageScenarios.test_a_run_that_cannot_be_read_keeps_no_other_from_being_swept",
)

newest_runs_are_swept_first = bug(
    "the runs that rest longest come last",
    (f"{TABLES}.stalled", "in found[:limit]", "in found[::-1][:limit]"),
    rejected_by="SweepingContract.test_runs_that_rest_longest_come_first",
)

delayed_run_is_swept_at_once = bug(
    "a sweep sends the jobs of a run that was submitted with a delay",
    (f"{SWEEPER}._look_at", "    if early > 0:\n        return\n", ""),
    (f"{SWEEPER}._look_at", "if early > 0:\n        until", "if False:\n        until"),
    rejected_by="DelayedStartScenarios.test_the_sweeper_leaves_it_alone_until_then",
)

lost_deadline_is_lost = bug(
    "a deadline whose message was lost is not kept by the sweeper",
    (f"{SWEEPER}._look_at", " or await parts.runs.end_if_late(run.header)", ""),
    (f"{SWEEPER}._look_at", "until = min(until, max(header.deadline_at, parts.clock.now()))",
     "pass"),
    ("flowcraft.adapter.handler:Handler._is_late",
     "return await self._parts.runs.end_if_late(run.header)", "return False"),
    rejected_by="DeadlineScenarios.test_a_deadline_that_nobody_sent_is_kept_by_the_sweeper",
)  # fmt: skip

unannounced_runs_expire = bug(
    "a run expires before its end was announced",
    ("flowcraft.status:RunHeader.expires_from", "self.is_announced and", ""),
    rejected_by="RunRegistryContract.test_what_expires_is_an_announced_root_that_ended_before",
)

children_expire_alone = bug(
    "a child expires on its own",
    ("flowcraft.status:RunHeader.expires_from", " and self.parent is None", ""),
    rejected_by="RunRegistryContract.test_what_expires_is_an_announced_root_that_ended_before",
)

everything_that_ended_expires = bug(
    "a run expires as soon as it ended",
    (f"{TABLES}.expired", " and since < before", ""),
    rejected_by="RunRegistryContract.test_what_expires_is_an_announced_root_that_ended_before",
)

purge_leaves_the_child_list = bug(
    "purging a run leaves the list of its children",
    (f"{TABLES}.delete_run", "self._children.pop(run_id, None)", "pass"),
    rejected_by="SubflowScenarios.test_purging_a_tree_leaves_nothing_of_it",
)

child_is_purged_alone = bug(
    "a child can be purged while its parent goes on",
    (f"{RUNS}.purge", "if header.parent is not None:", "if False:"),
    rejected_by="SubflowScenarios.test_purging_a_tree_leaves_nothing_of_it",
)

lease_is_everybodys = bug(
    "a lease names no attempt",
    ("flowcraft.local.steps:read_lease", "int(attempt)", "1"),
    rejected_by="SweepingContract.test_a_lease_says_who_is_at_an_activation",
)

first_lease_stays = bug(
    "another worker cannot have the lease of an activation after the first",
    ("flowcraft.local.steps:write_lease", "db.put_key(key,", "db.get_key(key) or db.put_key(key,"),
    rejected_by="SweepingContract.test_a_lease_ends_by_itself_and_another_worker_may_have_the_next",
)

timers_in_any_order = bug(
    "timers do not come in the order of their times",
    (f"{TABLES}.due_timers", "key=lambda t: t.due_at", "key=lambda t: t.name"),
    rejected_by="TimersContract.test_timers_come_in_the_order_of_their_times",
)

timer_is_not_moved = bug(
    "a timer that is set again stays where it was",
    (f"{TABLES}.set_timer", "self._timers[timer.name] = timer",
     "self._timers.setdefault(timer.name, timer)"),
    rejected_by="TimersContract.test_a_timer_that_is_set_again_is_moved",
)  # fmt: skip
