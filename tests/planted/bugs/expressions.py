"""Expressions that may do what they must not, or give what they should not."""

from __future__ import annotations

from tests.planted.bug import bug

EXPRESSIONS = "flowcraft.expressions"
READING = "flowcraft.expression_syntax:Reading"

REFUSALS = "packages/core/tests/expressions/test_refusals.py::TestRefusals"
HOSTILE = "packages/core/tests/expressions/test_hostile.py::TestHostileInput"
FUNCTIONS = "packages/core/tests/expressions/test_functions.py::TestFunctions"
PATHS = "packages/core/tests/expressions/test_reading.py"
VALUES = "packages/core/tests/expressions/test_values.py"

context_is_a_value = bug(
    "an expression may name the whole context",
    (f"{READING}._read_path", "(len(steps) == 1 or not isinstance(steps[1], str))",
     "len(steps) > 1 and not isinstance(steps[1], str)"),
    rejected_by=f"{REFUSALS}::test_context_without_a_key_is_refused",
)  # fmt: skip

methods_need_no_registration = bug(
    "a method that nobody registered is found out about when it is called",
    (f"{READING}._read_call", "name not in FUNCTIONS and name not in self._registered",
     "name not in FUNCTIONS and name not in self._registered and not is_method"),
    (f"{EXPRESSIONS}:Expressions._compile", "reading.calls - FUNCTIONS",
     "reading.calls & self._functions.keys()"),
    rejected_by=f"{REFUSALS}::test_an_unregistered_function_is_refused_by_name",
)  # fmt: skip

some_comprehensions_are_allowed = bug(
    "one of the comprehensions is allowed to everybody",
    (f"{READING}._read_call", "if not self._allow_comprehensions:",
     'if not self._allow_comprehensions and name != "exists_one":'),
    rejected_by=f"{REFUSALS}::test_comprehensions_are_refused_unless_allowed",
)  # fmt: skip

length_is_a_member = bug(
    "`.length` is a member like any other, and null",
    (f"{READING}._read_name", 'if name == "length":', "if False:"),
    rejected_by=f"{REFUSALS}::test_a_foreign_spelling_is_refused_with_the_cel_one",
)

python_is_registered = bug(
    "an expression may call what Python has built in",
    (f"{EXPRESSIONS}:Expressions.__init__", "self._functions = dict(functions)",
     'self._functions = {**vars(__import__("builtins")), **functions}'),
    rejected_by=f"{FUNCTIONS}::test_what_python_has_built_in_can_not_be_called",
)  # fmt: skip

expressions_may_be_longer = bug(
    "an expression may have 5,000 characters",
    (f"{EXPRESSIONS}:Expressions.__init__", "max_length: int = 4096", "max_length: int = 5000"),
    rejected_by=f"{HOSTILE}::test_the_bounds_of_an_expression_are_these",
)

paths_fail = bug(
    "a path that leads nowhere is an error",
    (f"{EXPRESSIONS}:Expression._walk",
     "value.get(step) if isinstance(value, Mapping) else None", "value[step]"),
    rejected_by=f"{PATHS}::TestPlainPaths::test_a_path_gives_what_it_leads_to_or_null",
)  # fmt: skip

wide_integers_are_left_to_cel = bug(
    "an integer beyond 64 bits is not refused by its place",
    (f"{EXPRESSIONS}:_refuse_wide_ints", "if type(value) is int:", "if False:"),
    rejected_by=f"{VALUES}::TestEvaluation::test_an_int_beyond_64_bits_is_refused_by_its_place",
)

zero_satisfies = bug(
    "a condition is satisfied by 0",
    (f"{EXPRESSIONS}:truthy", "or value == 0)", "or value is False)"),
    rejected_by=f"{VALUES}::TestTruth::test_null_false_zero_and_empty_text_do_not_satisfy",
)

empty_lists_do_not_satisfy = bug(
    "a condition is not satisfied by the empty list",
    (f"{EXPRESSIONS}:truthy", 'not (value is None or value == "" or value == 0)', "bool(value)"),
    rejected_by=f"{VALUES}::TestTruth::test_everything_else_satisfies",
)
