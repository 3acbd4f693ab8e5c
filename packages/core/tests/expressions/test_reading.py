"""What expressions read: plain paths, and the names in anything more."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcraft.expression_syntax import TYPES
from flowcraft.expressions import Expressions
from flowcraft.testing import covers
from packages.core.tests.expressions.evaluating import (
    run,
)


class TestPlainPaths:
    @covers("S4.19")
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
    @covers("S4.16")
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
