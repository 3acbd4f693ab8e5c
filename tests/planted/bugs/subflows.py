"""Subflows, and runs that retry others, which begin, end or take over wrongly."""

from __future__ import annotations

from tests.planted.bug import bug

ADOPTER = "flowcraft.adapter.adoption:Adopter"
BUILT_IN = "flowcraft.execution.built_in"
RUNS = "flowcraft.adapter.runs:Runs"
SUSPENSIONS = "flowcraft.adapter.suspensions:Suspensions"

parent_is_not_woken = bug(
    "the end of a child wakes nobody",
    (f"{RUNS}.announce",
     "await self._parts.ports.send(Outgoing(job_for(template, header.parent.activation)))",
     "del template"),
    rejected_by="SubflowScenarios.test_a_child_gets_the_input_and_gives_its_output",
)  # fmt: skip

names_of_the_parent_are_texts = bug(
    "the `inputs` of a subflow are not looked up",
    (f"{SUSPENSIONS}._create", "if mapping:", "if False:"),
    rejected_by="SubflowScenarios.test_inputs_are_names_of_the_parent_and_outputs_names_of_the_"
    "child",
)

outputs_of_a_child_are_dropped = bug(
    "the `outputs` of a subflow set no context keys",
    (f"{SUSPENSIONS}._ended", 'move.params.get("outputs") or {}', "{}"),
    rejected_by="SubflowScenarios.test_inputs_are_names_of_the_parent_and_outputs_names_of_the_"
    "child",
)

attempts_share_a_child = bug(
    "a further attempt of a subflow has the child of the first one",
    (f"{SUSPENSIONS}._subflow", "child_id(move.run.run_id, move.key, move.attempt)",
     "child_id(move.run.run_id, move.key, 1)"),
    rejected_by="SubflowScenarios.test_each_attempt_is_a_new_child",
)  # fmt: skip

second_child_after_a_death = bug(
    "who takes over a subflow starts a child of his own",
    (f"{SUSPENSIONS}._subflow", "if data is None:", "if True:"),
    (f"{SUSPENSIONS}._subflow", "child_id(move.run.run_id, move.key, move.attempt)",
     "parts.clock.fresh_id()"),
    (f"{SUSPENSIONS}._subflow", 'data = await self._parts.note(move, f"{CHILD}{move.attempt}", '
     "note)", 'await self._parts.note(move, f"{CHILD}{move.attempt}", note)\n        data = note'),
    rejected_by="SubflowScenarios.test_a_worker_that_dies_with_a_child_starts_no_second_one",
)  # fmt: skip

failed_child_is_fine = bug(
    "a child that failed gives its output, null",
    (f"{BUILT_IN}:check_child", 'if status == "completed":', 'if status != "cancelled":'),
    rejected_by="SubflowScenarios.test_the_failure_of_a_child_names_its_node",
)

cancelled_child_is_fine = bug(
    "a child that was cancelled gives its output, null",
    (f"{BUILT_IN}:check_child", 'if status == "completed":', 'if status != "failed":'),
    rejected_by="SubflowScenarios.test_a_child_cancelled_for_good_fails_the_parent",
)

late_child_goes_on = bug(
    "a child that took too long goes on",
    (f"{SUSPENSIONS}._subflow", "await self._runs.cancel(child_note.run_id)\n            raise\n",
     "raise\n"),
    rejected_by="SubflowScenarios.test_a_child_that_takes_too_long_is_cancelled_and_tried_again",
)  # fmt: skip

found_child_is_not_started = bug(
    "who finds a child that another worker made does not start it",
    (f"{SUSPENSIONS}._subflow", "if child is None:",
     "was_there = child is not None\n    if child is None:"),
    (f"{SUSPENSIONS}._subflow", "await self._runs.start(\n",
     "was_there or await self._runs.start(\n"),
    rejected_by="CrashAtEveryStep.test_a_death_at_any_call_changes_no_outcome[subflows]",
)  # fmt: skip

child_of_an_ended_parent = bug(
    "a child is started although its parent has ended",
    (f"{SUSPENSIONS}._subflow", "if parent is None or parent.is_over:", "if False:"),
    rejected_by="SubflowScenarios.test_a_child_made_as_its_parent_ends_does_not_go_on",
    on="four_method",  # a store of its own makes no child of a run that has ended
)

child_has_no_deadline = bug(
    "a child has no deadline of its own",
    (f"{RUNS}.create_child", "deadline_at=deadline_at(program.blueprint.metadata, now, None)",
     "deadline_at=None"),
    rejected_by="SubflowScenarios.test_a_child_has_the_deadline_of_its_own_blueprint",
)  # fmt: skip

# -- retries of runs

retry_performs_all = bug(
    "a retry executes what the old run had completed",
    ("flowcraft.adapter.mover:Mover._outcome", "move.run.header.retry_of is not None", "False"),
    rejected_by="RetryScenarios.test_what_failed_executes_and_what_completed_does_not",
)

retry_takes_the_failure_over = bug(
    "a retry takes over the failure that ended the old run",
    ("flowcraft.execution.adoption:adopt", 'if old.outcome == "failed" and not is_passed_over:',
     "if False:"),
    rejected_by="RetryScenarios.test_what_failed_executes_and_what_completed_does_not",
)  # fmt: skip

retry_of_what_runs = bug(
    "a run that goes on can be retried",
    ("flowcraft.execution.adoption:check_retry", "if not is_over:", "if False:"),
    rejected_by="RetryScenarios.test_only_a_run_that_ended_can_be_retried",
)

retry_begins_with_no_context = bug(
    "the context of a retry begins empty",
    ("flowcraft.adapter.adoption:going_on", "context=first_context(loaded.context)", "context={}"),
    rejected_by="RetryScenarios.test_the_context_begins_as_the_old_one_ended",
)

retry_has_the_list_before_its_gather = bug(
    "a retry has the key of a gather before it comes to the gather",
    ("flowcraft.execution.adoption:first_context",
     "for key, value in kept.items() if decode_reference(value) is None", "for key, value in "
     "kept.items()"),
    rejected_by="RetryScenarios.test_the_key_of_a_gather_is_not_there_before_its_record_is",
)  # fmt: skip

retry_looks_one_run_back = bug(
    "a retry of a retry takes over only what the last run recorded",
    (f"{ADOPTER}.before", "run_id = loaded.header.retry_of", "run_id = None"),
    rejected_by="RetryScenarios.test_a_retry_of_a_retry_has_what_any_run_before_it_recorded",
)

retry_batches_what_is_there_now = bug(
    "the items of a batch that was taken over are not copied",
    (f"{ADOPTER}._copy_items", "for first in range(0, count, PAGE):", "for first in ():"),
    rejected_by="RetryScenarios.test_the_items_of_a_batch_are_taken_over_one_by_one",
)

retried_child_begins_anew = bug(
    "the child of a retried subflow begins from nothing",
    (f"{SUSPENSIONS}._child_before",
     "if move.run.header.retry_of is None or move.attempt > 1:", "if True:"),
    rejected_by="RetriedSubflowScenarios.test_children_go_on_from_the_children_of_the_old_run",
)  # fmt: skip

every_attempt_goes_on = bug(
    "each attempt of a retried subflow goes on from the old child",
    (f"{SUSPENSIONS}._child_before", " or move.attempt > 1", ""),
    rejected_by="RetriedSubflowScenarios.test_only_the_first_attempt_of_a_subflow_goes_on_from_"
    "the_old_child",
)

other_payload_goes_on = bug(
    "a child goes on from one that had another payload",
    (f"{RUNS}.create_child", " and new.payload == self._encode(header, payload)", ""),
    rejected_by="RetriedSubflowScenarios.test_a_child_with_another_payload_begins_from_nothing",
)

old_child_goes_on_beside = bug(
    "a child from which another one goes on is not ended before",
    (f"{RUNS}.create_child", "await self.cancel(before)", "pass"),
    rejected_by="RetriedSubflowScenarios.test_a_child_that_still_runs_is_ended_before_another_goes_"
    "on_from_it",
)

first_child_is_gone_on_from = bug(
    "of several children of the old run the first is gone on from",
    (f"{SUSPENSIONS}._child_before", "last = max(", "last = min("),
    rejected_by="RetriedSubflowScenarios.test_of_several_children_of_the_old_run_the_last_is_gone_"
    "on_from",
)

wait_taken_over_is_not_listed = bug(
    "a wait that was taken over is not known to those who resume it",
    (f"{ADOPTER}.adopt", "elif is_listed_as_wait(move):", "elif False:"),
    rejected_by="RetriedWaitScenarios.test_a_resume_of_a_wait_that_was_taken_over_is_refused",
)

retry_under_any_id = bug(
    "a retry under the id of another run is told that it is that run",
    (f"{RUNS}.retry", "if standing.retry_of != run_id:", "if False:"),
    rejected_by="RetryScenarios.test_a_retry_under_an_id_that_is_taken_is_that_retry_or_refused",
)

child_of_a_run_that_is_over = bug(
    "a child is made of a run that has ended",
    ("flowcraft.local.steps:create", "if above is None or above.is_over:", "if above is None:"),
    rejected_by="RunRegistryContract.test_a_run_that_ended_or_is_gone_gets_no_child",
)

child_of_a_run_that_is_gone = bug(
    "a worker that wakes after a purge makes a child of what was purged",
    ("flowcraft.local.steps:create", "if above is None or above.is_over:",
     "if above is not None and above.is_over:"),
    rejected_by="RunRegistryContract.test_a_worker_that_wakes_after_the_purge_makes_no_child",
)  # fmt: skip
