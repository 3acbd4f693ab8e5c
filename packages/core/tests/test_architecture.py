"""Dependencies point one way, as docs/architecture.md draws them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowcraft

CORE = Path(flowcraft.__file__).parent
BACKENDS = ("memory", "sqlite")
DOORS = ("app", "client", "worker", "cli")
DRIVERS = ("adapter", "runtime")
KIT = "testing"

# What each package must not know of.
STRANGERS = {
    "blueprint": ("engine", "ports", "execution", *DRIVERS, "local", *BACKENDS, *DOORS),
    "nodes": ("engine", "ports", "execution", *DRIVERS, "local", *BACKENDS, *DOORS),
    "engine": ("ports", "execution", *DRIVERS, "local", *BACKENDS, *DOORS),
    "ports": ("execution", *DRIVERS, "local", *BACKENDS, *DOORS),
    "execution": (*DRIVERS, "local", *BACKENDS, *DOORS),
    "runtime": ("adapter", "local", *BACKENDS, *DOORS),
    "adapter": ("runtime", "local", *BACKENDS, *DOORS),
    "local": ("runtime", *BACKENDS, *DOORS),
    "memory": ("runtime", "sqlite", *DOORS),
    "sqlite": ("runtime", "memory", *DOORS),
    "client": ("worker", "cli"),
    "worker": ("cli",),
    "testing": ("local", *BACKENDS, "cli"),
}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


@pytest.mark.parametrize("package", STRANGERS)
def test_a_package_knows_only_what_is_below_it(package: str) -> None:
    known = {
        f"{path.relative_to(CORE)} imports {module}"
        for path in (CORE / package).rglob("*.py")
        for module in imported(path)
        for stranger in STRANGERS[package]
        if module == f"flowcraft.{stranger}" or module.startswith(f"flowcraft.{stranger}.")
    }
    assert not known


def test_nothing_but_the_kit_knows_the_kit() -> None:
    known = {
        f"{path.relative_to(CORE)} imports {module}"
        for path in CORE.rglob("*.py")
        if KIT not in path.relative_to(CORE).parts
        for module in imported(path)
        if module.startswith(f"flowcraft.{KIT}")
    }
    assert not known


def test_every_package_of_the_core_has_its_place() -> None:
    packages = {path.parent.name for path in CORE.glob("*/__init__.py")}
    assert packages - STRANGERS.keys() == {"builder", "cli"}


def test_the_engine_does_nothing_but_reckon() -> None:
    allowed = {"__future__", "collections", "typing", "msgspec", "flowcraft"}
    foreign = {
        f"{path.name} imports {module}"
        for path in (CORE / "engine").glob("*.py")
        for module in imported(path)
        if module.split(".")[0] not in allowed
    }
    assert not foreign
