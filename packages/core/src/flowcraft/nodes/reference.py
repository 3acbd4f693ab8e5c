"""How another process finds a function or class: the module to import, or the script to load.

A script that was started as `python hello.py` is `__main__` here. Another process loads it
under the name `__mp_main__`, as `multiprocessing` does, so that what stands behind
`if __name__ == "__main__":` is not run again.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from functools import partial
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

import msgspec

from flowcraft.errors import RegistrationError

LOADED_SCRIPT = "__mp_main__"

MAIN_MODULES = frozenset(("__main__", LOADED_SCRIPT))
"""What the script of a process is called, in it and in the processes that it spawned."""


class Reference(msgspec.Struct, frozen=True):
    """Where to find something.

    Args:
        module: What to import; empty for a script.
        script: Absolute path of the script; empty for a module.
        name: Qualified name in it.
    """

    module: str
    script: str
    name: str

    def find(self) -> Any:
        """Import what is needed, and give the thing itself.

        Raises:
            RegistrationError: It is not there, or its module cannot be imported.
        """
        where = self.script or self.module
        try:
            module = _script(self.script) if self.script else importlib.import_module(self.module)
            found: Any = module
            for part in self.name.split("."):
                found = getattr(found, part)
        except Exception as error:  # whatever its import raises
            raise RegistrationError(
                f"{self.name!r} cannot be had from {where} in a process of its own: "
                f"{type(error).__name__}: {error}"
            ) from error
        return found


def reference_to(thing: Any, *, what: str) -> Reference:
    """Say where another process finds a function or class.

    Args:
        thing: The function or class.
        what: What it is, as an error should name it.

    Raises:
        RegistrationError: It has no place of its own in a module.
    """
    name = getattr(thing, "__qualname__", "")
    module = getattr(thing, "__module__", None) or ""
    if isinstance(thing, partial) or inspect.ismethod(thing) or not module or not name:
        raise RegistrationError(f"{what}: {_WHY} It is a {type(thing).__name__}. {_MEND}")
    if "<" in name:
        raise RegistrationError(f"{what}: {_WHY} It is a lambda or inside a function. {_MEND}")
    if module not in MAIN_MODULES:
        return Reference(module, "", name)
    main = sys.modules.get(module)
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m
        return Reference(spec.name, "", name)
    file = getattr(main, "__file__", None)
    if file is None:
        raise RegistrationError(f"{what}: {_WHY} It was entered interactively. {_MEND}")
    return Reference("", os.path.abspath(file), name)


def is_where_it_says(thing: Any) -> bool:
    """Whether a function or class can be found by its own module and name in this process."""
    found: Any = sys.modules.get(thing.__module__)
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return bool(found == thing)


_WHY = "with cpu=True, another process finds what it needs by module and name."
_MEND = "Move it to the top of a module, as a function or class of its own."


def _script(path: str) -> ModuleType:
    known = sys.modules.get(LOADED_SCRIPT)
    if known is not None:
        return known
    loader = SourceFileLoader(LOADED_SCRIPT, path)
    spec = importlib.util.spec_from_file_location(LOADED_SCRIPT, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__spec__ = None  # as a script has none
    sys.modules[LOADED_SCRIPT] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[LOADED_SCRIPT]
        raise
    return module
