"""What is refused before it is evaluated, with the way to write it."""

from __future__ import annotations

import pytest

from flowcraft.testing import covers
from packages.core.tests.expressions.evaluating import (
    refusal,
    run,
)


class TestRefusals:
    @covers("S4.26")
    @pytest.mark.parametrize(
        ("source", "hint"),
        [
            ("a === b", "write =="),
            ("a !== b", "write !="),
            ("a = 1", "write =="),
            ("a & b", "write &&"),
            ("a | b", "write ||"),
            ("a and b", "write &&"),
            ("a or b", "write ||"),
            ("not a", "write !"),
            ("not(a)", "write !"),
            ("a.length", "write size(x)"),
            ("a.length > 1", "write size(x)"),
            ("a.length()", "write size(x)"),
            ("len(a)", "write size(x)"),
            ("a.includes('x')", 'write text.contains("x"), or "x" in list'),
            ("typeof a", "write type(x) == string"),
            ("typeof(a) == 'x'", "write type(x) == string"),
            ("a == undefined", "write null"),
            ("x => x + 1", "no arrow functions"),
            ("`a ${b}`", 'text in "double quotes"'),
            ("Math.max(a, b)", "register a Python function"),
            ("a?.b", "has(a.b) ?"),
            ("a ?? b", "has(a.b) ?"),
            ("a ** 2", "register a Python function"),
            ("new Date()", "builds no objects"),
            ("a; b", "a single one"),
            ("String(a)", "write string(x)"),
            ("a.some(x, x > 1)", "exists"),
            ("a.toUpperCase()", "no function named 'toUpperCase'"),
        ],
    )
    def test_a_foreign_spelling_is_refused_with_the_cel_one(self, expressions, source, hint):
        assert hint in refusal(expressions, source)

    @pytest.mark.parametrize("source", ['"a === b" == a', "a == 'x.length => `y`'", "a ? .5 : 1"])
    def test_a_foreign_spelling_inside_text_is_text(self, expressions, source):
        expressions.compile(source)

    def test_a_key_named_length_is_reached_by_its_text(self, expressions):
        expression = expressions.compile('x["length"] > 1')
        assert run(expression, x={"length": 2}) is True

    @covers("S4.14")
    @pytest.mark.parametrize(
        "source",
        [
            "context",
            "context == 1",
            "size(context)",
            "context.get('a')",
            "[context]",
            "context[0]",
            "(context).a",
            "a in context",
            "context in x",
            "'a' + 'b' in context",
        ],
    )
    def test_context_without_a_key_is_refused(self, expressions, source):
        assert "context is read by key" in refusal(expressions, source)

    @covers("S4.14")
    @pytest.mark.parametrize(
        "source", ["context[a]", "context['a' + b]", "context[('a')]", "context[b'a'].x"]
    )
    def test_a_computed_key_is_refused(self, expressions, source):
        assert "a key of context is written out" in refusal(expressions, source)

    @covers("S4.25")
    @pytest.mark.parametrize("macro", ["map", "filter", "all", "exists", "exists_one"])
    def test_comprehensions_are_refused_unless_allowed(self, expressions, trusting, macro):
        source = f"items.{macro}(x, x > 1)"
        assert f"comprehensions such as {macro}(...)" in refusal(expressions, source)
        trusting.compile(source)

    @pytest.mark.parametrize("name", ["map", "filter", "exists"])
    def test_a_member_named_like_a_comprehension_is_a_member(self, expressions, name):
        assert run(expressions.compile(f"x.{name} == 1"), x={name: 1}) is True

    @covers("S4.24")
    @pytest.mark.parametrize("source", ["sing(a)", "a.sing()", "[1].transformList(i, v, v)"])
    def test_an_unregistered_function_is_refused_by_name(self, expressions, source):
        name = "transformList" if "transform" in source else "sing"
        assert f"there is no function named '{name}'" in refusal(expressions, source)

    @covers("S11.8")
    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("", "it is empty"),
            ("  // nothing", "it is empty"),
            ("a b", "an operator is missing"),
            ("a.0.b", "an index is written [0]"),
            ("(a", "not CEL"),
            ("a)", "not CEL"),
            ("a +", "not CEL"),
            ('"abc', "does not end"),
            (".a", "nothing stands before the ."),
            ("a..b", "nothing stands before the ."),
            ("package.x", 'write context["package"]'),
            ("Thing{a: 1}", "builds a message"),
            ("a @ b", "@ at column 3 is not CEL"),
            ("99999999999999999999 > a", "invalid int literal"),
            ("a == 'x\ud800'", ""),
        ],
    )
    def test_what_does_not_parse_is_refused_with_the_reason(self, expressions, source, reason):
        assert reason in refusal(expressions, source)
