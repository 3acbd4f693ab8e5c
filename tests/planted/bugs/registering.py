"""Functions that are registered although one could not tell what they mean."""

from __future__ import annotations

from tests.planted.bug import bug

REGISTRY = "flowcraft.nodes.registry"

NODES = "packages/core/tests/nodes"

a_second_input_is_the_first = bug(
    "a function may have two inputs",
    (
        "flowcraft.nodes.binding:bind",
        "elif role in found:",
        'elif role in found and role != "input":',
    ),
    rejected_by=f"{NODES}/test_binding.py"
    "::test_a_second_input_is_refused_naming_function_and_parameter",
)  # fmt: skip

keys_may_begin_with_main = bug(
    "a function typed in is known by a name that no other process has",
    (f"{REGISTRY}:default_uses", "if module in MAIN_MODULES:", "if False:"),
    rejected_by=f"{NODES}/test_registry.py::test_a_function_of_an_interactive_session_needs_a_key",
)

a_built_in_may_be_replaced = bug(
    "a function may be registered under the name of a built-in",
    (f"{REGISTRY}:NodeRegistry.register", "if key in BUILT_IN_KEYS:",
     'if key in BUILT_IN_KEYS - {"join"}:'),
    rejected_by=f"{NODES}/test_registry.py::test_built_in_keys_are_refused",
)  # fmt: skip

the_first_of_two_functions_stays = bug(
    "a second function under a key is passed over",
    (f"{REGISTRY}:NodeRegistry._again", "if known.source != source:", "if False:"),
    rejected_by=f"{NODES}/test_registry.py::test_two_functions_under_one_key_are_refused",
)

names_of_parameters_do_not_tell = bug(
    "the run is known by its type and not by its name",
    ("flowcraft.nodes.binding:_bind_one", 'if parameter.name in ("ctx", "run"):',
     'if parameter.name == "ctx":'),
    rejected_by=f"{NODES}/test_binding.py::test_parameters_without_annotations_are_known_by_name",
)  # fmt: skip

context_variables_stay = bug(
    "the next node sees the context variables that a node has set",
    ("flowcraft.nodes.variables:with_own_variables", "run = copy_context().run",
     "run = lambda function, *args, **kwargs: function(*args, **kwargs)"),
    rejected_by=f"{NODES}/test_variables.py"
    "::test_code_keeps_what_it_set_while_it_waits_and_gives_it_to_its_tasks",
)  # fmt: skip
