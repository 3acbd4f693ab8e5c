"""Loops and batches that begin, read, count or end otherwise than they say."""

from __future__ import annotations

from tests.planted.bug import bug

BUILT_IN = "flowcraft.execution.built_in"
CONSEQUENCES = "flowcraft.engine.consequences"
FUNCTIONS = "flowcraft.adapter.functions:Functions"
READER = "flowcraft.adapter.reader:Reader"

one_iteration_too_many = bug(
    "a loop begins one iteration more than it may",
    (f"{BUILT_IN}:looped", "evaluation >= limit", "evaluation > limit"),
    rejected_by="LoopScenarios.test_a_loop_beyond_its_limit_fails_the_run_and_names_the_controller",
)

one_iteration_too_few = bug(
    "a loop may not begin the last iteration of its limit",
    (f"{BUILT_IN}:looped", "evaluation >= limit", "evaluation + 1 >= limit"),
    rejected_by="LoopScenarios.test_a_loop_of_exactly_its_limit_completes",
)

iterations_do_not_count = bug(
    "an edge back to a controller arrives at the evaluation that it came from",
    (f"{CONSEQUENCES}:edge_arrival", "int(index) + 1", "int(index)"),
    rejected_by="LoopScenarios.test_a_loop_goes_on_while_its_condition_holds",
)

controller_gets_a_mapping_of_all = bug(
    "the input of an evaluation is a mapping of the edges from outside and from the body",
    ("flowcraft.engine.inputs:arriving_edges", 'if node.kind == "loop":', "if False:"),
    rejected_by="LoopScenarios.test_a_loop_may_have_a_hundred_iterations",
)

end_does_not_count_iterations = bug(
    "a run ends with its sinks although a side branch of a loop's body is at work",
    ("flowcraft.adapter.walk:Walker._end_follows", "expected=expected", "expected=None"),
    rejected_by="LoopScenarios.test_a_side_branch_of_a_body_delays_the_end",
)

exit_stays_in_the_loop = bug(
    "the exits of a loop lead to a scope inside of it",
    (f"{CONSEQUENCES}:edge_arrival", "scope = outer_scope(scope)", "pass"),
    rejected_by="LoopScenarios.test_every_edge_that_does_not_continue_is_an_exit",
)

loop_not_entered_skips_its_body = bug(
    "a loop that is not entered skips its body's edges and not only its exits",
    ("flowcraft.engine.routing:skip_record", 'node.exits if node.kind == "loop" else node.outs',
     "node.continues"),
    rejected_by="LoopScenarios.test_a_loop_that_is_not_entered_skips_its_exits",
)  # fmt: skip

controller_gives_null = bug(
    "the output of a controller is null",
    (f"{BUILT_IN}:looped", "return Performed(input_, BREAK)", 'return Performed(b"null", BREAK)'),
    rejected_by="LoopScenarios.test_a_loop_goes_on_while_its_condition_holds",
)

entries_and_backs_are_one_group = bug(
    "an evaluation waits for as many edges as come from outside and from the body together",
    (f"{CONSEQUENCES}:edge_arrival", "edge.need, edge.any, value)",
     'edge.need + (edge.entering == "back"), edge.any, value)'),
    rejected_by="LoopScenarios.test_a_loop_goes_on_while_its_condition_holds",
)  # fmt: skip

# -- batches

results_in_another_order = bug(
    "the results of a batch come in the order of their numbers as texts",
    (f"{READER}.pages", "for index in page]", "for index in sorted(page, key=str)]"),
    rejected_by="BatchScenarios.test_a_thousand_items_come_out_in_order",
)

last_items_never_start = bug(
    "the last item of a lane never starts",
    (f"{CONSEQUENCES}:_follow_batch", "if index + chunk < total:", "if index + chunk + 1 < total:"),
    rejected_by="BatchScenarios.test_an_item_starts_when_the_one_a_chunk_before_it_is_over",
)

errors_of_items_are_lost = bug(
    "the error of an item that was passed over is not kept",
    ("flowcraft.adapter.outcome:Outcomes.passed_over", "context=passed_over(move.key, error)",
     "context={}"),
    rejected_by="BatchScenarios.test_a_batch_may_go_on_past_failed_items_and_lists_their_errors",
)  # fmt: skip

errors_of_items_in_another_order = bug(
    "the errors of items come in the order of their numbers as texts",
    ("flowcraft.execution.limits:split_errors", ", key=_by_number", ""),
    rejected_by="BatchScenarios.test_a_batch_may_go_on_past_failed_items_and_lists_their_errors",
)

pages_overwrite_each_other = bug(
    "a batch has as many items as its last page",
    (f"{FUNCTIONS}._scatter", "count += len(page)", "count = len(page)"),
    rejected_by="BatchScenarios.test_a_thousand_items_come_out_in_order",
)

one_value_is_a_batch = bug(
    "a batch over what is no list has one item",
    (f"{BUILT_IN}:items_in", "if isinstance(items, list):\n        return items",
     "return items if isinstance(items, list) else [items]"),
    rejected_by="BatchScenarios.test_a_batch_over_what_is_no_list_fails_at_once",
)  # fmt: skip

list_is_read_again = bug(
    "a scatter that begins again takes the list that its key names now",
    (f"{FUNCTIONS}._items", "if move.node.names_context:", "if False:"),
    rejected_by="BatchScenarios.test_the_items_are_those_of_one_list_though_its_key_changes_when_a_"
    "worker_dies",
)

gathered_key_is_not_set = bug(
    "a gather does not set its context key",
    (f"{BUILT_IN}:gathered", "if key:", "if False:"),
    rejected_by="BatchScenarios.test_the_list_is_in_the_context_under_its_key",
)

items_get_the_scatters_params = bug(
    "the worker of a batch gets the params of the scatter",
    ("flowcraft.execution.move:new_move", 'params = plan.node.params.get("workerParams") or {}',
     "pass"),
    rejected_by="BatchScenarios.test_an_item_is_an_activation_with_the_workers_params",
)  # fmt: skip

items_have_one_attempt = bug(
    "attempts and timeout of a scatter do not hold for its items",
    ("flowcraft.execution.move:new_move", 'params = plan.node.params.get("workerParams") or {}',
     'params, config = plan.node.params.get("workerParams") or {}, _EMPTY_CONFIG'),
    rejected_by="BatchScenarios.test_attempts_and_timeout_of_the_scatter_hold_for_each_item",
)  # fmt: skip
