"""Blueprints that are loaded though they make no sense, or come out otherwise than they went in."""

from __future__ import annotations

from tests.planted.bug import bug

GRAPH_RULES = "flowcraft.blueprint.graph_rules"
LOOP_RULES = "flowcraft.blueprint.loop_rules"
NODE_RULES = "flowcraft.blueprint.node_rules"
PARSE = "flowcraft.blueprint.parse"
VALIDATE = "flowcraft.blueprint.validate"

TESTS = "packages/core/tests/blueprint"

first_problem_only = bug(
    "the error of a blueprint names the first of its problems",
    (f"{VALIDATE}:load_blueprint", "BlueprintError(reading.blueprint_id, problems)",
     "BlueprintError(reading.blueprint_id, problems[:1])"),
    rejected_by=f"{TESTS}/test_validate.py::test_everything_wrong_is_in_one_error",
)  # fmt: skip

ids_are_counted_in_characters = bug(
    "an id may have 200 characters of several bytes each",
    (f"{NODE_RULES}:id_fault", "size = len(node_id.encode())",
     "size = len(node_id.encode('utf-32')) // 4 - 1"),
    rejected_by=f"{TESTS}/test_validate.py::test_other_ids_are_refused",
)  # fmt: skip

unreachable_nodes_are_loaded = bug(
    "nodes that no start leads to are loaded",
    (f"{GRAPH_RULES}:reach_problems", "elif lost:", "elif False:"),
    rejected_by=f"{TESTS}/test_loops.py::test_a_part_that_no_start_leads_to_is_refused",
)

targets_may_be_unknown = bug(
    "an edge may lead to a node that is not there",
    (f"{GRAPH_RULES}:edge_problems", "if known < 0:", 'if known < 0 and side == "source":'),
    rejected_by=f"{TESTS}/test_validate.py::test_unknown_endpoints_are_refused_with_a_suggestion",
)

a_node_may_lead_to_itself = bug(
    "a node that leads to itself is no cycle",
    ("flowcraft.blueprint.cycle_rules:_knots", "len(part) > 1 or node in waiting[node]",
     "len(part) > 1"),
    rejected_by=f"{TESTS}/test_loops.py::test_a_node_that_leads_to_itself_is_refused",
)  # fmt: skip

loops_need_no_condition = bug(
    "a controller without a condition is loaded",
    (f"{NODE_RULES}:_check_loop", "if not isinstance(condition, str) or not condition:",
     "if condition is not None and not isinstance(condition, str):"),
    rejected_by=f"{TESTS}/test_loops.py::test_a_controller_without_a_condition_is_refused",
)  # fmt: skip

edges_may_jump_into_bodies = bug(
    "an edge from outside of all loops may lead into a body",
    (f"{LOOP_RULES}:_Judge.problems", "if loop != home:", "if loop not in (home, TOP):"),
    rejected_by=f"{TESTS}/test_loops.py"
    "::test_a_jump_into_a_body_is_refused_whichever_edge_comes_first",
)

a_fallback_may_be_its_own = bug(
    "a node may be its own fallback",
    (f"{GRAPH_RULES}:_fallback_cycles", "if node >= 0 and seen_from[node] == first:",
     "if node >= 0 and seen_from[node] == first and graph.fallback_of[node] != node:"),
    rejected_by=f"{TESTS}/test_validate.py::test_a_cycle_of_fallbacks_is_refused",
)  # fmt: skip

anything_may_be_a_fallback = bug(
    "a sleep, or a webhook, may be a fallback",
    (f"{GRAPH_RULES}:fallback_problems",
     "((node, graph.kinds[number]), (nodes[fallback], graph.kinds[fallback]))",
     "((node, graph.kinds[number]),)"),
    rejected_by=f"{TESTS}/test_validate.py"
    "::test_built_ins_that_cannot_fail_alone_neither_have_nor_are_fallbacks",
)  # fmt: skip

fallbacks_may_be_led_to = bug(
    "an edge may lead to a fallback that serves one node",
    (f"{GRAPH_RULES}:fallback_problems", "if served and graph.ins[number]:",
     "if len(served) > 1 and graph.ins[number]:"),
    rejected_by=f"{TESTS}/test_validate.py::test_a_fallback_with_incoming_edges_is_refused",
)  # fmt: skip

a_scatter_may_lead_twice_to_its_gather = bug(
    "two edges may lead from a scatter to its gather",
    (f"{GRAPH_RULES}:_scatter_problems", "if graph.targets[out] != target or leads_there:",
     "if graph.targets[out] != target:"),
    rejected_by=f"{TESTS}/test_validate.py::test_a_scatter_leads_nowhere_else",
)  # fmt: skip

two_scatters_may_gather_together = bug(
    "two scatters may have one gather",
    (f"{GRAPH_RULES}:pair_problems", "elif len(scatters) > 1:", "elif len(scatters) > 2:"),
    rejected_by=f"{TESTS}/test_validate.py::test_a_gather_has_one_scatter_and_names_itself",
)

delays_may_be_negative = bug(
    "a delay of -1 ms is loaded",
    (f"{NODE_RULES}:_NodeRules.check", "config.retry_delay_ms < 0", "config.retry_delay_ms < -1"),
    rejected_by=f"{TESTS}/test_validate.py::test_impossible_configurations_are_refused",
)

durations_are_in_seconds = bug(
    "the number of a duration is seconds",
    ("flowcraft.blueprint.durations:duration_seconds", "seconds = value / 1000",
     "seconds = value"),
    rejected_by=f"{TESTS}/test_validate.py"
    "::test_a_duration_is_milliseconds_or_a_text_with_a_unit",
)  # fmt: skip

transforms_are_not_looked_at = bug(
    "the transform of an edge with a condition is not compiled when it is loaded",
    (f"{VALIDATE}:_expressions", "if edge.transform:", "elif edge.transform:"),
    rejected_by=f"{TESTS}/test_validate.py"
    "::test_expressions_that_do_not_parse_are_named_with_their_edge",
)

unknown_settings_are_ignored = bug(
    "a setting of a node that nobody knows is ignored",
    (f"{PARSE}:_read_config", "_check_keys(config, _CONFIG_KEYS, where, problems)", "pass"),
    rejected_by=f"{TESTS}/test_parse.py::test_all_faults_of_shape_are_named_at_once",
)

short_delays_are_not_written = bug(
    "a delay below the usual one is left out when a blueprint is written",
    (f"{PARSE}:_node_to_json", "config.retry_delay_ms != _DEFAULT_CONFIG.retry_delay_ms",
     "config.retry_delay_ms > _DEFAULT_CONFIG.retry_delay_ms"),
    rejected_by=f"{TESTS}/test_parse.py::test_what_is_written_is_read_back",
)  # fmt: skip

the_order_of_keys_changes_the_hash = bug(
    "the hash goes by the order of keys",
    (f"{PARSE}:canonical_bytes", "sort_keys=True", "sort_keys=False"),
    rejected_by=f"{TESTS}/test_parse.py::test_the_hash_follows_the_content_and_not_the_spelling",
)

params_are_shared_with_their_source = bug(
    "a blueprint changes with the mapping that it was made of",
    (f"{PARSE}:_copied_mapping", "strict_json.copy(value, where=place, problems=problems)",
     "dict(value)"),
    rejected_by=f"{TESTS}/test_parse.py"
    "::test_a_blueprint_is_not_changed_through_its_source_or_its_json",
)  # fmt: skip
