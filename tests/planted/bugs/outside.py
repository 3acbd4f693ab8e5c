"""What must be refused or kept outside of the kit: blueprints, formats, files, expressions."""

from __future__ import annotations

from tests.planted.bug import bug

FORMATS = "flowcraft.adapter.formats:Formats"
NODE_RULES = "flowcraft.blueprint.node_rules"
GRAPH_RULES = "flowcraft.blueprint.graph_rules"
BLUEPRINT_TESTS = "packages/core/tests/blueprint/test_validate.py::"
FORMAT_TESTS = "packages/core/tests/adapter/test_formats.py::"
EXPRESSION_TESTS = "packages/core/tests/expressions/"

id_used_twice = bug(
    "two nodes of one id are taken",
    (f"{NODE_RULES}:node_problems", "node.id in seen and", "False and"),
    rejected_by=f"{BLUEPRINT_TESTS}test_an_id_used_twice_is_refused_once",
)

no_nodes_at_all = bug(
    "a blueprint without nodes is taken",
    (f"{NODE_RULES}:node_problems", "if not blueprint.nodes:", "if False:"),
    rejected_by=f"{BLUEPRINT_TESTS}test_a_blueprint_without_nodes_is_refused",
)

no_attempt_at_all = bug(
    "a node may have no attempt",
    (f"{NODE_RULES}:_NodeRules.check", "config.attempts < 1", "config.attempts < 0"),
    rejected_by=f"{BLUEPRINT_TESTS}test_impossible_configurations_are_refused",
)

edge_to_nowhere = bug(
    "an edge may lead to a node that is not there",
    (f"{GRAPH_RULES}:edge_problems", "if known < 0:", "if False:"),
    rejected_by=f"{BLUEPRINT_TESTS}test_unknown_endpoints_are_refused_with_a_suggestion",
)

loop_without_a_condition = bug(
    "a controller may have no condition",
    (f"{NODE_RULES}:_check_loop", "not isinstance(condition, str) or not condition", "False"),
    rejected_by="packages/core/tests/blueprint/test_loops.py::"
    "test_a_controller_without_a_condition_is_refused",
)

fallback_of_a_sleep = bug(
    "a node that cannot fail alone may have a fallback",
    (f"{GRAPH_RULES}:fallback_problems", "if kind in _WITHOUT_FALLBACK:", "if False:"),
    rejected_by=f"{BLUEPRINT_TESTS}"
    "test_built_ins_that_cannot_fail_alone_neither_have_nor_are_fallbacks",
)

fallbacks_in_a_circle = bug(
    "fallbacks may stand in for each other in a circle",
    (f"{GRAPH_RULES}:fallback_problems", "yield from _fallback_cycles(graph)", "pass"),
    rejected_by=f"{BLUEPRINT_TESTS}test_a_cycle_of_fallbacks_is_refused",
)

two_scatters_of_a_gather = bug(
    "two scatters may have one gather",
    (f"{GRAPH_RULES}:pair_problems", "elif len(scatters) > 1:", "elif False:"),
    rejected_by=f"{BLUEPRINT_TESTS}test_a_gather_has_one_scatter_and_names_itself",
)

scatter_leads_elsewhere = bug(
    "a scatter may have no edge to its gather",
    (f"{GRAPH_RULES}:_scatter_problems", "if not any(graph.targets[edge] == target for edge in "
     "outs):", "if False:"),
    rejected_by=f"{BLUEPRINT_TESTS}test_a_scatter_must_lead_to_its_gather",
)  # fmt: skip

id_with_a_slash = bug(
    "an id may have a slash",
    (f"{NODE_RULES}:id_fault", 'if "/" in node_id:', "if False:"),
    rejected_by=f"{BLUEPRINT_TESTS}test_other_ids_are_refused",
)

# -- formats

newer_run_is_read = bug(
    "a worker goes on with a run of a format that it does not know",
    (f"{FORMATS}.check", "header.format > self.own", "False"),
    rejected_by="UpgradeScenarios.test_a_client_says_that_it_must_be_upgraded",
)

newer_job_is_done = bug(
    "a worker does a job of a format that it does not know",
    (f"{FORMATS}.check_job", "job.format > self.own", "False"),
    rejected_by="UpgradeScenarios.test_a_newer_job_that_somebody_else_received_must_come_back",
)

newer_record_is_read = bug(
    "a worker follows a record of a format that it does not know",
    ("flowcraft.engine.record:decode_record", "if record.format > reads:", "if False:"),
    rejected_by="UpgradeScenarios.test_a_job_that_comes_upon_a_newer_record_is_handed_back",
)

newer_timer_is_sent = bug(
    "a worker sends the job of a timer of a format that it does not know",
    ("flowcraft.adapter.sweeper:Sweeper.promote_timers",
     " if timer.job.format <= parts.options.format", ""),
    rejected_by=f"{FORMAT_TESTS}test_a_timer_that_a_newer_worker_set_is_left_to_newer_ones",
)  # fmt: skip

newer_run_holds_up_sweeps = bug(
    "a run of a newer format keeps older ones from being swept",
    ("flowcraft.adapter.sweeper:Sweeper._look_at",
     "await parts.ports.store.swept({found.run_id: soon})\n", "pass\n"),
    rejected_by=f"{FORMAT_TESTS}test_runs_of_a_newer_format_keep_no_older_one_from_being_swept",
)  # fmt: skip

format_is_not_written = bug(
    "a record does not say in which format it was written",
    (f"{FORMATS}.encode", "if record.format != self.own:", "if False:"),
    rejected_by="UpgradeScenarios.test_a_run_of_a_newer_format_waits_for_a_worker_that_can_read_it",
)

# -- files

newer_file_is_opened = bug(
    "a file of a newer version is opened and written to",
    ("flowcraft.sqlite.schema:refuse_newer", "if version > VERSION:", "if False:"),
    rejected_by="packages/core/tests/sqlite/test_refusals.py::"
    "test_a_newer_file_is_refused_and_not_touched",
)

network_file_is_opened = bug(
    "a file on a network file system is opened",
    ("flowcraft.sqlite.settings:refuse_network_filesystem", "if is_network_filesystem(kind):",
     "if False:"),
    rejected_by="packages/core/tests/sqlite/test_refusals.py::"
    "test_a_network_filesystem_is_refused_unless_it_is_allowed",
)  # fmt: skip

# -- values and expressions

variables_are_shared = bug(
    "a context variable that a node sets is seen by the next node",
    ("flowcraft.nodes.variables:with_own_variables", "run = copy_context().run",
     "run = lambda call, *a, **k: call(*a, **k)"),
    rejected_by="packages/core/tests/nodes/test_variables.py::"
    "test_code_keeps_what_it_set_while_it_waits_and_gives_it_to_its_tasks",
)  # fmt: skip

list_index_is_not_looked_at = bug(
    "a plain path to an index beyond a list is an error",
    ("flowcraft.expressions:Expression._walk", " and step < len(value)", ""),
    rejected_by="ExpressionScenarios.test_a_plain_path_that_leads_nowhere_is_null",
)

error_of_a_function_is_absorbed = bug(
    "what a registered function raises is absorbed where its value does not matter",
    ("flowcraft.expressions:Expression._run", "for name, failure in failures:", "for name, failure "
     "in ():"),
    rejected_by=f"{EXPRESSION_TESTS}test_functions.py::"
    "TestFunctions::test_an_exception_is_not_absorbed_by_the_other_operand",
)  # fmt: skip
