"""Inputs, names, edges and expressions that give something else than they say."""

from __future__ import annotations

from tests.planted.bug import bug

CONSEQUENCES = "flowcraft.engine.consequences"
EVALUATOR = "flowcraft.execution.evaluation:Evaluator"
NAMES = "flowcraft.engine.names"
OUTCOMES = "flowcraft.adapter.outcome:Outcomes"
READER = "flowcraft.adapter.reader:Reader"
SHAPE = "flowcraft.engine.inputs:shape_input"

inputs_do_not_count = bug(
    "a node gets what arrives although it has `inputs`",
    (f"{READER}.input_of", "if move.node.inputs is not None and not stands_in:", "if False:"),
    rejected_by="InputScenarios.test_inputs_count_and_not_what_arrives",
)

one_taken_edge_gives_its_bare_value = bug(
    "a join of which one edge was taken gets the bare value of that edge",
    (SHAPE, "if len(edges) == 1:",
     "if len(slots) == 1:\n        return next(iter(slots.values()))\n"
     "    if len(edges) == 1:"),
    rejected_by="InputScenarios.test_several_edges_give_a_mapping_of_those_taken",
)  # fmt: skip

any_join_gets_all_that_came = bug(
    "an `any` join gets whatever has arrived besides its winner",
    (SHAPE, " and winner in (None, edge.member)", ""),
    rejected_by="JoinScenarios.test_an_any_join_keeps_its_winner_though_others_are_there_when_it_is_"
    "tried_again",
)

earlier_edge_of_a_source_counts = bug(
    "of two edges from one source the earlier one gives the value",
    (SHAPE, "for edge in edges\n", "for edge in reversed(edges)\n"),
    rejected_by="InputScenarios.test_of_two_edges_from_one_source_the_later_one_taken_gives_the_"
    "value",
)

bare_input_is_wrapped = bug(
    "an input that is one name is given as a mapping",
    (f"{READER}._mapped", 'if "" in mapping and len(mapping) == 1:', "if False:"),
    rejected_by="InputScenarios.test_inputs_that_are_a_text_give_the_bare_value",
)

context_key_before_node = bug(
    "a name in `inputs` that is both means the context key and not the node",
    (f"{NAMES}:input_candidates", "return (Candidate(name, None),)\n    if name.startswith",
     "return (Candidate(None, name), Candidate(name, None))\n    if name.startswith"),
    rejected_by="InputScenarios.test_a_name_is_a_node_then_a_context_key_then_a_path",
)  # fmt: skip

index_beyond_the_list = bug(
    "a path to an index beyond its list is an error",
    (f"{NAMES}:walk_path", " and int(part) < len(value)", ""),
    rejected_by="InputScenarios.test_a_name_that_leads_nowhere_is_null",
)

iterations_read_the_last_one = bug(
    "a node of a loop reads its neighbours as of the last iteration that ended",
    (f"{NAMES}:output_place", "while shared < len(around)", "while shared > len(around)"),
    rejected_by="InputScenarios.test_within_a_loop_a_name_means_its_own_iteration",
)

controller_reads_what_is_to_come = bug(
    "evaluation k of a controller reads its body as of iteration k",
    (f"{NAMES}:output_place", "iteration_scope(scope, evaluation - 1)",
     "iteration_scope(scope, evaluation)"),
    rejected_by="LoopScenarios.test_a_controller_reads_its_body_as_of_the_iteration_before",
)  # fmt: skip

loop_is_read_before_its_end = bug(
    "from outside, a node of a loop that goes on has the output of its first iteration",
    (f"{READER}._located", "if last is None:\n            return None", 'last = last or b"1"'),
    rejected_by="InputScenarios.test_from_outside_a_node_of_a_loop_is_null_until_the_loop_has_ended",
)

iteration_that_did_not_begin = bug(
    "from outside, a node of a loop means the iteration that did not begin any more",
    (f"{READER}._located", "int(last) - (controller != place.node)", "int(last)"),
    rejected_by="InputScenarios.test_from_outside_a_node_of_a_loop_means_its_last_iteration",
)

caught_node_is_null = bug(
    "a name of a node whose fallback stood in for it is null",
    (f"{READER}.output_of", 'if record.outcome != "caught":', "if True:"),
    rejected_by="FallbackScenarios.test_a_name_of_a_caught_node_gives_what_stood_in",
)

value_that_was_read_is_shared = bug(
    "two who read one context key get the same object",
    ("flowcraft.local.adapter:LocalContext.get",
     "return values.decode(found[key]) if key in found else None",
     'held = self.__dict__.setdefault("held", {})\n'
     "    return held.setdefault(key, values.decode(found[key])) if key in found else None"),
    rejected_by="ContextContract.test_a_value_that_was_read_is_a_copy",
)  # fmt: skip

mapping_with_an_action = bug(
    "a mapping with a key `action` gives an action",
    ("flowcraft.nodes.implementation:NodeImplementation.call",
     "return value if isinstance(value, NodeResult) else NodeResult(value)",
     'if isinstance(value, dict) and "action" in value:\n'
     '        return NodeResult(value, action=str(value["action"]))\n'
     "    return value if isinstance(value, NodeResult) else NodeResult(value)"),
    rejected_by="EdgeScenarios.test_a_mapping_with_a_key_action_names_no_edge",
)  # fmt: skip

conditions_do_not_count = bug(
    "an edge is taken whatever its condition says",
    ("flowcraft.engine.routing:route", "(edge.condition is None or holds(edge))", "True"),
    rejected_by="EdgeScenarios.test_every_candidate_whose_condition_is_satisfied_is_taken",
)

action_that_names_no_edge = bug(
    "with an action that names no edge, edges without an action are not taken",
    ("flowcraft.engine.routing:route", "action is not None and any(edge.action == action for edge "
     "in edges)", "action is not None"),
    rejected_by="EdgeScenarios.test_the_action_names_its_edges_or_leaves_those_without",
)  # fmt: skip

edges_between_the_same_nodes_are_one = bug(
    "two edges between the same nodes arrive as one",
    (f"{CONSEQUENCES}:edge_arrival", "edge.member", "edge.source"),
    rejected_by="EdgeScenarios.test_two_edges_between_the_same_nodes_are_two",
)

transform_of_one_edge_for_all = bug(
    "the transform of one edge changes what the others carry",
    ("flowcraft.engine.record:carried_value", "record.values.get(edge_index)",
     "next(iter(record.values.values()), None)"),
    rejected_by="EdgeScenarios.test_a_transform_changes_the_value_of_its_own_edge_alone",
)  # fmt: skip

transform_to_null_is_none = bug(
    "a transform that gives null leaves the value as it was",
    (f"{OUTCOMES}._with_edges", "value = evaluator(transform, edge)",
     "value = evaluator(transform, edge)\n            if value is None:\n                continue"),
    rejected_by="EdgeScenarios.test_a_transform_may_give_null",
)  # fmt: skip

conditions_miss_own_writes = bug(
    "conditions do not see what their own node wrote",
    (f"{READER}._context_value", "if key in move.writes:", "if False:"),
    rejected_by="EdgeScenarios.test_they_see_the_context_as_the_node_found_it_and_its_own_writes",
)

edges_of_a_caught_node_see_null = bug(
    "a fallback that failed over decides its own edges before those it stands in for, with null",
    (f"{OUTCOMES}._with_edges", "evaluator = await self.evaluator(move, output, action)",
     'evaluator = await self.evaluator(move, b"null", None)'),
    rejected_by="EdgeScenarios.test_the_result_of_a_fallback_decides_the_edges_of_the_node_that_"
    "failed",
)  # fmt: skip

error_of_an_expression_is_tried_again = bug(
    "an error in an expression is a failed attempt of its node",
    ("flowcraft.adapter.mover:Mover._move",
     "record, commit = self._parts.outcomes.fatal(move, error.info)",
     "return await self._failed(move, AttemptError(error, is_retryable=True), hold=hold, ack=ack)"),
    rejected_by="ExpressionScenarios.test_an_error_fails_the_run_and_names_the_edge",
)  # fmt: skip

error_names_no_edge = bug(
    "an error in an expression does not say which edge it is of",
    (f"{EVALUATOR}.__call__", 'f"{where}: {info.message}"', "info.message"),
    rejected_by="ExpressionScenarios.test_an_error_fails_the_run_and_names_the_edge",
)

bare_name_is_a_node_first = bug(
    "a bare name in an expression that is both means the node and not the context key",
    (f"{NAMES}:expression_candidates", "found.append(Candidate(name, None))",
     "found.insert(0, Candidate(name, None))"),
    rejected_by="ExpressionScenarios.test_a_bare_name_is_a_context_key_and_else_a_node",
)  # fmt: skip

result_has_no_action = bug(
    "an expression finds null for the action of the result",
    (f"{EVALUATOR}.__init__", '"action": action', '"action": None'),
    rejected_by="ExpressionScenarios.test_result_is_output_and_action_and_input_is_the_output",
)
