"""A planted bug: a small patch of our own code, and the check that must reject it."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

PATCHED = ("flowcraft", "packages.", "tests.")
"""Modules in which a patched function is replaced, under whatever name they know it; tests too."""


@dataclass(frozen=True)
class Patch:
    """Some text of a function, and what stands there instead.

    Attributes:
        target: `module:function` or `module:Class.method`.
        old: Text that stands in its source once; lines without their common indent.
        new: What stands there instead.
    """

    target: str
    old: str
    new: str

    def changed(self, source: str) -> str:
        """The source with the patch in it.

        Raises:
            LookupError: The old text does not stand there once.
        """
        count = source.count(self.old)
        if count != 1:
            raise LookupError(f"{self.target} has {self.old!r} {count} times, not once")
        return source.replace(self.old, self.new)


def plant(target: str, patches: Iterable[Patch]) -> None:
    """Put all patches of one function into place, in this process and for good."""
    module_name, _, path = target.partition(":")
    owner: Any = importlib.import_module(module_name)
    *classes, name = path.split(".")
    for one in classes:
        owner = getattr(owner, one)
    found = inspect.getattr_static(owner, name)
    patched = _patched(found, owner if classes else None, patches)
    if classes:
        setattr(owner, name, patched)
    else:
        _replace_everywhere(found, patched)


def _patched(found: Any, owner: type | None, patches: Iterable[Patch]) -> Any:
    function = _function_in(found)
    source = textwrap.dedent(inspect.getsource(function))
    for patch in patches:
        source = patch.changed(source)
    # What it calls may have its own name, and must not be hidden by it.
    source = source.replace(f"def {function.__name__}(", "def planted(", 1)
    # A method may say super(), which asks for a variable __class__ around it.
    maker = f"def make(__class__):\n{textwrap.indent(source, '    ')}\n    return planted"
    made: dict[str, Any] = {}
    flags = function.__code__.co_flags & _FUTURES
    code = compile(maker, inspect.getfile(function), "exec", flags, dont_inherit=True)
    exec(code, function.__globals__, made)
    patched = made["make"](owner)
    if inspect.isfunction(patched):
        patched.__name__, patched.__qualname__ = function.__name__, function.__qualname__
    return patched


_FUTURES = 0x1000000  # from __future__ import annotations


def _function_in(found: Any) -> Callable[..., Any]:
    """The function in what a class or module holds, without its decorators."""
    if isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, functools.cached_property):
        found = found.func
    function: Callable[..., Any] = inspect.unwrap(found)
    return function


def _replace_everywhere(old: Any, new: Any) -> None:
    for name, module in list(sys.modules.items()):
        if module is None or not name.startswith(PATCHED):
            continue
        for attribute, held in list(vars(module).items()):
            if held is old:
                setattr(module, attribute, new)


@dataclass(frozen=True)
class Bug:
    """One planted bug.

    Attributes:
        what: What it does wrong, as a sentence.
        patches: How.
        rejected_by: The check that must fail: `Suite.test_name` of the kit, or the node id of
            another test.
        on: The kit's module that is run: `memory`, `split`, `sqlite`, `four_method`.
    """

    what: str
    patches: tuple[Patch, ...]
    rejected_by: str
    on: str = "memory"

    def plant(self) -> None:
        """Plant it in this process, for good."""
        for target in dict.fromkeys(patch.target for patch in self.patches):
            plant(target, [patch for patch in self.patches if patch.target == target])


def bug(what: str, *patches: tuple[str, str, str], rejected_by: str, on: str = "memory") -> Bug:
    """Write down a bug; a patch is target, old text and new text."""
    return Bug(what, tuple(Patch(*patch) for patch in patches), rejected_by, on)
