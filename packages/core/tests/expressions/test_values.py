"""What expressions give, and what satisfies a condition."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcraft.errors import ExpressionError
from flowcraft.expressions import Expressions, truthy
from flowcraft.testing import covers
from packages.core.tests.expressions.evaluating import (
    failure,
    run,
)


class TestEvaluation:
    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("result.output.total > 3 && result.action == 'go'", True),
            ("input.total + one", 5),
            ("input.tags[1] == 'y'", True),
            ('"x" in input.tags', True),
            ("size(input.tags)", 2),
            ("input.name.startsWith('b')", True),
            ("has(input.nope)", False),
            ("has(input.nope) && input.nope > 1", False),
            ("has(context.nope) || flag", True),
            ('"foo-bar" in context', True),
            ('"no-pe" in context', False),
            ('!("no-pe" in context)', True),
            ('context["foo-bar"].total > 3', True),
            ('context["no-pe"] == 1 || true', True),
            ("input.none == null", True),
            ("true || nope", True),
            ("{'total': input.total, 'tags': input.tags + ['z']}", {"total": 4, "tags": [*"xyz"]}),
            ("flag ? 'yes' : 'no'", "yes"),
            ("context.user == user", True),
            ("rate(input.price)", 5.0),
            ("input.price.rate()", 5.0),
            ("type(one) == int", True),
            ("type == 'premium'", True),
            ("timestamp('2020-01-01T00:00:00Z') < timestamp('2021-01-01T00:00:00Z')", True),
            ("string(timestamp('2020-01-01T00:00:00Z'))", "2020-01-01T00:00:00+00:00"),
        ],
    )
    def test_it_gives_the_value(self, expressions, source, value):
        assert run(expressions.compile(source)) == value

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("one == 1.0", True),
            ("input.price > 1", True),
            ("one < 2.5", True),
            ("one in [1.0, 2.0]", True),
            ("input.total / 3", 1),
            ("double(input.total) * 1.5", 6.0),
        ],
    )
    def test_ints_and_decimals_compare_as_numbers(self, expressions, source, value):
        assert run(expressions.compile(source)) == value

    @pytest.mark.parametrize("source", ["input.price * 2", "input.total + 1.5", "one - 0.5"])
    def test_mixed_arithmetic_is_refused_with_the_conversion(self, expressions, source):
        assert "double(x)" in failure(expressions, source)

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("nope == 1", "there is no value named nope; has(context.nope) asks for it"),
            ("context.nope == 1", "there is no member 'nope'"),
            ("result.output.nope > 1", "there is no member 'nope'"),
            ("input.tags[7] == 'x'", "index out of bounds: 7"),
            ("one ? 1 : 2", "x != null compares"),
            ("flag && one", "x != null compares"),
            ("one.x == 1", "x.y reads a mapping"),
            ("one / 0", "division by zero"),
            ("int('x')", "invalid digit"),
            ("size(one)", "size() does not take these arguments"),
            ("input.name.matches('(')", "regex parse error"),
            ("9223372036854775807 + one", "overflow"),
            ("list == 1", 'there is no value named list; context["list"] reads a key'),
        ],
    )
    def test_a_failed_evaluation_says_why(self, expressions, source, reason):
        assert reason in failure(expressions, source)

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("timestamp('2020-01-01T00:00:00Z')", "datetime"),
            ("[duration('1h')]", "at [0]: a value of type datetime.timedelta"),
            ("b'x'", "bytes"),
            ("0.0 / 0.0", "nan is not finite"),
            ("{1: 2}", "the key 1"),
        ],
    )
    def test_a_value_that_is_not_json_is_refused(self, expressions, source, reason):
        assert reason in failure(expressions, source)

    @covers("S4.22")
    @pytest.mark.parametrize("wide", [2**63, -(2**63) - 1, 2**200])
    def test_an_int_beyond_64_bits_is_refused_by_its_place(self, expressions, wide):
        source = "x.items[1].n > 1"
        assert "the int at x.items[1].n is beyond" in failure(
            expressions, source, x={"items": [0, {"n": wide}]}
        )
        assert 'at context["k.ey"][0] is' in failure(
            expressions, 'size(context["k.ey"]) > 1', **{"k.ey": [wide]}
        )

    def test_an_int_beyond_64_bits_elsewhere_or_on_a_path_does_no_harm(self, expressions):
        assert run(expressions.compile("x.a == 1"), x={"a": 1, "b": 2**70}) is True
        assert run(expressions.compile("x.b"), x={"a": 1, "b": 2**70}) == 2**70
        assert run(expressions.compile("x.a < 0"), x={"a": -(2**63)}) is True

    def test_a_member_that_is_not_named_is_not_converted(self, expressions):
        class Untouchable:
            pass

        others = {"a": [0, 1, Untouchable()], "b": Untouchable()}
        assert run(expressions.compile("x.a[1] == 1 && !has(x.c)"), x=others) is True

    @settings(deadline=None)
    @given(st.lists(st.integers(-5, 5), max_size=4), st.integers(0, 5))
    def test_naming_a_part_gives_what_the_whole_gives(self, items, index):
        # Parentheses hide the path, so that the second form is given the whole list.
        def outcome(source: str) -> Any:
            try:
                return run(Expressions().compile(source), x={"items": items})
            except ExpressionError:
                return "failed"

        assert outcome(f"x.items[{index}] + 1") == outcome(f"(x.items)[{index}] + 1")

    def test_evaluation_changes_none_of_its_inputs(self, trusting):
        value = {"a": [1]}
        assert run(trusting.compile("x.a.map(i, i + 1) + [9]"), x=value) == [2, 9]
        assert value == {"a": [1]}

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("items.map(x, x * 2)", [2, 4, 6]),
            ("items.filter(x, x > one)", [2, 3]),
            ("items.all(x, x > 0) && items.exists(x, x == 2)", True),
            ("items.exists_one(x, x == 2)", True),
        ],
    )
    def test_comprehensions_run_where_they_are_allowed(self, trusting, source, value):
        assert run(trusting.compile(source)) == value


class TestTruth:
    @covers("S4.17")
    @pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, ""])
    def test_null_false_zero_and_empty_text_do_not_satisfy(self, value):
        assert truthy(value) is False

    @covers("S4.18")
    @pytest.mark.parametrize("value", [True, 1, -1, 0.1, "0", " ", "false", [], {}, [0]])
    def test_everything_else_satisfies(self, value):
        assert truthy(value) is True


class TestReuse:
    def test_the_same_text_is_compiled_once(self, expressions):
        assert expressions.compile("one == 1") is expressions.compile("one == 1")

    def test_two_applications_share_no_functions(self):
        left = Expressions(functions={"f": lambda: 1})
        right = Expressions(functions={"f": lambda: 2})
        assert [run(e.compile("f() + 0")) for e in (left, right)] == [1, 2]

    async def test_an_expression_may_be_evaluated_in_threads(self, expressions):
        expression = expressions.compile("x.n * 2")
        values = await asyncio.gather(
            *(asyncio.to_thread(run, expression, x={"n": n}) for n in range(20))
        )
        assert values == [n * 2 for n in range(20)]
