"""How runs begin, what they give, and what is told of them."""

from __future__ import annotations

from tests.planted.bug import bug

EVENTS = "flowcraft.client.events"
READER = "flowcraft.adapter.reader:Reader"
RUNS = "flowcraft.adapter.runs:Runs"
SUBMITTER = "flowcraft.client.submission:Submitter"
TABLES = "flowcraft.memory.tables:MemoryTables"

payload_reaches_nobody = bug(
    "a start node gets null",
    (f"{READER}.input_of", 'move.loaded.peeked.get((RUN, PAYLOAD), b"null")', 'b"null"'),
    rejected_by="StartScenarios.test_the_payload_is_the_input_of_each_start_node_without_inputs",
)

payload_is_no_context = bug(
    "the keys of the payload are no context keys",
    ("flowcraft.execution.payload:context_of", "if isinstance(payload, Mapping):", "if False:"),
    rejected_by="StartScenarios.test_each_key_of_a_mapping_is_a_context_key_from_the_beginning",
)

fallbacks_are_starts = bug(
    "a run begins with its fallbacks, too",
    ("flowcraft.blueprint.plan:_plan_node", "is_start=not ins and not serves", "is_start=not ins"),
    rejected_by="FallbackScenarios.test_a_fallback_that_nobody_needs_neither_starts_nor_delays_the_"
    "end",
)

implementation_of_who_came_first = bug(
    "a process executes a node as the first of its workers had it",
    ("flowcraft.adapter.functions:Functions._function",
     "implementation = parts.options.registry.get(move.uses)",
     "held = type(self)._function.__dict__\n"
     "    implementation = held.setdefault(move.uses, parts.options.registry.get(move.uses))"),
    rejected_by="DeployScenarios.test_a_node_is_executed_as_the_worker_at_it_has_it",
)  # fmt: skip

key_belongs_to_any_payload = bug(
    "a key that belongs to a run with another payload gives that run",
    (f"{SUBMITTER}.submit", "if standing.fingerprint != header.fingerprint:", "if False:"),
    rejected_by="SubmissionScenarios.test_a_key_with_another_payload_or_blueprint_is_a_conflict",
)

key_gives_a_new_run = bug(
    "a key that was used gives a new run",
    (f"{SUBMITTER}._run_id", "return run_id_of_key(idempotency_key)",
     "return self._clock.fresh_id()"),
    rejected_by="SubmissionScenarios.test_the_same_key_and_payload_give_the_same_run_whatever_its_"
    "status",
)  # fmt: skip

submission_is_not_finished = bug(
    "who submits again what was created and not started does not start it",
    (f"{RUNS}.begin", "await self.start(header.run_id)", "pass"),
    rejected_by="SubmissionScenarios.test_a_submission_whose_client_died_is_finished_by_the_same_"
    "one",
    on="four_method",
)

any_id_will_do = bug(
    "an id that no run can have is taken",
    ("flowcraft.execution.limits:check_id", "if fault is not None:", "if False:"),
    rejected_by="SubmissionScenarios.test_an_id_that_no_run_can_have_is_refused",
)

# -- what they give

skipped_sinks_are_null = bug(
    "a sink that was skipped is in the output of the run, as null",
    (f"{RUNS}._output", "if ran or len(sinks) == 1:", "if True:"),
    rejected_by="EndScenarios.test_several_sinks_give_a_mapping_without_those_that_were_skipped",
)

end_with_the_first_sink = bug(
    "a run ends with the first of its sinks",
    ("flowcraft.engine.consequences:_end_need", "len(program.plan.sinks)", "1"),
    rejected_by="EndScenarios.test_several_sinks_give_a_mapping_without_those_that_were_skipped",
)

fallback_is_a_sink = bug(
    "a fallback without edges is a sink",
    ("flowcraft.blueprint.plan:_plan_node", "is_sink=is_last and is_top",
     "is_sink=is_top and not outs"),
    rejected_by="EndScenarios.test_fallbacks_and_scatters_are_no_sinks",
)  # fmt: skip

errors_are_context = bug(
    "the errors of items that were passed over are context keys of the result",
    ("flowcraft.execution.limits:split_errors", "if not key.startswith(ERRORS)}", "}"),
    rejected_by="BatchScenarios.test_a_batch_may_go_on_past_failed_items_and_lists_their_errors",
)

failed_run_has_an_output = bug(
    "a run that failed has the output of its sinks",
    (f"{RUNS}.result_of", 'if status == "completed":', "if True:"),
    rejected_by="FailureScenarios.test_a_failed_run_keeps_its_context_and_has_no_output",
)

error_without_its_cause = bug(
    "an error does not say what caused it",
    ("flowcraft.execution.evaluation:error_info", "cause = error.__cause__", "cause = None"),
    rejected_by="FailureScenarios.test_an_error_names_node_scope_attempt_and_cause",
)

error_of_the_first_attempt = bug(
    "an error names attempt 1",
    ("flowcraft.execution.evaluation:error_info", "attempt=move.attempt", "attempt=1"),
    rejected_by="FailureScenarios.test_an_error_names_node_scope_attempt_and_cause",
)

error_without_its_scope = bug(
    "an error does not say which item failed",
    ("flowcraft.execution.evaluation:error_info", "scope=move.activation.scope", 'scope=""'),
    rejected_by="FailureScenarios.test_an_error_of_an_item_names_the_item",
)

record_is_executed_again = bug(
    "a delivery for an activation that is recorded executes it again",
    ("flowcraft.adapter.handler:Handler.handle", "if record is not None:", "if False:"),
    rejected_by="EdgeScenarios.test_edges_stay_as_decided_when_the_message_comes_again",
)

job_of_an_ended_run_is_done = bug(
    "a job that comes after the end of its run is done",
    ("flowcraft.adapter.handler:Handler.handle",
     "if run.header.is_over or await self._is_late(run):",
     "if await self._is_late(run):"),
    rejected_by="StatusScenarios.test_a_final_status_never_changes",
)  # fmt: skip

too_large_is_stored = bug(
    "an output above the largest value is stored",
    ("flowcraft.execution.attempt:written", "limit_bytes=largest_value", "limit_bytes=None"),
    rejected_by="LargeValueScenarios.test_an_output_too_large_fails_its_node_and_names_both_sizes",
)

own_writes_are_not_seen = bug(
    "a node does not see what it wrote itself",
    ("flowcraft.adapter.node_context:StoreContext._read", "if key in self._move.writes:",
     "if False:"),
    rejected_by="ContextWriteScenarios.test_a_node_sees_its_own_writes_at_once",
)  # fmt: skip

failing_fallback_fails_nothing = bug(
    "a fallback that fails for good does not fail the run",
    ("flowcraft.adapter.outcome:Outcomes.fatal", 'ends=("failed", error)',
     'ends=None if move.node.plan.is_fallback else ("failed", error)'),
    rejected_by="FallbackScenarios.test_a_fallback_that_fails_for_good_fails_the_run",
)  # fmt: skip

skipped_way_back_is_lost = bug(
    "edges from a body back to its controller do not arrive when they are skipped",
    ("flowcraft.engine.consequences:consequences",
     "arrivals.append(edge_arrival(edge, scope, taken=False))",
     'if edge.entering != "back":\n            arrivals.append(edge_arrival(edge, scope, '
     "taken=False))"),
    rejected_by="LoopScenarios.test_a_body_that_leads_back_nowhere_skips_the_exits",
)  # fmt: skip

any_is_all = bug(
    "every join waits for all of its edges, whatever its strategy",
    ("flowcraft.blueprint.plan:_plan_edge", 'any=need > 1 and target.config.join_strategy == "any"',
     "any=False"),
    rejected_by="JoinScenarios.test_an_any_join_starts_with_the_first_edge_and_later_ones_"
    "change_nothing",
)  # fmt: skip

items_are_no_subflows = bug(
    "a subflow cannot be the worker of a batch",
    ("flowcraft.execution.move:new_move", 'BUILT_IN_KINDS.get(uses, "function")',
     '"function" if uses == "subflow" else BUILT_IN_KINDS.get(uses, "function")'),
    rejected_by="BatchScenarios.test_each_item_may_be_a_child_run",
)  # fmt: skip

path_ends_at_the_first_child = bug(
    "a path names a node of the first child on it",
    (f"{RUNS}.inside", "for subflow in above:", "for subflow in above[:1]:"),
    rejected_by="ScopedWaitScenarios.test_a_path_leads_through_three_runs",
)

nobodys_resume_goes_nowhere = bug(
    "a resume that names no node is kept although one wait is open",
    ("flowcraft.adapter.signals:Resumer.resume", "return await self._wake(run, opened[0], signal)",
     'return await self._keep(run, "", signal)'),
    rejected_by="WaitScenarios.test_a_resume_without_a_node_goes_to_the_only_open_wait",
)  # fmt: skip

deadline_of_the_old_run = bug(
    "a retry has the deadline of the old run, which is over",
    (f"{RUNS}.retry", "deadline_at=deadline_at(program.blueprint.metadata, now, None)",
     "deadline_at=old.deadline_at"),
    rejected_by="RetryScenarios.test_a_run_that_was_too_late_has_its_whole_time_again",
)  # fmt: skip

# -- what is told of them

events_have_no_end = bug(
    "the events of a run do not end with its end",
    (f"{EVENTS}:run_events",
     "yield ended(run_id, header.status, at=header.ended_at, error=header.error)\n", ""),
    rejected_by="EventScenarios.test_the_events_of_a_run_end_with_its_end",
)  # fmt: skip

events_come_late = bug(
    "who listens looks once a minute",
    (f"{EVENTS}:run_events", "pause = first if found.events else min(pause * BACK_OFF, longest)",
     "pause = 60.0"),
    rejected_by="EventScenarios.test_who_listens_hears_of_each_node_while_the_run_goes_on",
)  # fmt: skip

first_page_is_all = bug(
    "the events of a run end with their first page",
    ("flowcraft.local.steps:journal", "is_all=len(rows) < limit", "is_all=True"),
    rejected_by="EventScenarios.test_more_than_a_page_is_told_whole",
)

cursor_repeats_its_event = bug(
    "a cursor gives its own event once more",
    (f"{TABLES}.get_journal", "journal[after : after + limit]",
     "journal[max(after - 1, 0) : after + limit]"),
    rejected_by="JournalContract.test_a_cursor_goes_on_where_one_stopped",
)  # fmt: skip

failed_attempts_are_not_told = bug(
    "the journal does not tell of failed attempts",
    ("flowcraft.engine.cells:is_told", " or name.startswith(FAILED)", ""),
    rejected_by="EventScenarios.test_skips_failures_retries_and_actions_are_told",
)

listing_of_any_status = bug(
    "a listing has runs of other statuses",
    (f"{TABLES}.list_runs", "status in (None, header.status)", "True"),
    rejected_by="RunRegistryContract.test_a_listing_takes_what_was_asked_for",
)

failed_node_has_null = bug(
    "a node that failed for good is said to have null as its output",
    (f"{READER}.recorded_output", 'if record.outcome == "failed":', "if False:"),
    rejected_by="OutputScenarios.test_a_failed_node_has_the_output_of_its_fallback_or_none",
)

weak_adapter_says_nothing = bug(
    "an adapter that cannot fence late workers does not say so",
    ("flowcraft.adapter.base:BaseDistributedAdapter.diagnose", "if self._is_push", "if False"),
    rejected_by="CapabilitiesContract.test_who_cannot_fence_late_workers_says_so",
    on="four_method",
)

every_node_is_read_for = bug(
    "a worker reads the store before each node, though it holds all that the node needs",
    ("flowcraft.adapter.handler:Handler._load_next", "node.is_self_contained and", "False and"),
    rejected_by="WireBudgets.test_a_node_of_a_chain_costs_no_more_than_declared",
)

idle_worker_asks_all_the_time = bug(
    "an idle worker asks for messages twenty times a second",
    ("flowcraft.adapter.worker:WorkerLoops._pull", "parts.options.poll_seconds", "0.05"),
    rejected_by="WireBudgets.test_an_idle_worker_makes_no_more_requests_than_declared",
)

reads_are_as_old_as_the_attempt = bug(
    "a node reads its context as it was when the attempt began",
    ("flowcraft.adapter.node_context:StoreContext._read",
     "loaded = await self._parts.ports.load(load)",
     'held = self.__dict__.setdefault("held", {})\n'
     "    loaded = held.setdefault(key, await self._parts.ports.load(load))"),
    rejected_by="ContextWriteScenarios.test_others_see_the_writes_of_a_node_together_when_it_is_"
    "recorded",
)  # fmt: skip

writes_are_seen_at_once = bug(
    "others see what a node writes before its activation is recorded",
    ("flowcraft.adapter.node_context:StoreContext.set", "self._move.writes[key] = ",
     "from flowcraft.engine.consequences import Cell\n"
     "    from flowcraft.ports.store import Commit\n"
     '    early = Cell(f"/early/{key}", "e", b"1")\n'
     '    patch = {key: values.encode_declared(value, what="v")}\n'
     "    await self._parts.ports.commit(Commit(self._move.run.run_id, early, context=patch))\n"
     "    self._move.writes[key] = "),
    rejected_by="ContextWriteScenarios.test_others_see_the_writes_of_a_node_together_when_it_is_"
    "recorded",
)  # fmt: skip
