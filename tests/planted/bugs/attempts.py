"""Attempts, deliveries and fallbacks that are counted, timed or ended wrongly."""

from __future__ import annotations

from tests.planted.bug import bug

ATTEMPTS = "flowcraft.engine.attempts"
DELIVERIES = "flowcraft.adapter.deliveries"
FUNCTIONS = "flowcraft.adapter.functions:Functions"
MOVER = "flowcraft.adapter.mover:Mover"
OUTCOMES = "flowcraft.adapter.outcome:Outcomes"
PARTS = "flowcraft.adapter.parts:Parts"

one_attempt_more = bug(
    "a node is tried once more than it may",
    (f"{ATTEMPTS}:may_retry", "attempt < config.attempts", "attempt <= config.attempts"),
    rejected_by="AttemptScenarios.test_a_node_has_as_many_attempts_as_it_says",
)

next_attempt_at_once = bug(
    "a delivery that comes early makes the next attempt at once",
    (f"{MOVER}._is_early", "if wait <= 0:", "if True:"),
    rejected_by="AttemptScenarios.test_a_delivery_that_comes_early_makes_no_attempt",
)

delay_does_not_double = bug(
    "each delay is as long as the first one",
    (f"{ATTEMPTS}:delay_seconds", "2.0 ** min(attempt - 1, _LARGEST_EXPONENT)", "1.0"),
    rejected_by="AttemptScenarios.test_each_delay_doubles_and_chance_takes_at_most_half",
)

delay_without_bound = bug(
    "delays double without end",
    (f"{ATTEMPTS}:delay_seconds",
     "min(config.retry_delay_ms / 1000 * factor, LONGEST_DELAY_SECONDS)",
     "config.retry_delay_ms / 1000 * factor"),
    rejected_by="AttemptScenarios.test_no_delay_is_longer_than_five_minutes",
)  # fmt: skip

chance_takes_all = bug(
    "chance may take away all of a delay",
    (f"{ATTEMPTS}:delay_seconds", "full * (1 - chance / 2)", "full * (1 - chance)"),
    rejected_by="packages/core/tests/engine/test_attempts.py::test_chance_takes_away_at_most_half",
)

own_delay_does_not_count = bug(
    "the delay that a node names is not kept",
    (f"{OUTCOMES}.retried", "isinstance(error, RetryAfter) and", "False and"),
    rejected_by="AttemptScenarios.test_a_node_names_its_own_delay_and_that_uses_up_an_attempt",
)

final_errors_are_tried_again = bug(
    "an error that is not worth another attempt gets one",
    (f"{ATTEMPTS}:may_retry", "retryable and attempt", "attempt"),
    rejected_by="AttemptScenarios.test_a_non_retryable_error_has_no_further_attempt",
)

timeout_bounds_nothing = bug(
    "an attempt may take as long as it likes",
    (f"{FUNCTIONS}._guarded", "timeout_ms is None", "True"),
    rejected_by="AttemptScenarios.test_a_timeout_bounds_each_attempt",
)

late_output_counts = bug(
    "what a node gives after its timeout is its output",
    ("flowcraft.execution.attempt:in_time", "if limit.expired():\n            raise TimeoutError",
     "if False:\n            raise TimeoutError"),
    rejected_by="AttemptScenarios.test_an_attempt_beyond_its_timeout_has_failed_whatever_it_makes_"
    "of_it",
)  # fmt: skip

failed_attempt_keeps_its_writes = bug(
    "the context writes of an attempt that failed are kept",
    (f"{FUNCTIONS}._guarded", "move.writes.clear()", "pass"),
    (f"{OUTCOMES}.retried", "guard, absent=(move.key, RECORD))",
     "guard, absent=(move.key, RECORD), context=move.writes)"),
    rejected_by="AttemptScenarios.test_an_attempt_that_failed_leaves_no_writes",
)  # fmt: skip

exit_ends_the_worker = bug(
    "a node that raises SystemExit raises it in its worker",
    ("flowcraft.nodes.implementation:NodeImplementation.call",
     "failure is None or failure is error", "True"),
    rejected_by="AttemptScenarios.test_what_would_end_a_process_ends_the_attempt",
)  # fmt: skip

attempts_begin_anew = bug(
    "a worker that takes over knows nothing of the attempts before",
    ("flowcraft.execution.move:new_move", 'while f"{FAILED}{move.attempt}" in loaded.cells:',
     "while False:"),
    rejected_by="AttemptScenarios.test_attempts_survive_the_worker_that_made_them",
)  # fmt: skip

delivery_uses_up_an_attempt = bug(
    "the death of a worker uses up an attempt",
    ("flowcraft.execution.move:new_move", "return move",
     "move.attempt += is_counted\n    return move"),
    rejected_by="DeliveryScenarios.test_a_delivery_that_ends_with_its_worker_uses_up_no_attempt",
)  # fmt: skip

killer_is_never_found_out = bug(
    "a node that kills its workers is delivered for ever",
    (f"{DELIVERIES}:Deliveries._count", "counted >= self._parts.options.max_deliveries", "False"),
    rejected_by="DeliveryScenarios.test_a_node_that_always_kills_its_worker_fails_after_its_"
    "deliveries",
)

drained_job_counts = bug(
    "a job that a worker hands back counts as one that killed it",
    (f"{DELIVERIES}:Deliveries.take_back", "if not move.counted:", "if True:"),
    rejected_by="DrainScenarios.test_a_job_handed_back_by_a_drained_worker_counts_no_delivery",
    on="four_method",
)

unanswered_count_stays = bug(
    "a delivery counts although the worker that was not told so handed its job back",
    (f"{DELIVERIES}:Deliveries._count", "move.counted = number  # first", "pass  # first"),
    (f"{DELIVERIES}:Deliveries._count", "move.token.encode())", "move.token.encode())\n"
     "    move.counted = number"),
    rejected_by="packages/core/tests/adapter/test_attempts.py::TestCounts"
    "::test_a_count_whose_answer_was_lost_is_taken_back_with_its_job",
)  # fmt: skip

deliveries_add_up_over_attempts = bug(
    "deliveries are counted over all attempts",
    (f"{DELIVERIES}:_prefix", 'f"{STARTED}{move.attempt}:"', "STARTED"),
    rejected_by="DeliveryScenarios.test_deliveries_are_counted_for_each_attempt_anew",
)

killer_among_others = bug(
    "a job that may have killed twice executes beside others",
    (f"{DELIVERIES}:Deliveries.enter", "alone=counted > 0", "alone=False"),
    rejected_by="DeliveryScenarios.test_a_job_that_may_have_killed_twice_executes_alone",
)

missing_for_ever = bug(
    "a job whose implementation nobody has is handed back for ever",
    (f"{PARTS}.patience", "waited >= self.options.missing_seconds", "False"),
    rejected_by="MissingScenarios.test_the_key_that_no_worker_had_is_named_after_the_bound",
)

missing_fails_at_once = bug(
    "a worker without the implementation fails the node",
    (f"{FUNCTIONS}._missing", "if delay is not None:", "if False:"),
    rejected_by="MissingScenarios.test_a_job_is_done_once_a_worker_comes_that_has_its_node",
)

missing_key_is_not_named = bug(
    "the error does not say which implementation is missing",
    (f"{FUNCTIONS}._missing", "{move.uses!r}", "the node"),
    rejected_by="MissingScenarios.test_the_key_that_no_worker_had_is_named_after_the_bound",
)

fallback_is_forgotten = bug(
    "a node that failed for good fails the run although it has a fallback",
    (f"{MOVER}._failed", "move.node.plan.fallback is not None", "False"),
    rejected_by="FallbackScenarios.test_a_fallback_stands_in_for_the_node_that_failed",
)

chain_of_fallbacks_ends_early = bug(
    "the last of a chain of fallbacks stands in for the one before it only",
    ("flowcraft.engine.routing:owners", "while failed is not None:", "if failed is not None:"),
    rejected_by="FallbackScenarios.test_the_last_of_a_chain_of_fallbacks_stands_in_for_all",
)

fallback_without_the_error = bug(
    "a fallback does not find the error",
    (f"{OUTCOMES}.caught", "context=note", "context={}"),
    rejected_by="FallbackScenarios.test_a_fallback_gets_the_input_and_the_error",
)

fallback_is_its_own_sink = bug(
    "the fallback of a sink does not arrive at the end in its place",
    ("flowcraft.engine.consequences:consequences",
     'if node.is_fallback and record.outcome != "skipped":', "if False:"),
    rejected_by="FallbackScenarios.test_the_fallback_of_a_sink_gives_the_output_of_the_run",
)  # fmt: skip

fallback_of_another_iteration = bug(
    "a fallback in a loop runs in the first iteration, whichever failed",
    ("flowcraft.engine.names:stand_in", "return Activation(fallback, failed.scope)",
     'return Activation(fallback, failed.scope and failed.scope[:-1] + "0")'),
    rejected_by="FallbackScenarios.test_a_fallback_belongs_to_the_iteration_of_the_node_it_serves",
)  # fmt: skip

misfit_is_tried_again = bug(
    "an input that does not fit is tried again",
    ("flowcraft.nodes.implementation:NodeImplementation.should_retry",
     "return is_worth_a_retry(error, self.options.retry_on)", "return True"),
    rejected_by="InputScenarios.test_an_input_that_does_not_fit_fails_the_node_at_once",
)  # fmt: skip
