"""Finds the application that `module:app` names."""

from __future__ import annotations

import importlib
import os
import sys
from difflib import get_close_matches

from flowcraft.app import Flowcraft
from flowcraft.builder import Flow
from flowcraft.errors import SettingsError


def locate(target: str) -> Flowcraft:
    """Import a module, with the working directory on its path, and take the application in it.

    Args:
        target: `module:app`, or `module` where it holds one application only.

    Raises:
        SettingsError: There is none; says what there is.
    """
    module_name, colon, path = target.partition(":")
    if not module_name or (colon and not path):
        raise SettingsError(
            f"{target!r} names no application. Write module:name, such as orders:app"
        )
    if module_name.endswith(".py") or os.sep in module_name:
        name = module_name.removesuffix(".py").strip(os.sep).replace(os.sep, ".")
        raise SettingsError(
            f"{module_name!r} is a file. Name it as Python imports it: {name}{colon}{path}"
        )
    module = _import(module_name)
    if not path:
        return _only_one(module_name, vars(module))
    found: object = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise SettingsError(_no_such_name(module_name, path, vars(module)))
        found = getattr(found, part)
    if isinstance(found, Flowcraft):
        return found
    if isinstance(found, Flow):
        raise SettingsError(
            f"{target} is a flow. Add it to an application, and name that: "
            "app = Flowcraft(); app.add(flow)"
        )
    raise SettingsError(f"{target} is a {type(found).__name__}, and no Flowcraft application")


def _import(name: str) -> object:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Whether it is the module itself that is missing, or something that it imports.
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise SettingsError(
                f"no module {name!r}, here ({here}) or among what is installed{_near_file(name)}"
            ) from error
        raise SettingsError(f"module {name!r} cannot be imported: {error}") from error
    except Exception as error:
        raise SettingsError(
            f"module {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _near_file(name: str) -> str:
    modules = [entry.removesuffix(".py") for entry in os.listdir() if entry.endswith(".py")]
    near = get_close_matches(name, modules, n=1)
    return f". Did you mean {near[0]!r}?" if near else ""


def _applications(names: dict[str, object]) -> list[str]:
    return [name for name, value in names.items() if isinstance(value, Flowcraft)]


def _only_one(module_name: str, names: dict[str, object]) -> Flowcraft:
    found = _applications(names)
    if len(found) != 1:
        what = "no application" if not found else f"several applications: {', '.join(found)}"
        raise SettingsError(f"module {module_name!r} holds {what}. Name one: {module_name}:app")
    app = names[found[0]]
    assert isinstance(app, Flowcraft)
    return app


def _no_such_name(module_name: str, path: str, names: dict[str, object]) -> str:
    found = _applications(names)
    held = f"its applications: {', '.join(found)}" if found else "it holds no application"
    return f"module {module_name!r} has no {path!r}; {held}"
