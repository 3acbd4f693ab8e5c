"""Runs that end twice, too early, never, or go on after their end."""

from __future__ import annotations

from tests.planted.bug import bug

STEPS = "flowcraft.local.steps"
RUNS = "flowcraft.adapter.runs:Runs"
STORE = "flowcraft.local.store:LocalStore"

end_is_overwritten = bug(
    "a final status is written over another one",
    (f"{STEPS}:finish", "header is None or header.is_over", "header is None"),
    rejected_by="EndsContract.test_a_run_ends_once",
)

records_after_the_end = bug(
    "a record is committed to a run that is over",
    (f"{STEPS}:commit", "if header is None or header.is_over:", "if header is None:"),
    rejected_by="EndsContract.test_nothing_is_committed_to_a_run_that_is_over_or_gone",
)

cancelled_run_goes_on = bug(
    "a step of a cancelled run is followed, and its successors are sent",
    (f"{STEPS}:transition", "if header is None or header.is_over:", "if header is None:"),
    rejected_by="TransitionContract.test_a_step_of_a_run_that_is_over_does_nothing",
)

end_before_an_iteration = bug(
    "a run ends although an iteration began since its sinks were compared",
    (f"{STEPS}:finish", "db.count_members(wanted.run_id, EXPECTED) != expected", "False"),
    rejected_by="EndsContract.test_an_end_waits_for_the_sinks_that_it_expects",
)

failure_without_an_end = bug(
    "the record of a fatal failure is written, and the run goes on",
    (f"{STEPS}:commit", "if wanted.ends is not None:", "if False:"),
    rejected_by="EndsContract.test_a_fatal_failure_and_the_end_are_one_step",
)

mark_before_publishing = bug(
    "the mark that an end is due to be announced goes before it is",
    (f"{RUNS}.announce", "for child in await store.children(run_id):",
     "await store.mark_announced([run_id])\n    for child in await store.children(run_id):"),
    rejected_by="CrashAtEveryStep.test_a_death_at_any_call_changes_no_outcome[subflows]",
    on="split",
)  # fmt: skip

children_go_on = bug(
    "the end of a run leaves its children running",
    (f"{RUNS}.announce", "await self.cancel(child)", "pass"),
    rejected_by="SubflowScenarios.test_cancelling_the_parent_cancels_all_below",
)

purge_of_the_living = bug(
    "a run that has not ended is purged",
    (f"{STORE}.purge", "if header is not None and header.is_over:", "if header is not None:"),
    rejected_by="PurgeContract.test_a_run_that_has_not_ended_is_not_purged",
)

purged_run_comes_back = bug(
    "what arrives late makes a purged run anew",
    (f"{STEPS}:propagate", "if db.get_run(wanted.run_id) is None:\n        return None",
     "if db.get_run(wanted.run_id) is None:\n        from flowcraft.status import RunHeader\n"
     "        db.insert_run(RunHeader(run_id=wanted.run_id, blueprint_id='', "
     "blueprint_hash=''), 0.0)"),
    rejected_by="ArrivalsContract.test_nothing_arrives_in_a_run_that_is_gone",
)  # fmt: skip

children_are_left_behind = bug(
    "purging a run leaves its children",
    (f"{RUNS}.purge", "for below in reversed(tree):", "for below in tree[:1]:"),
    rejected_by="SubflowScenarios.test_purging_a_tree_leaves_nothing_of_it",
)

end_behind_a_body_is_left_to_a_sweep = bug(
    "whoever ends a run with the sink of a loop body tells nobody",
    ("flowcraft.adapter.walk:Walker._end_follows", "return header is None or header.is_over",
     "return False"),
    rejected_by="EndScenarios"
    ".test_the_sink_of_a_loop_body_delays_the_end_in_each_iteration",
    on="split",
)  # fmt: skip

trees_are_purged_from_below = bug(
    "a purge does not first end what runs below",
    (f"{RUNS}.purge", "await self.announce(run_id)", "pass"),
    rejected_by="PurgeScenarios"
    ".test_a_tree_whose_end_nobody_announced_is_purged_with_what_still_runs",
)
