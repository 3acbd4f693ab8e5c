"""Attempts, fallbacks, loops, batches, subflows and waits that do otherwise than they say."""

from __future__ import annotations

from tests.planted.bug import bug

CONSEQUENCES = "flowcraft.engine.consequences"
MOVER = "flowcraft.adapter.mover:Mover"
OUTCOMES = "flowcraft.adapter.outcome:Outcomes"
SUSPENSIONS = "flowcraft.adapter.suspensions:Suspensions"
RESUMER = "flowcraft.adapter.signals:Resumer"

fallback_leaves_its_join_hanging = bug(
    "a fallback decides its own edges, and not those of the node that failed",
    ("flowcraft.engine.routing:owners", "failed = stood_for(plan, activation)", "failed = None"),
    rejected_by="FallbackScenarios.test_a_fallback_stands_in_for_the_node_that_failed",
)

fallback_gets_nothing = bug(
    "a fallback gets null for its input",
    (f"{CONSEQUENCES}:consequences", "value=bytes(record.input)", 'value=b"null"'),
    rejected_by="FallbackScenarios.test_a_fallback_gets_the_input_and_the_error",
)

idle_fallback_holds_up = bug(
    "the edges of a fallback that was not needed never arrive",
    (f"{CONSEQUENCES}:_idle_fallback_wants_skip", "return True", "return False"),
    rejected_by="FallbackScenarios.test_the_edges_of_a_fallback_that_was_not_needed_are_skipped",
)

exits_with_each_evaluation = bug(
    "each evaluation of a controller decides the exits of its loop",
    ("flowcraft.engine.routing:_deciding", "node.continues if action == CONTINUE else node.exits",
     "node.outs"),
    rejected_by="LoopScenarios.test_a_loop_goes_on_while_its_condition_holds",
)  # fmt: skip

inner_loop_goes_on = bug(
    "an inner loop goes on counting in the next iteration of the outer one",
    (f"{CONSEQUENCES}:edge_arrival", "scope = iteration_scope(scope, 0)",
     "scope = iteration_scope(scope, scope.count('/'))"),
    rejected_by="LoopScenarios.test_an_inner_loop_starts_anew_in_each_iteration_of_the_outer_one",
)  # fmt: skip

items_all_at_once = bug(
    "all items of a batch start at once",
    (f"{CONSEQUENCES}:_follow_batch", "range(min(total, chunk))", "range(total)"),
    rejected_by="BatchScenarios.test_no_more_items_than_the_chunk_execute_at_once",
)

empty_batch_hangs = bug(
    "a batch of nothing is never complete",
    (f"{CONSEQUENCES}:_follow_batch", "if total == 0:", "if False:"),
    rejected_by="BatchScenarios.test_a_batch_of_nothing_goes_on_with_the_empty_list",
)

batch_complete_with_a_lane = bug(
    "a batch is complete when its first lane is",
    (f"{CONSEQUENCES}:_follow_batch", "True, min(total, chunk))", "True, 1)"),
    rejected_by="BatchScenarios.test_an_item_starts_when_the_one_a_chunk_before_it_is_over",
)

failed_item_is_passed_over = bug(
    "a batch goes on past a failed item without being asked to",
    (f"{MOVER}._failed", "elif move.is_item and move.node.goes_on_past_failed_items:",
     "elif move.is_item:"),
    rejected_by="BatchScenarios.test_a_failed_item_fails_the_run_and_is_named",
)  # fmt: skip

sleep_moves_its_end = bug(
    "each delivery of a sleep lets it sleep its whole time",
    (f"{SUSPENSIONS}._sleep", "if due is None:", "if True:"),
    (f"{SUSPENSIONS}._sleep", "due = await self._parts.note(move, DUE, repr(at).encode())",
     "due = repr(at).encode()"),
    rejected_by="SleepScenarios.test_repeated_deliveries_do_not_move_the_end_of_a_sleep",
)  # fmt: skip

sleep_too_short = bug(
    "a sleep is over as soon as somebody looks",
    (f"{SUSPENSIONS}._sleep", "if left > 0:", "if False:"),
    rejected_by="SleepScenarios.test_a_sleep_ends_when_it_is_due_and_not_before",
)

resumed_twice = bug(
    "a second resume of an open wait is told that it woke it",
    (f"{RESUMER}._wake", 'return "woke" if won else "refused"', 'return "woke"'),
    rejected_by="WaitScenarios.test_of_ten_resumes_the_first_wakes_and_the_others_are_refused",
)

refused_resume_wakes_nobody = bug(
    "a refused resume does not send the wake-up again",
    (f"{RESUMER}._wake", "await self._wake_up(run, activation)",
     "if won:\n        await self._wake_up(run, activation)"),
    rejected_by="WaitScenarios.test_a_refused_resume_wakes_a_wait_whose_wake_up_was_lost",
)  # fmt: skip

early_resume_is_lost = bug(
    "a wait does not look whether it was resumed before it opened",
    (f"{SUSPENSIONS}._wait", "if signal is not None:", "if False:"),
    rejected_by="WaitScenarios.test_a_resume_for_a_node_not_reached_is_kept_until_it_waits",
)

early_resume_wakes_all = bug(
    "a kept resume wakes every scope of its node",
    ("flowcraft.adapter.signals:take_signal", "if claimed == move.key.encode():", "if True:"),
    rejected_by="ScopedWaitScenarios.test_a_kept_resume_of_a_node_wakes_its_first_scope_only",
)

edges_without_action_are_second_choice = bug(
    "edges without an action are taken where the named ones were not",
    ("flowcraft.engine.routing:route", "candidate = edge.action == action if named else "
     "edge.action is None", "candidate = edge.action in (action, None)"),
    rejected_by="EdgeScenarios.test_edges_without_an_action_are_no_second_choice",
)  # fmt: skip
