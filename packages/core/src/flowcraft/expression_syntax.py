"""Reads an expression's text: which values it names, which functions it calls, how deep it goes.

This is a tokenizer and one pass over the tokens, not a parser: CEL's own parser has the last
word. The pass is what makes an expression safe to hand to that parser, and tells what to load
and bind before the expression is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from flowcraft.errors import ExpressionError

# The library's parser recurses. These bounds keep it within a thread's stack of 256 KiB.
MAX_NESTING: Final = 24
MAX_DEPTH: Final = 200

Steps: TypeAlias = tuple[str | int, ...]
Wanted: TypeAlias = "dict[str | int, Wanted | None]"
"""The members that are read, by name, and of each again its members; None is all of it."""

MACROS: Final = frozenset({"map", "filter", "all", "exists", "exists_one"})
TYPES: Final = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"}
)
# fmt: off
FUNCTIONS: Final = frozenset({
    "contains", "endsWith", "has", "matches", "size", "startsWith",
    "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint",
    "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours",
    "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
})
LITERALS: Final = frozenset({"true", "false", "null", "in"})
RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "namespace", "package", "return", "var", "void", "while",
})
# fmt: on

# What people write who think in JavaScript or Python, and how CEL says it.
_MARKS: Final = {
    "===": "write ==",
    "!==": "write !=",
    "=": "write ==",
    "=>": "CEL has no arrow functions; register a Python function and call it",
    "?.": "write has(a.b) ? a.b.c : null",
    "??": "write has(a.b) ? a.b : other",
    "**": "register a Python function and call it",
    "++": "write + 1",
    "&": "write &&",
    "|": "write ||",
    "`": 'write text in "double quotes" and join it with +',
    ";": "an expression is a single one",
    '"': "the text that begins here does not end",
    "'": "the text that begins here does not end",
}
_WORDS: Final = {
    "typeof": "write type(x) == string",
    "instanceof": "write type(x) == string",
    "undefined": "write null, or has(a.b) to ask whether b is there",
    "Math": "register a Python function and call it",
    "JSON": "register a Python function and call it",
    "Object": "register a Python function and call it",
    "Array": "register a Python function and call it",
}
_JOINING: Final = {
    "and": "write &&",
    "or": "write ||",
    "not": "write !",
    "is": "write ==",
    "new": "CEL builds no objects",
}
_CALLS: Final = _JOINING | {
    "typeof": "write type(x) == string",
    "includes": 'write text.contains("x"), or "x" in list',
    "length": "write size(x)",
    "len": "write size(x)",
    "toString": "write string(x)",
    "String": "write string(x)",
    "str": "write string(x)",
    "Number": "write double(x)",
    "parseFloat": "write double(x)",
    "float": "write double(x)",
    "parseInt": "write int(x)",
    "Boolean": "compare it, as in x != null",
    "bool": "compare it, as in x != null",
    "startswith": "write startsWith",
    "endswith": "write endsWith",
    "test": 'write text.matches("regex")',
    "some": "write x.exists(y, ...)",
    "every": "write x.all(y, ...)",
}

_RAW: Final = r'"""[\s\S]*?"""|' + r"'''[\s\S]*?'''|" + r""""[^"\n\r]*"|'[^'\n\r]*'"""
_COOKED: Final = (
    r'"""(?:\\[\s\S]|[^\\])*?"""|'
    r"'''(?:\\[\s\S]|[^\\])*?'''|"
    r""""(?:\\.|[^"\\\n\r])*"|'(?:\\.|[^'\\\n\r])*'"""
)
_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n\f]+|//[^\n]*)"
    rf"|(?P<text>[rR](?:{_RAW})|{_COOKED})"
    rf"|(?P<bytes>[bB][rR](?:{_RAW})|[bB](?:{_COOKED}))"
    r"|(?P<number>[0-9]*\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
    r"|(?:0x[0-9a-fA-F]+|[0-9]+)[uU]?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<foreign>===|!==|=>|\?\.(?![0-9])|\?\?|\*\*|\+\+)"
    r"|(?P<mark>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:,.()\[\]{}])"
)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int

    @property
    def ends_operand(self) -> bool:
        if self.kind == "name":
            return self.text != "in"
        return self.kind != "mark" or self.text in (")", "]", "}")


_END: Final = _Token("mark", "", 0)


def refuse(source: str, reason: str, cause: BaseException | None = None) -> NoReturn:
    """Raise the error that names the expression, shortened, and the reason."""
    shown = source if len(source) <= 200 else f"{source[:200]}..."
    raise ExpressionError(f"expression {shown!r}: {reason}") from cause


class Reading:
    """What one pass over an expression finds.

    Args:
        source: The expression.
        registered: Names of the functions that may be called besides CEL's own.
        allow_comprehensions: Whether the macros that loop may be used.
        literal: Gives the value of a text literal that is written with escapes.

    Attributes:
        wanted: The members read, by root name (`result`, `input`, `context`, or any other).
        calls: Names of the functions called.
        bound: Names that comprehensions bind.
        path: The steps of a plain path from its root; empty if it is more than that.

    Raises:
        ExpressionError: It is too deep, or written in a way that is refused.
    """

    def __init__(
        self,
        source: str,
        *,
        registered: Collection[str],
        allow_comprehensions: bool,
        literal: Callable[[str], Any],
    ) -> None:
        self.wanted: Wanted = {}
        self.calls: set[str] = set()
        self.bound: set[str] = set()
        self.path: Steps = ()
        self._source = source
        self._registered = registered
        self._allow_comprehensions = allow_comprehensions
        self._literal = literal
        self._tokens = self._tokenize()
        self._bound_at = [""] * len(self._tokens)
        self._measure()
        # In `type(x) == int` the last word is a type, and not a key of the context.
        self._types = TYPES if self._calls_type() else frozenset()
        self._read()

    def _tokenize(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while at < len(self._source):
            match = _TOKEN.match(self._source, at)
            if match is None:
                self._refuse_foreign(self._source[at], at + 1)
            if match.lastgroup == "foreign":
                self._refuse_foreign(match[0], at + 1)
            if match.lastgroup != "space":
                tokens.append(_Token(str(match.lastgroup), match[0], at + 1))
            at = match.end()
        if not tokens:
            refuse(self._source, "it is empty")
        return tokens

    def _refuse_foreign(self, text: str, column: int) -> NoReturn:
        hint = _MARKS.get(text)
        refuse(
            self._source, f"{text} at column {column} is not CEL" + (f": {hint}" if hint else "")
        )

    def _measure(self) -> None:
        # A level is an open bracket, with the operators since the last comma. What follows && or
        # || begins anew, for the parser balances those; what follows ? does not.
        levels = [(0, 0)]
        for token in self._tokens:
            if token.kind != "mark" and token.text != "in":
                continue
            floor, depth = levels[-1]
            if token.text in ("(", "[", "{"):
                levels.append((0, 1))
            elif token.text in (")", "]", "}"):
                if len(levels) > 1:
                    levels.pop()
                floor, depth = levels[-1]
                levels[-1] = floor, depth + 1
            elif token.text == ",":
                levels[-1] = 0, 0
            elif token.text in ("&&", "||"):
                levels[-1] = floor, floor
            elif token.text == "?":
                levels[-1] = floor + 1, max(depth, floor) + 1
            else:
                levels[-1] = floor, depth + 1
            if len(levels) > MAX_NESTING + 1 or sum(depth for _, depth in levels) > MAX_DEPTH:
                refuse(
                    self._source,
                    f"it nests too deeply: at most {MAX_NESTING} brackets within each other and "
                    f"{MAX_DEPTH} operators in a row are accepted. Register a Python function",
                )

    def _at(self, index: int) -> _Token:
        return self._tokens[index] if 0 <= index < len(self._tokens) else _END

    def _calls_type(self) -> bool:
        return any(
            token.text == "type" and self._at(index + 1).text == "("
            for index, token in enumerate(self._tokens)
        )

    def _read(self) -> None:
        # One entry an open bracket: the name that a comprehension binds inside, or none.
        scopes: list[str] = []
        for index, token in enumerate(self._tokens):
            if token.kind == "mark":
                if token.text in ("(", "[", "{"):
                    scopes.append(self._binding(index))
                elif token.text in (")", "]", "}") and scopes:
                    scopes.pop()
                elif token.text == "." and not self._at(index - 1).ends_operand:
                    refuse(self._source, f"nothing stands before the . at column {token.column}")
            elif token.text != "in" and self._at(index - 1).ends_operand:
                self._refuse_neighbours(index)
            elif token.kind == "name":
                self._read_name(index, scopes)

    def _refuse_neighbours(self, index: int) -> None:
        before, token = self._at(index - 1), self._at(index)
        if token.kind == "number" and token.text.startswith("."):
            hint = f"an index is written [{token.text[1:]}]"
        else:
            hints = [words.get(one.text) for one in (before, token) for words in (_JOINING, _WORDS)]
            hint = next((hint for hint in hints if hint), "an operator is missing")
        refuse(self._source, f"{before.text} {token.text} at column {token.column}: {hint}")

    def _binding(self, index: int) -> str:
        name = self._at(index - 1)
        if name.text not in MACROS or self._at(index - 2).text != ".":
            return ""
        self.bound.add(self._at(index + 1).text)
        return self._at(index + 1).text

    def _read_name(self, index: int, scopes: list[str]) -> None:
        name, before, after = self._at(index).text, self._at(index - 1), self._at(index + 1)
        if after.text == "(" and name not in LITERALS:
            self._read_call(name, is_method=before.text == ".")
        elif before.text == ".":
            if name == "length":
                refuse(
                    self._source, 'write size(x) for x.length; a key of that name is x["length"]'
                )
        elif name in LITERALS or name in scopes or name in self._types:
            return
        elif name in _WORDS:
            refuse(self._source, f"{name} is JavaScript: {_WORDS[name]}")
        elif name in RESERVED:
            refuse(self._source, f'CEL keeps the word {name} for itself: write context["{name}"]')
        elif after.text == "{":
            refuse(self._source, f"{name}{{...}} builds a message, of which there are none here")
        else:
            self._read_path(index)

    def _read_call(self, name: str, *, is_method: bool) -> None:
        if name in MACROS and is_method:
            if not self._allow_comprehensions:
                refuse(
                    self._source,
                    f"comprehensions such as {name}(...) are not allowed here. Do it in a node or "
                    "a registered function, or allow them for blueprints that you trust",
                )
        elif name not in FUNCTIONS and name not in self._registered:
            hint = _CALLS.get(name, "register it as a Python function, or compute it in a node")
            refuse(self._source, f"there is no function named {name!r}: {hint}")
        else:
            self.calls.add(name)

    def _read_path(self, index: int) -> None:
        steps: list[str | int] = [self._at(index).text]
        at = index + 1
        while True:
            if self._at(at).text == "." and self._at(at + 1).kind == "name":
                if self._at(at + 2).text == "(":  # a method of what the path leads to
                    break
                steps.append(self._at(at + 1).text)
                at += 2
            elif self._at(at).text == "[" and self._at(at + 2).text == "]":
                step = self._literal_step(self._at(at + 1))
                if step is None:
                    break
                steps.append(step)
                at += 3
            else:
                break
        if index == 0 and at == len(self._tokens):
            self.path = tuple(steps)
        if steps[0] == "context" and (len(steps) == 1 or not isinstance(steps[1], str)):
            steps = ["context", self._key_asked_for(index, at)]
        self._want(steps)

    def _literal_step(self, token: _Token) -> str | int | None:
        if token.kind == "number" and token.text.isdigit():
            return int(token.text)
        if token.kind != "text":
            return None
        if token.text[0] in "rR" or "\\" in token.text or token.text[:3] in ('"""', "'''"):
            return str(self._literal(token.text))
        return token.text[1:-1]

    def _key_asked_for(self, index: int, end: int) -> str:
        """Return the key of `"key" in context`, the one use of context without a key."""
        key = self._literal_step(self._at(index - 2)) if self._at(index - 1).text == "in" else None
        # In `"a" + "b" in context` the key would be another one than the literal.
        if (
            isinstance(key, str)
            and end == index + 1
            and self._at(index - 3).text in ("", "(", "[", "{", ",", "?", ":", "&&", "||")
        ):
            return key
        if self._at(end).text == "[":
            refuse(self._source, 'a key of context is written out, as in context["name"]')
        refuse(self._source, 'context is read by key: context.name, context["any key"]')

    def _want(self, steps: list[str | int]) -> None:
        node = self.wanted
        for step in steps[:-1]:
            inner = node.setdefault(step, {})
            if inner is None:  # all of it is wanted already
                return
            node = inner
        node[steps[-1]] = None
