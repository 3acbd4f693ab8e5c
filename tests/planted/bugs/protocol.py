"""The windows between the steps of a run: what a death, a repetition or a late worker finds."""

from __future__ import annotations

from tests.planted.bug import bug

HANDLER = "flowcraft.adapter.handler:Handler"
HOLDINGS = "flowcraft.adapter.holding:Holdings"
PORTS = "flowcraft.adapter.ports:Ports"
STEPS = "flowcraft.local.steps"
WALKER = "flowcraft.adapter.walk:Walker"
WORKER = "flowcraft.adapter.worker:WorkerLoops"

DEATHS = "CrashAtEveryStep.test_a_death_at_any_call_changes_no_outcome"

ack_before_sending = bug(
    "a message is acknowledged before the jobs that follow from it are on the queue",
    (f"{PORTS}._compose", "await self.send_all(sends)", "pass"),
    (f"{PORTS}._compose", "sinks = max(", "await self.send_all(sends)\n    sinks = max("),
    rejected_by=f"{DEATHS}_where_each_node_has_a_message[fan]",
    on="split",
)

edges_before_the_record = bug(
    "edges arrive before the record that decided them",
    (f"{PORTS}._compose", "committed: CommitResult | None = None",
     "committed: CommitResult | None = None\n"
     "    early = Propagation(wanted.run_id, wanted.cells, wanted.arrivals)\n"
     "    await self.propagate(early)"),
    rejected_by="TransitionContract.test_a_step_whose_record_was_beaten_moves_nothing",
    on="split",
)  # fmt: skip

repeated_message_is_not_followed = bug(
    "a message whose activation is recorded is acknowledged, and what follows is not sent",
    (f"{HANDLER}.handle", "return await self._repeat(run, activation, record)", 'return "ack"'),
    rejected_by=f"{DEATHS}[branches]",
    on="split",
)

repetition_stops_at_a_record = bug(
    "who follows a record again stops at the first one that stands behind it",
    (f"{WALKER}._walk", "if through(record):", "if False:"),
    rejected_by=f"{DEATHS}[loop]",
    on="split",
)

duplicate_takes_the_message_along = bug(
    "a duplicate that was beaten acknowledges the message that the other one still needs",
    ("flowcraft.adapter.mover:_beaten_by", 'Moved("ack" if is_covered else "keep")',
     'Moved("ack")'),
    rejected_by="DeliveryScenarios.test_a_duplicate_that_was_beaten_leaves_the_message_to_who_needs_"
    "it",
    on="four_method",
)  # fmt: skip

own_commit_is_not_known = bug(
    "a worker whose commit was made though an error came takes itself for a duplicate",
    (f"{WALKER}._walk", "existing.token == step.record.token or ", ""),
    rejected_by="RepeatedCalls.test_every_call_twice_changes_no_outcome[branches]",
    on="split",
)

acked_with_work_in_hand = bug(
    "a step acknowledges its message although the worker holds what follows",
    (f"{STEPS}:transition", " and not held and not skips", ""),
    rejected_by="TransitionContract.test_a_message_goes_with_the_step_when_nothing_is_left_to_do",
)

acked_before_the_news = bug(
    "the step that ends a run acknowledges the message before the end was announced",
    (f"{STEPS}:_over", " and header.is_announced", ""),
    rejected_by=f"{DEATHS}[subflows]",
)

value_in_hand_is_lost = bug(
    "a worker that cannot go on does not write down the input that it holds",
    ("flowcraft.adapter.parts:Parts.write_down", "if move.value_in_hand is None:", "if True:"),
    rejected_by=f"{DEATHS}[sleep]",
)

heartbeat_sees_no_end = bug(
    "a heartbeat does not cancel the nodes of a run that is over",
    (f"{HOLDINGS}.beat", "if header is None or header.is_over:", "if False:"),
    rejected_by="CancelScenarios.test_cancelling_stops_an_async_node_at_its_next_heartbeat",
)

heartbeat_extends_nothing = bug(
    "a heartbeat extends no lease",
    (f"{HOLDINGS}.keep", "await queue.extend([holding.delivery for holding in extended])",
     "[True] * len(extended)"),
    rejected_by="DeliveryScenarios.test_a_message_is_not_delivered_again_while_its_worker_lives",
)  # fmt: skip

the_timer_of_a_held_message_stands_still = bug(
    "a message that became a timer is not put off while its node goes on",
    (f"{HOLDINGS}.keep", "if holding.timer is not None or late:",
     "if holding.timer is None and late:"),
    rejected_by="LongHoldScenarios"
    ".test_a_message_that_may_not_be_held_for_long_is_a_timer_meanwhile",
)  # fmt: skip

the_timer_of_a_held_message_stays = bug(
    "a message that became a timer is a timer still when its node is done",
    (f"{HOLDINGS}.answer", "await self._parts.ports.store.clear_timers([holding.timer])", "pass"),
    rejected_by="LongHoldScenarios"
    ".test_a_message_that_may_not_be_held_for_long_is_a_timer_meanwhile",
)

held_messages_are_let_go = bug(
    "a message that may not be held for long is let go without a timer",
    (f"{HOLDINGS}._become_timer", "await store.set_timers([timer])", "pass"),
    rejected_by="LongHoldScenarios.test_its_timer_brings_the_node_back_where_its_worker_died",
)

a_death_under_a_timer_is_not_counted = bug(
    "a message that became a timer comes back as if it were new",
    (f"{HOLDINGS}._become_timer", "job = timer_job(holding.job)", "job = holding.job"),
    rejected_by="LongHoldScenarios.test_its_timer_brings_the_node_back_where_its_worker_died",
)

a_delivery_that_waits_stays_as_well = bug(
    "a delivery that waits for a live worker is sent for later and left on the queue, too",
    (f"{HANDLER}._chain", 'wait)\n            return "ack"', 'wait)\n            return "keep"'),
    rejected_by="LateWorkerScenarios.test_a_delivery_waits_for_a_worker_that_is_at_its_activation",
)

who_is_at_it_is_not_told = bug(
    "a heartbeat does not say who is at an activation",
    (f"{HOLDINGS}.keep", "holding.moving_since <= started_before", "False"),
    rejected_by="MessageScenarios.test_a_job_handled_by_hand_keeps_others_from_its_activation",
)

who_is_at_it_is_not_asked = bug(
    "a delivery executes what a live worker is at",
    (f"{HANDLER}._chain", "if left_seconds > 0:", "if False:"),
    rejected_by="MessageScenarios.test_a_job_handled_by_hand_keeps_others_from_its_activation",
)

unknown_run_is_no_dead_letter = bug(
    "a message for an unknown run is dropped in silence",
    (f"{HANDLER}.handle", "return await self._bury(delivery, f\"no run {job.run_id!r}\")",
     'return "ack"'),
    rejected_by="MessageScenarios.test_a_message_for_an_unknown_run_is_a_dead_letter_that_names_it",
)  # fmt: skip

foreign_message_is_dropped = bug(
    "a message that is no job is dropped in silence",
    (f"{HANDLER}.handle", "return await self._bury(delivery, str(error))", 'return "ack"'),
    rejected_by="MessageScenarios.test_a_foreign_message_is_a_dead_letter_and_nothing_else",
)

senseless_job_fails_nothing = bug(
    "a job that means nothing is a dead letter, and its run goes on",
    (f"{HANDLER}._cannot_be_handled",
     'header = await self._parts.ports.finish(End(job.run_id, "failed", info, now))',
     "header = None"),
    rejected_by="MessageScenarios.test_a_job_that_means_nothing_fails_its_run_and_is_a_dead_letter",
)  # fmt: skip

job_decides_its_blueprint = bug(
    "a job is done by the blueprint that it names and not by that of its run",
    (f"{HANDLER}._find", " or job.blueprint_hash != loaded.header.blueprint_hash", ""),
    rejected_by="MessageScenarios.test_a_job_with_the_hash_of_another_blueprint_is_done_as_its_run_"
    "says",
)

deadline_is_not_kept = bug(
    "a run goes on after its deadline",
    ("flowcraft.adapter.runs:Runs.end_if_late", "or now < header.deadline_at", "or True"),
    rejected_by="DeadlineScenarios.test_a_deadline_ends_a_run_as_failed",
)

early_deadline_message_is_the_last = bug(
    "a message for the deadline that comes early is the last one",
    (f"{HANDLER}.handle", "await self._parts.runs.await_deadline(run)", "pass"),
    rejected_by="DeadlineScenarios.test_a_deadline_message_that_comes_early_is_not_the_last_word",
)

delayed_run_starts_with_any_job = bug(
    "a delayed run starts with any job that comes early",
    (f"{HANDLER}.handle", "if early > 0:", "if False:"),
    rejected_by="DelayedStartScenarios.test_neither_sweeps_nor_submissions_nor_stray_jobs_start_it_"
    "early",
)

drained_worker_keeps_its_messages = bug(
    "a worker that drains keeps the messages that it could not finish",
    (f"{WORKER}._handle", "if self._is_stopping:", "if False:"),
    rejected_by="DrainScenarios.test_what_a_drained_worker_could_not_finish_is_taken_at_once",
)

pushed_deaf_node_keeps_its_message = bug(
    "a node that does not end keeps the queue waiting that handed its message over",
    (f"{WORKER}.handle", "timeout=WIND_UP_SECONDS", "timeout=None"),
    rejected_by="DrainScenarios"
    ".test_what_does_not_end_when_it_is_cancelled_is_handed_back_all_the_same",
    on="four_method",
)

drained_worker_takes_more = bug(
    "a worker that was told to stop takes more messages",
    (f"{WORKER}.stop", "if self._loops:\n        self._loops[0].cancel()", "pass"),
    rejected_by="DrainScenarios.test_a_worker_that_drains_takes_nothing_new",
)

unreachable_store_fails_the_node = bug(
    "a node fails because its worker cannot reach the store",
    ("flowcraft.adapter.functions:Functions._guarded", "except BackendError:\n        raise  # not "
     "the node's failure: the job is handed back\n    ", ""),
    rejected_by="OutageScenarios.test_no_node_fails_because_the_store_cannot_be_reached",
)  # fmt: skip
