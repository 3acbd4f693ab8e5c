"""Expressions that nobody means well with."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcraft.errors import ExpressionError
from flowcraft.expressions import MISSING, Expressions
from flowcraft.testing import covers
from packages.core.tests.expressions.evaluating import (
    failure,
    refusal,
    run,
)

PIECES = """
    a context .b [ ] ( ) { } , : ? . + - * ! && || == in 'x' "y" ` ' " 1 .5 1u size( has( .map(x,
    type( int r" b'z' === $ => => ?. length .length undefined
""".split()  # noqa: SIM905 - as a list it would fill a page


class TestHostileInput:
    @covers("S4.28")
    def test_a_long_expression_is_refused(self, expressions):
        message = refusal(expressions, "a + " * 2000 + "a")
        assert "has 8001 characters, at most 4096" in message
        assert len(message) < 400, "the error repeats the whole expression"

    @covers("S4.28")
    @pytest.mark.parametrize(
        ("most", "more"),
        [
            ("a" * 4096, "a" * 4097),
            ("(" * 24 + "a" + ")" * 24, "(" * 25 + "a" + ")" * 25),
            ("a" + " + a" * 200, "a" + " + a" * 201),
        ],
        ids=["characters", "brackets", "operators"],
    )
    def test_the_bounds_of_an_expression_are_these(self, expressions, most, more):
        expressions.compile(most)
        assert re.search("at most (4096|24 brackets .* 200 operators)", refusal(expressions, more))

    @covers("S4.28")
    @pytest.mark.parametrize(
        "source",
        [
            "(" * 30 + "1" + ")" * 30,
            "[" * 30 + "1" + "]" * 30,
            '{"a":' * 30 + "1" + "}" * 30,
            "size(" * 30 + "a" + ")" * 30,
            "(" * 4000,
            "1" + " + 1" * 300,
            "a" + ".b" * 300 + " == 1",
            "a" + "[0]" * 300 + " == 1",
            "-" * 300 + "a",
            "a" + " ? 1 : a" * 300,
            "a" + " && a ? a : a" * 300,
            "(1 + " * 20 + "1" + " - 1" * 190 + ")" * 20,
        ],
    )
    def test_depth_is_refused_before_the_parser_sees_it(self, expressions, source):
        assert "nests too deeply" in refusal(Expressions(max_length=10_000), source)

    @pytest.mark.parametrize(
        "source",
        [
            "a in [" + ", ".join(["1"] * 1000) + "]",
            " || ".join(["a.b == 1 && c.d[0] != 'x'"] * 100),
            "a ? 1 : " * 24 + "2",
            "'a'" + " + 'a'" * 150,
        ],
    )
    def test_a_wide_expression_is_accepted(self, expressions, source):
        expressions.compile(source)

    def test_the_deepest_expressions_accepted_fit_a_small_stack(self):
        program = """
import threading
from flowcraft.errors import ExpressionError
from flowcraft.expressions import Expressions

def deepest(opening, inner, closing):
    for chain in range(200, 0, -10):
        source = opening * 24 + inner * chain + "1" + closing * 24
        try:
            expression = expressions.compile(source)
            return expression.evaluate(result={}, input=1, lookup={"a": {}}.get)
        except ExpressionError as error:
            if "nests too deeply" not in str(error):
                return

def main():
    for opening in ["(", "[", "size(", '{"a":', "!(", "a + ("]:
        closing = {"(": ")", "[": "]", ":": "}"}[opening[-1]]
        for inner in ["1 + ", "1 < ", "true ? 1 : ", "a && ", "a.b[0].c + ", "- ", "!"]:
            deepest(opening, inner, closing)

expressions = Expressions()
expressions.compile("1 + 1")
threading.stack_size(256 * 1024)
thread = threading.Thread(target=main)
thread.start()
thread.join()
"""
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    @settings(deadline=None)
    @given(
        st.lists(
            st.sampled_from([*PIECES, "//", "\n", "\\", "\x00", "é", "\ud800"]),
            max_size=30,
        )
    )
    def test_no_text_does_worse_than_an_expression_error(self, pieces):
        for source in (" ".join(pieces), "".join(pieces)):
            try:
                expression = Expressions(allow_comprehensions=True).compile(source)
                run(expression, a={"b": [1]})
            except ExpressionError:
                pass

    @pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*(.*)*x$", "(a*)*b"])
    def test_no_pattern_backtracks(self, expressions, pattern):
        # One that did would take longer than anybody waits.
        expression = expressions.compile(f"input.matches({pattern!r})")
        assert (
            expression.evaluate(result={}, input="a" * 5000 + "c", lookup=lambda name: MISSING)
            is False
        )

    def test_a_pattern_that_would_fill_memory_is_an_error(self, expressions):
        expression = expressions.compile(r"input.matches('(a{1000}){1000}')")
        with pytest.raises(ExpressionError, match="exceeds size limit"):
            expression.evaluate(result={}, input="a", lookup=lambda name: MISSING)

    def test_a_value_that_contains_itself_is_an_error_and_no_crash(self, expressions):
        value: dict[str, Any] = {}
        value["a"] = value
        assert failure(expressions, "size(x) > 1", x=value)
