"""Conditions and transforms: what they read, what they give, and what is refused."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcraft.errors import ExpressionError, RegistrationError
from flowcraft.expression_syntax import TYPES
from flowcraft.expressions import MISSING, Expression, Expressions, truthy

RESULT = {
    "output": {"total": 4, "price": 2.5, "name": "bo", "tags": ["x", "y"], "none": None},
    "action": "go",
}
KEYS = {
    "user": {"isAdmin": True, "name": "bo"},
    "k.ey": {"x": 5},
    "foo-bar": {"total": 9},
    "_outputs.a": 7,
    "it's": 1,
    "é": 2,
    "flag": True,
    "one": 1,
    "items": [1, 2, 3],
    "result": "not the result",
    "type": "premium",
}


def rate(amount: float) -> float:
    return amount * 2


def explode(*_: Any) -> Any:
    raise ZeroDivisionError("on purpose")


PIECES = """
    a context .b [ ] ( ) { } , : ? . + - * ! && || == in 'x' "y" ` ' " 1 .5 1u size( has( .map(x,
    type( int r" b'z' === $ => => ?. length .length undefined
""".split()  # noqa: SIM905 - as a list it would fill a page


@pytest.fixture
def expressions() -> Expressions:
    return Expressions(functions={"rate": rate, "explode": explode})


@pytest.fixture
def trusting() -> Expressions:
    return Expressions(allow_comprehensions=True)


def run(expression: Expression, **known: Any) -> Any:
    def lookup(name: str) -> Any:
        assert name in expression.reads, "it looked up what it had not declared"
        return (KEYS | known).get(name, MISSING)

    return expression.evaluate(result=RESULT, input=RESULT["output"], lookup=lookup)


def refusal(expressions: Expressions, source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        expressions.compile(source)
    assert str(caught.value).startswith("expression "), "the error does not name the expression"
    return str(caught.value)


def failure(expressions: Expressions, source: str, **known: Any) -> str:
    expression = expressions.compile(source)
    with pytest.raises(ExpressionError) as caught:
        run(expression, **known)
    assert repr(source) in str(caught.value)
    return str(caught.value)


class TestPlainPaths:
    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("result.action", "go"),
            ("result.output.total", 4),
            ("input.total", 4),
            ("input.tags[1]", "y"),
            ('input["tags"][0]', "x"),
            ("context.user.isAdmin", True),
            ("user.name", "bo"),
            ('context["k.ey"].x', 5),
            ("context['k.ey'].x", 5),
            ('context["_outputs.a"]', 7),
            ('context["it\'s"]', 1),
            (r'context["\u00e9"]', 2),
            ('context[r"k.ey"].x', 5),
            ("context.result", "not the result"),
            ("type", "premium"),
            (" context\n . user // the buyer\n .name", "bo"),
            ("result.output.for", None),
            # what leads nowhere
            ("result.output.nope", None),
            ("result.output.nope.deeper", None),
            ("result.output.none.x", None),
            ("result.output.name.x", None),
            ("result.output.name[0]", None),
            ("result.output.tags[2]", None),
            ("result.output.tags[99999999999999999999]", None),
            ("result.output.tags.x", None),
            ("result.output[0]", None),
            ("nope", None),
            ("nope.x", None),
            ("context.nope", None),
            ('context["no.pe"]["x"]', None),
        ],
    )
    def test_a_path_gives_what_it_leads_to_or_null(self, expressions, source, value):
        expression = expressions.compile(source)
        assert expression.is_path
        assert run(expression) == value

    @pytest.mark.parametrize("source", ["(one)", "one == 1", "true", '"one"', "-one", "[one]"])
    def test_anything_more_is_no_path(self, expressions, source):
        assert not expressions.compile(source).is_path

    def test_plain_paths_do_not_import_cel(self):
        program = (
            "import sys; from flowcraft.expressions import Expressions\n"
            "e = Expressions().compile('context[\"k.ey\"].x')\n"
            "assert e.evaluate(result={}, input=1, lookup={'k.ey': {'x': 3}}.get) == 3\n"
            "assert 'cel' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], check=True)

    @settings(deadline=None)
    @given(
        st.lists(
            st.from_regex(r"\A[a-z_][a-z0-9_]{0,4}\Z").filter(lambda name: name != "length")
            | st.integers(0, 3),
            max_size=5,
        ),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=2),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from("abxy"), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
    def test_a_path_never_fails_whatever_the_value(self, steps, value):
        source = "input" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
        expected = value
        for step in steps:
            try:
                expected = expected[step] if isinstance(expected, list | dict) else None
            except (KeyError, IndexError, TypeError):
                expected = None
        expression = Expressions().compile(source)
        assert expression.evaluate(result={}, input=value, lookup={}.get) == expected


class TestWhatIsRead:
    @pytest.mark.parametrize(
        ("source", "names", "keys", "result", "input_"),
        [
            ("result.output.total > 3", "", "", True, False),
            ("input.total > 3 && flag", "flag", "", False, True),
            ("context.a.b > context['c d'] + e.f", "e", "a|c d", False, False),
            ('"context[a] " + b', "b", "", False, False),
            ('\'context["a"]\' + "it\'s context.c"', "", "", False, False),
            ("a // context[b]\n + c", "a|c", "", False, False),
            ('r"\\" + b', "b", "", False, False),
            ('"\\"" + b + "\\""', "b", "", False, False),
            ('"""a "context.x" b""" + b', "b", "", False, False),
            ("'''it's''' + b", "b", "", False, False),
            ("{'a': b, c: d}", "b|c|d", "", False, False),
            ("x.result.input.context", "x", "", False, False),
            ("a[b].c", "a|b", "", False, False),
            ("context.a[context.b]", "", "a|b", False, False),
            ("a.startsWith(b)", "a|b", "", False, False),
            ("has(context.a.b) ? context.a.b : c", "c", "a", False, False),
            ('"foo-bar" in context && context["foo-bar"].x', "", "foo-bar", False, False),
            ("foo-bar.total", "foo|bar", "", False, False),
            ("true ? null : false", "", "", False, False),
            ("type(a) == int", "a", "", False, False),
            ("type == int", "type|int", "", False, False),
            ("timestamp.x", "timestamp", "", False, False),
            ("size(size)", "size", "", False, False),
        ],
    )
    def test_exactly_what_it_names_is_read(self, expressions, source, names, keys, result, input_):
        expression = expressions.compile(source)
        assert expression.names == set(filter(None, names.split("|")))
        assert expression.keys == set(filter(None, keys.split("|")))
        assert expression.reads == expression.names | expression.keys
        assert (expression.uses_result, expression.uses_input) == (result, input_)

    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("items.map(x, x * one)", {"items", "one"}),
            ("x.map(x, x)", {"x"}),
            ("items.all(x, x > 0) && x == 1", {"items", "x"}),
            ("items.map(i, items.filter(j, j > i))", {"items"}),
            ("items.exists(context, context > 1)", {"items"}),
            ("items.map(x, [x, y])[0] == x", {"items", "x", "y"}),
        ],
    )
    def test_what_a_comprehension_binds_is_not_read(self, trusting, source, names):
        assert trusting.compile(source).reads == names

    @settings(deadline=None)
    @given(st.text(max_size=30))
    def test_text_inside_quotes_is_never_read(self, content):
        source = content.replace("\\", "\\\\").replace('"', '\\"')
        source = source.replace("\n", "\\n").replace("\r", "\\r")
        source = f'a + "{source}"'
        assert Expressions().compile(source).reads == {"a"}

    @settings(max_examples=50, deadline=None)
    @given(st.data())
    def test_it_agrees_with_cels_own_parser_about_names(self, data):
        atoms = st.sampled_from(
            ["a", "b.c", "result.output.x", "1", "2.5", "'a b.c'", "true", "type", "input[0].y"]
        )
        tree = st.recursive(
            atoms,
            lambda inner: st.one_of(
                st.tuples(inner, st.sampled_from(["+", "==", "in", "&&", "-"]), inner).map(
                    " ".join
                ),
                inner.map("({})".format),
                inner.map("size({})".format),
                inner.map("!{}".format),
                inner.map("({}).d".format),
                inner.map('[{}]["k"]'.format),
                inner.map("({}).startsWith(e)".format),
                st.tuples(inner, inner, inner).map(lambda parts: "{} ? {} : {}".format(*parts)),
                st.tuples(inner, inner).map(lambda parts: "[{}].map(v, {})".format(*parts)),
            ),
            max_leaves=6,
        )
        expression = Expressions(allow_comprehensions=True).compile(data.draw(tree))
        if expression.program is not None:
            roots = {str(root) for root in expression.wanted}
            assert roots - TYPES == set(expression.program.variables()) - {"v"} - TYPES


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
    @pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, ""])
    def test_null_false_zero_and_empty_text_do_not_satisfy(self, value):
        assert truthy(value) is False

    @pytest.mark.parametrize("value", [True, 1, -1, 0.1, "0", " ", "false", [], {}, [0]])
    def test_everything_else_satisfies(self, value):
        assert truthy(value) is True


class TestRefusals:
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

    @pytest.mark.parametrize(
        "source", ["context[a]", "context['a' + b]", "context[('a')]", "context[b'a'].x"]
    )
    def test_a_computed_key_is_refused(self, expressions, source):
        assert "a key of context is written out" in refusal(expressions, source)

    @pytest.mark.parametrize("macro", ["map", "filter", "all", "exists", "exists_one"])
    def test_comprehensions_are_refused_unless_allowed(self, expressions, trusting, macro):
        source = f"items.{macro}(x, x > 1)"
        assert f"comprehensions such as {macro}(...)" in refusal(expressions, source)
        trusting.compile(source)

    @pytest.mark.parametrize("name", ["map", "filter", "exists"])
    def test_a_member_named_like_a_comprehension_is_a_member(self, expressions, name):
        assert run(expressions.compile(f"x.{name} == 1"), x={name: 1}) is True

    @pytest.mark.parametrize("source", ["sing(a)", "a.sing()", "[1].transformList(i, v, v)"])
    def test_an_unregistered_function_is_refused_by_name(self, expressions, source):
        name = "transformList" if "transform" in source else "sing"
        assert f"there is no function named '{name}'" in refusal(expressions, source)

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


class TestFunctions:
    def test_an_exception_becomes_the_error_and_its_cause(self, expressions):
        expression = expressions.compile("explode(1)")
        with pytest.raises(ExpressionError) as caught:
            run(expression)
        assert str(caught.value).endswith(": explode() raised ZeroDivisionError: on purpose")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    @pytest.mark.parametrize("source", ["explode(1) || true", "false && explode(1) || explode(2)"])
    def test_an_exception_is_not_absorbed_by_the_other_operand(self, expressions, source):
        assert "explode() raised" in failure(expressions, source)

    def test_a_function_that_is_not_reached_is_not_called(self, expressions):
        assert run(expressions.compile("true || explode(1)")) is True

    def test_cancellation_and_interrupts_pass_through(self):
        def interrupt() -> None:
            raise asyncio.CancelledError

        expression = Expressions(functions={"interrupt": interrupt}).compile("interrupt()")
        with pytest.raises(asyncio.CancelledError):
            run(expression)

    @pytest.mark.parametrize("value", [{1}, object(), float("nan"), 2**64, (1,)])
    def test_a_result_that_is_not_json_is_refused(self, value):
        expressions = Expressions(functions={"give": lambda: value})
        assert "give() raised" in failure(expressions, "give() == 1")

    def test_a_function_takes_and_gives_any_json(self):
        expressions = Expressions(functions={"echo": lambda *values: list(values)})
        value = run(expressions.compile("echo(input, null, 1.5, 'x')"))
        assert value == [RESULT["output"], None, 1.5, "x"]

    def test_the_log_stays_silent_about_a_failed_function(self, expressions, caplog, capfd):
        failure(expressions, "explode(1)")
        assert not caplog.records
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("name", ["size", "map", "int", "true", "package", "a.b", "", "x-y"])
    def test_a_name_that_cel_has_or_cannot_call_is_refused(self, name):
        with pytest.raises(RegistrationError):
            Expressions(functions={name: rate})

    def test_an_async_function_is_refused(self):
        async def later() -> None: ...

        with pytest.raises(RegistrationError, match="must not be async"):
            Expressions(functions={"later": later})


class TestHostileInput:
    def test_a_long_expression_is_refused(self, expressions):
        message = refusal(expressions, "a + " * 2000 + "a")
        assert "has 8001 characters, at most 4096" in message
        assert len(message) < 400, "the error repeats the whole expression"

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
